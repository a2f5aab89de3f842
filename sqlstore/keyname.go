package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"

	"github.com/google/uuid"

	"strongroom/kms"
)

// nameEntry is what searches need to know of a key. The keys of an instance are packed into some
// thousand values, so that all names of a million keys can be read and looked through in a moment;
// an index of parts of names would know them only from three letters on, and not the rest of what
// a list asks for.
type nameEntry struct {
	id          uuid.UUID
	state       kms.State
	extractable bool
	expires     int64 // microseconds; 0 for never
	ring        []byte
	names       []byte // folded: the name and then the aliases, each with a length before it
}

// nameBucket returns the bucket in which a key is packed: the first three digits of its ID.
func nameBucket(id kms.KeyID) string { return string(id[:min(3, len(id))]) }

// entryOf returns the entry of a key.
func entryOf(k kms.Key) (nameEntry, error) {
	id, err := uuid.Parse(string(k.ID))
	if err != nil {
		return nameEntry{}, err
	}
	e := nameEntry{
		id: id, state: k.State, extractable: k.Extractable, expires: micros(k.Expires), ring: []byte(k.Ring),
	}
	e.names = appendText(e.names, kms.FoldName(k.Name))
	for _, alias := range k.Aliases {
		e.names = appendText(e.names, kms.FoldName(alias))
	}
	return e, nil
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// append adds the packed form of an entry to a pack.
func (e nameEntry) append(pack []byte) []byte {
	var body []byte
	body = append(body, e.id[:]...)
	flags := byte(e.state) << 1
	if e.extractable {
		flags |= 1
	}
	body = append(body, flags)
	body = binary.AppendVarint(body, e.expires)
	body = appendText(body, string(e.ring))
	body = append(body, e.names...)
	return append(binary.AppendUvarint(pack, uint64(len(body))), body...)
}

const idLength = 36 // of the text of an ID

var errPack = errors.New("the packed names of keys are damaged")

// cutText reads a length and so many bytes.
func cutText(b []byte) (text, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}

// nextEntry reads the first entry of a pack. Its slices are parts of the pack.
func nextEntry(pack []byte) (e nameEntry, rest []byte, err error) {
	body, rest, ok := cutText(pack)
	if !ok || len(body) < len(e.id)+1 {
		return nameEntry{}, nil, errPack
	}
	copy(e.id[:], body)
	flags := body[len(e.id)]
	e.state, e.extractable = kms.State(flags>>1), flags&1 == 1
	body = body[len(e.id)+1:]
	expires, used := binary.Varint(body)
	if used <= 0 {
		return nameEntry{}, nil, errPack
	}
	e.expires = expires
	if e.ring, e.names, ok = cutText(body[used:]); !ok {
		return nameEntry{}, nil, errPack
	}
	return e, rest, nil
}

// putNames packs the names of keys. Those that follow each other in one bucket are packed together.
func (t *tx) putNames(ctx context.Context, keys []kms.Key) error {
	for n := 1; len(keys) > 0; n = 1 {
		for n < len(keys) && keys[n].Instance == keys[0].Instance && nameBucket(keys[n].ID) == nameBucket(keys[0].ID) {
			n++
		}
		if err := t.repack(ctx, true, keys[:n]...); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// dropName removes the names of a key that is removed.
func (t *tx) dropName(ctx context.Context, k kms.Key) error { return t.repack(ctx, false, k) }

// moveName packs the names of a key again if anything has changed that searches need to know.
func (t *tx) moveName(ctx context.Context, was, k kms.Key) error {
	before, err := entryOf(was)
	if err != nil {
		return err
	}
	after, err := entryOf(k)
	if err != nil || bytes.Equal(before.append(nil), after.append(nil)) {
		return err
	}
	return t.repack(ctx, true, k)
}

// repack writes the pack that holds some keys, at least one, with them as they are now or without
// them.
func (t *tx) repack(ctx context.Context, with bool, keys ...kms.Key) error {
	in, bucket := string(keys[0].Instance), nameBucket(keys[0].ID)
	var next []byte
	err := absent(t.queryRow(ctx, `SELECT pack FROM key_names WHERE instance = $1 AND bucket = $2`, in, bucket).Scan(&next))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	for _, k := range keys {
		entry, err := entryOf(k)
		if err != nil {
			return err
		}
		if next, err = replaceEntry(next, entry, with); err != nil {
			return err
		}
	}
	if len(next) == 0 {
		_, err = t.exec(ctx, `DELETE FROM key_names WHERE instance = $1 AND bucket = $2`, in, bucket)
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO key_names (instance, bucket, pack) VALUES ($1, $2, $3)
		ON CONFLICT (instance, bucket) DO UPDATE SET pack = excluded.pack`,
		in, bucket, next)
	return err
}

// replaceEntry returns a pack without the entry of a key and, if with is true, with a new one in
// its place.
func replaceEntry(pack []byte, entry nameEntry, with bool) ([]byte, error) {
	next := make([]byte, 0, len(pack)+128)
	for rest := pack; len(rest) > 0; {
		e, after, err := nextEntry(rest)
		if err != nil {
			return nil, err
		}
		order := bytes.Compare(e.id[:], entry.id[:])
		if order > 0 && with {
			next, with = entry.append(next), false
		}
		if order != 0 {
			next = append(next, rest[:len(rest)-len(after)]...)
		}
		rest = after
	}
	if with {
		next = entry.append(next)
	}
	return next, nil
}

// nameMatcher decides which entries a query asks for, but for the dates.
type nameMatcher struct {
	q      kms.Query
	needle []byte
	ring   []byte
	now    int64
	states [8]bool
}

func newNameMatcher(q kms.Query) *nameMatcher {
	m := &nameMatcher{q: q, needle: []byte(q.Search.Folded), ring: []byte(q.Ring), now: micros(q.Now)}
	for _, s := range q.States {
		m.states[s&7] = true
	}
	return m
}

// mayHold reports whether a pack can hold anything that matches. Most packs do not, and need not be
// taken apart.
func (m *nameMatcher) mayHold(pack []byte) bool {
	return m.q.Search.Not || len(m.needle) == idLength || bytes.Contains(pack, m.needle)
}

func (m *nameMatcher) match(e nameEntry) bool {
	state := e.state
	if state == kms.Active && e.expires != 0 && e.expires <= m.now {
		state = kms.Deactivated
	}
	switch {
	case !m.states[state&7]:
		return false
	case m.q.Extractable != nil && *m.q.Extractable != e.extractable:
		return false
	case len(m.ring) > 0 && !bytes.Equal(m.ring, e.ring):
		return false
	case m.named(e) == m.q.Search.Not:
		return false
	}
	return m.q.Scope.All || m.q.Scope.Allows(string(e.ring), e.id.String())
}

// named reports whether a name of the key, or its ID in full, is what is searched for.
func (m *nameMatcher) named(e nameEntry) bool {
	search := m.q.Search
	rest := e.names
	for first := true; len(rest) > 0; first = false {
		name, after, ok := cutText(rest)
		if !ok {
			return false
		}
		rest = after
		if first && !search.Names || !first && !search.Aliases {
			continue
		}
		if search.Exact && bytes.Equal(name, m.needle) || !search.Exact && bytes.Contains(name, m.needle) {
			return true
		}
	}
	return len(m.needle) == idLength && string(m.needle) == e.id.String()
}

// searchNames calls found with the IDs of the keys that q asks for, but for the dates, in the order
// of their IDs and whatever its limit and offset, until it returns false.
func (s *Keys) searchNames(ctx context.Context, q kms.Query, found func(uuid.UUID) bool) error {
	rows, err := s.db.query(ctx, `SELECT pack FROM key_names WHERE instance = $1 ORDER BY bucket`, string(q.Instance))
	if err != nil {
		return err
	}
	defer rows.Close()
	m := newNameMatcher(q)
	var pack sql.RawBytes // good until the next row, and not copied
	for rows.Next() {
		if err := rows.Scan(&pack); err != nil {
			return err
		}
		if !m.mayHold(pack) {
			continue
		}
		for rest := []byte(pack); len(rest) > 0; {
			var e nameEntry
			if e, rest, err = nextEntry(rest); err != nil {
				return err
			}
			if m.match(e) && !found(e.id) {
				return nil
			}
		}
	}
	return rows.Err()
}
