package sqlstore

import (
	"context"
	"slices"

	"strongroom/kms"
)

// bucketOf returns the bucket in which a key is counted: the first two digits of its ID.
func bucketOf(id kms.KeyID) string { return string(id[:min(2, len(id))]) }

// count adds n to the number of keys that are like k.
func (t *tx) count(ctx context.Context, k kms.Key, n int) error {
	_, err := t.exec(ctx, `
		INSERT INTO key_counts (instance, bucket, ring, state, extractable, n) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (instance, bucket, ring, state, extractable) DO UPDATE SET n = key_counts.n + excluded.n`,
		string(k.Instance), bucketOf(k.ID), string(k.Ring), int(k.State), k.Extractable, n)
	return err
}

// recount moves a key from where it was counted to where it belongs.
func (t *tx) recount(ctx context.Context, was, k kms.Key) error {
	if was.Ring == k.Ring && was.State == k.State && was.Extractable == k.Extractable {
		return nil
	}
	if err := t.count(ctx, was, -1); err != nil {
		return err
	}
	return t.count(ctx, k, 1)
}

// countable reports whether the counts know all that a stretch tells keys apart by: neither single
// keys nor dates, nor the clock.
func countable(part stretch) bool {
	byClock := slices.Contains(part.States, kms.Active) != slices.Contains(part.States, kms.Deactivated)
	return !byClock && part.Scope.Exact() && len(part.Scope.Keys) == 0 && len(part.Dates) == 0 && part.also == ""
}

// bucket is how many keys of a list have IDs that begin with first.
type bucket struct {
	first string
	n     int
}

// buckets returns the counts of the keys that a countable q asks for, in the order of their IDs.
func (s *Keys) buckets(ctx context.Context, q kms.Query) ([]bucket, error) {
	var c conditions
	rows, err := s.db.query(ctx, `SELECT k.bucket, SUM(k.n) FROM key_counts k WHERE `+c.keys(q, "")+`
		GROUP BY k.bucket ORDER BY k.bucket`, c.args...)
	return collect(rows, err, func(row scanner) (b bucket, err error) {
		return b, row.Scan(&b.first, &b.n)
	})
}

// skipFrom is the offset from which the buckets are worth a statement of their own.
const skipFrom = 200

// skip replaces most of the offset of a list in the order of IDs by the ID to begin at, so that
// the rows before it need not be walked through. The list is empty from there on when end is true.
func (s *Keys) skip(ctx context.Context, part stretch, offset int) (begin string, left int, end bool, err error) {
	byID := len(part.Sort) == 0 || part.Sort[0] == kms.Order{By: kms.ByID}
	if offset < skipFrom || !byID || !countable(part) {
		return "", offset, false, nil
	}
	buckets, err := s.buckets(ctx, part.Query)
	if err != nil {
		return "", 0, false, err
	}
	for _, b := range buckets {
		if offset < b.n {
			return b.first, offset, false, nil
		}
		offset -= b.n
	}
	return "", 0, true, nil
}
