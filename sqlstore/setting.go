package sqlstore

import (
	"context"
	"errors"
)

// Setting returns a value that was fixed at the first start, or "" if it was not.
func (db *DB) Setting(ctx context.Context, name string) (string, error) {
	return db.setting(ctx, db, name)
}

func (db *DB) setting(ctx context.Context, from querier, name string) (string, error) {
	var value string
	var mac []byte
	err := absent(from.queryRow(ctx, `SELECT value, mac FROM settings WHERE name = $1`, name).Scan(&value, &mac))
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return value, db.check(mac, "settings", name, name, value)
}

// FixSetting stores value under name unless it has one already, and returns the
// one that holds from now on.
func (db *DB) FixSetting(ctx context.Context, name, value string) (string, error) {
	var kept string
	err := db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value, mac) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`,
			name, value, db.sum("settings", name, value))
		if err != nil {
			return err
		}
		kept, err = db.setting(ctx, t, name)
		return err
	})
	return kept, err
}

// SetSetting stores value under name, whatever it had before.
func (db *DB) SetSetting(ctx context.Context, name, value string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value, mac) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, mac = excluded.mac`,
			name, value, db.sum("settings", name, value))
		return err
	})
}
