package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/internal/lease"
)

// Write runs a transaction that sets a setting, announces the changes and
// records the event, and then fails with fail unless that is nil.
func (db *DB) Write(ctx context.Context, name, value string, changes []lease.Change, ev *audit.Event, fail error) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value, mac) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, mac = excluded.mac`,
			name, value, db.sum("settings", name, value))
		if err != nil {
			return err
		}
		for _, c := range changes {
			t.changed(c.Kind, c.Scope, c.ID)
		}
		if err := t.record(ctx, ev); err != nil {
			return err
		}
		return fail
	})
}

// Feed returns the number of change rows and the sum of the heads.
func (db *DB) Feed(ctx context.Context) (rows, heads int64, err error) {
	err = db.queryRow(ctx, `SELECT (SELECT COUNT(*) FROM changes), (SELECT SUM(seq) FROM change_heads)`).Scan(&rows, &heads)
	return rows, heads, err
}

// Sum and Check are the row MAC.
func (db *DB) Sum(table string, columns ...any) []byte { return db.sum(table, columns...) }

func (db *DB) Check(mac []byte, table, id string, columns ...any) error {
	return db.check(mac, table, id, columns...)
}

// Pragma returns the value of a pragma on the connection that writes.
func (db *DB) Pragma(ctx context.Context, name string) (value string, err error) {
	err = db.writer.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// RowsOf counts the rows of an instance in every table that has a column for it.
func (db *DB) RowsOf(ctx context.Context, instance string) (map[string]int, error) {
	rows, err := db.query(ctx, `SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.name = 'instance'`)
	tables, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
	counts := map[string]int{}
	for _, table := range tables {
		var n int
		if err := db.queryRow(ctx, `SELECT count(*) FROM `+table+` WHERE instance = $1`, instance).Scan(&n); err != nil {
			return nil, err
		}
		counts[table] = n
	}
	return counts, err
}
