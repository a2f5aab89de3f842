package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// paper takes shares as they are printed.
type paper struct{ shares []custody.Secret }

func (p *paper) of(count, threshold int) Shares {
	return Shares{Count: count, Threshold: threshold, Show: func(_ string, printed []custody.Secret) error {
		for _, s := range printed {
			p.shares = append(p.shares, custody.NewSecret(bytes.Clone(s.Reveal())))
		}
		return nil
	}}
}

// inside lets do work on the stopped deployment as the operator.
func (d *deployment) inside(do func(h *house, who iam.Caller) error) {
	d.Helper()
	err := offline(context.Background(), d.cfg, io.Discard, func(h *house) error {
		account, _, err := h.operator(context.Background())
		if err != nil {
			return err
		}
		h.serveOperator(account.ID)
		return do(h, iam.Caller{
			Identity: account.Owner, Kind: iam.KindUser, Account: account.ID, Owner: true, Trail: &audit.Trail{URI: "test"},
		})
	})
	if err != nil {
		d.Fatal(err)
	}
}

// begin opens a deployment as far as its modules, takes some steps of its first start, and ends as a
// crash would.
func (d *deployment) begin(steps func(c *core) error) {
	d.Helper()
	ctx := context.Background()
	if err := d.cfg.complete(); err != nil {
		d.Fatal(err)
	}
	c := &core{config: d.cfg, log: d.cfg.logger(io.Discard), now: d.cfg.Now, hub: lease.Always()}
	defer func() {
		if err := c.close(); err != nil {
			d.Error(err)
		}
	}()
	var err error
	if c.folder, err = openFolder(d.cfg.Data); err != nil {
		d.Fatal(err)
	}
	c.onClose(c.folder.Close)
	c.db, err = sqlstore.Open(ctx, sqlstore.Options{
		Path: c.folder.file(databaseFile), Server: c.folder.server, Hub: c.hub, Now: c.now, Log: c.log,
	})
	if err != nil {
		d.Fatal(err)
	}
	c.onClose(c.db.Close)
	if c.rack, err = c.openModules(ctx, nil); err != nil {
		d.Fatal(err)
	}
	c.onClose(c.rack.Close)
	c.system = &systemKey{rack: c.rack, db: c.db}
	if err := steps(c); err != nil {
		d.Fatal(err)
	}
}

// sealed is what was wrapped under keys of a deployment.
type sealed struct {
	ref  kms.Ref
	text string
}

