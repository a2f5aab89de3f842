package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// open opens the database at path as the program does; the test closes it.
func open(t testing.TB, path string, hub *lease.Hub) *sqlstore.DB {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{
		Path: path, Server: "server-1", Hub: hub, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	db.SetRowKey(bytes.Repeat([]byte{7}, 32))
	return db
}

func fresh(t testing.TB) (*sqlstore.DB, *lease.Hub) {
	t.Helper()
	hub := lease.Always()
	return sqlstoretest.Open(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "data with space?#%.db"), Hub: hub}), hub
}

func TestDurabilityIsFull(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "made by the program.db"), lease.Always())
	defer db.Close()
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1",
	} {
		if got, err := db.Pragma(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

// TestOthersOnTheMachineCannotRead the database, whatever the folder lets them do.
func TestOthersOnTheMachineCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, lease.Always())
	defer db.Close()
	if err := db.Write(t.Context(), "a", "1", nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 3 {
		t.Fatalf("%q, %v, want the database with its log and index", files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", filepath.Base(name), info.Mode(), err)
		}
	}
}

func TestChangeEventAndNewsCommitTogether(t *testing.T) {
	db, hub := fresh(t)
	var announced, heard []lease.Change
	hub.Watch(func(c lease.Change) {
		if c.Pending {
			c.Pending = false
			announced = append(announced, c)
			return
		}
		heard = append(heard, c)
	}, "thing")
	change := []lease.Change{{Kind: "thing", Scope: "account", ID: "1"}, {Kind: "thing", Scope: "account", ID: "2"}}
	ctx := t.Context()

	boom := errors.New("boom")
	if err := db.Write(ctx, "a", "1", change, &audit.Event{Action: "test"}, boom); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	events, err := db.Outbox(ctx, 10)
	rows, heads, ferr := db.Feed(ctx)
	value, serr := db.Setting(ctx, "a")
	if err := errors.Join(err, ferr, serr); err != nil {
		t.Fatal(err)
	}
	if len(announced)+len(heard)+len(events) != 0 || rows+heads != 0 || value != "" {
		t.Errorf("after a rollback: heard %v, %d events, %d rows, heads %d, value %q", heard, len(events), rows, heads, value)
	}

	if err := db.Write(ctx, "a", "1", change, &audit.Event{Action: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	events, err = db.Outbox(ctx, 10)
	rows, heads, ferr = db.Feed(ctx)
	value, serr = db.Setting(ctx, "a")
	if err := errors.Join(err, ferr, serr); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]lease.Change{change, change}, [][]lease.Change{announced, heard}); diff != "" {
		t.Error("news before and after the commit (-want +got):\n" + diff)
	}
	if len(events) != 1 || events[0].Action != "test" || events[0].ID == "" || rows != 2 || heads != 1 || value != "1" {
		t.Errorf("after a commit: events %v, %d rows, heads %d, value %q", events, rows, heads, value)
	}
	select {
	case <-db.Committed():
	default:
		t.Error("nobody is told that the outbox has grown")
	}
	if err := db.Delivered(ctx, events); err != nil {
		t.Fatal(err)
	}
	if events, err = db.Outbox(ctx, 10); err != nil || len(events) != 0 {
		t.Errorf("after delivery: %v, %v", events, err)
	}
}

func TestCommitDoesNotDependOnItsCaller(t *testing.T) {
	db, _ := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Write(ctx, "a", "1", nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was given up before it began: %v", err)
	}
	if v, err := db.Setting(t.Context(), "a"); err != nil || v != "" {
		t.Errorf("it wrote %q, %v", v, err)
	}
}

func TestSettingIsFixedOnce(t *testing.T) {
	db, _ := fresh(t)
	first, err := db.FixSetting(t.Context(), "region", "us-south")
	second, err2 := db.FixSetting(t.Context(), "region", "eu-de")
	if err := errors.Join(err, err2); err != nil || first != "us-south" || second != "us-south" {
		t.Errorf("got %q, %q, %v", first, second, err)
	}
}

func TestReopenFindsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, lease.Always())
	if err := db.Write(t.Context(), "a", "1", nil, &audit.Event{Action: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, lease.Always())
	defer db.Close()
	v, err := db.Setting(t.Context(), "a")
	events, err2 := db.Outbox(t.Context(), 10)
	if err := errors.Join(err, err2); err != nil || v != "1" || len(events) != 1 {
		t.Errorf("got %q, %v, %v", v, events, err)
	}
}

func TestConcurrentWritersTakeTurns(t *testing.T) {
	db, _ := fresh(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				change := []lease.Change{{Kind: "thing", Scope: fmt.Sprint(i), ID: fmt.Sprint(j)}}
				if err := db.Write(t.Context(), fmt.Sprint(i, j), "x", change, nil, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if rows, heads, err := db.Feed(t.Context()); rows != 40 || heads != 40 || err != nil {
		t.Errorf("%d rows, heads %d, %v", rows, heads, err)
	}
}

func TestCheckpoints(t *testing.T) {
	db, _ := fresh(t)
	a, ctx := db.Anchors(), t.Context()
	if _, found, err := a.LastCheckpoint(ctx, "s"); found || err != nil {
		t.Fatalf("found %v, %v in an empty database", found, err)
	}
	at := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	for _, seq := range []uint64{3, 9, 12, 9} {
		c := audit.Checkpoint{Server: "s", Epoch: 1, Sequence: seq, Time: at, KeyID: "k", Signature: []byte{1}}
		if err := a.SaveCheckpoint(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	last, found, err := a.LastCheckpoint(ctx, "s")
	if !found || err != nil || last.Sequence != 12 || !last.Time.Equal(at) {
		t.Errorf("last: %+v, %v, %v", last, found, err)
	}
	after, err := a.Checkpoints(ctx, "s", 3)
	if err != nil || len(after) != 2 || after[0].Sequence != 9 || after[1].Sequence != 12 {
		t.Errorf("after 3: %+v, %v", after, err)
	}
}

func TestRowMAC(t *testing.T) {
	db, _ := fresh(t)
	at := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	row := []any{"id", int64(3), true, at, []byte("sealed")}
	mac := db.Sum("keys", row...)
	if err := db.Check(mac, "keys", "id", row...); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string][]any{
		"column":    {"id", int64(4), true, at, []byte("sealed")},
		"flag":      {"id", int64(3), false, at, []byte("sealed")},
		"time":      {"id", int64(3), true, at.Add(time.Microsecond), []byte("sealed")},
		"bytes":     {"id", int64(3), true, at, []byte("seale")},
		"missing":   {"id", int64(3), true, at},
		"moved cut": {"i", "d", int64(3), true, at, []byte("sealed")},
	} {
		if err := db.Check(mac, "keys", "id", other...); err == nil {
			t.Errorf("%s: a changed row passes", name)
		}
	}
	if err := db.Check(mac, "policies", "id", row...); err == nil {
		t.Error("a row of another table passes")
	}
}

func TestForgedRowIsAnError(t *testing.T) {
	db, _ := fresh(t)
	ctx := t.Context()
	if err := db.Write(ctx, "operator", "ours", nil, &audit.Event{Action: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		db.Forge(ctx, `UPDATE settings SET value = 'theirs'`),
		db.Forge(ctx, `UPDATE outbox SET body = replace(body, 'test', 'fake')`),
	); err != nil {
		t.Fatal(err)
	}
	if v, err := db.Setting(ctx, "operator"); err == nil {
		t.Errorf("a changed setting is believed: %q", v)
	}
	if events, err := db.Outbox(ctx, 10); err == nil {
		t.Errorf("a changed event is believed: %+v", events)
	}
}
