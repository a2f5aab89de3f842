//go:build cgo && pkcs11

package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Examine finds out what the token can do, what it gives away and how fast it is.
func (t *Token) Examine() (e wire.Examination, err error) {
	err = t.use(func(l *link, s session) error {
		if err := l.findMasters(s); err != nil {
			return err
		}
		e.Status = wire.TokenStatus{Token: l.token, Generations: l.generations()}
		if e.Mechanisms, err = l.tryMechanisms(s); err != nil {
			return err
		}
		if e.Masters, err = l.examineMasters(s); err != nil {
			return err
		}
		if e.Limits, err = l.limits(); err != nil {
			return err
		}
		// A token that cannot do what is needed gets neither tried nor measured; the mechanisms tell.
		if e.Extraction, err = l.extract(s, false); errors.Is(err, wire.ErrUnsupported) {
			e.Status.Protection = custody.ProtectionBasic
			return nil
		} else if err != nil {
			return err
		}
		e.Status.Protection = judge(e.Extraction)
		if e.Speed, err = l.measure(s, t.now); errors.Is(err, wire.ErrUnsupported) {
			return nil
		}
		return err
	})
	return e, err
}

// trial is a mechanism that we use, and how to find out whether it works.
type trial struct {
	name     string
	code     uint
	use      string
	required bool
	try      func() error
}

// tryMechanisms tries all that is used of the token, with session objects.
func (l *link) tryMechanisms(s session) ([]wire.Mechanism, error) {
	master, err := l.makeWrapMaster(s, attr(pkcs11.CKA_TOKEN, false))
	made := trial{"CKM_AES_KEY_GEN", pkcs11.CKM_AES_KEY_GEN, "drawing keys", true, func() error { return err }}
	trials := []trial{made}
	if err == nil {
		defer l.destroy(s, master)
		trials = append(trials, l.trials(s, masters{wrap: master})...)
	}
	var all []wire.Mechanism
	for _, t := range trials {
		m := wire.Mechanism{Name: t.name, Code: t.code, Use: t.use, Listed: l.mechanisms[t.code], Required: t.required}
		err := t.try()
		m.Works = err == nil
		var f *failure
		switch {
		case errors.As(err, &f):
			m.Detail = f.Error()
		case err != nil:
			m.Detail = err.Error()
		}
		all = append(all, m)
	}
	return all, nil
}

func (l *link) trials(s session, m masters) []trial {
	pair := &pairTrial{l: l, s: s, masters: m}
	return []trial{
		{"CKM_AES_KEY_WRAP", keyWrap, "wrapping and unwrapping keys (RFC 3394)", true, func() error { return l.tryWrap(s, m) }},
		{"CKM_AES_CMAC", pkcs11.CKM_AES_CMAC, "sealing under a key", true, func() error { return l.tryCMAC(s, m) }},
		{"C_CreateObject", 0, "imports in the clear, recovery keys", false, func() error { return l.tryImport(s, m) }},
		{"CKO_DATA", 0, "keeping the anchor by which an old copy of the database is noticed", false, func() error { return l.tryData(s) }},
		{"CKM_RSA_PKCS_KEY_PAIR_GEN", pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, "drawing import keys, and keeping them (RFC 5649)", false, pair.make},
		{"CKM_RSA_PKCS_OAEP", pkcs11.CKM_RSA_PKCS_OAEP, "secure import with the padding checked in the token", false, pair.decryptWhole},
		{"CKM_RSA_X_509", pkcs11.CKM_RSA_X_509, "secure import with the padding checked in the agent", false, pair.decryptRaw},
	}
}

func (l *link) tryWrap(s session, m masters) error {
	for _, size := range []int{16, 24, 32} {
		key, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, size)))
		if err != nil {
			return err
		}
		wrapped, err := l.wrap(s, m.wrap, keyWrap, key)
		l.destroy(s, key)
		if err != nil {
			return err
		}
		if len(wrapped) != size+wrapOverhead {
			return fmt.Errorf("%w: %d bytes are wrapped in %d", wire.ErrUnsupported, size, len(wrapped))
		}
		again, err := l.unwrap(s, m.wrap, keyWrap, wrapped, working())
		if err != nil {
			return err
		}
		l.destroy(s, again)
	}
	return nil
}

func (l *link) tryCMAC(s session, m masters) error {
	key, err := l.generate(s, append(aesKey(false, false, pkcs11.CKA_SIGN), attr(pkcs11.CKA_VALUE_LEN, masterSize)))
	if err != nil {
		return err
	}
	defer l.destroy(s, key)
	var a, b [2 * blockSize]byte
	b[0] = 1
	if err := l.twoCMACs(s, key, &a); err != nil {
		return err
	}
	if err := l.twoCMACs(s, key, &b); err != nil {
		return err
	}
	if a == b || a == ([2 * blockSize]byte{}) {
		return fmt.Errorf("%w: the CMAC does not depend on the message", wire.ErrUnsupported)
	}
	return nil
}

