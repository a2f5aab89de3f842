package sqlstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// enterGeneration makes a generation the current one.
func enterGeneration(t testing.TB, db *sqlstore.DB, g masters.Generation) {
	t.Helper()
	g.State = masters.Making
	if err := db.Masters().Begin(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := db.Masters().Enter(t.Context(), g, nil); err != nil {
		t.Fatal(err)
	}
}

func generation(t *testing.T, db *sqlstore.DB, number uint32) masters.Generation {
	t.Helper()
	all, err := db.Masters().Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if g.Number == number {
			return g
		}
	}
	t.Fatalf("generation %d is not there", number)
	return masters.Generation{}
}

var someTime = time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)

func second() masters.Generation {
	return masters.Generation{
		Number: 2, Module: "hsm", Recovery: masters.RecoverySet{Set: "set", Threshold: 2, Shares: 3},
		Escrow: custody.Escrow("escrow"), Created: someTime,
	}
}

func TestEnteredGenerationSucceedsTheCurrentOne(t *testing.T) {
	db, _, _, _ := keyStore(t)
	enterGeneration(t, db, second())
	want := second()
	want.State = masters.Current
	if diff := cmp.Diff(want, generation(t, db, 2)); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
	if g := generation(t, db, 1); g.State != masters.Leaving {
		t.Errorf("the one before is %s", g.State)
	}
	if err := db.Masters().Begin(t.Context(), second()); !errors.Is(err, sqlstore.ErrExists) {
		t.Errorf("a number was given twice: %v", err)
	}
	if err := db.Masters().Enter(t.Context(), second(), nil); fault.KindOf(err) != fault.Stale {
		t.Errorf("entered twice: %v", err)
	}
}

