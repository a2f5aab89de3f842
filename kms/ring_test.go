package kms_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

// ringKey makes a key in a ring.
func (h *house) ringKey(t testing.TB, ring kms.RingID, name string) kms.Ref {
	t.Helper()
	ref := h.ref("")
	ref.Ring = ring
	out, err := h.Create(t.Context(), h.owner, ref, kms.NewKey{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if out.Key.Ring != ring {
		t.Errorf("the key is in ring %s", out.Key.Ring)
	}
	return h.ref(string(out.Key.ID))
}

func (h *house) newRing(t testing.TB, id kms.RingID) {
	t.Helper()
	_, err := h.CreateRing(t.Context(), h.owner, h.ID, id)
	wantError(t, err, nil)
}

// rings returns the IDs of all rings, and checks that their number is told right.
func (h *house) rings(t testing.TB, limit, offset int) []kms.RingID {
	t.Helper()
	list, total, err := h.Rings(t.Context(), h.owner, h.ID, limit, offset)
	wantError(t, err, nil)
	ids := []kms.RingID{}
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	if offset == 0 && limit > total && total != len(ids) {
		t.Errorf("%d rings are listed of %d", len(ids), total)
	}
	return ids
}

func TestRingsAreListedAfterTheDefaultOne(t *testing.T) {
	h := newHouse(t)
	for _, id := range []kms.RingID{"team-b", "team_a", "AA"} {
		h.newRing(t, id)
	}
	all := []kms.RingID{"default", "AA", "team-b", "team_a"}
	for _, c := range []struct {
		limit, offset int
		want          []kms.RingID
	}{
		{100, 0, all}, {1, 0, all[:1]}, {2, 0, all[:2]}, {2, 1, all[1:3]}, {100, 3, all[3:]}, {100, 4, nil}, {1, 100, nil},
	} {
		if got := h.rings(t, c.limit, c.offset); !slices.Equal(got, c.want) {
			t.Errorf("%d from %d: got %v, want %v", c.limit, c.offset, got, c.want)
		}
	}
}

func TestRingsThatCannotBe(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.MaxRings = 2 })
	h.newRing(t, "team-a")
	for id, want := range map[kms.RingID]error{
		"team-a": kms.ErrRingTaken, "default": kms.ErrRingTaken, "x": kms.ErrField, "a/b": kms.ErrField,
		"": kms.ErrField, kms.RingID(make([]byte, 101)): kms.ErrField,
	} {
		_, err := h.CreateRing(t.Context(), h.owner, h.ID, id)
		wantError(t, err, want)
	}
	h.newRing(t, "team-b")
	_, err := h.CreateRing(t.Context(), h.owner, h.ID, "team-c")
	wantError(t, err, kms.ErrRingQuota)
	_, err = h.CreateRing(t.Context(), h.owner, h.ID, "team-a")
	wantError(t, err, kms.ErrRingTaken)

	_, err = h.Create(t.Context(), h.owner, kms.Ref{Instance: h.ID, Ring: "team-z"}, kms.NewKey{Name: "key"})
	wantError(t, err, kms.ErrRingNotFound)
	wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-z", true), kms.ErrRingNotFound)
	wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "default", true), kms.ErrField)
}

func TestRingWithKeysIsNotDeleted(t *testing.T) {
	h := newHouse(t)
	h.newRing(t, "team-a")
	ref := h.ringKey(t, "team-a", "mine")
	for _, force := range []bool{false, true} {
		wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", force), kms.ErrRingNotEmpty)
	}
	_, err := h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", false), kms.ErrRingNotEmpty)

	mover := iamtest.Caller(account, "mover")
	h.Access.Grant(kmstest.Grant{Identity: mover.Identity, Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionRingDelete}})
	wantError(t, h.DeleteRing(t.Context(), mover, h.ID, "team-a", true), kms.ErrRingNotEmpty) // may not move keys

	wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", true), nil)
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil || k.Ring != kms.DefaultRing || k.State != kms.Destroyed {
		t.Errorf("the deleted key is in ring %s and state %d, %v", k.Ring, k.State, err)
	}
	if got := h.rings(t, 10, 0); !slices.Equal(got, []kms.RingID{"default"}) {
		t.Errorf("rings %v", got)
	}
}

// A deleted key that moves because its ring is deleted has been updated like one that is moved.
func TestDeletionOfARingUpdatesTheKeysThatMove(t *testing.T) {
	h := newHouse(t)
	h.newRing(t, "team-a")
	ref := h.ringKey(t, "team-a", "mine")
	_, err := h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	h.Clock.Advance(time.Hour)
	wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", true), nil)
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil || !k.Updated.Equal(h.Clock.Now()) {
		t.Errorf("updated at %s, want %s; %v", k.Updated, h.Clock.Now(), err)
	}
}

