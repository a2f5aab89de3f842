package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"strongroom/backup"
)

// Schema returns the number of the newest migration of the schema.
func (db *DB) Schema(ctx context.Context) (int64, error) {
	p, err := provider(db.writer)
	if err != nil {
		return 0, err
	}
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the version of the schema: %w", err)
	}
	return version, nil
}

// Dump hands every row of the database to rows, as of one moment, while others go on writing.
func (db *DB) Dump(ctx context.Context, rows backup.Rows) error {
	// A reading transaction sees one state of a database in WAL mode; it must not outlive this.
	tx, err := db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("beginning a backup: %w", err)
	}
	defer tx.Rollback()
	tables, err := listTables(ctx, tx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := dumpTable(ctx, tx, t, rows); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

func dumpTable(ctx context.Context, tx *sql.Tx, t backup.Table, rows backup.Rows) error {
	if err := rows.Table(t); err != nil {
		return err
	}
	found, err := tx.QueryContext(ctx, "SELECT "+columnList(t)+" FROM "+quoted(t.Name))
	if err != nil {
		return err
	}
	defer found.Close()
	values, dest := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for found.Next() {
		if err := found.Scan(dest...); err != nil {
			return err
		}
		for i, c := range t.Columns {
			values[i] = ofType(c.Type, values[i])
		}
		if err := rows.Row(values); err != nil {
			return err
		}
	}
	return found.Err()
}

// ofType gives a value of SQLite, whose columns hold what they are given, the type of its column.
func ofType(t backup.Type, v any) any {
	switch v := v.(type) {
	case int64:
		if t == backup.Boolean {
			return v != 0
		}
	case bool:
		if t == backup.Integer {
			return map[bool]int64{true: 1}[v]
		}
	case []byte:
		if t == backup.Text {
			return string(v)
		}
		if v == nil { // an empty value, as the driver has it; NULL is a nil of no type
			return []byte{}
		}
	case string:
		if t == backup.Bytes {
			return []byte(v)
		}
	}
	return v
}

// rowQuerier is a transaction or a connection pool.
type rowQuerier interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

// listTables describes the tables of the schema, by name.
func listTables(ctx context.Context, q rowQuerier) ([]backup.Table, error) {
	rows, err := q.QueryContext(ctx, `SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND t.name <> $1 ORDER BY t.name, c.cid`,
		goose.DefaultTablename)
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	type column struct{ table, name, declared string }
	columns, err := collect(rows, nil, func(s scanner) (c column, err error) {
		return c, s.Scan(&c.table, &c.name, &c.declared)
	})
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	var tables []backup.Table
	for _, c := range columns {
		if n := len(tables); n == 0 || tables[n-1].Name != c.table {
			tables = append(tables, backup.Table{Name: c.table})
		}
		t := &tables[len(tables)-1]
		kind, ok := columnTypes[c.declared]
		if !ok {
			return nil, fmt.Errorf("column %s.%s is of type %s, which backups have no word for", c.table, c.name, c.declared)
		}
		t.Columns = append(t.Columns, backup.Column{Name: c.name, Type: kind})
	}
	return tables, nil
}

// columnTypes are the types that migrations use, and what backups call them.
var columnTypes = map[string]backup.Type{
	"TEXT": backup.Text, "INTEGER": backup.Integer, "BIGINT": backup.Integer, "BOOLEAN": backup.Boolean, "BLOB": backup.Bytes,
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func columnList(t backup.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}

// Restore makes a database at path, which does not exist, from a backup of the given schema: it
// makes that schema, lets fill hand over the rows, and brings the schema up to date. Rows are taken
// as they are; that they are genuine only opening the keys can tell.
func Restore(ctx context.Context, path string, schema int64, fill func(backup.Rows) error) (err error) {
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	dsn.RawQuery = url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)", "trusted_schema(0)"}}.Encode()
	if err := create(path); err != nil {
		return fmt.Errorf("making a database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return fmt.Errorf("opening database %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	p, err := provider(db)
	if err != nil {
		return err
	}
	known := p.ListSources()
	if !slices.ContainsFunc(known, func(s *goose.Source) bool { return s.Version == schema }) {
		return fmt.Errorf("the backup has schema %d, this release knows up to %d: restore it with the release that wrote it, or a newer one",
			schema, known[len(known)-1].Version)
	}
	if _, err := p.UpTo(ctx, schema); err != nil {
		return fmt.Errorf("making the schema: %w", err)
	}
	l := &loader{ctx: ctx, db: db}
	if err := l.load(fill); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema: %w", err)
	}
	if _, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("folding in the write-ahead log: %w", err)
	}
	return nil
}

// loader is the Rows of a database that is being restored, in one transaction.
type loader struct {
	ctx    context.Context
	db     *sql.DB
	tx     *sql.Tx
	tables []backup.Table // of the schema that the backup is not known to have yet
	insert *sql.Stmt
}

func (l *loader) load(fill func(backup.Rows) error) (err error) {
	if l.tables, err = listTables(l.ctx, l.db); err != nil {
		return err
	}
	if l.tx, err = l.db.BeginTx(l.ctx, nil); err != nil {
		return fmt.Errorf("beginning to restore: %w", err)
	}
	defer l.tx.Rollback() // does nothing after a commit
	for _, t := range l.tables {
		// Migrations put some rows into what they make, and the backup has them too.
		if _, err := l.tx.ExecContext(l.ctx, "DELETE FROM "+quoted(t.Name)); err != nil {
			return fmt.Errorf("emptying table %s: %w", t.Name, err)
		}
	}
	if err := fill(l); err != nil {
		return err
	}
	if len(l.tables) > 0 {
		return fmt.Errorf("%w: it lacks table %s", backup.ErrDamaged, l.tables[0].Name)
	}
	if err := l.tx.Commit(); err != nil {
		return fmt.Errorf("committing what was restored: %w", err)
	}
	return nil
}

// Table implements backup.Rows.
func (l *loader) Table(t backup.Table) (err error) {
	i := slices.IndexFunc(l.tables, func(own backup.Table) bool {
		return own.Name == t.Name && slices.Equal(own.Columns, t.Columns)
	})
	if i < 0 {
		return fmt.Errorf("%w: table %s is not as its schema says", backup.ErrDamaged, t.Name)
	}
	l.tables = slices.Delete(l.tables, i, i+1)
	marks := strings.Repeat(", ?", len(t.Columns))[2:]
	l.insert, err = l.tx.PrepareContext(l.ctx, "INSERT INTO "+quoted(t.Name)+" ("+columnList(t)+") VALUES ("+marks+")")
	if err != nil {
		return fmt.Errorf("restoring table %s: %w", t.Name, err)
	}
	return nil
}

// Row implements backup.Rows.
func (l *loader) Row(values []any) error {
	if _, err := l.insert.ExecContext(l.ctx, values...); err != nil {
		return fmt.Errorf("restoring a row: %w", err)
	}
	return nil
}

// provider knows the migrations of the schema.
func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	return p, nil
}
