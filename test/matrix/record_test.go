package matrix_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"

	"strongroom/test/rig"
)

// recordedSingly is how many refusals from one address are certain to be recorded
// one by one; a flood of them is counted.
const recordedSingly = 8

// TestRefusalsAreRecorded checks that a request with a token that does not count
// is in the audit log, with what was asked, by whoever it was.
func TestRefusalsAreRecorded(t *testing.T) {
	good := rig.Start(t)
	names := append(slices.Sorted(maps.Keys(refusedTokens(t, good))), "nobody")
	for part := range slices.Chunk(names, recordedSingly) {
		r := rig.Start(t)
		tokens := refusedTokens(t, r)
		w := newWorld(t, r)
		for _, name := range part {
			t.Run(name, func(t *testing.T) { wantRecorded(t, w.in(t), tokens[name]) })
		}
	}
}

func refusedTokens(t *testing.T, r *rig.Rig) map[string]string {
	t.Helper()
	old := expired(t, r)
	tokens := forged(t, r, r.Token(t, r.Operator.APIKey))
	tokens["the owner, after the token has expired"] = old
	return tokens
}

func wantRecorded(t *testing.T, w *world, token string) {
	t.Helper()
	id := uuid.NewString()
	a := w.r.Send(t, rig.Request{
		Method: http.MethodGet, Path: "/api/v2/keys", Token: token,
		Header: http.Header{"Correlation-Id": {id}, "Bluemix-Instance": {w.get("instance")}},
	})
	if a.Status != http.StatusUnauthorized {
		t.Errorf("answered %d, want 401", a.Status)
	}
	var found struct {
		Events []struct {
			Action  string `json:"action"`
			Outcome string `json:"outcome"`
			Reason  struct {
				Code int `json:"reasonCode"`
			} `json:"reason"`
		} `json:"events"`
	}
	w.r.Must(t, rig.Request{
		Method: http.MethodGet, Path: "/strongroom/v1/audit/events?unowned=true&correlation=" + id, Token: w.owner,
	}, &found)
	if len(found.Events) != 1 {
		t.Fatalf("%d events, want 1", len(found.Events))
	}
	ev := found.Events[0]
	if ev.Action != "kms.secrets.list" || ev.Outcome != "failure" || ev.Reason.Code != http.StatusUnauthorized {
		t.Errorf("the event is %+v", ev)
	}
}

// TestForeignAttemptsAreShownToTheOwner checks that an attempt from another
// account is on record for both: in full for the owner, and without anything of
// the key for who tried.
func TestForeignAttemptsAreShownToTheOwner(t *testing.T) {
	r := rig.Start(t)
	w := newWorld(t, r)
	stranger := r.Token(t, r.Neighbour.APIKey)
	id := uuid.NewString()
	a := r.Send(t, rig.Request{
		Method: http.MethodPost, Path: "/api/v2/keys/" + w.get("key") + "/actions/wrap", Token: stranger, Body: "{}",
		Header: http.Header{"Correlation-Id": {id}, "Bluemix-Instance": {w.get("instance")}},
	})
	if a.Status != http.StatusUnauthorized {
		t.Errorf("answered %d, want 401", a.Status)
	}
	for token, want := range map[string]string{w.owner: confidentialName, stranger: ""} {
		var found struct {
			Events []struct {
				Initiator struct {
					ID string `json:"id"`
				} `json:"initiator"`
				Target struct {
					Name string `json:"name"`
				} `json:"target"`
			} `json:"events"`
		}
		r.Must(t, rig.Request{Method: http.MethodGet, Path: "/strongroom/v1/audit/events?correlation=" + id, Token: token}, &found)
		if len(found.Events) != 1 || found.Events[0].Target.Name != want || found.Events[0].Initiator.ID != r.Neighbour.Owner {
			t.Errorf("events %+v, want one by %s about %q", found.Events, r.Neighbour.Owner, want)
		}
	}
}
