package kms_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

// stateOf returns the state of a key now.
func (h *house) stateOf(t testing.TB, ref kms.Ref) kms.State {
	t.Helper()
	return h.look(t, ref).StateAt(h.Clock.Now())
}

func (h *house) look(t testing.TB, ref kms.Ref) *kms.Key {
	t.Helper()
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil {
		t.Fatal(err)
	}
	return &k
}

func (h *house) delete(t testing.TB, ref kms.Ref) {
	t.Helper()
	_, err := h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, nil)
}

// purger may purge keys, which even owners may not by themselves.
func (h *house) purger() iam.Caller {
	who := iamtest.Caller(account, "purger")
	h.Access.Grant(kmstest.Grant{Identity: who.Identity, Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionPurge}})
	return who
}

// TestTransitions goes through the table of states: what leads from where to where, and what the
// refusals are.
func TestTransitions(t *testing.T) {
	reach := map[kms.State]func(t *testing.T, h *house, ref kms.Ref){
		kms.Active: func(*testing.T, *house, kms.Ref) {},
		kms.Suspended: func(t *testing.T, h *house, ref kms.Ref) {
			wantError(t, h.Disable(t.Context(), h.owner, ref), nil)
		},
		kms.Deactivated: func(_ *testing.T, h *house, _ kms.Ref) { h.Clock.Advance(day) },
		kms.Destroyed:   func(t *testing.T, h *house, ref kms.Ref) { h.delete(t, ref) },
	}
	actions := map[string]func(t *testing.T, h *house, ref kms.Ref) error{
		"disable": func(t *testing.T, h *house, ref kms.Ref) error { return h.Disable(t.Context(), h.owner, ref) },
		"enable":  func(t *testing.T, h *house, ref kms.Ref) error { return h.Enable(t.Context(), h.owner, ref) },
		"restore": func(t *testing.T, h *house, ref kms.Ref) error {
			_, err := h.Restore(t.Context(), h.owner, ref)
			return err
		},
		"purge": func(t *testing.T, h *house, ref kms.Ref) error {
			h.Clock.Advance(4 * time.Hour)
			_, err := h.Purge(t.Context(), h.purger(), ref)
			return err
		},
		"authorize":   func(t *testing.T, h *house, ref kms.Ref) error { return h.Authorize(t.Context(), h.owner, ref) },
		"unauthorize": func(t *testing.T, h *house, ref kms.Ref) error { return h.Unauthorize(t.Context(), h.owner, ref) },
		"policies": func(t *testing.T, h *house, ref kms.Ref) error {
			_, err := h.SetPolicies(t.Context(), h.owner, ref, kms.PolicyChange{Rotation: months(1)})
			return err
		},
		"sync": func(t *testing.T, h *house, ref kms.Ref) error { return h.Sync(t.Context(), h.owner, ref) },
	}
	h := newHouse(t)
	const gone kms.State = -1
	type outcome struct {
		err  error
		then kms.State
	}
	for name, states := range map[string]map[kms.State]outcome{
		"disable": {
			kms.Active: {nil, kms.Suspended}, kms.Suspended: {kms.ErrState, kms.Suspended},
			kms.Deactivated: {kms.ErrState, kms.Deactivated}, kms.Destroyed: {kms.ErrDeleted, kms.Destroyed},
		},
		"enable": {
			kms.Active: {kms.ErrState, kms.Active}, kms.Suspended: {nil, kms.Active},
			kms.Deactivated: {kms.ErrState, kms.Deactivated}, kms.Destroyed: {kms.ErrDeleted, kms.Destroyed},
		},
		"restore": {
			kms.Active: {kms.ErrState, kms.Active}, kms.Suspended: {kms.ErrState, kms.Suspended},
			kms.Deactivated: {kms.ErrState, kms.Deactivated}, kms.Destroyed: {nil, kms.Active},
		},
		"purge": {
			kms.Active: {kms.ErrState, kms.Active}, kms.Suspended: {kms.ErrState, kms.Suspended},
			kms.Deactivated: {kms.ErrState, kms.Deactivated}, kms.Destroyed: {nil, gone},
		},
		"authorize": {
			kms.Active: {kms.ErrNotDualAuth, kms.Active}, kms.Suspended: {kms.ErrNotDualAuth, kms.Suspended},
			kms.Deactivated: {kms.ErrNotDualAuth, kms.Deactivated}, kms.Destroyed: {kms.ErrDeleted, kms.Destroyed},
		},
		"unauthorize": {
			kms.Active: {kms.ErrNotDualAuth, kms.Active}, kms.Suspended: {kms.ErrNotDualAuth, kms.Suspended},
			kms.Deactivated: {kms.ErrNotDualAuth, kms.Deactivated}, kms.Destroyed: {kms.ErrDeleted, kms.Destroyed},
		},
		"policies": {
			kms.Active: {nil, kms.Active}, kms.Suspended: {nil, kms.Suspended},
			kms.Deactivated: {nil, kms.Deactivated}, kms.Destroyed: {kms.ErrDeleted, kms.Destroyed},
		},
		"sync": {
			kms.Active: {nil, kms.Active}, kms.Suspended: {kms.ErrTooEarly, kms.Suspended},
			kms.Deactivated: {nil, kms.Deactivated}, kms.Destroyed: {kms.ErrTooEarly, kms.Destroyed},
		},
	} {
		for state, want := range states {
			ref := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)})
			reach[state](t, h, ref)
			if err := actions[name](t, h, ref); !isError(err, want.err) {
				t.Errorf("%s in state %d: got %v, want %v", name, state, err, want.err)
			}
			if want.then == gone {
				_, err := h.Metadata(t.Context(), h.owner, ref)
				wantError(t, err, kms.ErrKeyNotFound)
			} else if got := h.stateOf(t, ref); got != want.then {
				t.Errorf("%s in state %d leads to %d, want %d", name, state, got, want.then)
			}
		}
	}
}

