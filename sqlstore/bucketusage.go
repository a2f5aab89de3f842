package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"strongroom/objects"
)

// counts is by how much a transaction changes what the keys of a bucket seal.
type counts map[objects.BucketKeyID]*count

type count struct{ objects, bytes, oldObjects, oldBytes, markers, uploads, uploadBytes int64 }

func (c *counts) of(key objects.BucketKeyID) *count {
	if *c == nil {
		*c = counts{}
	}
	n := (*c)[key]
	if n == nil {
		n = new(count)
		(*c)[key] = n
	}
	return n
}

// row counts a version in, or out with a sign of -1.
func (c *counts) row(r objects.Row, sign int64) {
	n := c.of(r.SealedBy)
	if r.Marker {
		n.markers += sign
		return
	}
	n.objects += sign
	n.bytes += sign * r.Size
	if !r.Latest {
		n.oldObjects += sign
		n.oldBytes += sign * r.Size
	}
}

func (n *count) values() []any {
	return []any{n.objects, n.bytes, n.oldObjects, n.oldBytes, n.markers, n.uploads, n.uploadBytes}
}

// addUsage adds to what a key of a bucket seals.
const addUsage = `
	ON CONFLICT (bucket, key) DO UPDATE SET objects = bucket_usage.objects + excluded.objects,
		bytes = bucket_usage.bytes + excluded.bytes, old_objects = bucket_usage.old_objects + excluded.old_objects,
		old_bytes = bucket_usage.old_bytes + excluded.old_bytes, markers = bucket_usage.markers + excluded.markers,
		uploads = bucket_usage.uploads + excluded.uploads, upload_bytes = bucket_usage.upload_bytes + excluded.upload_bytes`

// addCounts adds what a transaction has changed to the usage of a bucket.
func (t *tx) addCounts(ctx context.Context, bucket objects.BucketID, counts counts) error {
	for key, n := range counts {
		if *n == (count{}) {
			continue
		}
		_, err := t.exec(ctx, `
			INSERT INTO bucket_usage (bucket, key, objects, bytes, old_objects, old_bytes, markers, uploads, upload_bytes)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`+addUsage, append([]any{string(bucket), string(key)}, n.values()...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// anyRevision is for what does not depend on the configuration of its bucket.
const anyRevision = -1

// countIn is addCounts for what adds to a bucket, at a revision of that, under a key. It returns
// objects.ErrNoBucket unless the bucket is active, ErrStale if it has another revision, objects.ErrBusy if it
// does not have the key any more, and objects.ErrQuota if it then holds more bytes than quota, where zero is none.
func (t *tx) countIn(ctx context.Context, bucket objects.BucketID, revision int64, key objects.BucketKeyID, counts counts, quota int64) error {
	n := *counts.of(key)
	delete(counts, key)
	added, err := t.exec(ctx, `
		INSERT INTO bucket_usage (bucket, key, objects, bytes, old_objects, old_bytes, markers, uploads, upload_bytes)
		SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM buckets
		WHERE id = $1 AND state = 'active' AND ($10 < 0 OR revision = $10)
			AND ($2 = '' OR EXISTS (SELECT 1 FROM bucket_keys WHERE bucket = $1 AND id = $2))`+addUsage,
		append(append([]any{string(bucket), string(key)}, n.values()...), revision)...)
	if err != nil {
		return err
	}
	if added == 0 {
		return t.whyNotIn(ctx, bucket, revision)
	}
	if err := t.addCounts(ctx, bucket, counts); err != nil || quota <= 0 {
		return err
	}
	var held int64
	err = t.queryRow(ctx, `SELECT CAST(sum(bytes) + sum(upload_bytes) AS BIGINT) FROM bucket_usage WHERE bucket = $1`,
		string(bucket)).Scan(&held)
	if err == nil && held > quota {
		err = objects.ErrQuota
	}
	return err
}

// whyNotIn says why nothing could be added to a bucket at a revision under a key.
func (t *tx) whyNotIn(ctx context.Context, bucket objects.BucketID, revision int64) error {
	var stored int64
	err := t.queryRow(ctx, `SELECT revision FROM buckets WHERE id = $1 AND state = 'active'`, string(bucket)).Scan(&stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return objects.ErrNoBucket
	case err != nil:
		return err
	case revision != anyRevision && revision != stored:
		return ErrStale
	}
	return objects.ErrBusy
}

// Usage implements objects.Store.
func (s *Objects) Usage(ctx context.Context, id objects.BucketID) (u objects.Usage, err error) {
	err = s.read.queryRow(ctx, `
		SELECT CAST(COALESCE(sum(u.objects), 0) AS BIGINT), CAST(COALESCE(sum(u.bytes), 0) AS BIGINT),
			CAST(COALESCE(sum(u.old_objects), 0) AS BIGINT), CAST(COALESCE(sum(u.old_bytes), 0) AS BIGINT),
			CAST(COALESCE(sum(u.markers), 0) AS BIGINT), CAST(COALESCE(sum(u.uploads), 0) AS BIGINT)
		FROM buckets b LEFT JOIN bucket_usage u ON u.bucket = b.id WHERE b.id = $1 GROUP BY b.id`, string(id)).
		Scan(&u.Objects, &u.Bytes, &u.NoncurrentObjects, &u.NoncurrentBytes, &u.DeleteMarkers, &u.Uploads)
	return u, absent(err)
}

// KeyUsage implements objects.Store.
func (s *Objects) KeyUsage(ctx context.Context, id objects.BucketID, key objects.BucketKeyID) (n, bytes int64, err error) {
	err = s.read.queryRow(ctx, `
		SELECT CAST(COALESCE(sum(objects), 0) AS BIGINT), CAST(COALESCE(sum(bytes), 0) AS BIGINT)
		FROM bucket_usage WHERE bucket = $1 AND key = $2`, string(id), string(key)).Scan(&n, &bytes)
	return n, bytes, err
}
