package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"strongroom/iam/iamtest"
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

// TestTheOperatorsCertificateIsReadAgainWhenItChanges replaces the files as who renews them does: first
// one, then the other.
func TestTheOperatorsCertificateIsReadAgainWhenItChanges(t *testing.T) {
	clock := iamtest.NewClock()
	secret, der, err := newAuthority(clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	signer, kerr := parseECKey(secret)
	root, cerr := x509.ParseCertificate(der)
	if err := errors.Join(kerr, cerr); err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: root, key: signer}
	files := TLS{CertFile: filepath.Join(t.TempDir(), "cert.pem"), KeyFile: filepath.Join(t.TempDir(), "key.pem")}
	put := func(file, kind string, der []byte) {
		t.Helper()
		content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := errors.Join(os.WriteFile(file, content, 0o600), os.Chtimes(file, clock.Now(), clock.Now())); err != nil {
			t.Fatal(err)
		}
	}
	renew := func() (cert *tls.Certificate, key []byte) {
		t.Helper()
		cert, err := a.issue([]string{"localhost"}, clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		key, err = x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	c := configured(files, clock.Now)
	shows := func(when string, want *tls.Certificate) {
		t.Helper()
		got, err := c.get(nil)
		if err != nil || !bytes.Equal(got.Certificate[0], want.Certificate[0]) {
			t.Errorf("%s: another certificate, or %v", when, err)
		}
	}

	if _, err := c.get(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	first, key := renew()
	put(files.CertFile, "CERTIFICATE", first.Certificate[0])
	put(files.KeyFile, "PRIVATE KEY", key)
	shows("at first", first)

	clock.Advance(time.Hour)
	second, key := renew()
	put(files.CertFile, "CERTIFICATE", second.Certificate[0])
	shows("with the key of the first", first)
	put(files.KeyFile, "PRIVATE KEY", key)
	shows("within a minute", first)
	clock.Advance(time.Minute)
	shows("a minute later", second)

	clock.Advance(time.Hour)
	if err := os.Remove(files.CertFile); err != nil {
		t.Fatal(err)
	}
	shows("when the file is gone", second)
}
