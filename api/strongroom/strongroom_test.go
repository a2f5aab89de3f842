package strongroom_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/test/rig"
)

// page is the answer of a search, as far as the tests look at it.
type page struct {
	Events []event `json:"events"`
	Next   string  `json:"next"`
}

type event struct {
	ID      string `json:"id"`
	Time    string `json:"eventTime"`
	Action  string `json:"action"`
	Outcome string `json:"outcome"`
	Account string `json:"accountId"`
	Reason  struct{ ReasonCode int }
	Target  struct{ Name string }
	Who     struct{ ID string } `json:"initiator"`
}

func search(t *testing.T, r *rig.Rig, token string, query url.Values) page {
	t.Helper()
	var p page
	r.Must(t, rig.Request{Method: "GET", Path: "/strongroom/v1/audit/events?" + query.Encode(), Token: token}, &p)
	return p
}

// makeGroups makes resource groups, whose names tell the events apart.
func makeGroups(t *testing.T, r *rig.Rig, in rig.Account, token string, names ...string) {
	t.Helper()
	for _, name := range names {
		r.Must(t, rig.Request{
			Method: "POST", Path: "/v2/resource_groups", Token: token,
			Body: rig.JSON(map[string]any{"name": name, "account_id": in.ID}),
		}, nil)
	}
}

// delivered waits until the events of committed changes have reached the log,
// which happens soon after the answer.
func delivered(t *testing.T, r *rig.Rig, token string, query url.Values, want int) page {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		p := search(t, r, token, query)
		if len(p.Events) >= want || time.Now().After(deadline) {
			return p
		}
	}
}

func names(p page) (all []string) {
	for _, e := range p.Events {
		all = append(all, e.Target.Name)
	}
	return all
}

func TestSearch(t *testing.T) {
	r := rig.Start(t)
	ours, theirs := r.Token(t, r.Operator.APIKey), r.Token(t, r.Neighbour.APIKey)
	makeGroups(t, r, r.Operator, ours, "one", "two", "three")
	makeGroups(t, r, r.Neighbour, theirs, "four")
	created := url.Values{"action": {"resource-controller.group.create"}}

	t.Run("newest first, of the caller's account alone", func(t *testing.T) {
		if diff := cmp.Diff([]string{"three", "two", "one"}, names(delivered(t, r, ours, created, 3))); diff != "" {
			t.Error("operator (-want +got):\n" + diff)
		}
		if diff := cmp.Diff([]string{"four"}, names(delivered(t, r, theirs, created, 1))); diff != "" {
			t.Error("neighbour (-want +got):\n" + diff)
		}
	})
	t.Run("page by page", func(t *testing.T) {
		q := url.Values{"action": {"resource-controller.group.create"}, "limit": {"2"}}
		first := search(t, r, ours, q)
		q.Set("cursor", first.Next)
		second := search(t, r, ours, q)
		if got := append(names(first), names(second)...); !cmp.Equal(got, []string{"three", "two", "one"}) || second.Next != "" {
			t.Errorf("got %v, then %q", got, second.Next)
		}
	})
	t.Run("by what is known", func(t *testing.T) {
		for name, q := range map[string]url.Values{
			"family":    {"action": {"resource-controller.group.*"}, "outcome": {"success"}},
			"initiator": {"action": created["action"], "initiator": {r.Operator.Owner}},
			"time":      {"action": created["action"], "from": {time.Now().Add(-time.Hour).Format(time.RFC3339)}},
		} {
			if got := names(search(t, r, ours, q)); len(got) != 3 {
				t.Errorf("%s: got %v", name, got)
			}
		}
		for name, q := range map[string]url.Values{
			"outcome":   {"action": created["action"], "outcome": {"failure"}},
			"initiator": {"action": created["action"], "initiator": {r.Neighbour.Owner}},
			"time":      {"action": created["action"], "to": {time.Now().Add(-time.Hour).Format(time.RFC3339)}},
			"instance":  {"action": created["action"], "instance": {"0b9e0e2c-8f7a-4a55-9f0e-0a3b7a4d7d10"}},
			"key":       {"action": created["action"], "key": {"0b9e0e2c-8f7a-4a55-9f0e-0a3b7a4d7d10"}},
		} {
			if got := names(search(t, r, ours, q)); len(got) != 0 {
				t.Errorf("other %s: got %v", name, got)
			}
		}
	})
}