// fill makes keys with two versions and wraps something under each.
func (d *deployment) fill(keys int) (all []sealed) {
	d.Helper()
	ctx := context.Background()
	d.inside(func(h *house, who iam.Caller) error {
		name, err := h.db.Setting(ctx, settingKMS)
		if err != nil {
			return err
		}
		in := kms.InstanceID(strings.Split(name, ":")[7])
		for i := range keys {
			made, err := h.keys.Create(ctx, who, kms.Ref{Instance: in}, kms.NewKey{Name: fmt.Sprint("key ", i)})
			if err != nil {
				return err
			}
			ref := kms.Ref{Instance: in, Key: string(made.Key.ID)}
			for range 2 {
				w, err := h.keys.Wrap(ctx, who, ref, custody.NewSecret([]byte("data key")), nil)
				if err != nil {
					return err
				}
				all = append(all, sealed{ref, w.Ciphertext})
				if err := h.keys.Rotate(ctx, who, ref, kms.NewVersion{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return all
}

// opens unwraps everything.
func (d *deployment) opens(all []sealed) {
	d.Helper()
	d.inside(func(h *house, who iam.Caller) error {
		for _, s := range all {
			u, err := h.keys.Unwrap(context.Background(), who, s.ref, s.text, nil)
			if err != nil || string(u.Plaintext.Reveal()) != "data key" {
				return fmt.Errorf("key %s: %q, %w", s.ref.Key, u.Plaintext.Reveal(), err)
			}
		}
		return nil
	})
}

// states lists the generations, as "1 retired".
func (d *deployment) states() (list []string) {
	d.Helper()
	d.inside(func(h *house, _ iam.Caller) error {
		all, err := h.db.Masters().Generations(context.Background())
		for _, g := range all {
			list = append(list, fmt.Sprint(g.Number, " ", g.State))
		}
		return err
	})
	return list
}

func (d *deployment) wantStates(want ...string) {
	d.Helper()
	if got := d.states(); !slices.Equal(got, want) {
		d.Errorf("generations are %v, want %v", got, want)
	}
}

// TestLostModuleIsRecoveredFromShares is the drill: the module is gone, and two of three shares and
// the database open every key in a new one.
func TestLostModuleIsRecoveredFromShares(t *testing.T) {
	d := newDeployment(t)
	var old, fresh paper
	made, err := InitCustody(t.Context(), d.cfg, io.Discard, "", old.of(3, 2))
	if err != nil || made.Generation != 1 || made.RecoverySet == "" || len(old.shares) != 3 {
		t.Fatalf("%+v, %d shares, %v", made, len(old.shares), err)
	}
	if _, err := InitCustody(t.Context(), d.cfg, io.Discard, "", old.of(3, 2)); !errors.Is(err, ErrHasMasters) || len(old.shares) != 3 {
		t.Errorf("prepared twice: %v", err)
	}
	d.mustRun()
	all := d.fill(3)
	if _, err := Recover(t.Context(), d.cfg, io.Discard, old.shares[:2], fresh.of(2, 2)); err == nil || len(fresh.shares) != 0 {
		t.Errorf("recovered what was not lost: %v", err)
	}

	for _, name := range []string{masterFile, keyFile} {
		if err := os.Remove(filepath.Join(d.cfg.Data, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.run(); err == nil {
		t.Fatal("the server starts without its masters")
	}
	if _, err := Recover(t.Context(), d.cfg, io.Discard, old.shares[:1], fresh.of(2, 2)); err == nil {
		t.Error("one share opens the keys")
	}
	if _, err := os.Stat(filepath.Join(d.cfg.Data, masterFile)); err == nil {
		t.Error("failures have left a master file")
	}
	r, err := Recover(t.Context(), d.cfg, io.Discard, old.shares[1:], fresh.of(2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Lost, []uint32{1}) || r.Made.Generation != 2 || r.Keys == 0 || len(fresh.shares) != 2 {
		t.Errorf("recovered: %+v, %d new shares", r, len(fresh.shares))
	}
	d.mustRun()
	d.opens(all)
	d.wantStates("1 lost", "2 current")

	// The new shares are good for the next time.
	if err := os.Remove(filepath.Join(d.cfg.Data, masterFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), d.cfg, io.Discard, old.shares, Shares{}); err == nil {
		t.Error("shares of masters that are lost for good open newer ones")
	}
	if _, err := Recover(t.Context(), d.cfg, io.Discard, fresh.shares, Shares{}); err != nil {
		t.Fatal(err)
	}
	d.opens(all)
	d.wantStates("1 lost", "2 lost", "3 current")
	if n := d.recorded(string(masters.ActionRecover)); n != 4 {
		t.Errorf("%d events of the recoveries", n)
	}
}

// TestForeignMastersAreRefused puts the masters of another deployment in the place of ours, and ours
// beside a database that knows nothing of them.
func TestForeignMastersAreRefused(t *testing.T) {
	ours, theirs := newDeployment(t), newDeployment(t)
	ours.mustRun()
	theirs.mustRun()
	mine := ours.copyOf()
	refused := func(what string) {
		t.Helper()
		if err := os.Chmod(filepath.Join(ours.cfg.Data, keyFile), 0o600); err != nil { // copies are open to more
			t.Fatal(err)
		}
		before := ours.copyOf()
		if err := ours.run(); !errors.Is(err, errForeignSeal) {
			t.Errorf("%s: %v", what, err)
		}
		for _, name := range []string{masterFile, keyFile} {
			was, _ := os.ReadFile(filepath.Join(before, name))
			is, err := os.ReadFile(filepath.Join(ours.cfg.Data, name))
			if err != nil || !bytes.Equal(was, is) {
				t.Errorf("%s: %s was changed: %v", what, name, err)
			}
		}
	}
	other := theirs.copyOf()
	ours.putBack(other, masterFile)
	ours.putBack(other, keyFile)
	refused("another deployment's masters")

	ours.cfg = newDeployment(t).cfg
	ours.putBack(mine, masterFile)
	ours.putBack(mine, keyFile)
	refused("masters beside an empty database")
}

// TestInterruptedFirstStartIsFinished cuts the first start short after each of its steps.
func TestInterruptedFirstStartIsFinished(t *testing.T) {
	for name, tc := range map[string]struct {
		steps func(c *core) error
		want  string
	}{
		"masters announced": {func(c *core) error {
			return c.db.Masters().Begin(t.Context(), masters.Generation{Number: 1, Module: softwareModule, State: masters.Making, Created: c.now()})
		}, "1 current"},
		"masters made": {func(c *core) error {
			_, err := c.makeFirst(t.Context(), c.db.Masters(), nil)
			return err
		}, "2 current"},
		"system key made": {func(c *core) error {
			g, err := c.makeFirst(t.Context(), c.db.Masters(), nil)
			if err != nil {
				return err
			}
			return c.system.make(t.Context(), g.Number)
		}, "1 current"},
		"row key made": {func(c *core) error {
			g, err := c.makeFirst(t.Context(), c.db.Masters(), nil)
			if err == nil {
				err = c.system.make(t.Context(), g.Number)
			}
			if err == nil {
				err = openRowKey(t.Context(), c.system.vault, c.db)
			}
			return err
		}, "1 current"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployment(t)
			d.begin(tc.steps)
			d.mustRun()
			d.wantStates(tc.want)
			d.opens(d.fill(1))
		})
	}
}

// TestRecoveryKeyComesLater is a deployment that was started without one.
func TestRecoveryKeyComesLater(t *testing.T) {
	d := newDeployment(t)
	d.mustRun()
	all := d.fill(2)
	var p paper
	made, err := RotateOffline(t.Context(), d.cfg, io.Discard, "", p.of(2, 1))
	if err != nil || made.Generation != 2 || made.Module != softwareModule {
		t.Fatalf("%+v, %v", made, err)
	}
	ctx := context.Background()
	d.inside(func(h *house, who iam.Caller) error {
		if err := h.masters.Retire(ctx, who, 1); !errors.Is(err, masters.ErrInUse) {
			t.Errorf("masters with keys were retired: %v", err)
		}
		if err := h.masters.Move(ctx); err != nil {
			return err
		}
		for range 2 { // it may be repeated
			if err := h.masters.Retire(ctx, who, 1); err != nil {
				return err
			}
		}
		return nil
	})
	d.wantStates("1 retired", "2 current")
	if err := os.Remove(filepath.Join(d.cfg.Data, masterFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), d.cfg, io.Discard, p.shares[1:], Shares{}); err != nil {
		t.Fatal(err)
	}
	d.opens(all)
}

// TestSealMigrates brings the keys of the embedded default, whose seal is none, under a passphrase.
func TestSealMigrates(t *testing.T) {
	d := newDeployment(t)
	d.mustRun()
	all := d.fill(2)
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.cfg.Custody.Modules = []CryptoModule{{Name: "sealed", Software: &Software{PassphraseFile: passphrase}}}
	d.mustRun()
	ctx := context.Background()
	d.inside(func(h *house, who iam.Caller) error {
		g, err := h.masters.Migrate(ctx, who, masters.Migration{Module: "sealed"})
		if err != nil || g.Number != 2 {
			return fmt.Errorf("generation %d: %w", g.Number, err)
		}
		if err := h.masters.Move(ctx); err != nil {
			return err
		}
		return h.masters.Retire(ctx, who, 1)
	})
	d.cfg.Custody.Module = "sealed" // the embedded module is needed no more
	for _, name := range []string{masterFile, keyFile} {
		if err := os.Remove(filepath.Join(d.cfg.Data, name)); err != nil {
			t.Fatal(err)
		}
	}
	d.mustRun()
	d.opens(all)
	d.opens(d.fill(1))
	d.cfg.Custody = Custody{}
	if err := d.run(); err == nil || !strings.Contains(err.Error(), `custody.modules does not name`) {
		t.Errorf("started without the module of its masters: %v", err)
	}
}

// TestWhatCannotBeOpenedIsExplained with what to do next.
func TestWhatCannotBeOpenedIsExplained(t *testing.T) {
	d := newDeployment(t)
	d.mustRun()
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.cfg.Custody.PassphraseFile = passphrase
	if err := d.run(); err == nil || !strings.Contains(err.Error(), "custody migrate") {
		t.Errorf("started with another seal: %v", err)
	}
	d.cfg.Custody.PassphraseFile = ""
	if err := os.Remove(filepath.Join(d.cfg.Data, masterFile)); err != nil {
		t.Fatal(err)
	}
	if err := d.run(); err == nil || !strings.Contains(err.Error(), "custody recover") {
		t.Errorf("started without the master file: %v", err)
	}
}

func TestModulesOfTheConfiguration(t *testing.T) {
	hsm := "custody:\n  modules:\n  - name: hsm\n    pkcs11: {library: /lib/p11.so, token: t, pin_file: pin}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"unknown module":   {"custody:\n  module: hsm\n", "custody.module"},
		"no kind":          {"custody:\n  modules: [{name: hsm}]\n", "set pkcs11 or software"},
		"no seal":          {"custody:\n  modules: [{name: soft, software: {}}]\n", "passphrase_file or key_file"},
		"both seals":       {"custody:\n  modules: [{name: soft, software: {passphrase_file: p, key_file: k}}]\n", "not both"},
		"no name":          {"custody:\n  modules: [{pkcs11: {library: /l, token: t, pin_file: p}}]\n", "name: is missing"},
		"embedded name":    {"custody:\n  modules: [{name: software, pkcs11: {library: /l, token: t, pin_file: p}}]\n", "already"},
		"relative library": {"custody:\n  modules: [{name: hsm, pkcs11: {library: l, token: t, pin_file: p}}]\n", "absolute"},
		"no token":         {"custody:\n  modules: [{name: hsm, pkcs11: {library: /l, pin_file: p}}]\n", "token"},
		"complete":         {hsm + "  module: hsm\n", ""},
	} {
		c, err := parseConfig("c.yaml", []byte(tc.text))
		if err == nil {
			c.Data = t.TempDir()
			err = c.complete()
		}
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	// A module that holds masters in use has to be named.
	c := Custody{Module: softwareModule}
	for state, refused := range map[masters.State]bool{
		masters.Current: true, masters.Leaving: true, masters.Retired: false, masters.Lost: false, masters.Making: false,
	} {
		err := c.hasModules([]masters.Generation{{Number: 1, Module: "hsm", State: state}})
		if (err != nil) != refused {
			t.Errorf("%s masters in a module that is not named: %v", state, err)
		}
	}
}

func TestAPassphraseThatOthersCanReadIsRefused(t *testing.T) {
	d := newDeployment(t)
	d.cfg.Custody.PassphraseFile = passphraseFile(t, "correct horse battery staple\n", 0o640)
	if err := d.run(); err == nil || !strings.Contains(err.Error(), "make it 0600") {
		t.Errorf("start: %v", err)
	}
	if err := os.Chmod(d.cfg.Custody.PassphraseFile, 0o600); err != nil {
		t.Fatal(err)
	}
	d.mustRun()
}

// TestAnEmptyPassphraseIsRefused, and not taken for none.
func TestAnEmptyPassphraseIsRefused(t *testing.T) {
	d := newDeployment(t)
	d.cfg.Custody.PassphraseFile = passphraseFile(t, "\n", 0o600)
	if err := d.run(); err == nil || !strings.Contains(err.Error(), d.cfg.Custody.PassphraseFile+" holds no passphrase") {
		t.Errorf("start: %v", err)
	}
}

func passphraseFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
