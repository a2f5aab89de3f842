//go:build cgo && pkcs11

package token

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// masters are those of one generation, as objects of the token.
type masters struct {
	wrap, seal object
	recovery   object // of the set
	set        string // names the recovery key; empty if there is none
}

// Roles of our objects in the token, as their labels have them: "strongroom wrap 1",
// "strongroom seal 1", "strongroom recovery SET". The ID of a master is the first letter of its role,
// its number in 4 bytes, and the name of the recovery key: no two keys have one ID, as in some tokens
// the second would take the place of the first.
const (
	roleWrap     = "wrap"
	roleSeal     = "seal"
	roleRecovery = "recovery"
)

const masterSize = 32

// maxSet is how long the name of a recovery key may be.
const maxSet = 64

func (l *link) label(role, which string) string { return l.hello.Label + " " + role + " " + which }

func (l *link) masterLabel(role string, number uint32) string {
	return l.label(role, strconv.FormatUint(uint64(number), 10))
}

func masterID(role string, number uint32, set string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte(role[:1]), number), set...)
}

// parseID undoes masterID.
func parseID(role string, id []byte) (number uint32, set string, ok bool) {
	if len(id) < 5 || id[0] != role[0] {
		return 0, "", false
	}
	return binary.BigEndian.Uint32(id[1:]), string(id[5:]), true
}

// stored is one of our keys in the token.
type stored struct {
	object object
	role   string
	number uint32 // of a master
	set    string // of a master or a recovery key
}

// storedKeys lists our keys.
func (l *link) storedKeys(s session) ([]stored, error) {
	all, err := l.find(s, attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_TOKEN, true))
	if err != nil {
		return nil, err
	}
	var ours []stored
	for _, o := range all {
		attrs, err := l.GetAttributeValue(s, o, []attribute{attr(pkcs11.CKA_LABEL, nil), attr(pkcs11.CKA_ID, nil)})
		if err != nil {
			continue // of others; a key without label or ID is not ours
		}
		rest, isOurs := strings.CutPrefix(string(attrs[0].Value), l.hello.Label+" ")
		role, which, _ := strings.Cut(rest, " ")
		k := stored{object: o, role: role}
		switch {
		case !isOurs:
			continue
		case role == roleRecovery:
			k.set = which
		case role == roleWrap || role == roleSeal:
			var ok bool
			if k.number, k.set, ok = parseID(role, attrs[1].Value); !ok || which != strconv.FormatUint(uint64(k.number), 10) {
				continue
			}
		default:
			continue
		}
		ours = append(ours, k)
	}
	return ours, nil
}

// find lists the objects that have the attributes.
func (l *link) find(s session, template ...attribute) ([]object, error) {
	if err := l.FindObjectsInit(s, template); err != nil {
		return nil, fail("C_FindObjectsInit", err)
	}
	const batch = 100
	var all []object
	for {
		some, _, err := l.FindObjects(s, batch)
		if err != nil {
			return nil, errors.Join(fail("C_FindObjects", err), fail("C_FindObjectsFinal", l.FindObjectsFinal(s)))
		}
		if len(some) == 0 {
			return all, fail("C_FindObjectsFinal", l.FindObjectsFinal(s))
		}
		all = append(all, some...)
	}
}

// findMasters looks for masters in the token. A generation of which a part is missing is not one: it
// is what an interrupted MakeMasters or DestroyMasters left.
func (l *link) findMasters(s session) error {
	ours, err := l.storedKeys(s)
	if err != nil {
		return err
	}
	found, recovery := map[uint32]masters{}, map[string]object{}
	for _, k := range ours {
		m := found[k.number]
		switch k.role {
		case roleRecovery:
			recovery[k.set] = k.object
			continue
		case roleWrap:
			m.wrap, m.set = k.object, k.set
		case roleSeal:
			m.seal = k.object
		}
		found[k.number] = m
	}
	maps.DeleteFunc(found, func(_ uint32, m masters) bool { return m.wrap == 0 || m.seal == 0 })
	for number, m := range found {
		if m.set != "" {
			m.recovery = recovery[m.set]
			found[number] = m
			if m.recovery == 0 {
				delete(found, number)
			}
		}
	}
	l.mu.Lock()
	l.masters = found
	l.mu.Unlock()
	return nil
}

