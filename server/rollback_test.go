package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/sqlstore/sqlstoretest"
)

// deployment is a data folder whose server starts and stops.
type deployment struct {
	*testing.T
	cfg Config
}

func newDeployment(t *testing.T) *deployment {
	return &deployment{t, Config{Data: emptied(t), Now: time.Now}}
}

// emptied is a data folder in which a first start finds the tables made and nothing in them.
func emptied(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sqlstoretest.Create(t, filepath.Join(dir, databaseFile))
	return dir
}

// run opens and closes everything, which signs a new head of the audit log.
func (d *deployment) run() error {
	_, err := Bootstrap(context.Background(), d.cfg, io.Discard, false)
	return err
}

func (d *deployment) mustRun() {
	d.Helper()
	if err := d.run(); err != nil {
		d.Fatal(err)
	}
}

// copyOf returns a copy of the data folder, as a backup or a thief takes it.
func (d *deployment) copyOf() string {
	d.Helper()
	dir := filepath.Join(d.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(d.cfg.Data)); err != nil {
		d.Fatal(err)
	}
	return dir
}

// putBack replaces a file or folder of the data folder by that of a copy.
func (d *deployment) putBack(dir, name string) {
	d.Helper()
	target := filepath.Join(d.cfg.Data, name)
	if err := os.RemoveAll(target); err != nil {
		d.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, name), target); err != nil {
		d.Fatal(err)
	}
}

// recorded counts the events with an action in the log.
func (d *deployment) recorded(action string) (n int) {
	d.Helper()
	segments, err := filepath.Glob(filepath.Join(d.cfg.Data, auditFolder, "*.log"))
	if err != nil {
		d.Fatal(err)
	}
	for _, path := range segments {
		text, err := os.ReadFile(path)
		if err != nil {
			d.Fatal(err)
		}
		n += strings.Count(string(text), `"`+action+`"`)
	}
	return n
}

func TestAnOlderDatabaseIsRefused(t *testing.T) {
	d := newDeployment(t)
	d.mustRun()
	var key kms.Ref
	use(t, d.cfg, func(h *house, who iam.Caller, in kms.InstanceID) {
		made, err := h.keys.Create(t.Context(), who, kms.Ref{Instance: in}, kms.NewKey{Name: "revoked"})
		if err != nil {
			t.Fatal(err)
		}
		key = kms.Ref{Instance: in, Key: string(made.Key.ID)}
	})
	old := d.copyOf()
	use(t, d.cfg, func(h *house, who iam.Caller, _ kms.InstanceID) {
		if _, err := h.keys.Delete(t.Context(), who, key); err != nil {
			t.Fatal(err)
		}
	})
	for range 3 {
		d.mustRun()
	}
	d.putBack(old, databaseFile)
	for range 2 { // the refusal changes nothing
		err := d.run()
		if !errors.Is(err, ErrRolledBack) || !strings.Contains(err.Error(), "the audit log remembers entry") {
			t.Fatalf("start on an older database: %v", err)
		}
	}
	since, err := AcceptRollback(t.Context(), d.cfg, io.Discard, "the disk of the newer one is broken")
	if err != nil {
		t.Fatal(err)
	}
	if len(since) != 1 || since[0].Action != "kms.secrets.delete" || since[0].TargetName != "revoked" {
		t.Errorf("revoked since: %+v", since)
	}
	if n := d.recorded(actionRollback); n != 1 {
		t.Errorf("%d events of the acceptance", n)
	}
	d.mustRun()
	if _, err := AcceptRollback(t.Context(), d.cfg, io.Discard, "again"); err == nil {
		t.Error("accepted without anything to accept")
	}
}

// TestAnEmptyWitnessIsNotSaidToHaveAgreed with a database: it is new, or somebody emptied it.
func TestAnEmptyWitnessIsNotSaidToHaveAgreed(t *testing.T) {
	d := newDeployment(t)
	d.mustRun()
	said := func() string {
		t.Helper()
		var log bytes.Buffer
		if _, err := Bootstrap(t.Context(), d.cfg, &log, false); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	d.cfg.Audit.Witness = t.TempDir()
	if text := said(); !strings.Contains(text, "cannot be excluded") || !strings.Contains(text, `empty="witness folder`) {
		t.Errorf("with an empty witness folder the server says\n%s", text)
	}
	if text := said(); strings.Contains(text, "cannot be excluded") || !strings.Contains(text, `compared="audit log, witness folder`) {
		t.Errorf("with a witness folder that it has filled the server says\n%s", text)
	}
}

// TestAWitnessNoticesThatAllWasRolledBack database and log together.
func TestAWitnessNoticesThatAllWasRolledBack(t *testing.T) {
	d := newDeployment(t)
	d.cfg.Audit.Witness = t.TempDir()
	d.mustRun()
	old := d.copyOf()
	for range 3 {
		d.mustRun()
	}
	d.putBack(old, databaseFile)
	d.putBack(old, auditFolder)
	if err := d.run(); !errors.Is(err, ErrRolledBack) || !strings.Contains(err.Error(), "witness folder") {
		t.Fatalf("start on older copies: %v", err)
	}
	d.cfg.Audit.Witness = ""
	if err := d.run(); err != nil {
		t.Fatalf("without the witness nothing is left to notice it by: %v", err)
	}
}

func TestAWitnessNoticesAnotherHistory(t *testing.T) {
	d := newDeployment(t)
	d.cfg.Audit.Witness = t.TempDir()
	d.mustRun()
	old := d.copyOf()
	d.mustRun()
	theirs := filepath.Join(t.TempDir(), "witness")
	if err := os.CopyFS(theirs, os.DirFS(d.cfg.Audit.Witness)); err != nil {
		t.Fatal(err)
	}
	// Another life from the same beginning, which grows past the one that was witnessed.
	d.putBack(old, databaseFile)
	d.putBack(old, auditFolder)
	d.cfg.Audit.Witness = ""
	for range 4 {
		d.mustRun()
	}
	d.cfg.Audit.Witness = theirs
	if err := d.run(); !errors.Is(err, ErrRolledBack) || !strings.Contains(err.Error(), "otherwise than the database") {
		t.Fatalf("start on another history: %v", err)
	}
}

func TestTheWitnessOfAnotherDeploymentIsRefused(t *testing.T) {
	d, other := newDeployment(t), newDeployment(t)
	d.cfg.Audit.Witness = t.TempDir()
	d.mustRun()
	other.cfg.Audit.Witness = d.cfg.Audit.Witness
	if err := other.run(); err == nil || !strings.Contains(err.Error(), "belongs to another one") {
		t.Errorf("start with the witness of another deployment: %v", err)
	}
}

// memoryAnchor is a token that holds one record.
type memoryAnchor struct {
	record []byte
	writes int
}

func (m *memoryAnchor) Anchor(context.Context) ([]byte, error) { return m.record, nil }

func (m *memoryAnchor) SetAnchor(_ context.Context, record []byte) error {
	m.record, m.writes = record, m.writes+1
	return nil
}

func TestATokenIsWrittenSeldomAndAtTheEnd(t *testing.T) {
	token := &memoryAnchor{}
	w := &tokenWitness{anchors: token, every: tokenEvery}
	begin := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for second := range 90 {
		c := audit.Checkpoint{Server: "server-1", Sequence: uint64(second + 1), Time: begin.Add(time.Duration(second) * time.Second)}
		if err := w.Keep(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if token.writes != 2 {
		t.Errorf("%d writes in 90 seconds", token.writes)
	}
	w.flush()
	kept, err := w.Kept(t.Context())
	if err != nil || len(kept) != 1 || kept[0].Sequence != 90 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}