func TestSuspensionTakesEffectAtOnceAndEndsWithIt(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	wantError(t, h.Disable(t.Context(), h.owner, ref), nil)
	_, err := h.Unwrap(t.Context(), h.owner, ref, wrapped, nil)
	wantError(t, err, kms.ErrState)
	h.Clock.Advance(time.Second)
	wantError(t, h.Enable(t.Context(), h.owner, ref), nil)
	if got := h.unwrap(t, ref, wrapped); got != "data key" {
		t.Errorf("unwrapped %q", got)
	}
	standard := h.create(t, kms.NewKey{Extractable: true})
	wantError(t, h.Disable(t.Context(), h.owner, standard), kms.ErrNotRoot)
	wantError(t, h.Enable(t.Context(), h.owner, standard), kms.ErrNotRoot)
}

func TestSuspendedKeyIsDeactivatedWhenItIsEnabledTooLate(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)})
	wantError(t, h.Disable(t.Context(), h.owner, ref), nil)
	h.Clock.Advance(2 * day)
	if got := h.stateOf(t, ref); got != kms.Suspended {
		t.Errorf("state %d", got)
	}
	wantError(t, h.Enable(t.Context(), h.owner, ref), nil)
	if got := h.stateOf(t, ref); got != kms.Deactivated {
		t.Errorf("state %d", got)
	}
}

// TestNoWaits: waits that hold by default are switched off by less than zero, to the moment.
func TestNoWaits(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.PurgeWait, c.SyncWait = -1, -1 })
	ref := h.create(t, kms.NewKey{})
	for range 2 {
		wantError(t, h.Sync(t.Context(), h.owner, ref), nil)
	}
	h.delete(t, ref)
	key, err := h.Purge(t.Context(), h.purger(), ref)
	if err != nil || !h.PurgeableFrom(&key).Equal(key.Deleted) {
		t.Errorf("purging at once: %v, possible from %v", err, h.PurgeableFrom(&key))
	}
}

func TestWaits(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) {
		c.EnableWait, c.RestoreWait, c.RotationWait = 30*time.Second, 30*time.Second, time.Hour
	})
	ref := h.create(t, kms.NewKey{})
	rotate := func() error { return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}) }
	restore := func() error { _, err := h.Restore(t.Context(), h.owner, ref); return err }
	purge := func() error { _, err := h.Purge(t.Context(), h.purger(), ref); return err }
	enable := func() error { return h.Enable(t.Context(), h.owner, ref) }
	sync := func() error { return h.Sync(t.Context(), h.owner, ref) }

	wantError(t, sync(), nil) // of a fresh key
	wantError(t, sync(), kms.ErrTooEarly)
	wantError(t, rotate(), nil) // creation does not count
	h.Clock.Advance(time.Hour - 1)
	wantError(t, rotate(), kms.ErrRotatedAgain)
	wantError(t, sync(), kms.ErrTooEarly)
	h.Clock.Advance(1)
	wantError(t, rotate(), nil)

	wantError(t, h.Disable(t.Context(), h.owner, ref), nil)
	h.Clock.Advance(30*time.Second - 1)
	wantError(t, enable(), kms.ErrTooEarly)
	h.Clock.Advance(1)
	wantError(t, enable(), nil)

	h.delete(t, ref)
	h.Clock.Advance(30*time.Second - 1)
	wantError(t, restore(), kms.ErrTooEarly)
	h.Clock.Advance(1)
	wantError(t, restore(), nil)

	h.delete(t, ref)
	h.Clock.Advance(4*time.Hour - 1)
	wantError(t, purge(), kms.ErrTooEarly)
	wantError(t, sync(), nil) // more than an hour after the deletion
	h.Clock.Advance(1)
	wantError(t, purge(), nil)
	wantError(t, purge(), kms.ErrKeyNotFound)
}