func TestMovedKeyIsInItsNewRingAtOnce(t *testing.T) {
	h := newHouse(t)
	h.newRing(t, "team-a")
	h.newRing(t, "team-b")
	ref := h.ringKey(t, "team-a", "mine")
	member := iamtest.Caller(account, "member")
	h.Access.Grant(kmstest.Grant{
		Identity: member.Identity, Account: account, Instance: h.ID, Ring: "team-a",
		Actions: []iam.Action{kms.ActionMetadata, kms.ActionPatch, kms.ActionList},
	})
	_, err := h.Metadata(t.Context(), member, ref)
	wantError(t, err, nil)
	_, err = h.MoveKey(t.Context(), member, ref, "team-b")
	wantError(t, err, iam.ErrForbidden)

	for to, want := range map[kms.RingID]error{"team-z": kms.ErrRingNotFound, "": kms.ErrRingNotFound} {
		_, err := h.MoveKey(t.Context(), h.owner, ref, to)
		wantError(t, err, want)
	}
	k, err := h.MoveKey(t.Context(), h.owner, ref, "team-b")
	if err != nil || k.Ring != "team-b" {
		t.Errorf("moved to %s, %v", k.Ring, err)
	}
	_, err = h.Metadata(t.Context(), member, ref)
	wantError(t, err, iam.ErrForbidden)
	keys, _, err := h.List(t.Context(), member, h.ref(""), kms.ListRequest{States: anyState, Limit: 10})
	if err != nil || len(keys) != 0 {
		t.Errorf("still listed: %v, %v", names(keys), err)
	}
	old := ref
	old.Ring = "team-a"
	_, err = h.Metadata(t.Context(), h.owner, old)
	wantError(t, err, kms.ErrKeyNotFound)
	wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", false), nil)

	_, err = h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	_, err = h.MoveKey(t.Context(), h.owner, ref, "default")
	wantError(t, err, kms.ErrDeleted)
}

// TestGrantForOneKeyDoesNotMoveIt because it says nothing of the other ring.
func TestGrantForOneKeyDoesNotMoveIt(t *testing.T) {
	h := newHouse(t)
	h.newRing(t, "team-a")
	ref := h.create(t, kms.NewKey{})
	holder := iamtest.Caller(account, "holder")
	h.Access.Grant(kmstest.Grant{
		Identity: holder.Identity, Account: account, Instance: h.ID, Key: ref.Key, Actions: []iam.Action{kms.ActionPatch},
	})
	_, err := h.MoveKey(t.Context(), holder, ref, "team-a")
	wantError(t, err, iam.ErrForbidden)
}

// TestNoKeyIsLeftInARingThatIsGone creates and moves keys while rings are deleted.
func TestNoKeyIsLeftInARingThatIsGone(t *testing.T) {
	h := newHouse(t)
	mover := h.create(t, kms.NewKey{})
	for range 10 {
		h.newRing(t, "team-a")
		var wait sync.WaitGroup
		ref := h.ref("")
		ref.Ring = "team-a"
		wait.Go(func() {
			_, err := h.Create(t.Context(), h.owner, ref, kms.NewKey{Name: "key"})
			if !errors.Is(err, kms.ErrRingNotFound) {
				wantError(t, err, nil)
			}
		})
		wait.Go(func() {
			_, err := h.MoveKey(t.Context(), h.owner, mover, "team-a")
			if !errors.Is(err, kms.ErrRingNotFound) {
				wantError(t, err, nil)
			}
		})
		wait.Go(func() {
			err := h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", false)
			if !errors.Is(err, kms.ErrRingNotEmpty) {
				wantError(t, err, nil)
			}
		})
		wait.Wait()
		there := h.rings(t, 10, 0)
		keys, _, err := h.List(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState, Limit: 100})
		wantError(t, err, nil)
		for _, k := range keys {
			if !slices.Contains(there, k.Ring) {
				t.Errorf("key %s is in ring %s, which is gone", k.ID, k.Ring)
			}
			if k.Ring != kms.DefaultRing {
				_, err := h.MoveKey(t.Context(), h.owner, h.ref(string(k.ID)), kms.DefaultRing)
				wantError(t, err, nil)
			}
		}
		if slices.Contains(there, "team-a") {
			wantError(t, h.DeleteRing(t.Context(), h.owner, h.ID, "team-a", false), nil)
		}
	}
}

func TestRingsAndMovesAreRecorded(t *testing.T) {
	h := newHouse(t)
	h.newRing(t, "team-a")
	ref := h.create(t, kms.NewKey{})
	_, err := h.MoveKey(t.Context(), h.owner, ref, "team-a")
	wantError(t, err, nil)
	events, err := h.DB.Outbox(t.Context(), 100)
	wantError(t, err, nil)
	made, moved := events[0], events[len(events)-1]
	if made.Action != "kms.key-rings.create" || made.Target.Name != "team-a" || made.Target.TypeURI != "kms/key-rings" ||
		made.Target.ID != h.CRN.Child("key-ring", "team-a").String() {
		t.Errorf("%+v", made)
	}
	if moved.Action != "kms.secrets.patch" || moved.RequestData["initialValue.keyRingId"] != "default" || moved.RequestData["newValue.keyRingId"] != "team-a" {
		t.Errorf("%+v", moved)
	}
}