func (l *link) tryImport(s session, m masters) error {
	key, err := l.create(s, append(passing(), attr(pkcs11.CKA_VALUE, make([]byte, masterSize))))
	if err != nil {
		return err
	}
	defer l.destroy(s, key)
	_, err = l.wrap(s, m.wrap, keyWrap, key)
	return err
}

// tryData keeps a data object in the token for a moment.
func (l *link) tryData(s session) error {
	o, err := l.create(s, []attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_DATA), attr(pkcs11.CKA_TOKEN, true), attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_LABEL, l.hello.Label+" examination"), attr(pkcs11.CKA_VALUE, make([]byte, custody.MaxAnchor)),
	})
	if err != nil {
		return err
	}
	return fail("C_DestroyObject", l.DestroyObject(s, o))
}

// pairTrial tries a pair for secure import.
type pairTrial struct {
	l       *link
	s       session
	masters masters
	private []byte // nil: no pair could be made
}

func (p *pairTrial) make() (err error) {
	_, p.private, err = p.l.makePair(p.s, p.masters, custody.TransportBits)
	return err
}

// use calls f with the private half.
func (p *pairTrial) use(f func(key object) error) error {
	if p.private == nil {
		return fmt.Errorf("%w: there is no pair to try it with", wire.ErrUnsupported)
	}
	pad, err := p.l.padding()
	if err != nil {
		return err
	}
	key, err := p.l.unwrap(p.s, p.masters.wrap, pad, p.private, privateHalf(false))
	if err != nil {
		return err
	}
	defer p.l.destroy(p.s, key)
	return f(key)
}

func (p *pairTrial) decryptWhole() error {
	return p.use(func(key object) error {
		if !p.l.oaepSHA256(p.s, key) {
			return fmt.Errorf("%w: not with SHA-256", wire.ErrUnsupported)
		}
		return nil
	})
}

func (p *pairTrial) decryptRaw() error {
	return p.use(func(key object) error {
		in, out := make([]byte, custody.TransportBits/8), make([]byte, custody.TransportBits/8)
		in[len(in)-1] = 2
		_, err := p.l.decrypt(p.s, pkcs11.NewMechanism(pkcs11.CKM_RSA_X_509, nil), key, in, out)
		return err
	})
}

// measured is for how long each speed is measured.
const measured = 300 * time.Millisecond

// measure counts what one session does.
func (l *link) measure(s session, now func() time.Time) (sp wire.Speed, err error) {
	master, err := l.makeWrapMaster(s, attr(pkcs11.CKA_TOKEN, false))
	if err != nil {
		return sp, err
	}
	defer l.destroy(s, master)
	first, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, masterSize)))
	if err != nil {
		return sp, err
	}
	defer l.destroy(s, first)
	wrapped, err := l.wrap(s, master, keyWrap, first)
	if err != nil {
		return sp, err
	}
	key, err := l.unwrap(s, master, keyWrap, wrapped, working())
	if err != nil {
		return sp, err
	}
	defer l.destroy(s, key)
	var blocks [2 * blockSize]byte
	if sp.Wraps, err = rate(now, func() error { return l.twoCMACs(s, key, &blocks) }); err != nil {
		return sp, err
	}
	if sp.Unwraps, err = rate(now, func() error {
		o, err := l.unwrap(s, master, keyWrap, wrapped, working())
		l.destroy(s, o)
		return err
	}); err != nil {
		return sp, err
	}
	sp.Makes, err = rate(now, func() error {
		o, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, masterSize)))
		if err != nil {
			return err
		}
		defer l.destroy(s, o)
		_, err = l.wrap(s, master, keyWrap, o)
		return err
	})
	return sp, err
}

// rate returns how often do works in a second.
func rate(now func() time.Time, do func() error) (float64, error) {
	begin, n := now(), 0
	for now().Sub(begin) < measured {
		if err := do(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / now().Sub(begin).Seconds(), nil
}

func (l *link) limits() (wire.Limits, error) {
	info, err := l.GetTokenInfo(l.slot)
	if err != nil {
		return wire.Limits{}, l.lost(fail("C_GetTokenInfo", err))
	}
	return wire.Limits{
		MaxSessions: stated(info.MaxSessionCount), OpenSessions: uint(cap(l.sessions)),
		MinPIN: info.MinPinLen, MaxPIN: info.MaxPinLen,
		PrivateMemory: stated(info.FreePrivateMemory),
	}, nil
}

// stated turns what PKCS#11 has for “not said” into zero.
func stated(n uint) uint {
	if n == ^uint(0) {
		return 0
	}
	return n
}