// TestChangesThatBeganEarlier lets requests find the key as others left it that began after them.
func TestChangesThatBeganEarlier(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	for _, change := range []func() error{
		func() error { return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}) },
		func() error { return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}) },
		func() error { return h.Disable(t.Context(), h.owner, ref) },
		func() error { return h.Enable(t.Context(), h.owner, ref) },
		func() error { _, err := h.Delete(t.Context(), h.owner, ref); return err },
		func() error { _, err := h.Restore(t.Context(), h.owner, ref); return err },
	} {
		was := h.look(t, ref)
		h.Clock.Advance(-time.Millisecond)
		wantError(t, change(), nil) // no wait is set
		if k := h.look(t, ref); k.Updated.Before(was.Updated) || k.Newest.Created.Before(was.Newest.Created) {
			t.Errorf("updated %v, the version made %v; before %v, %v", k.Updated, k.Newest.Created, was.Updated, was.Newest.Created)
		}
	}
}

func TestRestoredKeyIsTheKeyThatWasDeleted(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Name: "payments", Aliases: []string{"mine", "contested"}, Tags: []string{"team"}})
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	_, err := h.SetPolicies(t.Context(), h.owner, ref, kms.PolicyChange{Rotation: months(2)})
	wantError(t, err, nil)
	wrapped := h.wrap(t, ref, "data key")
	wantError(t, h.Disable(t.Context(), h.owner, ref), nil)
	was := h.look(t, ref)

	h.Clock.Advance(time.Minute)
	h.delete(t, ref)
	other := h.create(t, kms.NewKey{Aliases: []string{"contested"}})
	restored, err := h.Restore(t.Context(), h.owner, h.ref("mine"))
	wantError(t, err, nil)
	want := *was
	want.State, want.Revision, want.Updated, want.Notified = kms.Active, was.Revision+2, h.Clock.Now(), h.Clock.Now()
	want.Aliases = []string{"mine"} // a live key has the other one
	if diff := cmp.Diff(&want, h.look(t, ref)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, restored); diff != "" {
		t.Errorf("answered: -want +got:\n%s", diff)
	}
	if got := h.unwrap(t, h.ref("mine"), wrapped); got != "data key" {
		t.Errorf("unwrapped %q", got)
	}
	if got := h.look(t, h.ref("contested")); string(got.ID) != other.Key {
		t.Errorf("the contested alias is that of %s", got.ID)
	}
}

func TestRestoreEnds(t *testing.T) {
	h := newHouse(t)
	ref, expiring := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)})
	h.delete(t, ref)
	h.delete(t, expiring)
	h.Clock.Advance(day)
	_, err := h.Restore(t.Context(), h.owner, expiring)
	wantError(t, err, kms.ErrExpired)
	h.Clock.Advance(29*day - 1)
	_, err = h.Restore(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	h.delete(t, ref)
	h.Clock.Advance(30 * day)
	_, err = h.Restore(t.Context(), h.owner, ref)
	wantError(t, err, kms.ErrRestoreExpired)
}

func TestPurgeTakesItsOwnRoleAndLeavesNothing(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Name: "payments", Aliases: []string{"pay"}})
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	h.delete(t, ref)
	h.Clock.Advance(5 * time.Hour)
	manager := iamtest.Caller(account, "manager")
	h.Access.Grant(kmstest.Grant{Identity: manager.Identity, Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionDelete}})
	_, err := h.Purge(t.Context(), manager, ref)
	wantError(t, err, iam.ErrForbidden)
	k, err := h.Purge(t.Context(), h.purger(), h.ref("pay"))
	wantError(t, err, nil)
	if string(k.ID) != ref.Key || k.State != kms.Destroyed {
		t.Errorf("%+v", k)
	}
	for _, name := range []string{ref.Key, "pay"} {
		_, err := h.Restore(t.Context(), h.owner, h.ref(name))
		wantError(t, err, kms.ErrKeyNotFound)
	}
	if n := h.rows(t, ref.Key); n != 0 {
		t.Errorf("%d rows are left of a purged key", n)
	}
	n, err := h.Count(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState})
	if err != nil || n != 0 {
		t.Errorf("%d keys are counted, %v", n, err)
	}
	events := committed(t, h)
	if ev := events[len(events)-1]; ev.Action != "kms.secrets.purge" || ev.ResponseData["purgeAllowedFrom"] != "2026-07-01T14:00:00Z" ||
		ev.ResponseData["purgeEligibleOn"] != "2026-09-29T10:00:00Z" || ev.ResponseData["deletionDate"] != "2026-07-01T10:00:00Z" {
		t.Errorf("%+v", ev)
	}
}
