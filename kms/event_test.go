package kms_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
)

// committed returns the events of changes that wait for the log.
func committed(t *testing.T, h *house) []*audit.Event {
	t.Helper()
	events, err := h.DB.Outbox(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestChangesCommitTheirEvents(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Name: "payments", Expires: h.Clock.Now().Add(10 * day)})
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	_, err := h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	if h.Log.Len() != 0 {
		t.Errorf("%d events beside the committed ones", h.Log.Len())
	}
	var actions []string
	for _, ev := range committed(t, h) {
		actions = append(actions, ev.Action)
		if ev.Outcome != audit.Success || ev.Key() != ref.Key || ev.Instance() != string(h.ID) ||
			ev.Target.Name != "payments" || ev.Target.TypeURI != "kms/secrets" || ev.DataEvent ||
			ev.LogSourceCRN != h.CRN.String() || ev.Account != string(account) || ev.Initiator.ID != string(h.owner.Identity) ||
			ev.ResponseData["keyRingId"] != "default" || ev.ResponseData["expirationDate"] != "2026-07-11T10:00:00Z" {
			t.Errorf("%+v", ev)
		}
	}
	if want := []string{"kms.secrets.create", "kms.secrets.rotate", "kms.secrets.delete"}; !cmp.Equal(actions, want) {
		t.Errorf("got %v, want %v", actions, want)
	}
}

func TestUsesAreRecorded(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Name: "payments"})
	wrapped := h.wrap(t, ref, "data key")
	ev := h.Log.Last()
	if ev.Action != "kms.secrets.wrap" || !ev.DataEvent || ev.Outcome != audit.Success || ev.Reason.Code != 200 ||
		ev.Message != "Key Protect: wrap payments" || ev.ResponseData["keyVersionId"] != ref.Key || ev.Target.ID != h.CRN.Child("key", ref.Key).String() {
		t.Errorf("%+v", ev)
	}
	before := h.Log.Len()
	stranger := iamtest.Caller(account, "stranger")
	_, err := h.Unwrap(t.Context(), stranger, ref, wrapped, nil)
	wantError(t, err, iam.ErrForbidden)
	ev = h.Log.Last()
	if h.Log.Len() != before+1 || ev.Outcome != audit.Failure || ev.Reason.Code != 401 || ev.Severity != audit.Critical {
		t.Errorf("%d events, the last: %+v", h.Log.Len()-before, ev)
	}
	if !stranger.Trail.Recorded() {
		t.Error("the refusal does not count as recorded")
	}
	failures := h.Log.Len()
	wantError(t, h.Rotate(t.Context(), h.owner, h.ref("absent"), kms.NewVersion{}), kms.ErrKeyNotFound)
	if ev := h.Log.Last(); h.Log.Len() != failures+1 || ev.Reason.Code != 404 || ev.Action != "kms.secrets.rotate" {
		t.Errorf("a failed change: %+v", ev)
	}
}

func TestDaysToExpiryAreCounted(t *testing.T) {
	h := newHouse(t)
	for after, want := range map[time.Duration]int{day - time.Second: 0, day: 1, 200 * 365 * day: 200 * 365} {
		ref := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(after)})
		h.wrap(t, ref, "data key")
		if got := h.Log.Last().ResponseData["daysToKeyExpire"]; got != want {
			t.Errorf("%v before: %v days", after, got)
		}
	}
	ref := h.create(t, kms.NewKey{Expires: h.Clock.Now().AddDate(1000, 0, 0)}) // longer than any time.Duration
	h.wrap(t, ref, "data key")
	if got := h.Log.Last().ResponseData["daysToKeyExpire"]; got != 365_242 {
		t.Errorf("a thousand years before: %v days", got)
	}
}

func TestListsTellOfTheirRing(t *testing.T) {
	h := newHouse(t)
	ref, inRing := h.create(t, kms.NewKey{}), kms.Ref{Instance: h.ID, Ring: kms.DefaultRing}
	for name, c := range map[string]struct {
		list func() error
		want map[string]any
	}{
		"keys": {func() error {
			_, _, err := h.List(t.Context(), h.owner, h.ref(""), kms.ListRequest{Limit: 1})
			return err
		}, map[string]any{"totalResources": 0}},
		"keys of a ring": {func() error {
			_, _, err := h.List(t.Context(), h.owner, inRing, kms.ListRequest{States: []kms.State{kms.Active}, Limit: 1})
			return err
		}, map[string]any{"totalResources": 1, "keyRingId": "default"}},
		"total of a ring": {func() error {
			_, err := h.Count(t.Context(), h.owner, inRing, kms.ListRequest{States: []kms.State{kms.Active}})
			return err
		}, map[string]any{"totalResources": 1, "keyRingId": "default"}},
		"registrations of a key": {func() error {
			_, _, err := h.Registrations(t.Context(), h.owner, ref, kms.RegistrationQuery{Limit: 1})
			return err
		}, map[string]any{"totalResources": 0, "keyRingId": "default"}},
	} {
		wantError(t, c.list(), nil)
		if diff := cmp.Diff(c.want, h.Log.Last().ResponseData); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestKeyThatWasNotMovedIsWhereItWas(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	_, err := h.MoveKey(t.Context(), h.owner, ref, "absent")
	wantError(t, err, kms.ErrRingNotFound)
	if ev := h.Log.Last(); ev.ResponseData["keyRingId"] != "default" || ev.RequestData["newValue.keyRingId"] != "absent" {
		t.Errorf("asked %v, came to %v", ev.RequestData, ev.ResponseData)
	}
}

func TestEveryRequestGivesOneEvent(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	before := h.Log.Len() + len(committed(t, h))
	n := len(operations(h, h.owner, ref, wrapped))
	_, _, err := h.List(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState, Limit: 1, Total: true})
	wantError(t, err, nil)
	_, err = h.Count(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState})
	wantError(t, err, nil)
	if got := h.Log.Len() + len(committed(t, h)) - before; got != n+2 {
		t.Errorf("%d events for %d requests", got, n+2)
	}
}
