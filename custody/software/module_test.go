package software_test

import (
	"path/filepath"
	"testing"

	"strongroom/custody"
	"strongroom/custody/custodytest"
	"strongroom/custody/software"
)

func TestModule(t *testing.T) {
	custodytest.Run(t, func(t *testing.T) custodytest.Subject {
		o := keyFileOptions(t)
		return custodytest.Subject{
			Module: create(t, o),
			Reopen: func(t *testing.T) custody.Module { return open(t, o) },
		}
	})
}

// keyFileOptions returns those of a module in a folder of its own, with the key file inside.
func keyFileOptions(t testing.TB) software.Options {
	dir := t.TempDir()
	return software.Options{
		MasterFile: filepath.Join(dir, "masters.json"),
		KeyFile:    filepath.Join(dir, "master.key"),
	}
}

func create(t testing.TB, o software.Options) *software.Module {
	t.Helper()
	m, err := software.Create(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	makeMasters(t, m, 1)
	return m
}

func open(t testing.TB, o software.Options) *software.Module {
	t.Helper()
	m, err := software.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}
