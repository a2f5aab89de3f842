package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"strongroom/audit"
	"strongroom/objects"
)

// Objects keeps what the object store needs; it is an objects.Store.
type Objects struct {
	db   *DB
	read querier
}

var _ objects.Store = (*Objects)(nil)

// Objects returns the store of the object store.
func (db *DB) Objects() *Objects { return &Objects{db, keptReads{db}} }

// bucketColumns are the columns of a bucket in the order in which scanBucket reads them.
const bucketColumns = `id, name, instance, account, location, profile, state, created_at, updated_at,
	key, opaque_etags, config, revision, mac`

// Bucket implements objects.Store.
func (s *Objects) Bucket(ctx context.Context, name string) (objects.Bucket, error) {
	b, err := s.scanBucket(s.read.queryRow(ctx, `SELECT `+bucketColumns+` FROM buckets WHERE name = $1`, name))
	return b, absent(err)
}

// BucketByID implements objects.Store.
func (s *Objects) BucketByID(ctx context.Context, id objects.BucketID) (objects.Bucket, error) {
	b, err := s.scanBucket(s.read.queryRow(ctx, `SELECT `+bucketColumns+` FROM buckets WHERE id = $1`, string(id)))
	return b, absent(err)
}

// Buckets implements objects.Store.
func (s *Objects) Buckets(ctx context.Context, l objects.ListBuckets) ([]objects.Bucket, error) {
	end, args := "", []any{string(l.Instance), string(objects.BucketActive), l.After, l.Prefix, unlimited(l.Limit)}
	if next, ok := successor(l.Prefix); ok {
		end, args = ` AND name < $6`, append(args, next)
	}
	rows, err := s.read.query(ctx, `SELECT `+bucketColumns+` FROM buckets
		WHERE instance = $1 AND state = $2 AND name > $3 AND name >= $4`+end+`
		ORDER BY name LIMIT $5`, args...)
	return collect(rows, err, s.scanBucket)
}

// unlimited is a limit for SQL, which has no word for none that all databases know.
func unlimited(limit int) int64 {
	if limit <= 0 {
		return 1 << 62
	}
	return int64(limit)
}

// BucketsAfter implements objects.Store.
func (s *Objects) BucketsAfter(ctx context.Context, after objects.BucketID, limit int) ([]objects.Bucket, error) {
	rows, err := s.read.query(ctx, `SELECT `+bucketColumns+` FROM buckets WHERE id > $1 ORDER BY id LIMIT $2`, string(after), limit)
	return collect(rows, err, s.scanBucket)
}

// CountBuckets implements objects.Store.
func (s *Objects) CountBuckets(ctx context.Context, instance objects.InstanceID) (n int, err error) {
	err = s.read.queryRow(ctx, `SELECT count(*) FROM buckets WHERE instance = $1 AND state <> 'deleting'`, string(instance)).Scan(&n)
	return n, err
}

// CreateBucket implements objects.Store.
func (s *Objects) CreateBucket(ctx context.Context, b objects.Bucket, k objects.BucketKey, ev *audit.Event) error {
	b.Revision = 1
	row, err := s.bucketRow(b)
	if err != nil {
		return err
	}
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		var owner objects.InstanceID
		err := t.queryRow(ctx, `SELECT instance FROM buckets WHERE name = $1`, b.Name).Scan(&owner)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case owner == b.Instance:
			return objects.ErrBucketYours
		default:
			return objects.ErrBucketTaken
		}
		if _, err := t.exec(ctx, `INSERT INTO buckets (`+bucketColumns+`) VALUES (`+placeholders(1, len(row))+`)`, row...); err != nil {
			return err
		}
		if err := s.insertBucketKey(ctx, t, k); err != nil {
			return err
		}
		t.changed(objects.ChangeBucket, b.Name, b.Name)
		return t.record(ctx, ev)
	})
}

// UpdateBucket implements objects.Store.
func (s *Objects) UpdateBucket(ctx context.Context, b objects.Bucket, ev *audit.Event) error {
	return s.updateBucket(ctx, b, ev, func(context.Context, *tx) error { return nil })
}

// UpdateEmptyBucket implements objects.Store.
func (s *Objects) UpdateEmptyBucket(ctx context.Context, b objects.Bucket, ev *audit.Event) error {
	return s.updateBucket(ctx, b, ev, func(ctx context.Context, t *tx) error { return t.checkEmpty(ctx, b.ID) })
}

