package sqlstore

import (
	"context"
	"time"

	"strongroom/kms"
)

// Fill adds many keys in one transaction, each with its ID as the only thing that differs.
func (s *Keys) Fill(ctx context.Context, like kms.Key, ids []kms.KeyID) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		for i, id := range ids {
			k := like
			k.ID, k.Newest.ID = id, kms.VersionID(id)
			k.Created = like.Created.Add(time.Duration(i) * time.Second)
			if err := s.insertKey(ctx, t, k); err != nil {
				return err
			}
			if err := t.count(ctx, k, 1); err != nil {
				return err
			}
		}
		return nil
	})
}
