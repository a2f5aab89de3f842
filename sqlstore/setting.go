package sqlstore

import (
	"context"
	"errors"
)

// Setting returns a value that was fixed at the first start, or "" if it was not.
func (db *DB) Setting(ctx context.Context, name string) (string, error) {
	var value string
	err := absent(db.queryRow(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&value))
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return value, err
}

// FixSetting stores value under name unless it has one already, and returns the
// one that holds from now on.
func (db *DB) FixSetting(ctx context.Context, name, value string) (string, error) {
	var kept string
	err := db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, value)
		if err != nil {
			return err
		}
		return t.queryRow(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&kept)
	})
	return kept, err
}

// SetSetting stores value under name, whatever it had before.
func (db *DB) SetSetting(ctx context.Context, name, value string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}
