package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the database driver

	"strongroom/internal/lease"
)

//go:embed migrations
var migrations embed.FS

// Options say which database to open.
type Options struct {
	Path   string           // file of the SQLite database; created if absent
	Server string           // ID of this server, for the rows that it owns
	Hub    *lease.Hub       // told of every committed change
	Now    func() time.Time // the one clock
	Log    *slog.Logger
}

// DB is an open database. Safe for concurrent use.
type DB struct {
	writer *sql.DB // one connection: SQLite has one writer
	reader *sql.DB
	server string
	hub    *lease.Hub
	now    func() time.Time
	log    *slog.Logger

	rowKey     atomic.Pointer[rowKey]
	statements atomic.Uint64
	committed  chan struct{} // capacity 1; signalled when the outbox has grown
	rosters    *rosters
	reads      *prepared // of reader
	writes     *prepared // of writer

	closing context.Context // ends what reads in the background
	end     context.CancelFunc
	mu      sync.Mutex // guards closed
	closed  bool
	reading sync.WaitGroup // what reads in the background
}

// Open opens the database, creates it if it is absent, and brings its schema up
// to date. The caller holds the lock of the data folder.
func Open(ctx context.Context, o Options) (*DB, error) {
	// Paths may hold any character, so the DSN is built as a URL.
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: o.Path}).EscapedPath()}
	pragmas := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)",
		"foreign_keys(1)", "secure_delete(1)", "trusted_schema(0)",
	}}
	pragmas.Set("_txlock", "immediate")
	dsn.RawQuery = pragmas.Encode()

	if err := create(o.Path); err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	writer, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", o.Path, err)
	}
	writer.SetMaxOpenConns(1)
	if err := migrate(ctx, writer); err != nil {
		return nil, errors.Join(fmt.Errorf("opening database %s: %w", o.Path, err), writer.Close())
	}
	pragmas.Del("_txlock")
	pragmas.Add("_pragma", "query_only(1)")
	dsn.RawQuery = pragmas.Encode()
	reader, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening database %s: %w", o.Path, err), writer.Close())
	}
	closing, end := context.WithCancel(context.WithoutCancel(ctx))
	readers := max(4, runtime.NumCPU())
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	db := &DB{
		writer: writer, reader: reader, server: o.Server, hub: o.Hub, now: o.Now, log: o.Log,
		committed: make(chan struct{}, 1), closing: closing, end: end,
	}
	db.rosters, db.reads, db.writes = newRosters(db), newPrepared(reader), newPrepared(writer)
	return db, nil
}

// create makes the file of a database if it is absent: one that SQLite makes can be read by others on the
// machine. The files that SQLite puts beside it get its mode. A file that is there stays closed, as
// closing it would take the locks away from who has it open in this process.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return f.Close()
}

func migrate(ctx context.Context, db *sql.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema: %w", err)
	}
	return nil
}

// Close folds the write-ahead log into the database and closes it.
func (db *DB) Close() error {
	db.mu.Lock()
	db.closed = true
	db.mu.Unlock()
	db.end()
	db.reading.Wait()
	kept := errors.Join(db.reads.close(), db.writes.close())
	_, err := db.writer.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(kept, err, db.reader.Close(), db.writer.Close())
}

// background runs something that reads until it returns or the database is closed, and its context
// ends.
func (db *DB) background(read func(context.Context)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if !db.closed {
		db.reading.Go(func() { read(db.closing) })
	}
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.reader.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Statements returns how many statements were sent to the database since it was
// opened: what the hot path must not make grow.
func (db *DB) Statements() uint64 { return db.statements.Load() }

// query, queryRow: reads outside a transaction.
func (db *DB) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	db.statements.Add(1)
	return db.reader.QueryContext(ctx, q, args...)
}

func (db *DB) queryRow(ctx context.Context, q string, args ...any) *sql.Row {
	db.statements.Add(1)
	return db.reader.QueryRowContext(ctx, q, args...)
}

// querier is what reads need, inside and outside of a transaction.
type querier interface {
	query(ctx context.Context, q string, args ...any) (*sql.Rows, error)
	queryRow(ctx context.Context, q string, args ...any) *sql.Row
}

// collect reads all rows through scan, which reads one.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// micros and fromMicros are the stored form of times; zero stands for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
