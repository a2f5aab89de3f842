package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// keyStore is a store with one active instance at revision 1.
func keyStore(t testing.TB) (*sqlstore.DB, *sqlstore.Keys, kms.Key, kms.Version) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db := sqlstoretest.Open(t, sqlstore.Options{Path: path})
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_, err = raw.ExecContext(t.Context(), `INSERT INTO instances (guid, account, service, plan, region, resource_group,
			name, state, locked, allow_cleanup, onetime, parameters, plans, last_operation, created_at, created_by,
			updated_at, updated_by, deleted_at, deleted_by, restored_at, restored_by, reclaim_at, reclaim_by, revision, mac)
		VALUES ('i', 'a', 'kms', '', '', '', 'keys', 'active', FALSE, FALSE, FALSE, x'', x'', '',
			0, '', 0, '', 0, '', 0, '', 0, '', 1, x'')`)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 7, 1, 10, 0, 0, 123456000, time.UTC)
	enterGeneration(t, db, masters.Generation{Number: 1, Module: "software", Created: now})
	if err := db.Keys().InsertInstanceKey(t.Context(), kms.InstanceKey{
		Instance: "i", Account: "a", Generation: 1, Sealed: []byte("sealed"), Created: now,
	}); err != nil {
		t.Fatal(err)
	}
	id := uuid.NewString()
	v := kms.Version{
		Stamp:      kms.Stamp{ID: kms.VersionID(id), Number: 1, Created: now, Size: 32},
		Generation: 1, Origin: custody.OriginGenerated, Material: custody.MaterialID{1, 2, 3}, Sealed: []byte("sealed"),
	}
	k := kms.Key{
		ID: kms.KeyID(id), Instance: "i", Account: "a", Ring: kms.DefaultRing, Name: "name", Description: "description",
		Aliases: []string{"one", "two"}, Tags: []string{"tag"}, State: kms.Active, Created: now, CreatedBy: "IBMid-1",
		Updated: now, Expires: now.Add(time.Hour), Newest: v.Stamp, Revision: 1,
	}
	return db, db.Keys(), k, v
}

func keyEvent() *audit.Event { return &audit.Event{Action: "kms.secrets.create"} }

func TestStoredKeyReadsBackWhole(t *testing.T) {
	_, keys, k, v := keyStore(t)
	if err := keys.InsertKey(t.Context(), k, v, 1, keyEvent()); err != nil {
		t.Fatal(err)
	}
	got, err := keys.Record(t.Context(), k.Instance, k.ID)
	if diff := cmp.Diff(kms.Record{Key: k, Versions: []kms.Version{v}}, got); diff != "" || err != nil {
		t.Errorf("%v: -stored +read:\n%s", err, diff)
	}
	next := v
	next.Stamp = kms.Stamp{ID: "version-2", Number: 2, Created: v.Created.Add(time.Minute), Size: 32}
	k.State, k.Rotated, k.Deleted, k.DeletedBy, k.Newest = kms.Destroyed, next.Created, next.Created, "IBMid-2", next.Stamp
	if err := keys.UpdateKey(t.Context(), k, &next, keyEvent()); err != nil {
		t.Fatal(err)
	}
	k.Revision++
	got, err = keys.Record(t.Context(), k.Instance, k.ID)
	if diff := cmp.Diff(kms.Record{Key: k, Versions: []kms.Version{next, v}}, got); diff != "" || err != nil {
		t.Errorf("%v: -stored +read:\n%s", err, diff)
	}
}

// TestRefusedWriteChangesNothing compares all that there is before and after.
func TestRefusedWriteChangesNothing(t *testing.T) {
	db, keys, k, v := keyStore(t)
	if err := keys.InsertKey(t.Context(), k, v, 1, keyEvent()); err != nil {
		t.Fatal(err)
	}
	other := k
	other.ID, other.Newest.ID = "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"
	second := v
	second.Stamp = other.Newest
	stale, destroyed := k, k
	stale.Revision, stale.State = 7, kms.Destroyed
	destroyed.ID = other.ID
	state := func() string {
		t.Helper()
		ctx := context.Background()
		q := kms.Query{Instance: "i", Scope: iam.Scope{All: true}, States: []kms.State{1, 2, 3, 5}, Limit: 10}
		list, lerr := keys.ListKeys(ctx, q)
		total, cerr := keys.CountKeys(ctx, q)
		q.States = []kms.State{kms.Destroyed}
		gone, gerr := keys.CountKeys(ctx, q)
		events, eerr := db.Outbox(ctx, 10)
		if err := errors.Join(lerr, cerr, gerr, eerr); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%v %d %d %d", list, total, gone, len(events))
	}
	before := state()
	for name, c := range map[string]struct{ got, want error }{
		"alias taken":    {keys.InsertKey(t.Context(), other, second, 1, keyEvent()), kms.ErrAliasTaken},
		"other revision": {keys.InsertKey(t.Context(), other, second, 2, keyEvent()), sqlstore.ErrStale},
		"stale update":   {keys.UpdateKey(t.Context(), stale, &second, keyEvent()), sqlstore.ErrStale},
		"unknown key":    {keys.UpdateKey(t.Context(), destroyed, nil, keyEvent()), sqlstore.ErrNotFound},
	} {
		if !cmp.Equal(c.got, c.want, cmpopts.EquateErrors()) {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
	if after := state(); after != before {
		t.Errorf("before: %s\nafter: %s", before, after)
	}
}
