package sqlstore

import (
	"context"
	"time"

	"strongroom/kms"
)

// Fill adds many keys in one transaction, each with its ID as the only thing that differs, unless
// change makes other differences.
func (s *Keys) Fill(ctx context.Context, like kms.Key, ids []kms.KeyID, change ...func(i int, k *kms.Key)) error {
	packs := map[string][]byte{}
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		for i, id := range ids {
			k := like
			k.ID, k.Newest.ID = id, kms.VersionID(id)
			k.Created = like.Created.Add(time.Duration(i) * time.Second)
			for _, f := range change {
				f(i, &k)
			}
			if err := s.insertKey(ctx, t, k); err != nil {
				return err
			}
			if err := t.count(ctx, k, 1); err != nil {
				return err
			}
			entry, err := entryOf(k)
			if err != nil {
				return err
			}
			bucket := nameBucket(id)
			if _, ok := packs[bucket]; !ok {
				var pack []byte
				err := t.queryRow(ctx, `SELECT pack FROM key_names WHERE instance = $1 AND bucket = $2`,
					string(k.Instance), bucket).Scan(&pack)
				if absent(err) != nil && absent(err) != ErrNotFound {
					return err
				}
				packs[bucket] = pack
			}
			if packs[bucket], err = replaceEntry(packs[bucket], entry, true); err != nil {
				return err
			}
		}
		for bucket, pack := range packs {
			if _, err := t.exec(ctx, `
				INSERT INTO key_names (instance, bucket, pack) VALUES ($1, $2, $3)
				ON CONFLICT (instance, bucket) DO UPDATE SET pack = excluded.pack`,
				string(like.Instance), bucket, pack); err != nil {
				return err
			}
		}
		return nil
	})
}
