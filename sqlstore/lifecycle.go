package sqlstore

import (
	"context"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/kms"
)

// DueKeys implements kms.Store. Each sort of work has an index of its own, which holds only the
// keys that wait for it.
func (s *Keys) DueKeys(ctx context.Context, what kms.Due, until time.Time, after kms.DueKey, limit int) ([]kms.DueKey, error) {
	statement, err := dueStatement(what)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.query(ctx, statement, micros(until), micros(after.At), string(after.Instance), string(after.Key), limit)
	return collect(rows, err, func(row scanner) (kms.DueKey, error) {
		var (
			due kms.DueKey
			at  int64
		)
		err := row.Scan(&at, &due.Instance, &due.Key)
		due.At = fromMicros(at)
		return due, err
	})
}

func dueStatement(what kms.Due) (string, error) {
	column, where := "", ""
	switch what {
	case kms.DueExpiry:
		column, where = "expires_at", "state = 1 AND expires_at IS NOT NULL"
	case kms.DueRotation:
		column, where = "rotates_at", "rotates_at IS NOT NULL"
	case kms.DuePurge:
		column, where = "deleted_at", "deleted_at IS NOT NULL"
	default:
		return "", fmt.Errorf("nothing of the sort %d is due", what)
	}
	return `SELECT ` + column + `, instance, id FROM keys
		WHERE ` + where + ` AND ` + column + ` <= $1 AND (` + column + `, instance, id) > ($2, $3, $4)
		ORDER BY ` + column + `, instance, id LIMIT $5`, nil
}

// keyTables are the tables that hold what belongs to one key, with columns instance and key.
func keyTables() []string {
	return []string{"key_aliases", "key_versions", "key_registrations", "key_uses", "key_data"}
}

// PurgeKey implements kms.Store. At its end the write-ahead log is folded into the database, where
// secure_delete has overwritten what was there.
func (s *Keys) PurgeKey(ctx context.Context, k kms.Key, ev *audit.Event) error {
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		in, id := string(k.Instance), string(k.ID)
		err := t.swap(ctx, `DELETE FROM keys WHERE instance = $1 AND id = $2 AND revision = $3`, in, id, k.Revision)
		if err != nil {
			return err
		}
		if err := t.notePurgedKey(ctx, k); err != nil {
			return err
		}
		for _, table := range keyTables() {
			if _, err := t.exec(ctx, `DELETE FROM `+table+` WHERE instance = $1 AND key = $2`, in, id); err != nil {
				return err
			}
		}
		if err := t.count(ctx, k, -1); err != nil {
			return err
		}
		if err := t.dropName(ctx, k); err != nil {
			return err
		}
		for _, alias := range k.Aliases {
			t.changed(kms.ChangeAlias, in, alias)
		}
		t.changed(kms.ChangeKey, in, id)
		return t.record(ctx, ev)
	})
	if err == nil {
		s.db.foldIn(ctx)
	}
	return err
}

// foldIn folds the write-ahead log into the database after something was removed for good. It is
// gone whether or not that succeeds now: readers may be in the way, and every checkpoint to come
// does it.
func (db *DB) foldIn(ctx context.Context) {
	if _, err := db.writer.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		db.log.WarnContext(ctx, "the write-ahead log was not folded in after a removal", "error", err)
	}
}
