//go:build cgo && pkcs11

package pkcs11_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"strongroom/custody"
	"strongroom/custody/custodytest"
	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/softhsm"
	"strongroom/custody/software"
)

func TestModule(t *testing.T) {
	custodytest.Run(t, func(t *testing.T) custodytest.Subject {
		o := newToken(t)
		m := open(t, o.Options)
		makeMasters(t, m, 1)
		return custodytest.Subject{
			Module: m,
			Reopen: func(t *testing.T) custody.Module {
				t.Setenv(softhsm.ConfigVariable, o.token.Config())
				return open(t, o.Options)
			},
			Other:   openSoftware,
			Restart: func(t *testing.T) { kill(t, m) },
		}
	})
}

// options are those of a module on a new token.
type options struct {
	pkcs11.Options
	token *softhsm.Token
}

func newToken(t testing.TB) options {
	t.Helper()
	token, err := softhsm.New(t.TempDir(), "strongroom")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(softhsm.ConfigVariable, token.Config())
	return options{
		Options: pkcs11.Options{
			Name: "hsm", Library: token.Library, Token: token.Label, PINFile: token.PINFile,
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		},
		token: token,
	}
}

func open(t testing.TB, o pkcs11.Options) *pkcs11.Module {
	t.Helper()
	m, err := pkcs11.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func makeMasters(t testing.TB, m *pkcs11.Module, number uint32) {
	t.Helper()
	if _, err := m.MakeMasters(t.Context(), number, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
}

// openSoftware opens a module of another kind.
func openSoftware(t *testing.T) custody.Module {
	t.Helper()
	dir := t.TempDir()
	m, err := software.Create(software.Options{
		MasterFile: filepath.Join(dir, "masters.json"), KeyFile: filepath.Join(dir, "master.key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	if _, err := m.MakeMasters(t.Context(), 1, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
	return m
}
