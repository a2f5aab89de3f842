package kms_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/kms"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// eventsOf returns the committed events of an action.
func eventsOf(t *testing.T, h *house, action string) []*audit.Event {
	t.Helper()
	events, err := h.DB.Outbox(t.Context(), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	var found []*audit.Event
	for _, ev := range events {
		if ev.Action == action {
			found = append(found, ev)
		}
	}
	return found
}

func TestExpiryIsWrittenDownOnce(t *testing.T) {
	h := newHouse(t)
	expires := h.Clock.Now().Add(day)
	ref := h.create(t, kms.NewKey{Name: "payments", Expires: expires})
	suspended := h.create(t, kms.NewKey{Expires: expires})
	wantError(t, h.Disable(t.Context(), h.owner, suspended), nil)
	h.Clock.Advance(day - time.Millisecond)
	wantError(t, h.Tick(t.Context()), nil)
	if n := len(eventsOf(t, h, "kms.secrets.expire")); n != 0 {
		t.Fatalf("%d keys have expired early", n)
	}
	h.Clock.Advance(time.Minute)
	wantError(t, h.Tick(t.Context()), nil)
	wantError(t, h.Tick(t.Context()), nil)
	events := eventsOf(t, h, "kms.secrets.expire")
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	ev := events[0]
	if ev.Key() != ref.Key || ev.Target.Name != "payments" || ev.Account != string(account) || ev.Outcome != audit.Success ||
		ev.Initiator.ID != "crn-"+h.CRN.String() || ev.RequestData["expirationDate"] != "2026-07-02T10:00:00Z" ||
		fmt.Sprintf("%v %v", ev.ResponseData["initialValue.keyState"], ev.ResponseData["newValue.keyState"]) != "1 3" {
		t.Errorf("%+v", ev)
	}
	k := h.look(t, ref)
	if k.State != kms.Deactivated || !k.Updated.Equal(expires) || !k.Notified.Equal(h.Clock.Now()) {
		t.Errorf("%+v", k)
	}
	if got := h.look(t, suspended).State; got != kms.Suspended {
		t.Errorf("the suspended key is in state %d", got)
	}
	wantError(t, h.Enable(t.Context(), h.owner, suspended), nil)
	wantError(t, h.Tick(t.Context()), nil)
	if got := h.look(t, suspended).State; got != kms.Deactivated {
		t.Errorf("the enabled key is in state %d", got)
	}
}

func TestDeletedKeysArePurgedInTheEnd(t *testing.T) {
	h := newHouse(t)
	ref, restored := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{})
	h.delete(t, ref)
	h.delete(t, restored)
	_, err := h.Restore(t.Context(), h.owner, restored)
	wantError(t, err, nil)
	h.Clock.Advance(90*day - 1)
	wantError(t, h.Tick(t.Context()), nil)
	h.look(t, ref)
	h.Clock.Advance(1)
	wantError(t, h.Tick(t.Context()), nil)
	_, err = h.Metadata(t.Context(), h.owner, ref)
	wantError(t, err, kms.ErrKeyNotFound)
	h.look(t, restored)
	if events := eventsOf(t, h, "kms.secrets.purge"); len(events) != 1 || events[0].Key() != ref.Key || events[0].Initiator.Name != "Key Protect" {
		t.Errorf("%+v", events)
	}
}

func TestRotationByPolicy(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Policies: &kms.PolicyChange{Rotation: days(14)}})
	count := func() int { return h.look(t, ref).Newest.Number }
	tick := func(after time.Duration, want int) {
		t.Helper()
		h.Clock.Advance(after)
		wantError(t, h.Tick(t.Context()), nil)
		if got := count(); got != want {
			t.Errorf("%d versions, want %d", got, want)
		}
	}
	wrapped := h.wrap(t, ref, "data key")
	tick(14*day-1, 1)
	tick(1, 2)
	tick(0, 2)
	tick(100*day, 3) // what was missed is made up for once
	tick(0, 3)
	tick(7*day, 3)
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil) // restarts the clock
	tick(13*day, 4)
	tick(day, 5)
	wantError(t, h.Disable(t.Context(), h.owner, ref), nil)
	tick(100*day, 5)
	wantError(t, h.Enable(t.Context(), h.owner, ref), nil)
	tick(0, 6)
	_, err := h.SetPolicies(t.Context(), h.owner, ref, kms.PolicyChange{Rotation: &kms.RotationChange{Enabled: ptr(false)}})
	wantError(t, err, nil)
	tick(100*day, 6)
	if got := h.unwrap(t, ref, wrapped); got != "data key" {
		t.Errorf("unwrapped %q", got)
	}
	policy := string(h.look(t, ref).Rotation.ID)
	for i, ev := range eventsOf(t, h, "kms.secrets.rotate") {
		byHand := ev.Initiator.ID == string(h.owner.Identity)
		own := ev.Initiator.ID == "crn-"+h.CRN.String() && ev.RequestData["rotationPolicy"] == policy &&
			ev.RequestData["rotationPolicySetBy"] == string(h.owner.Identity)
		if ev.Key() != ref.Key || byHand == own || byHand != (i == 2) {
			t.Errorf("event %d: %+v", i, ev)
		}
	}
}

