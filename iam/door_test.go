package iam_test

import (
	"context"
	"errors"
	"testing"

	"strongroom/audit"
	"strongroom/iam"
)

// eventLog keeps the events themselves.
type eventLog struct{ events []audit.Event }

func (j *eventLog) Append(_ context.Context, evs ...*audit.Event) error {
	for _, ev := range evs {
		j.events = append(j.events, *ev)
	}
	return nil
}

func (*eventLog) Healthy() error { return nil }

type verdict struct{ err error }

func (v verdict) Allow(context.Context, iam.Caller, iam.Action, iam.Object) error { return v.err }

// TestForeignObjectsAreNotToldOf: whatever keeps a caller from an object of
// another account, its own log says nothing of the object.
func TestForeignObjectsAreNotToldOf(t *testing.T) {
	for name, cause := range map[string]error{
		"refused": iam.ErrForbidden, "unreachable": errors.New("the database does not answer"),
	} {
		t.Run(name, func(t *testing.T) {
			var j eventLog
			d := iam.Door{Decide: verdict{cause}, Log: &j, Service: "Key Protect"}
			who := iam.Caller{Identity: "IBMid-1", Kind: iam.KindUser, Account: "mine"}
			ev := who.Event("kms.secrets.read", audit.Target{ID: "crn:theirs", Name: "secret name", ResourceGroupID: "theirs"})
			ev.LogSourceCRN = "crn:theirs"
			err := d.Read(t.Context(), who, "kms.secrets.read", iam.Object{Account: "theirs"}, ev, func() error { return nil })
			if !errors.Is(err, cause) || len(j.events) != 2 {
				t.Fatalf("got %v and %d events", err, len(j.events))
			}
			for _, e := range j.events {
				told := e.Target.ID != "" || e.Target.Name != "" || e.Target.ResourceGroupID != "" || e.LogSourceCRN != ""
				if want := e.Account == "theirs"; told != want {
					t.Errorf("the log of %q is told %+v of %q", e.Account, e.Target, e.LogSourceCRN)
				}
			}
		})
	}
}
