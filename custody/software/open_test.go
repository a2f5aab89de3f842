package software_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"strongroom/custody"
	"strongroom/custody/software"
)

const passphrase = "correct horse battery staple"

// passphraseOptions returns those of a module in a folder of its own.
func passphraseOptions(t testing.TB) software.Options {
	return software.Options{
		MasterFile: filepath.Join(t.TempDir(), "masters.json"),
		Passphrase: custody.NewSecret([]byte(passphrase)),
	}
}

// makeKey returns the stored form of a fresh instance key and what it is bound to.
func makeKey(t *testing.T, m *software.Module) (custody.Sealed, custody.Binding) {
	t.Helper()
	b := custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: m.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	}
	_, sealed, err := m.Make(t.Context(), custody.Root, b)
	if err != nil {
		t.Fatal(err)
	}
	return sealed, b
}

func TestPassphraseOpensTheModule(t *testing.T) {
	o := passphraseOptions(t)
	m := create(t, o)
	sealed, b := makeKey(t, m)
	if got := m.Info().Protection; got != custody.ProtectionPassphrase {
		t.Errorf("protection = %q", got)
	}
	again := open(t, o)
	if _, err := again.Load(t.Context(), custody.Root, b, sealed); err != nil {
		t.Error(err)
	}
	if string(o.Passphrase.Reveal()) != passphrase {
		t.Error("the caller's passphrase was wiped")
	}
	o.Passphrase = custody.NewSecret([]byte(passphrase + " "))
	if _, err := software.Open(o); !errors.Is(err, software.ErrWrongPassphrase) {
		t.Errorf("opening with another passphrase: %v, want ErrWrongPassphrase", err)
	} else if strings.Contains(err.Error(), "horse") {
		t.Errorf("error shows the passphrase: %v", err)
	}
}

func TestShortPassphraseIsRefused(t *testing.T) {
	o := passphraseOptions(t)
	o.Passphrase = custody.NewSecret([]byte("7 bytes"))
	if _, err := software.Create(o); err == nil {
		t.Error("created with a passphrase of 7 bytes")
	}
	if _, err := os.Stat(o.MasterFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("master file after a refusal: %v", err)
	}
}

func TestKeyFileOpensTheModule(t *testing.T) {
	o := keyFileOptions(t)
	m := create(t, o)
	sealed, b := makeKey(t, m)
	for _, path := range []string{o.MasterFile, o.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %04o, want 0600", filepath.Base(path), got)
		}
	}
	again := open(t, o)
	if _, err := again.Load(t.Context(), custody.Root, b, sealed); err != nil {
		t.Error(err)
	}

	other := keyFileOptions(t)
	create(t, other)
	o.KeyFile = other.KeyFile
	if _, err := software.Open(o); !errors.Is(err, software.ErrWrongKeyFile) {
		t.Errorf("opening with another key file: %v, want ErrWrongKeyFile", err)
	}
}