// updateBucket is UpdateBucket if allowed, which is asked within the transaction, lets it.
func (s *Objects) updateBucket(ctx context.Context, b objects.Bucket, ev *audit.Event, allowed func(context.Context, *tx) error) error {
	b.Revision++
	row, err := s.bucketRow(b)
	if err != nil {
		return err
	}
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `
			UPDATE buckets SET name = $2, instance = $3, account = $4, location = $5, profile = $6, state = $7,
				created_at = $8, updated_at = $9, key = $10, opaque_etags = $11, config = $12, revision = $13, mac = $14
			WHERE id = $1 AND name = $2 AND revision = $15`, append(row, b.Revision-1)...)
		if err != nil {
			return t.bucketGone(ctx, b.ID, err)
		}
		if err := allowed(ctx, t); err != nil {
			return err
		}
		t.changed(objects.ChangeBucket, b.Name, b.Name)
		return t.record(ctx, ev)
	})
}

// checkEmpty returns objects.ErrNotEmpty while there is a version, a marker or an upload in a bucket.
func (t *tx) checkEmpty(ctx context.Context, id objects.BucketID) error {
	var full bool
	err := t.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = $1)
		OR EXISTS (SELECT 1 FROM uploads WHERE bucket = $1 AND completed = '')`, string(id)).Scan(&full)
	if err == nil && full {
		err = objects.ErrNotEmpty
	}
	return err
}

// bucketGone turns what came of a write that found no such bucket at its revision into ErrNotFound
// if there is no such bucket at all.
func (t *tx) bucketGone(ctx context.Context, id objects.BucketID, err error) error {
	return t.gone(ctx, err, `SELECT 1 FROM buckets WHERE id = $1`, string(id))
}

// gone turns ErrStale into ErrNotFound if a query finds nothing.
func (t *tx) gone(ctx context.Context, err error, q string, args ...any) error {
	if !errors.Is(err, ErrStale) {
		return err
	}
	var one int
	if found := t.queryRow(ctx, q, args...).Scan(&one); found != nil {
		return absent(found)
	}
	return err
}

// RemoveBucket implements objects.Store.
func (s *Objects) RemoveBucket(ctx context.Context, b objects.Bucket, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		id := string(b.ID)
		err := t.swap(ctx, `DELETE FROM buckets WHERE id = $1 AND revision = $2`, id, b.Revision)
		if err != nil {
			return t.bucketGone(ctx, b.ID, err)
		}
		if err := t.checkEmpty(ctx, b.ID); err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM uploads WHERE bucket = $1`,
			`DELETE FROM bucket_keys WHERE bucket = $1`,
			`DELETE FROM bucket_usage WHERE bucket = $1`,
			`DELETE FROM object_jobs WHERE bucket = $1 AND state <> 'running'`,
		} {
			if _, err := t.exec(ctx, statement, id); err != nil {
				return err
			}
		}
		t.changed(objects.ChangeBucket, b.Name, b.Name)
		return t.record(ctx, ev)
	})
}

// bucketRow returns the values of all columns of a bucket.
func (s *Objects) bucketRow(b objects.Bucket) ([]any, error) {
	config, err := json.Marshal(b.Config)
	if err != nil {
		return nil, fmt.Errorf("encoding the configuration of bucket %s: %w", b.Name, err)
	}
	return []any{
		string(b.ID), b.Name, string(b.Instance), string(b.Account), b.Location, b.Profile, string(b.State),
		micros(b.Created), micros(b.Updated), string(b.Key), b.OpaqueETags, string(config), b.Revision,
		s.db.sum("buckets", bucketMACed(b, string(config))...),
	}, nil
}

// bucketMACed are the columns that a bucket's MAC covers: all.
func bucketMACed(b objects.Bucket, config string) []any {
	return []any{
		string(b.ID), b.Name, string(b.Instance), string(b.Account), b.Location, b.Profile, string(b.State),
		b.Created, b.Updated, string(b.Key), b.OpaqueETags, config, b.Revision,
	}
}

func (s *Objects) scanBucket(row scanner) (objects.Bucket, error) {
	var (
		b                objects.Bucket
		created, updated int64
		config           string
		mac              []byte
	)
	err := row.Scan(&b.ID, &b.Name, &b.Instance, &b.Account, &b.Location, &b.Profile, &b.State, &created, &updated,
		&b.Key, &b.OpaqueETags, &config, &b.Revision, &mac)
	if err != nil {
		return objects.Bucket{}, err
	}
	b.Created, b.Updated = fromMicros(created), fromMicros(updated)
	if err := s.db.check(mac, "buckets", b.Name, bucketMACed(b, config)...); err != nil {
		return objects.Bucket{}, err
	}
	if err := json.Unmarshal([]byte(config), &b.Config); err != nil {
		return objects.Bucket{}, fmt.Errorf("reading the configuration of bucket %s: %w", b.Name, err)
	}
	return b, nil
}