func TestExpiredAndDeletedKeysAreNotRotated(t *testing.T) {
	h := newHouse(t)
	policies := &kms.PolicyChange{Rotation: days(2)}
	expiring := h.create(t, kms.NewKey{Policies: policies, Expires: h.Clock.Now().Add(day)})
	deleted := h.create(t, kms.NewKey{Policies: policies})
	h.delete(t, deleted)
	h.Clock.Advance(10 * day)
	wantError(t, h.Tick(t.Context()), nil)
	for _, ref := range []kms.Ref{expiring, deleted} {
		if k := h.look(t, ref); k.Newest.Number != 1 {
			t.Errorf("a key in state %d was rotated", k.State)
		}
	}
}

func TestWorkAfterADowntimeIsSpread(t *testing.T) {
	h := newHouse(t)
	for range 130 {
		h.create(t, kms.NewKey{Policies: &kms.PolicyChange{Rotation: days(1)}})
	}
	h.Clock.Advance(30 * day)
	for _, want := range []int{100, 130, 130} {
		wantError(t, h.Tick(t.Context()), nil)
		if got := len(eventsOf(t, h, "kms.secrets.rotate")); got != want {
			t.Errorf("%d keys were rotated, want %d", got, want)
		}
	}
}

func TestOneServerDoesTheWork(t *testing.T) {
	h := newHouse(t)
	db := sqlstoretest.Open(t, sqlstore.Options{Path: h.Path(), Server: "server-2", Hub: h.Hub, Now: h.Clock.Now})
	other := kms.New(h.Config(func(c *kms.Config) { c.Store = db.Keys() }))
	ref := h.create(t, kms.NewKey{Policies: &kms.PolicyChange{Rotation: days(1)}})
	versions := func() int { return h.look(t, ref).Newest.Number }

	h.Clock.Advance(day)
	wantError(t, h.Tick(t.Context()), nil)
	h.Clock.Advance(30 * time.Second)
	claim := func(name string) bool {
		ok, err := db.Keys().ClaimJob(t.Context(), name, h.Clock.Now().Add(time.Minute))
		wantError(t, err, nil)
		return ok
	}
	if claim("kms.clock") || !claim("another") {
		t.Error("a job has two holders, or one job stands for all")
	}
	h.Clock.Advance(day - time.Minute)
	wantError(t, other.Tick(t.Context()), nil) // nothing is due: nothing is claimed
	h.Clock.Advance(time.Minute)
	wantError(t, other.Tick(t.Context()), nil) // the first one is gone for long
	if versions() != 3 {
		t.Errorf("%d versions, want 3", versions())
	}
	h.Clock.Advance(day)
	wantError(t, h.Tick(t.Context()), nil)
	wantError(t, other.Tick(t.Context()), nil)
	if versions() != 4 {
		t.Errorf("%d versions, want 4", versions())
	}
}

func TestAKeyThatFailsKeepsNoOtherWaiting(t *testing.T) {
	h := newHouse(t)
	policies := &kms.PolicyChange{Rotation: days(1)}
	bad := h.create(t, kms.NewKey{Policies: policies})
	h.Clock.Advance(time.Second)
	good := h.create(t, kms.NewKey{Policies: policies})
	h.Clock.Advance(2 * day)
	h.Exec(t, `UPDATE keys SET mac = x'00' WHERE id = $1`, bad.Key)
	h.Hub.DropAll()
	if err := h.Tick(t.Context()); err == nil {
		t.Error("nothing is said of the key that failed")
	}
	if n := h.look(t, good).Newest.Number; n != 2 {
		t.Errorf("the other key has %d versions", n)
	}
	wantError(t, h.Tick(t.Context()), nil) // it is left alone for a while
	h.Clock.Advance(15 * time.Minute)
	if err := h.Tick(t.Context()); err == nil {
		t.Error("the key is never tried again")
	}
}

func isError(err, want error) bool { return errors.Is(err, want) && (want != nil || err == nil) }

// rows counts what the database still has of a key.
func (h *house) rows(t *testing.T, id string) (n int) {
	t.Helper()
	for _, table := range []string{"keys WHERE id", "key_aliases WHERE key", "key_versions WHERE key"} {
		n += h.CountRows(t, fmt.Sprintf("SELECT count(*) FROM %s = $1", table), id)
	}
	return n
}
