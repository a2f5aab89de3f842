package sqlstoretest

import (
	"database/sql"
	"testing"
)

// File is the file of a database, as whoever is on the machine sees it, past the server.
type File string

// Path is where it is.
func (f File) Path() string { return string(f) }

// Outside returns a connection to the database, as an intruder has it, until the test ends.
func (f File) Outside(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+string(f)+"?_pragma=busy_timeout(30000)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Exec runs a statement.
func (f File) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	db := f.Outside(t)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// CountRows runs a statement that counts.
func (f File) CountRows(t testing.TB, statement string, args ...any) (n int) {
	t.Helper()
	db := f.Outside(t)
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