func TestNothingIsLeftBesideTheFiles(t *testing.T) {
	o := keyFileOptions(t)
	create(t, o)
	entries, err := os.ReadDir(filepath.Dir(o.MasterFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("folder holds %v", entries)
	}
}

func TestProtectionFollowsTheKeyFile(t *testing.T) {
	data, outside := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "custody"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(outside, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keyFile string
		want    custody.Protection
	}{
		"beside the master file":   {filepath.Join(data, "custody", "a.key"), custody.ProtectionUnsealed},
		"higher in the data":       {filepath.Join(data, "b.key"), custody.ProtectionUnsealed},
		"in the data, by a link":   {filepath.Join(link, "c.key"), custody.ProtectionUnsealed},
		"outside":                  {filepath.Join(outside, "d.key"), custody.ProtectionKeyFile},
		"outside, by a round trip": {filepath.Join(data, "..", filepath.Base(outside), "e.key"), custody.ProtectionKeyFile},
	} {
		o := software.Options{
			MasterFile: filepath.Join(data, "custody", filepath.Base(test.keyFile)+".json"),
			KeyFile:    test.keyFile,
			DataDir:    data,
		}
		if got := create(t, o).Info().Protection; got != test.want {
			t.Errorf("%s: protection after Create = %q, want %q", name, got, test.want)
		}
		if got := open(t, o).Info().Protection; got != test.want {
			t.Errorf("%s: protection after Open = %q, want %q", name, got, test.want)
		}
	}
}

func TestModuleNeverStartsWithoutItsMasters(t *testing.T) {
	o := keyFileOptions(t)
	if _, err := software.Open(o); !errors.Is(err, software.ErrMissing) {
		t.Errorf("opening without a master file: %v, want ErrMissing", err)
	}
	create(t, o)
	if err := os.Remove(o.KeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := software.Open(o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening without the key file: %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(o.KeyFile); !errors.Is(err, fs.ErrNotExist) {
		t.Error("Open made a key file")
	}
}

func TestCreateOverwritesNothing(t *testing.T) {
	o := keyFileOptions(t)
	create(t, o)
	before, err := os.ReadFile(o.MasterFile)
	if err != nil {
		t.Fatal(err)
	}
	fresh := o
	fresh.KeyFile = filepath.Join(t.TempDir(), "fresh.key")
	for _, o := range []software.Options{o, fresh} {
		if _, err := software.Create(o); !errors.Is(err, software.ErrExists) {
			t.Errorf("creating again: %v, want ErrExists", err)
		}
	}
	if _, err := os.Stat(fresh.KeyFile); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a refused Create left a key file")
	}
	after, err := os.ReadFile(o.MasterFile)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("master file changed, %v", err)
	}
}

func TestOnlyOneOfManyCreates(t *testing.T) {
	o := keyFileOptions(t)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		created []*software.Module
	)
	for range 8 {
		wg.Go(func() {
			m, err := software.Create(o)
			if err == nil {
				t.Cleanup(func() { _ = m.Close() })
				_, err = m.MakeMasters(t.Context(), 1, custody.Recovery{})
			}
			if err != nil {
				if !errors.Is(err, software.ErrExists) {
					t.Errorf("Create and MakeMasters: %v", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			created = append(created, m)
		})
	}
	wg.Wait()
	if len(created) != 1 {
		t.Fatalf("%d modules created in one place", len(created))
	}
	sealed, b := makeKey(t, created[0])
	if _, err := open(t, o).Load(t.Context(), custody.Root, b, sealed); err != nil {
		t.Errorf("loading what the winner made: %v", err)
	}
}

func TestCreateGoesOnWithAKeyFile(t *testing.T) {
	o := keyFileOptions(t)
	key := custody.RandomSecret(32).Reveal()
	if err := os.WriteFile(o.KeyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	create(t, o)
	got, err := os.ReadFile(o.KeyFile)
	if err != nil || !bytes.Equal(got, key) {
		t.Errorf("the operator's key file was replaced, %v", err)
	}
}

func TestUnfitKeyFilesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		size int
		mode fs.FileMode
	}{
		"empty": {0, 0o600}, "short": {31, 0o600}, "long": {33, 0o600},
		"readable by all": {32, 0o604}, "writable by all": {32, 0o602},
	} {
		o := keyFileOptions(t)
		if err := os.WriteFile(o.KeyFile, make([]byte, test.size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(o.KeyFile, test.mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		if _, err := software.Create(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOptionsNameOneSealer(t *testing.T) {
	both := passphraseOptions(t)
	both.KeyFile = filepath.Join(t.TempDir(), "master.key")
	neither := software.Options{MasterFile: both.MasterFile}
	nowhere := software.Options{Passphrase: both.Passphrase}
	for name, o := range map[string]software.Options{"both": both, "neither": neither, "no master file": nowhere} {
		if _, err := software.Create(o); err == nil {
			t.Errorf("%s: Create accepted", name)
		}
		if _, err := software.Open(o); err == nil || errors.Is(err, software.ErrMissing) {
			t.Errorf("%s: Open: %v, want a refusal of the options", name, err)
		}
	}
}

func TestTheOtherSealerIsRefused(t *testing.T) {
	o := keyFileOptions(t)
	create(t, o)
	withPassphrase := software.Options{MasterFile: o.MasterFile, Passphrase: custody.NewSecret([]byte(passphrase))}
	if _, err := software.Open(withPassphrase); !errors.Is(err, software.ErrOtherProtection) {
		t.Errorf("opening with a passphrase: %v, want ErrOtherProtection", err)
	}
	p := passphraseOptions(t)
	create(t, p)
	if _, err := software.Open(software.Options{MasterFile: p.MasterFile, KeyFile: o.KeyFile}); !errors.Is(err, software.ErrOtherProtection) {
		t.Errorf("opening with a key file: %v, want ErrOtherProtection", err)
	}
}

// TestChangedMasterFileIsRefused changes one field at a time, and each byte of the sealed masters.
func TestChangedMasterFileIsRefused(t *testing.T) {
	o := keyFileOptions(t)
	create(t, o)
	data, err := os.ReadFile(o.MasterFile)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, data []byte, want error) {
		t.Helper()
		if err := os.WriteFile(o.MasterFile, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := software.Open(o); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	changed := func(change func(map[string]any)) []byte {
		t.Helper()
		var f map[string]any
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		change(f)
		out, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, change := range map[string]func(map[string]any){
		"version":       func(f map[string]any) { f["version"] = 2 },
		"no version":    func(f map[string]any) { delete(f, "version") },
		"generation":    func(f map[string]any) { f["generations"] = []any{map[string]any{"number": 2}} },
		"generation 0":  func(f map[string]any) { f["generations"] = []any{map[string]any{"number": 0}} },
		"no generation": func(f map[string]any) { f["generations"] = []any{} },
		"two of them": func(f map[string]any) {
			f["generations"] = []any{map[string]any{"number": 1}, map[string]any{"number": 2}}
		},
		"out of order": func(f map[string]any) {
			f["generations"] = []any{map[string]any{"number": 2}, map[string]any{"number": 1}}
		},
		"recovery key": func(f map[string]any) {
			f["generations"] = []any{map[string]any{"number": 1, "recovery": "set"}}
		},
		"long name": func(f map[string]any) {
			f["generations"] = []any{map[string]any{"number": 1, "recovery": strings.Repeat("x", 65)}}
		},
		"many generations": func(f map[string]any) {
			list := make([]any, 257)
			for i := range list {
				list[i] = map[string]any{"number": i + 1}
			}
			f["generations"] = list
		},
		"sealed by":      func(f map[string]any) { f["sealed_by"] = "hope" },
		"kdf":            func(f map[string]any) { f["kdf"] = map[string]any{} },
		"no masters":     func(f map[string]any) { delete(f, "masters") },
		"unknown field":  func(f map[string]any) { f["more"] = true },
		"short key ID":   func(f map[string]any) { f["key_id"] = "00" },
		"broken key ID":  func(f map[string]any) { f["key_id"] = strings.Repeat("x", 32) },
		"missing sealer": func(f map[string]any) { delete(f, "sealed_by") },
	} {
		refused(name, changed(change), software.ErrDamaged)
	}
	refused("key ID", changed(func(f map[string]any) { f["key_id"] = strings.Repeat("0", 32) }), software.ErrWrongKeyFile)
	refused("empty file", nil, software.ErrDamaged)
	refused("cut file", data[:len(data)/2], software.ErrDamaged)
	refused("more behind", append(bytes.Clone(data), '{', '}'), software.ErrDamaged)
	refused("huge file", append(bytes.Clone(data), bytes.Repeat([]byte{' '}, 1<<20)...), software.ErrDamaged)

	var f struct{ Masters []byte }
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	for i := range f.Masters {
		masters := bytes.Clone(f.Masters)
		masters[i] ^= 1
		refused("changed masters", changed(func(f map[string]any) { f["masters"] = masters }), software.ErrDamaged)
	}
	if err := os.WriteFile(o.MasterFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, o)
}

func TestKDFOutsideItsBoundsIsRefused(t *testing.T) {
	for name, kdf := range map[string]string{
		"few rounds":  `{"name":"pbkdf2-hmac-sha256","salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","rounds":599999}`,
		"many rounds": `{"name":"pbkdf2-hmac-sha256","salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","rounds":10000001}`,
		"short salt":  `{"name":"pbkdf2-hmac-sha256","salt":"AAEC","rounds":600000}`,
		"other kdf":   `{"name":"md5","salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","rounds":600000}`,
	} {
		o := passphraseOptions(t)
		file := `{"version":1,"sealed_by":"passphrase","kdf":` + kdf + `,"key_id":"00000000000000000000000000000000","generations":[],"masters":""}`
		if err := os.WriteFile(o.MasterFile, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := software.Open(o); !errors.Is(err, software.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
}

func TestFilesHoldNoMaterial(t *testing.T) {
	o := keyFileOptions(t)
	create(t, o)
	key, err := os.ReadFile(o.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.MasterFile)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, key) {
		t.Error("master file holds the key that seals it")
	}
	var f struct{ Masters []byte }
	if err := json.Unmarshal(data, &f); err != nil || bytes.Contains(f.Masters, key) {
		t.Errorf("master file holds the key that seals it, %v", err)
	}
}
