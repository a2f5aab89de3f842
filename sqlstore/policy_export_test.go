package sqlstore

import (
	"context"
	"errors"
)

// DropSubject removes what an identity was granted, in a transaction that then
// fails with fail unless that is nil.
func (db *DB) DropSubject(ctx context.Context, account, iamID string, fail error) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		return errors.Join(dropSubject(ctx, t, account, iamID), fail)
	})
}

// Forge changes rows behind the store's back.
func (db *DB) Forge(ctx context.Context, statement string, args ...any) error {
	_, err := db.writer.ExecContext(ctx, statement, args...)
	return err
}
