package sqlstore

import (
	"context"
	"fmt"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/objects"
)

const bucketKeyColumns = `bucket, id, root, ciphertext, root_version, alias, fresh, pending, created_at, revision, mac`

// BucketKeys implements objects.Store.
func (s *Objects) BucketKeys(ctx context.Context, id objects.BucketID) ([]objects.BucketKey, error) {
	rows, err := s.read.query(ctx, `SELECT `+bucketKeyColumns+` FROM bucket_keys WHERE bucket = $1 ORDER BY created_at, id`, string(id))
	return collect(rows, err, s.scanBucketKey)
}

// KeysOfBuckets implements objects.Store.
func (s *Objects) KeysOfBuckets(ctx context.Context, first, last objects.BucketID) ([]objects.BucketKey, error) {
	rows, err := s.read.query(ctx, `SELECT `+bucketKeyColumns+` FROM bucket_keys WHERE bucket BETWEEN $1 AND $2`,
		string(first), string(last))
	return collect(rows, err, s.scanBucketKey)
}

// BucketKey implements objects.Store.
func (s *Objects) BucketKey(ctx context.Context, id objects.BucketID, key objects.BucketKeyID) (objects.BucketKey, error) {
	k, err := s.scanBucketKey(s.read.queryRow(ctx,
		`SELECT `+bucketKeyColumns+` FROM bucket_keys WHERE bucket = $1 AND id = $2`, string(id), string(key)))
	return k, absent(err)
}

// AddBucketKey implements objects.Store.
func (s *Objects) AddBucketKey(ctx context.Context, k objects.BucketKey, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		if err := t.changedBucket(ctx, k.Bucket); err != nil {
			return err
		}
		if err := s.insertBucketKey(ctx, t, k); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// changedBucket announces a bucket, or returns ErrNotFound.
func (t *tx) changedBucket(ctx context.Context, id objects.BucketID) error {
	var name string
	if err := t.queryRow(ctx, `SELECT name FROM buckets WHERE id = $1`, string(id)).Scan(&name); err != nil {
		return absent(err)
	}
	t.changed(objects.ChangeBucket, name, name)
	return nil
}

func (s *Objects) insertBucketKey(ctx context.Context, t *tx, k objects.BucketKey) error {
	k.Revision = 1
	row := s.bucketKeyRow(k)
	n, err := t.exec(ctx, `INSERT INTO bucket_keys (`+bucketKeyColumns+`) VALUES (`+placeholders(1, len(row))+`)
		ON CONFLICT (bucket, id) DO NOTHING`, row...)
	if err == nil && n == 0 {
		err = ErrExists
	}
	return err
}

// UpdateBucketKey implements objects.Store.
func (s *Objects) UpdateBucketKey(ctx context.Context, k objects.BucketKey, ev *audit.Event) error {
	k.Revision++
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		if err := t.changedBucket(ctx, k.Bucket); err != nil {
			return err
		}
		err := t.swap(ctx, `
			UPDATE bucket_keys SET root = $3, ciphertext = $4, root_version = $5, alias = $6, fresh = $7,
				pending = $8, created_at = $9, revision = $10, mac = $11
			WHERE bucket = $1 AND id = $2 AND revision = $12`, append(s.bucketKeyRow(k), k.Revision-1)...)
		if err != nil {
			return t.bucketKeyGone(ctx, k, err)
		}
		return t.record(ctx, ev)
	})
}

func (t *tx) bucketKeyGone(ctx context.Context, k objects.BucketKey, err error) error {
	return t.gone(ctx, err, `SELECT 1 FROM bucket_keys WHERE bucket = $1 AND id = $2`, string(k.Bucket), string(k.ID))
}

// RemoveBucketKey implements objects.Store.
func (s *Objects) RemoveBucketKey(ctx context.Context, k objects.BucketKey, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		if err := t.changedBucket(ctx, k.Bucket); err != nil {
			return err
		}
		err := t.swap(ctx, `DELETE FROM bucket_keys WHERE bucket = $1 AND id = $2 AND revision = $3`,
			string(k.Bucket), string(k.ID), k.Revision)
		if err != nil {
			return t.bucketKeyGone(ctx, k, err)
		}
		var busy bool
		err = t.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM buckets WHERE id = $1 AND key = $2)
			OR EXISTS (SELECT 1 FROM bucket_usage WHERE bucket = $1 AND key = $2
				AND (objects <> 0 OR markers <> 0 OR uploads <> 0))`, string(k.Bucket), string(k.ID)).Scan(&busy)
		if err != nil {
			return err
		}
		if busy {
			return objects.ErrBusy
		}
		_, err = t.exec(ctx, `DELETE FROM bucket_usage WHERE bucket = $1 AND key = $2`, string(k.Bucket), string(k.ID))
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (s *Objects) bucketKeyRow(k objects.BucketKey) []any {
	return []any{
		string(k.Bucket), string(k.ID), rootText(k.Root), k.Wrapped.Ciphertext, k.Wrapped.Version, k.Alias, k.Fresh, k.Pending,
		micros(k.Created), k.Revision, s.db.sum("bucket_keys", bucketKeyMACed(k)...),
	}
}

// bucketKeyMACed are the columns that the MAC of a bucket key covers: all.
func bucketKeyMACed(k objects.BucketKey) []any {
	return []any{
		string(k.Bucket), string(k.ID), rootText(k.Root), k.Wrapped.Ciphertext, k.Wrapped.Version, k.Alias, k.Fresh, k.Pending,
		k.Created, k.Revision,
	}
}

// rootText is the stored form of the CRN of a root key; the zero CRN is empty.
func rootText(root crn.CRN) string {
	if root == (crn.CRN{}) {
		return ""
	}
	return root.String()
}

// parseRoot reads what rootText wrote.
func parseRoot(text string) (crn.CRN, error) {
	if text == "" {
		return crn.CRN{}, nil
	}
	return crn.Parse(text)
}

func (s *Objects) scanBucketKey(row scanner) (objects.BucketKey, error) {
	var (
		k       objects.BucketKey
		root    string
		created int64
		mac     []byte
	)
	err := row.Scan(&k.Bucket, &k.ID, &root, &k.Wrapped.Ciphertext, &k.Wrapped.Version, &k.Alias, &k.Fresh, &k.Pending,
		&created, &k.Revision, &mac)
	if err != nil {
		return objects.BucketKey{}, err
	}
	k.Created = fromMicros(created)
	if k.Root, err = parseRoot(root); err != nil {
		return objects.BucketKey{}, fmt.Errorf("key %s of bucket %s: %w", k.ID, k.Bucket, err)
	}
	return k, s.db.check(mac, "bucket_keys", string(k.ID), bucketKeyMACed(k)...)
}
