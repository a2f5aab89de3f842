package sqlstore

import (
	"context"

	"strongroom/objects"
)

// FillBucket adds objects to a bucket in one transaction, without their content.
func (s *Objects) FillBucket(ctx context.Context, rows []objects.Row) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		add, err := t.PrepareContext(ctx, `
			INSERT INTO objects (bucket, key, version, latest, marker, size, modified_at, opaque, write, sealed_by,
				data_key, record, parts, attributes, customer, revision, mac)
			VALUES (`+placeholders(1, 17)+`)`)
		if err != nil {
			return err
		}
		defer add.Close()
		var counts counts
		for _, r := range rows {
			r.Revision = 1
			if _, err := add.ExecContext(ctx, s.rowValues(r, "")...); err != nil {
				return err
			}
			counts.row(r, 1)
		}
		return t.addCounts(ctx, rows[0].Bucket, counts)
	})
}
