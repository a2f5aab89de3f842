// Package sqlstoretest gives tests databases. Making a hundred tables takes a test longer than what
// it does with them, so a process makes them once, and every database begins as a copy.
package sqlstoretest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"strongroom/internal/lease"
	"strongroom/sqlstore"
)

// Create makes the file of an empty database, up to date, in a folder that exists.
func Create(t testing.TB, path string) {
	t.Helper()
	content, err := empty()
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Open opens a database, and makes it if it is absent. What o leaves out has a default: a server, a
// hub of its own, the clock of the machine, a log that nobody reads. The database has a key for its
// rows, the same in all tests, and is closed when the test ends, which fails if it cannot be.
func Open(t testing.TB, o sqlstore.Options) *sqlstore.DB {
	t.Helper()
	if _, err := os.Stat(o.Path); errors.Is(err, os.ErrNotExist) {
		Create(t, o.Path)
	}
	if o.Server == "" {
		o.Server = "server-1"
	}
	if o.Hub == nil {
		o.Hub = lease.Always()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db, err := sqlstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	db.SetRowKey(bytes.Repeat([]byte{7}, 32))
	return db
}

// empty is the content of the file of an empty database.
var empty = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "sqlstoretest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "empty.db")
	db, err := sqlstore.Open(context.Background(), sqlstore.Options{
		Path: path, Server: "server-1", Hub: lease.Always(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // which leaves everything in the one file
		return nil, err
	}
	return os.ReadFile(path)
})