func TestOnlyWhatWasBeingMadeIsAbandoned(t *testing.T) {
	db, _, _, _ := keyStore(t)
	g := second()
	g.State = masters.Making
	if err := db.Masters().Begin(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	for _, number := range []uint32{1, 2} {
		if err := db.Masters().Abandon(t.Context(), number); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.Masters().Generations(t.Context())
	if err != nil || len(all) != 1 || all[0].Number != 1 {
		t.Errorf("left: %+v, %v", all, err)
	}
}

// TestMovedRowsReadBack moves the key of an instance and a version, as kms does.
func TestMovedRowsReadBack(t *testing.T) {
	db, keys, k, v := keyStore(t)
	if err := keys.InsertKey(t.Context(), k, v, 1, keyEvent()); err != nil {
		t.Fatal(err)
	}
	move := kms.Move{From: 1, To: 2}
	next := kms.InstanceKey{Instance: "i", Account: "a", Generation: 2, Sealed: []byte("again"), Created: k.Created}
	if err := keys.MoveInstanceKey(t.Context(), 1, next); !errors.Is(err, kms.ErrUnavailable) {
		t.Errorf("moved to masters that are not there: %v", err)
	}
	enterGeneration(t, db, second())

	page, err := keys.InstanceKeysToMove(t.Context(), move, "", 10)
	if err != nil || len(page) != 1 || page[0].Generation != 1 {
		t.Fatalf("to move: %+v, %v", page, err)
	}
	if err := keys.MoveInstanceKey(t.Context(), 1, next); err != nil {
		t.Fatal(err)
	}
	if err := keys.MoveInstanceKey(t.Context(), 1, next); fault.KindOf(err) != fault.Stale {
		t.Errorf("moved twice: %v", err)
	}
	all, err := keys.InstanceKeys(t.Context(), "i")
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if diff := cmp.Diff(next, all[0]); diff != "" {
		t.Error("the newest (-want +got):\n" + diff)
	}

	versions, err := keys.VersionsToMove(t.Context(), move, kms.VersionPlace{}, 10)
	if diff := cmp.Diff([]kms.StoredVersion{{Instance: "i", Key: k.ID, Account: "a", Version: v}}, versions); diff != "" || err != nil {
		t.Fatalf("%v: -want +got:\n%s", err, diff)
	}
	moved := versions[0]
	moved.Generation, moved.Sealed = 2, []byte("sealed anew")
	for want := range 2 {
		if n, err := keys.MoveVersions(t.Context(), 1, []kms.StoredVersion{moved}); err != nil || n != 1-want {
			t.Errorf("moved %d, %v", n, err)
		}
	}
	r, err := keys.Record(t.Context(), "i", k.ID)
	if diff := cmp.Diff(kms.Record{Key: k, Versions: []kms.Version{moved.Version}}, r); diff != "" || err != nil {
		t.Errorf("%v: -want +got:\n%s", err, diff)
	}
}

// TestWhatHasGoneIsNotMoved moves a version whose key was purged, and one whose instance was
// destroyed, after both were read.
func TestWhatHasGoneIsNotMoved(t *testing.T) {
	for name, end := range map[string]func(*sqlstore.Keys, kms.Key) error{
		"purged":    func(s *sqlstore.Keys, k kms.Key) error { return s.PurgeKey(t.Context(), k, keyEvent()) },
		"destroyed": func(s *sqlstore.Keys, k kms.Key) error { return s.DestroyInstance(t.Context(), k.Instance) },
	} {
		t.Run(name, func(t *testing.T) {
			db, keys, k, v := keyStore(t)
			if err := keys.InsertKey(t.Context(), k, v, 1, keyEvent()); err != nil {
				t.Fatal(err)
			}
			enterGeneration(t, db, second())
			next := kms.InstanceKey{Instance: "i", Account: "a", Generation: 2, Sealed: []byte("again"), Created: k.Created}
			if name == "purged" {
				if err := keys.MoveInstanceKey(t.Context(), 1, next); err != nil {
					t.Fatal(err)
				}
			}
			if err := end(keys, k); err != nil {
				t.Fatal(err)
			}
			if name == "destroyed" {
				if err := keys.MoveInstanceKey(t.Context(), 1, next); fault.KindOf(err) != fault.Stale {
					t.Errorf("a destroyed instance got its key back: %v", err)
				}
			}
			moved := kms.StoredVersion{Instance: "i", Key: k.ID, Account: "a", Version: v}
			moved.Generation = 2
			if n, err := keys.MoveVersions(t.Context(), 1, []kms.StoredVersion{moved}); n != 0 || err != nil {
				t.Errorf("moved %d, %v", n, err)
			}
			if _, err := keys.Record(t.Context(), "i", k.ID); !errors.Is(err, sqlstore.ErrNotFound) {
				t.Errorf("the key is back: %v", err)
			}
		})
	}
}

func TestMastersThatAreNeededAreNotRetired(t *testing.T) {
	db, keys, k, v := keyStore(t)
	if err := keys.InsertKey(t.Context(), k, v, 1, keyEvent()); err != nil {
		t.Fatal(err)
	}
	token := kms.ImportToken{
		ID: "token", Instance: "i", Account: "a", Expires: time.Now().Add(time.Hour), Public: []byte{1}, Nonce: []byte{2},
		Generation: 1, Sealed: []byte("sealed"), Revision: 1,
	}
	if err := keys.PutImportToken(t.Context(), token, keyEvent()); err != nil {
		t.Fatal(err)
	}
	store := db.Masters()
	if err := store.Retire(t.Context(), 1, masters.Retired, nil); fault.KindOf(err) != fault.Stale && !errors.Is(err, masters.ErrInUse) {
		t.Errorf("the current masters were retired: %v", err)
	}
	enterGeneration(t, db, second())
	refused := func(want masters.Left) {
		t.Helper()
		if got, err := store.Left(t.Context(), 1); got != want || err != nil {
			t.Errorf("left: %+v, %v; want %+v", got, err, want)
		}
		if err := store.Retire(t.Context(), 1, masters.Retired, nil); !errors.Is(err, masters.ErrInUse) {
			t.Errorf("retired with %+v left: %v", want, err)
		}
	}
	refused(masters.Left{InstanceKeys: 1, Versions: 1, ImportTokens: 1})
	next := kms.InstanceKey{Instance: "i", Account: "a", Generation: 2, Sealed: []byte("again"), Created: k.Created}
	if err := keys.MoveInstanceKey(t.Context(), 1, next); err != nil {
		t.Fatal(err)
	}
	refused(masters.Left{Versions: 1, ImportTokens: 1})
	moved := kms.StoredVersion{Instance: "i", Key: k.ID, Account: "a", Version: v}
	moved.Generation = 2
	if _, err := keys.MoveVersions(t.Context(), 1, []kms.StoredVersion{moved}); err != nil {
		t.Fatal(err)
	}
	refused(masters.Left{ImportTokens: 1})
	token.Generation = 2
	if err := keys.PutImportToken(t.Context(), token, keyEvent()); err != nil {
		t.Fatal(err)
	}

	if err := store.Retire(t.Context(), 1, masters.Retired, &audit.Event{Action: "test"}); err != nil {
		t.Fatal(err)
	}
	if g := generation(t, db, 1); g.State != masters.Retired || g.Retired.IsZero() {
		t.Errorf("retired: %+v", g)
	}
	if all, err := keys.InstanceKeys(t.Context(), "i"); err != nil || len(all) != 1 || all[0].Generation != 2 {
		t.Errorf("instance keys: %+v, %v", all, err)
	}
	// What was made under the retired masters while they went comes too late.
	k.ID, v.ID = "11111111-1111-4111-8111-111111111111", "11111111-1111-4111-8111-111111111111"
	k.Aliases, k.Newest = nil, v.Stamp
	token.Generation = 1
	late := kms.InstanceKey{Instance: "j", Account: "a", Generation: 1, Sealed: []byte("late"), Created: k.Created}
	for name, err := range map[string]error{
		"a version":       keys.InsertKey(t.Context(), k, v, 1, keyEvent()),
		"an import token": keys.PutImportToken(t.Context(), token, keyEvent()),
		"an instance key": keys.InsertInstanceKey(t.Context(), late),
	} {
		if !errors.Is(err, kms.ErrUnavailable) {
			t.Errorf("%s was stored under retired masters: %v", name, err)
		}
	}
}

func TestLostMastersKeepTheirEscrow(t *testing.T) {
	db, keys, k, _ := keyStore(t)
	enterGeneration(t, db, second())
	third := second()
	third.Number, third.Module, third.Recovery.Set, third.Escrow = 3, "software", "other", nil
	for from, to := uint32(1), uint32(2); to <= 3; from, to = from+1, to+1 {
		if to == 3 {
			enterGeneration(t, db, third)
		}
		next := kms.InstanceKey{Instance: "i", Account: "a", Generation: to, Sealed: []byte("again"), Created: k.Created}
		if err := keys.MoveInstanceKey(t.Context(), from, next); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Masters().Dispose(t.Context(), "set", nil); !errors.Is(err, masters.ErrSetInUse) {
		t.Errorf("a set in use was given up: %v", err)
	}
	if err := db.Masters().Retire(t.Context(), 2, masters.Lost, nil); err != nil {
		t.Fatal(err)
	}
	if g := generation(t, db, 2); g.State != masters.Lost || string(g.Escrow) != "escrow" {
		t.Errorf("lost: %+v", g)
	}
	if err := db.Masters().Dispose(t.Context(), "set", nil); err != nil {
		t.Fatal(err)
	}
	if g := generation(t, db, 2); g.Disposed.IsZero() || len(g.Escrow) != 0 {
		t.Errorf("given up: %+v", g)
	}
	if err := db.Masters().Dispose(t.Context(), "no such set", nil); !errors.Is(err, masters.ErrNoSet) {
		t.Errorf("a set that is not there was given up: %v", err)
	}
}

func TestPurgedKeysAreRemembered(t *testing.T) {
	db, keys, k, v := keyStore(t)
	if err := keys.InsertKey(t.Context(), k, v, 1, keyEvent()); err != nil {
		t.Fatal(err)
	}
	if err := keys.PurgeKey(t.Context(), k, keyEvent()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := keys.DestroyInstance(t.Context(), k.Instance); err != nil {
			t.Fatal(err)
		}
	}
	var all []masters.Purged
	for after := (masters.Purged{}); ; after = all[len(all)-1] {
		page, err := db.Masters().Purged(t.Context(), after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
	}
	want := []masters.Purged{
		{Instance: "i", Key: string(k.ID), Account: "a", Created: k.Created, Generation: 1},
		{Instance: "i", Account: "a", Created: k.Created, Generation: 1},
	}
	for i := range all {
		if all[i].Purged.IsZero() {
			t.Error("no time of the purge")
		}
		all[i].Purged = time.Time{}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
	if n, err := db.Masters().CountPurged(t.Context()); n != 2 || err != nil {
		t.Errorf("%d purged, %v", n, err)
	}
}

func TestForgedGenerationIsAnError(t *testing.T) {
	for _, statement := range []string{
		`UPDATE master_generations SET state = 'leaving'`,
		`UPDATE master_generations SET module = 'theirs'`,
		`UPDATE master_generations SET escrow = x'00'`,
		`UPDATE master_generations SET mac = x''`,
		`UPDATE master_generations SET generation = 7`,
	} {
		db, _, _, _ := keyStore(t)
		if err := db.Forge(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if all, err := db.Masters().Generations(t.Context()); err == nil {
			t.Errorf("after %s: %+v is believed", statement, all)
		}
	}
}

// TestMovesFindTheirRowsInAnIndex keeps a move from walking through keys that have moved before.
func TestMovesFindTheirRowsInAnIndex(t *testing.T) {
	db, _, _, _ := keyStore(t)
	for _, m := range []kms.Move{{From: 1, To: 2}, {From: 1, To: 2, Instance: "i"}} {
		plan := sqlstore.PlanOfMove(t, db, m)
		if !strings.Contains(plan, "key_versions_by_generation (generation=? AND") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%+v is looked for so:\n%s", m, plan)
		}
	}
}