func TestWhatBelongsToNobodyIsForTheOperator(t *testing.T) {
	r := rig.Start(t)
	if a := r.Send(t, rig.Request{Method: "GET", Path: "/api/v2/keys"}); a.Status != http.StatusUnauthorized {
		t.Fatalf("a stranger: %d", a.Status)
	}
	if a := r.Send(t, rig.Request{Method: "GET", Path: "/no/such/path"}); a.Status != http.StatusNotFound {
		t.Fatalf("an unknown path: %d", a.Status)
	}
	p := search(t, r, r.Token(t, r.Operator.APIKey), url.Values{"unowned": {"true"}, "outcome": {"failure"}})
	actions := map[string]int{}
	for _, e := range p.Events {
		actions[e.Action] = e.Reason.ReasonCode
		if e.Account != "" {
			t.Errorf("%s belongs to account %s", e.Action, e.Account)
		}
	}
	want := map[string]int{"kms.secrets.list": 401, "strongroom.request.unknown": 404}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	a := r.Send(t, rig.Request{
		Method: "GET", Path: "/strongroom/v1/audit/events?unowned=true", Token: r.Token(t, r.Neighbour.APIKey),
	})
	if a.Status != http.StatusForbidden {
		t.Errorf("a tenant asks for them: %d %s", a.Status, a.Body)
	}
}

func TestBadQueryIsRefusedAndRecorded(t *testing.T) {
	r := rig.Start(t)
	token := r.Token(t, r.Operator.APIKey)
	queries := []string{
		"limit=0", "limit=1001", "limit=x", "from=yesterday", "to=1", "outcome=maybe", "unowned=perhaps", "cursor=forged",
		"correlation_id=1", "outcome=failure&outcome=success", "key=%zz",
	}
	for _, q := range queries {
		a := r.Send(t, rig.Request{Method: "GET", Path: "/strongroom/v1/audit/events?" + q, Token: token})
		var body struct {
			Error struct {
				Code, Message string
				ID            string `json:"correlation_id"`
			}
		}
		if err := json.Unmarshal(a.Body, &body); err != nil {
			t.Fatal(err)
		}
		if a.Status != 400 || body.Error.Code != "invalid" || body.Error.ID != a.Header.Get("Correlation-Id") {
			t.Errorf("%s: %d %s", q, a.Status, a.Body)
		}
	}
	failed := search(t, r, token, url.Values{"action": {"strongroom.audit.read"}, "outcome": {"failure"}})
	if len(failed.Events) != len(queries) {
		t.Errorf("%d of %d refusals are recorded", len(failed.Events), len(queries))
	}
}

func TestExport(t *testing.T) {
	r := rig.Start(t)
	ours, theirs := r.Token(t, r.Operator.APIKey), r.Token(t, r.Neighbour.APIKey)
	makeGroups(t, r, r.Operator, ours, "one")
	makeGroups(t, r, r.Neighbour, theirs, "two")
	delivered(t, r, ours, url.Values{"action": {"resource-controller.group.create"}}, 1)

	a := r.Must(t, rig.Request{Method: "GET", Path: "/strongroom/v1/audit/export", Token: ours}, nil)
	for _, q := range []string{"from=yesterday", "to=1", "since=2026-01-01T00:00:00Z"} {
		if a := r.Send(t, rig.Request{Method: "GET", Path: "/strongroom/v1/audit/export?" + q, Token: ours}); a.Status != 400 {
			t.Errorf("export by %s: %d %s", q, a.Status, a.Body)
		}
	}
	seen := map[string]bool{}
	for line := range bytes.Lines(a.Body) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		seen[e.Target.Name] = true
		if e.Account != r.Operator.ID {
			t.Errorf("an event of account %q: %s", e.Account, line)
		}
	}
	if !seen["one"] || seen["two"] {
		t.Errorf("exported %v", seen)
	}
	p := search(t, r, ours, url.Values{"action": {"strongroom.audit.export"}})
	var outcomes []string
	for _, e := range p.Events {
		outcomes = append(outcomes, e.Outcome)
	}
	if !cmp.Equal(outcomes, []string{"failure", "failure", "failure", "success", "pending"}) {
		t.Errorf("the export is recorded as %v", outcomes)
	}
}

func TestVerifyIsForTheOperator(t *testing.T) {
	r := rig.Start(t)
	var report struct {
		OK       bool
		Entries  int
		Problems []any
	}
	r.Must(t, rig.Request{Method: "POST", Path: "/strongroom/v1/audit/verify", Token: r.Token(t, r.Operator.APIKey)}, &report)
	if !report.OK || report.Entries == 0 || report.Problems == nil {
		t.Errorf("got %+v", report)
	}
	a := r.Send(t, rig.Request{Method: "POST", Path: "/strongroom/v1/audit/verify", Token: r.Token(t, r.Neighbour.APIKey)})
	if a.Status != http.StatusForbidden {
		t.Errorf("a tenant: %d", a.Status)
	}
}