// mastersOf returns the masters of a generation. One that is not known may have been made by
// another server since.
func (l *link) mastersOf(s session, generation uint32) (masters, error) {
	if m, ok := l.known(generation); ok {
		return m, nil
	}
	if err := l.findMasters(s); err != nil {
		return masters{}, err
	}
	if m, ok := l.known(generation); ok {
		return m, nil
	}
	return masters{}, fmt.Errorf("%w: %d", wire.ErrNoMasters, generation)
}

func (l *link) known(generation uint32) (masters, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	m, ok := l.masters[generation]
	return m, ok
}

// newest returns the newest masters, if there are any.
func (l *link) newest() (masters, bool) {
	all := l.generations()
	if len(all) == 0 {
		return masters{}, false
	}
	return l.known(all[len(all)-1].Number)
}

// generations lists the masters, the oldest first.
func (l *link) generations() []custody.Generation {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]custody.Generation, 0, len(l.masters))
	for number, m := range l.masters {
		all = append(all, custody.Generation{Number: number, Recovery: m.set})
	}
	slices.SortFunc(all, func(a, b custody.Generation) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// MakeMasters draws masters. The key of the recovery set is empty when the token has it already.
func (t *Token) MakeMasters(number uint32, set string, key []byte) (escrow []byte, err error) {
	t.changing.Lock()
	defer t.changing.Unlock()
	err = t.use(func(l *link, s session) error {
		if err := l.findMasters(s); err != nil {
			return err
		}
		if err := l.checkNew(number, set, key); err != nil {
			return err
		}
		if err := l.destroyMasters(s, number); err != nil { // what is left of an attempt
			return err
		}
		if escrow, err = l.makeMasters(s, number, set, key); err != nil {
			return errors.Join(err, l.destroyMasters(s, number))
		}
		_, err = l.mastersOf(s, number) // a token that does not keep what it made is found out now
		return err
	})
	if err != nil {
		return nil, err
	}
	return escrow, nil
}

func (l *link) checkNew(number uint32, set string, key []byte) error {
	all := l.generations()
	switch {
	case number == 0 || len(all) > 0 && number <= all[len(all)-1].Number:
		return fmt.Errorf("%w: %d", custody.ErrGeneration, number)
	case len(set) > maxSet || strings.ContainsRune(set, 0):
		return fmt.Errorf("%w: its name has %d bytes, at most %d", custody.ErrRecovery, len(set), maxSet)
	case len(key) != 0 && len(key) != custody.RecoveryKeySize || set == "" && len(key) != 0:
		return fmt.Errorf("%w: %d bytes named %q", custody.ErrRecovery, len(key), set)
	case len(key) != 0 && slices.ContainsFunc(all, func(g custody.Generation) bool { return g.Recovery == set }):
		return fmt.Errorf("%w: the token has another one named %q", custody.ErrRecovery, set)
	}
	return nil
}

func (l *link) makeMasters(s session, number uint32, set string, key []byte) (escrow []byte, err error) {
	m := masters{set: set}
	if set != "" {
		if m.recovery, err = l.recoveryKey(s, set, key); err != nil {
			return nil, err
		}
	}
	if m.wrap, err = l.makeWrapMaster(s, attr(pkcs11.CKA_LABEL, l.masterLabel(roleWrap, number)),
		attr(pkcs11.CKA_ID, masterID(roleWrap, number, set)), attr(pkcs11.CKA_TOKEN, true)); err != nil {
		return nil, err
	}
	seal := append(aesKey(true, false, pkcs11.CKA_SIGN),
		attr(pkcs11.CKA_LABEL, l.masterLabel(roleSeal, number)), attr(pkcs11.CKA_ID, masterID(roleSeal, number, set)))
	if set == "" {
		_, err = l.generate(s, append(seal, attr(pkcs11.CKA_VALUE_LEN, masterSize)))
		return nil, err
	}
	// A key that cannot be extracted has no escrow. So it is drawn as one that can, for this session,
	// and comes back under the wrap master as the key that stays.
	first, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, masterSize)))
	if err != nil {
		return nil, err
	}
	defer l.destroy(s, first)
	if escrow, err = l.wrap(s, m.recovery, keyWrap, first); err != nil {
		return nil, err
	}
	wrapped, err := l.wrap(s, m.wrap, keyWrap, first)
	if err != nil {
		return nil, err
	}
	_, err = l.unwrap(s, m.wrap, keyWrap, wrapped, seal)
	return escrow, err
}

