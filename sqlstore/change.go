package sqlstore

import "context"

// keptChanges is how many numbers of each shard of the change feed stay. A
// reader that is further behind drops its caches and begins at the head.
const keptChanges = 10_000

// PruneChanges removes old rows of the change feed.
func (db *DB) PruneChanges(ctx context.Context) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM changes WHERE EXISTS (
			SELECT 1 FROM change_heads h WHERE h.shard = changes.shard AND changes.seq <= h.seq - $1)`, keptChanges)
		return err
	})
}
