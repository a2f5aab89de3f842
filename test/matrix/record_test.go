package matrix_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"strongroom/test/rig"
)

// TestRefusalsAreRecorded checks that a request with a token that does not count
// is in the audit log, with what was asked, by whoever it was.
func TestRefusalsAreRecorded(t *testing.T) {
	r := rig.Start(t)
	old := expired(t, r)
	w := newWorld(t, r)
	tokens := forged(t, r, w.owner)
	tokens["nobody"], tokens["the owner, after the token has expired"] = "", old
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			header := http.Header{"Correlation-Id": {id}, "Bluemix-Instance": {w.get("instance")}}
			a := r.Send(t, rig.Request{Method: http.MethodGet, Path: "/api/v2/keys", Token: token, Header: header})
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
			r.Must(t, rig.Request{
				Method: http.MethodGet, Path: "/strongroom/v1/audit/events?unowned=true&correlation=" + id, Token: w.owner,
			}, &found)
			if len(found.Events) != 1 {
				t.Fatalf("%d events, want 1", len(found.Events))
			}
			ev := found.Events[0]
			if ev.Action != "kms.secrets.list" || ev.Outcome != "failure" || ev.Reason.Code != http.StatusUnauthorized {
				t.Errorf("the event is %+v", ev)
			}
		})
	}
}
