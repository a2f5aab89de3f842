package server

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strongroom/audit"
	"strongroom/backup"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/masters"
)

// backedUp is a deployment with a key, something that it wrapped, and a backup.
type backedUp struct {
	*deployment
	file    []byte
	key     kms.Ref
	wrapped string
}

func newBackedUp(t *testing.T) *backedUp {
	d := &backedUp{deployment: newDeployment(t)}
	d.mustRun()
	use(t, d.cfg, func(h *house, who iam.Caller, in kms.InstanceID) {
		made, err := h.keys.Create(t.Context(), who, kms.Ref{Instance: in}, kms.NewKey{Name: "kept"})
		if err != nil {
			t.Fatal(err)
		}
		d.key = kms.Ref{Instance: in, Key: string(made.Key.ID)}
		w, err := h.keys.Wrap(t.Context(), who, d.key, custody.NewSecret([]byte("data key")), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.wrapped = w.Ciphertext
	})
	d.file = takeBackup(t, d.cfg)
	return d
}

func takeBackup(t *testing.T, cfg Config) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := Backup(t.Context(), cfg, io.Discard, &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// use lets the operator work with the key service of a stopped server.
func use(t *testing.T, cfg Config, do func(h *house, who iam.Caller, in kms.InstanceID)) {
	t.Helper()
	err := offline(t.Context(), cfg, io.Discard, func(h *house) error {
		account, _, err := h.operator(t.Context())
		if err != nil {
			return err
		}
		name, err := h.db.Setting(t.Context(), settingKMS)
		if err != nil {
			return err
		}
		in, err := crn.Parse(name)
		if err != nil {
			return err
		}
		do(h, iam.Caller{
			Identity: account.Owner, Kind: iam.KindUser, Account: account.ID, Owner: true,
			Trail: &audit.Trail{URI: "test", Time: h.now()},
		}, kms.InstanceID(in.Instance))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// restore brings the backup into a new folder, which already has what opens it.
func (d *backedUp) restore(t *testing.T, o RestoreOptions) (Config, Restored, error) {
	t.Helper()
	cfg := d.cfg
	cfg.Data = filepath.Join(t.TempDir(), "restored")
	if err := os.Mkdir(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(d.cfg.Data, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Data, keyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	done, err := Restore(t.Context(), cfg, io.Discard, bytes.NewReader(d.file), o)
	return cfg, done, err
}

func (d *backedUp) mustUnwrap(t *testing.T, cfg Config) {
	t.Helper()
	use(t, cfg, func(h *house, who iam.Caller, _ kms.InstanceID) {
		u, err := h.keys.Unwrap(t.Context(), who, d.key, d.wrapped, nil)
		if err != nil || string(u.Plaintext.Reveal()) != "data key" {
			t.Errorf("what was wrapped before the backup does not unwrap: %v", err)
		}
	})
}

// TestRestoredDatabaseKeepsOffItsNodes: the server that a backup is of goes on while the backup is tried.
func TestRestoredDatabaseKeepsOffItsNodes(t *testing.T) {
	d := newBackedUp(t)
	cfg, _, err := d.restore(t, RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kept := func(cfg Config) (only bool) {
		use(t, cfg, func(h *house, _ iam.Caller, _ kms.InstanceID) { only = h.cluster.ReadOnly })
		return only
	}
	if !kept(cfg) || kept(d.cfg) {
		t.Error("a restored database uses the nodes as if they were its own, or the one that it is a copy of does not")
	}
	if err := TakeNodes(t.Context(), cfg, io.Discard); err != nil {
		t.Fatal(err)
	}
	if kept(cfg) {
		t.Error("nodes that were taken over are only read")
	}
	if n := (&deployment{t, cfg}).recorded(actionTakeNodes); n != 1 {
		t.Errorf("%d events of it", n)
	}
	if err := TakeNodes(t.Context(), cfg, io.Discard); err == nil {
		t.Error("they were taken over twice")
	}
}

func TestABackupBringsEverythingBack(t *testing.T) {
	d := newBackedUp(t)
	cfg, done, err := d.restore(t, RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (kms.Verified{InstanceKeys: 2, RootVersions: 2}); done.Keys != want || done.Lost {
		t.Errorf("restored %+v, want %+v", done, want)
	}
	d.mustUnwrap(t, cfg)
	restored := &deployment{t, cfg}
	if n := restored.recorded(string(actionRestore)); n != 1 {
		t.Errorf("%d events of the restoring", n)
	}
	if _, err := Restore(t.Context(), cfg, io.Discard, bytes.NewReader(d.file), RestoreOptions{}); err == nil {
		t.Error("restored over a database")
	}
}

func TestVerifyingWritesNothing(t *testing.T) {
	d := newBackedUp(t)
	cfg, done, err := d.restore(t, RestoreOptions{VerifyOnly: true})
	if err != nil || done.Keys.RootVersions != 2 {
		t.Fatalf("verified %+v, %v", done, err)
	}
	files, err := os.ReadDir(cfg.Data)
	if err != nil || len(files) != 1 {
		t.Errorf("the data folder holds %v, %v", files, err)
	}
}

// TestABackupWithoutItsKeyFileStaysClosed has neither the key file nor the right one.
func TestABackupWithoutItsKeyFileStaysClosed(t *testing.T) {
	d := newBackedUp(t)
	for name, key := range map[string][]byte{"none": nil, "another": custody.RandomSecret(32).Reveal()} {
		cfg := d.cfg
		cfg.Data = filepath.Join(t.TempDir(), "thief")
		if err := os.Mkdir(cfg.Data, 0o700); err != nil {
			t.Fatal(err)
		}
		if key != nil {
			if err := os.WriteFile(filepath.Join(cfg.Data, keyFile), key, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if done, err := Restore(t.Context(), cfg, io.Discard, bytes.NewReader(d.file), RestoreOptions{}); err == nil {
			t.Errorf("key file %s: restored %+v", name, done)
		}
		if _, err := os.Stat(filepath.Join(cfg.Data, databaseFile)); err == nil {
			t.Errorf("key file %s: left a database", name)
		}
		if _, err := os.Stat(filepath.Join(cfg.Data, masterFile)); err == nil {
			t.Errorf("key file %s: left the master file, which the next backup would take for its own", name)
		}
	}
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	d := newBackedUp(t)
	whole := d.file
	for name, file := range map[string][]byte{
		"cut":     whole[:len(whole)-1],
		"changed": append(append([]byte(nil), whole[:len(whole)-1]...), whole[len(whole)-1]^1),
	} {
		d.file = file
		cfg, _, err := d.restore(t, RestoreOptions{})
		if !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		left, _ := filepath.Glob(filepath.Join(cfg.Data, databaseFile+"*"))
		if len(left) != 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// TestABackupWithAKeyThatDoesNotOpenIsRefused as one that was bad before it was taken.
func TestABackupWithAKeyThatDoesNotOpenIsRefused(t *testing.T) {
	d := newBackedUp(t)
	tamper(t, d.cfg.Data, `UPDATE key_versions SET sealed = zeroblob(length(sealed))
		WHERE created_at = (SELECT max(created_at) FROM key_versions)`)
	d.file = takeBackup(t, d.cfg)
	cfg, _, err := d.restore(t, RestoreOptions{})
	if err == nil || !strings.Contains(err.Error(), "key_versions") && !strings.Contains(err.Error(), "do not open") {
		t.Errorf("restored: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, databaseFile)); err == nil {
		t.Error("left a database")
	}
}

// TestSharesOpenABackup when the module has gone with the data folder.
func TestSharesOpenABackup(t *testing.T) {
	d := newBackedUp(t)
	var printed []custody.Secret
	_, err := RotateOffline(t.Context(), d.cfg, io.Discard, "", Shares{
		Count: 3, Threshold: 2,
		Show: func(_ string, shares []custody.Secret) error {
			for _, s := range shares[1:] {
				printed = append(printed, custody.NewSecret(bytes.Clone(s.Reveal())))
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = offline(t.Context(), d.cfg, io.Discard, func(h *house) error { return h.custodian("").Move(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	d.file = takeBackup(t, d.cfg)
	cfg := d.cfg
	cfg.Data = filepath.Join(t.TempDir(), "restored")
	done, err := Restore(t.Context(), cfg, io.Discard, bytes.NewReader(d.file), RestoreOptions{Printed: printed})
	if err != nil || !done.Lost || done.Keys.RootVersions != 2 {
		t.Fatalf("restored %+v, %v", done, err)
	}
	if _, err := Restore(t.Context(), cfg, io.Discard, bytes.NewReader(d.file), RestoreOptions{Printed: printed[:1]}); err == nil {
		t.Error("restored with one share")
	}
	// What was restored goes on in a new module, without the key file of the old one. The generation
	// from before the shares, of which nothing is left, is lost as well.
	r, err := Recover(t.Context(), cfg, io.Discard, printed, Shares{})
	if err != nil || !slices.Equal(r.Lost, []uint32{1, 2}) {
		t.Fatalf("recovered %+v, %v", r, err)
	}
	d.mustUnwrap(t, cfg)
}

// TestABackupAsksForNoModuleThatItDoesNotNeed when its masters have moved to another one.
func TestABackupAsksForNoModuleThatItDoesNotNeed(t *testing.T) {
	d := newBackedUp(t)
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.cfg.Custody.Modules = []CryptoModule{{Name: "sealed", Software: &Software{PassphraseFile: passphrase}}}
	d.mustRun()
	d.inside(func(h *house, who iam.Caller) error {
		if _, err := h.masters.Migrate(t.Context(), who, masters.Migration{Module: "sealed"}); err != nil {
			return err
		}
		return errors.Join(h.masters.Move(t.Context()), h.masters.Retire(t.Context(), who, 1))
	})
	d.file = takeBackup(t, d.cfg)
	cfg := d.cfg
	cfg.Data = filepath.Join(t.TempDir(), "restored") // without the key file of the embedded module
	if _, err := Restore(t.Context(), cfg, io.Discard, bytes.NewReader(d.file), RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	d.mustUnwrap(t, cfg)
}
