package server

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tamper changes the database of a stopped server behind its back.
func tamper(t *testing.T, dir, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.ExecContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%d rows changed, %v", n, err)
	}
}

// TestNoStrangeAuthorityIsTrusted puts another authority's certificate where ours
// is stored: it must not get into the files that clients trust.
func TestNoStrangeAuthorityIsTrusted(t *testing.T) {
	cfg := Config{Data: t.TempDir(), Now: time.Now}
	if _, err := Bootstrap(context.Background(), cfg, io.Discard, false); err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile(filepath.Join(cfg.Data, caFile))
	if err != nil {
		t.Fatal(err)
	}
	_, strange, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tamper(t, cfg.Data, `UPDATE secrets SET public = $1 WHERE kind = $2`, strange, secretCA)
	if _, err := Bootstrap(context.Background(), cfg, io.Discard, false); err == nil {
		t.Error("the folder opens with the certificate of another authority")
	}
	now, err := os.ReadFile(filepath.Join(cfg.Data, caFile))
	if err != nil || !bytes.Equal(now, ours) {
		t.Errorf("clients are told to trust another authority (%v)", err)
	}
}
