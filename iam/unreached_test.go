package iam_test

import (
	"context"
	"net/http"
	"testing"

	"strongroom/audit"
	"strongroom/iam"
)

// ledger tells apart by which way an event was recorded.
type ledger struct{ appended, bounded int }

func (l *ledger) Append(_ context.Context, evs ...*audit.Event) error {
	l.appended += len(evs)
	return nil
}

func (l *ledger) Refused(context.Context, string, *audit.Event) error {
	l.bounded++
	return nil
}

func (*ledger) Healthy() error { return nil }

func TestRequestsOfStrangersCannotFillTheLog(t *testing.T) {
	for name, tc := range map[string]struct {
		who   *iam.Caller
		cause error
		want  ledger
	}{
		"a stranger who is refused":  {nil, iam.ErrUnauthenticated, ledger{bounded: 1}},
		"a stranger who is answered": {nil, nil, ledger{bounded: 1}},
		"a caller who is refused":    {&iam.Caller{Identity: "IBMid-1"}, iam.ErrForbidden, ledger{appended: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var l ledger
			trail := &audit.Trail{Address: "192.0.2.1"}
			if err := iam.RecordUnreached(t.Context(), &l, "IAM", tc.who, trail, "iam-identity.signingkey.list", http.StatusOK, tc.cause); err != nil {
				t.Fatal(err)
			}
			if l != tc.want || !trail.Recorded() {
				t.Errorf("recorded %+v, want %+v", l, tc.want)
			}
		})
	}
}