// makeWrapMaster draws a wrap master, or a likeness of one for this session.
func (l *link) makeWrapMaster(s session, more ...attribute) (o object, err error) {
	sensitive, free := nested(pkcs11.CKA_UNWRAP_TEMPLATE, attr(pkcs11.CKA_SENSITIVE, true))
	defer free()
	template := without(aesKey(false, false, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP), pkcs11.CKA_TOKEN)
	template = append(append(template, attr(pkcs11.CKA_VALUE_LEN, masterSize)), more...)
	optional := []attribute{attr(pkcs11.CKA_MODIFIABLE, false), sensitive, attr(pkcs11.CKA_COPYABLE, false)}
	err = byGrace(template, optional, func(t []attribute) error {
		o, err = l.generate(s, t)
		return err
	})
	return o, err
}

// recoveryKey takes in the key of a set, or finds it.
func (l *link) recoveryKey(s session, set string, key []byte) (object, error) {
	label := l.label(roleRecovery, set)
	had, err := l.find(s, attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_TOKEN, true), attr(pkcs11.CKA_LABEL, label))
	switch {
	case err != nil:
		return 0, err
	case len(key) == 0 && len(had) == 1:
		return had[0], nil
	case len(key) == 0:
		return 0, fmt.Errorf("%w: the token has %d named %q", custody.ErrRecovery, len(had), set)
	}
	for _, o := range had { // no masters name it
		if err := l.DestroyObject(s, o); err != nil {
			return 0, fail("C_DestroyObject", err)
		}
	}
	return l.create(s, append(aesKey(true, false, pkcs11.CKA_WRAP), attr(pkcs11.CKA_VALUE, key),
		attr(pkcs11.CKA_LABEL, label), attr(pkcs11.CKA_ID, []byte(set))))
}

// DestroyMasters destroys masters for good, and their recovery key with the last that name it.
func (t *Token) DestroyMasters(number uint32) error {
	t.changing.Lock()
	defer t.changing.Unlock()
	return t.use(func(l *link, s session) error {
		if err := l.destroyMasters(s, number); err != nil {
			return err
		}
		return l.findMasters(s)
	})
}

// destroyMasters destroys whatever has that number. The wrap master goes first: what is left
// without it opens nothing.
func (l *link) destroyMasters(s session, number uint32) error {
	ours, err := l.storedKeys(s)
	if err != nil {
		return err
	}
	var gone, rest []stored
	needed := map[string]bool{}
	for _, k := range ours {
		switch {
		case k.role == roleRecovery:
			rest = append(rest, k)
		case k.number == number:
			gone = append(gone, k)
		default:
			needed[k.set] = true
		}
	}
	slices.SortFunc(gone, func(a, b stored) int { return -cmp.Compare(a.role, b.role) })
	for _, k := range rest {
		if !needed[k.set] && slices.ContainsFunc(gone, func(g stored) bool { return g.set == k.set }) {
			gone = append(gone, k)
		}
	}
	for _, k := range gone {
		if err := l.DestroyObject(s, k.object); err != nil {
			return fail("C_DestroyObject", err)
		}
	}
	return nil
}
