package software_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"strongroom/custody"
	"strongroom/custody/software"
)

func TestCreateMakesNoMasters(t *testing.T) {
	o := keyFileOptions(t)
	m, err := software.Create(o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := m.Info(); got.Generation != 0 || got.Protection != custody.ProtectionUnsealed {
		t.Errorf("Info() = %+v", got)
	}
	if _, err := os.Stat(o.MasterFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("master file before there are masters: %v", err)
	}
	b := custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: 1, Origin: custody.OriginGenerated, Size: 32,
	}
	if _, _, err := m.Make(t.Context(), custody.Root, b); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("making a key without masters: %v, want ErrBinding", err)
	}
	if _, err := m.MakeTransport(t.Context()); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("making a transport key without masters: %v, want ErrBinding", err)
	}
	if err := m.DestroyMasters(t.Context(), 1); err != nil {
		t.Errorf("destroying masters that are not there: %v", err)
	}
	if _, err := os.Stat(o.MasterFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("master file after nothing was destroyed: %v", err)
	}
}

func TestPassphraseIsNotNeededAgain(t *testing.T) {
	o := passphraseOptions(t)
	m := create(t, o)
	o.Passphrase.Wipe()
	first, b := makeKey(t, m)
	makeMasters(t, m, 2)
	second, b2 := makeKey(t, m)
	o.Passphrase = custody.NewSecret([]byte(passphrase))
	again := open(t, o)
	if _, err := again.Load(t.Context(), custody.Root, b, first); err != nil {
		t.Error(err)
	}
	if _, err := again.Load(t.Context(), custody.Root, b2, second); err != nil {
		t.Error(err)
	}
}

func makeMasters(t testing.TB, m *software.Module, number uint32) {
	t.Helper()
	if _, err := m.MakeMasters(t.Context(), number, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
}

// TestMastersOfAnotherProcessAreKept has two modules on one file, which the lock of the data folder
// forbids: the second one must not write over what the first has made.
func TestMastersOfAnotherProcessAreKept(t *testing.T) {
	o := keyFileOptions(t)
	create(t, o)
	a, b := open(t, o), open(t, o)
	makeMasters(t, a, 2)
	sealed, binding := makeKey(t, a)
	if _, err := b.MakeMasters(t.Context(), 2, custody.Recovery{}); !errors.Is(err, software.ErrChanged) {
		t.Errorf("making masters of the same generation: %v, want ErrChanged", err)
	}
	if err := b.DestroyMasters(t.Context(), 1); !errors.Is(err, software.ErrChanged) {
		t.Errorf("destroying masters: %v, want ErrChanged", err)
	}
	if _, err := open(t, o).Load(t.Context(), custody.Root, binding, sealed); err != nil {
		t.Errorf("loading what the first one made: %v", err)
	}
}

// TestFailedWriteChangesNothing takes the folder away, for as long as masters are made.
func TestFailedWriteChangesNothing(t *testing.T) {
	o := keyFileOptions(t)
	o.MasterFile = filepath.Join(t.TempDir(), "custody", "masters.json")
	dir := filepath.Dir(o.MasterFile)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m := create(t, o)
	sealed, b := makeKey(t, m)
	before, err := os.ReadFile(o.MasterFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.MakeMasters(t.Context(), 2, custody.Recovery{}); err == nil {
		t.Error("masters were made without a folder to keep them in")
	}
	if err := m.DestroyMasters(t.Context(), 1); err == nil {
		t.Error("masters were destroyed without their file")
	}
	if list, err := m.Generations(t.Context()); err != nil || len(list) != 1 || list[0].Number != 1 {
		t.Errorf("generations after failures: %v, %v", list, err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(o.MasterFile); err != nil || !bytes.Equal(before, after) {
		t.Errorf("master file changed, %v", err)
	}
	if _, err := m.Load(t.Context(), custody.Root, b, sealed); err != nil {
		t.Error(err)
	}
	makeMasters(t, m, 2)
}

func TestReplacedMasterFileStaysPrivate(t *testing.T) {
	o := keyFileOptions(t)
	m := create(t, o)
	makeMasters(t, m, 2)
	if err := m.DestroyMasters(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(o.MasterFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(o.MasterFile))
	if err != nil || len(entries) != 2 {
		t.Errorf("folder holds %v, %v", entries, err)
	}
}

func TestOneRecoveryKeyForOneName(t *testing.T) {
	m := create(t, keyFileOptions(t))
	key := custody.RandomSecret(custody.RecoveryKeySize)
	make := func(number uint32, key custody.Secret) error {
		_, err := m.MakeMasters(t.Context(), number, custody.Recovery{Set: "set", Key: key})
		return err
	}
	if err := make(2, key); err != nil {
		t.Fatal(err)
	}
	if err := make(3, custody.RandomSecret(custody.RecoveryKeySize)); !errors.Is(err, custody.ErrRecovery) {
		t.Errorf("another key of the same name: %v, want ErrRecovery", err)
	}
	if err := make(3, key); err != nil {
		t.Errorf("the same key again: %v", err)
	}
}
