package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"strongroom/kms"
)

// searchKeys is ListKeys for a search. The names say which keys match; the keys themselves say
// whether that is so, and are sorted.
func (s *Keys) searchKeys(ctx context.Context, q kms.Query) ([]kms.Key, error) {
	first, err := s.firstFound(ctx, q)
	if err != nil {
		return nil, err
	}
	rest := q
	if len(first) > 0 {
		if q.Offset > 0 {
			rest.Offset, first = q.Offset-1, nil
		} else {
			rest.Limit--
		}
	} else {
		rest.First = ""
	}
	page, err := s.searchRest(ctx, rest)
	return append(first, page...), err
}

// firstFound returns the key that comes before all others, if it is what q asks for.
func (s *Keys) firstFound(ctx context.Context, q kms.Query) ([]kms.Key, error) {
	if q.First == "" {
		return nil, nil
	}
	var pack []byte
	err := absent(s.db.queryRow(ctx, `SELECT pack FROM key_names WHERE instance = $1 AND bucket = $2`,
		string(q.Instance), nameBucket(q.First)).Scan(&pack))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := newNameMatcher(q)
	for len(pack) > 0 {
		var e nameEntry
		if e, pack, err = nextEntry(pack); err != nil {
			return nil, err
		}
		if e.id.String() == string(q.First) && m.match(e) {
			return s.keysAt(ctx, q, []string{string(q.First)})
		}
	}
	return nil, nil
}

// searchRest lists what was found but for the key that comes first.
func (s *Keys) searchRest(ctx context.Context, q kms.Query) ([]kms.Key, error) {
	if q.Limit == 0 {
		return nil, nil
	}
	if byID := len(q.Sort) == 0 || q.Sort[0] == (kms.Order{By: kms.ByID}); byID && len(q.Dates) == 0 {
		ids, err := s.foundIDs(ctx, q, q.Offset+q.Limit)
		if err != nil {
			return nil, err
		}
		return s.keysAt(ctx, q, texts(ids[min(q.Offset, len(ids)):]))
	}
	ids, err := s.foundIDs(ctx, q, -1)
	if err != nil {
		return nil, err
	}
	r, err := s.db.rosters.get(ctx, q.Instance)
	switch {
	case err != nil:
		return nil, err
	case r != nil:
		return s.pickRoster(ctx, r, q, ids)
	case len(ids) <= min(s.few, readAtOnce):
		keys, err := s.keysIn(ctx, q, texts(ids))
		from := min(q.Offset, len(keys))
		return keys[from:min(from+q.Limit, len(keys))], err
	}
	return s.pick(ctx, q, func(id, _ string) bool { return contains(ids, id) })
}

// foundIDs returns the IDs of what was found, sorted, but for the key that comes first; not more
// than most, unless that is negative.
func (s *Keys) foundIDs(ctx context.Context, q kms.Query, most int) ([]uuid.UUID, error) {
	first, _ := uuid.Parse(string(q.First)) // the zero ID, which no key has, if there is none
	var ids []uuid.UUID
	err := s.searchNames(ctx, q, func(id uuid.UUID) bool {
		if id != first {
			ids = append(ids, id)
		}
		return len(ids) != most
	})
	return ids, err
}

// countFound is CountKeys for a search.
func (s *Keys) countFound(ctx context.Context, q kms.Query) (n int, err error) {
	if len(q.Dates) == 0 {
		return n, s.searchNames(ctx, q, func(uuid.UUID) bool { n++; return true })
	}
	q.First, q.Sort = "", nil
	ids, err := s.foundIDs(ctx, q, -1)
	if err != nil {
		return 0, err
	}
	r, err := s.db.rosters.get(ctx, q.Instance)
	switch {
	case err != nil:
		return 0, err
	case r != nil:
		return s.countRoster(ctx, r, q, ids)
	case len(ids) <= min(s.few, readAtOnce):
		keys, err := s.keysIn(ctx, q, texts(ids))
		return len(keys), err
	}
	return n, s.walk(ctx, q, func(id, _ string) bool {
		if contains(ids, id) {
			n++
		}
		return true
	})
}

// contains looks for an ID among sorted ones.
func contains(ids []uuid.UUID, id string) bool {
	want, err := uuid.Parse(id)
	if err != nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(ids, want, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ok
}

func texts(ids []uuid.UUID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = id.String()
	}
	return all
}
