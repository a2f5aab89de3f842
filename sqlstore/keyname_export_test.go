package sqlstore

import (
	"github.com/google/uuid"

	"strongroom/kms"
)

// Repack returns a pack with a key, or without it.
func Repack(pack []byte, k kms.Key, with bool) ([]byte, error) {
	e, err := entryOf(k)
	if err != nil {
		return nil, err
	}
	return replaceEntry(pack, e, with)
}

// PackedIDs returns the IDs of the keys in a pack.
func PackedIDs(pack []byte) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for len(pack) > 0 {
		e, rest, err := nextEntry(pack)
		if err != nil {
			return nil, err
		}
		ids, pack = append(ids, e.id), rest
	}
	return ids, nil
}

// SetFew sets how many keys are sorted rather than walked to.
func (s *Keys) SetFew(few int) { s.few = few }
