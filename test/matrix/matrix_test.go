package matrix_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/internal/httpface"
	"strongroom/server"
	"strongroom/test/rig"
)

// TestMatrix sends every route's sample as everybody who may not use it. Nobody
// is let in, nothing that is confidential comes out, and nobody can tell what
// exists from what does not. That the samples are good is shown by the owner of
// the account, for whom each of them works.
func TestMatrix(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.key")
	r := rig.Start(t, func(c *server.Config) {
		c.Keys.PurgeWait = 1
		c.Custody.Modules = []server.CryptoModule{{Name: "other", Software: &server.Software{KeyFile: other}}}
	})
	letPurge(t, r)
	routes := guarded(t, r.Routes)
	old := expired(t, r)
	victim := newWorld(t, r)
	victim.makeAll()
	attackers := append(allAttackers(victim),
		attacker{name: "the owner, after the token has expired", token: old, unknown: true})
	for _, route := range routes {
		row, ok := samples[route.Method+" "+route.Path]
		if !ok {
			continue // reported by guarded
		}
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			w := victim.in(t)
			for _, a := range attackers {
				if !a.may(route, row) {
					attack(t, w, route, row, a)
				}
			}
			fresh := newWorld(t, r)
			if got := fresh.send(route, row, fresh.owner, nil); !carriedOut(got) && !(row.service && got.Status == http.StatusForbidden) {
				t.Errorf("the sample is not good: the owner is answered %d %s", got.Status, start(got.Body))
			}
		})
	}
	victim.stillThere(t)
}

// letPurge gives the owner of the account the one role that owning it does not give.
func letPurge(t *testing.T, r *rig.Rig) {
	t.Helper()
	var owner struct {
		IAM string `json:"iam_id"`
	}
	r.Must(t, rig.Request{Method: http.MethodGet, Path: "/identity/userinfo", Token: r.Token(t, r.Operator.APIKey)}, &owner)
	r.Grant(t, r.Operator, owner.IAM, roleKeyPurge, map[string]string{"serviceName": "kms"})
}

// guarded returns the routes that need a caller. Every one of them must have a
// sample, every sample a route, and every open route must be known as such.
func guarded(t *testing.T, all []httpface.RouteInfo) []httpface.RouteInfo {
	t.Helper()
	var routes []httpface.RouteInfo
	known := map[string]bool{}
	for _, route := range all {
		if route.Face == "s3" {
			continue // another protocol, at another address: its own tests attack it
		}
		name := route.Method + " " + route.Path
		known[name] = true
		_, sampled := samples[name]
		switch {
		case route.Open && !slices.Contains(openRoutes, name):
			t.Errorf("%s is open to everybody, and not known to be", name)
		case !route.Open && slices.Contains(openRoutes, name):
			t.Errorf("%s is known to be open to everybody, and is not", name)
		case !route.Open && !sampled:
			t.Errorf("%s has no sample: say in the table how to call it", name)
		case !route.Open && route.Action == "":
			t.Errorf("%s names no action", name)
		}
		if !route.Open {
			routes = append(routes, route)
		}
	}
	for name := range samples {
		if !known[name] {
			t.Errorf("%s has a sample, and is no route", name)
		}
	}
	if len(routes) < 50 {
		t.Errorf("only %d routes need a caller", len(routes))
	}
	return routes
}

// attack sends one sample as one attacker: for things that exist, and for things
// that do not, one at a time.
func attack(t *testing.T, w *world, route httpface.RouteInfo, row sample, a attacker) {
	t.Helper()
	got := w.send(route, row, a.token, nil)
	if carriedOut(got) && !row.answers(a) {
		t.Errorf("%s is let in: %d %s", a.name, got.Status, start(got.Body))
	}
	if !got.OK() && a.unknown && got.Status != http.StatusUnauthorized {
		t.Errorf("%s is answered %d, want 401", a.name, got.Status)
	}
	if got.Status >= http.StatusInternalServerError {
		t.Errorf("%s is answered %d %s", a.name, got.Status, start(got.Body))
	}
	for _, secret := range w.confidential(a, row) {
		if strings.Contains(string(got.Body), secret) && !strings.Contains(w.requestText(route, row), secret) {
			t.Errorf("%s learns %s: …%s", a.name, secret, start(got.Body[max(0, strings.Index(string(got.Body), secret)-200):]))
		}
	}
	for _, name := range row.names() {
		absent := map[string]string{name: w.absent(name)}
		other := w.send(route, row, a.token, absent)
		if diff := cmp.Diff(visible(got, w.get(name)), visible(other, absent[name])); diff != "" {
			t.Errorf("%s can tell whether the %s exists (-exists +absent):\n%s", a.name, name, diff)
		}
		if !a.foreign || row.answers(a) {
			continue
		}
		if diff := cmp.Diff(onRecord(w, a, got, w.get(name)), onRecord(w, a, other, absent[name])); diff != "" {
			t.Errorf("%s can tell from its own audit log whether the %s exists (-exists +absent):\n%s", a.name, name, diff)
		}
	}
}

// onRecord returns the events of a request that the attacker's account is shown,
// without what differs between any two of them.
func onRecord(w *world, a attacker, answered rig.Answer, id string) []string {
	w.t.Helper()
	var found struct {
		Events []map[string]any `json:"events"`
	}
	w.r.Must(w.t, rig.Request{
		Method: http.MethodGet, Path: "/strongroom/v1/audit/events?correlation=" + answered.ID, Token: a.token,
	}, &found)
	var events []string
	for _, ev := range found.Events {
		for _, member := range []string{"id", "eventTime", "correlationId"} {
			delete(ev, member)
		}
		// The ID that was asked for, also as it stands in a path.
		text := strings.ReplaceAll(rig.JSON(ev), url.PathEscape(id), "ID")
		text = strings.ReplaceAll(text, id, "ID")
		// And what the server has drawn for what was to be made.
		events = append(events, drawn.ReplaceAllString(text, "DRAWN"))
	}
	return events
}

// drawn matches a UUID.
var drawn = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// carriedOut says whether anything of a request was carried out. Some answers
// have a status for each of the things that were asked for.
func carriedOut(a rig.Answer) bool {
	if !a.OK() {
		return false
	}
	type outcome struct {
		Status  int  `json:"status_code"`
		IsError bool `json:"is_error"`
	}
	var several struct {
		Members, Groups, Results []outcome
	}
	if json.Unmarshal(a.Body, &several) != nil {
		return true
	}
	all := slices.Concat(several.Members, several.Groups, several.Results)
	return len(all) == 0 || slices.ContainsFunc(all, func(o outcome) bool {
		return !o.IsError && o.Status < http.StatusBadRequest
	})
}

// start returns so much of a body as is good to read in a message.
func start(body []byte) []byte {
	return body[:min(len(body), 400)]
}

// moments matches what differs between any two answers: times and durations, and cursors that
// nobody but the server can read.
var moments = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)|` +
	`\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d:\d{3} UTC|"elapsed_?[tT]ime":"?\d+"?|"cursor":"[^"]*"`)

// visible returns all that a caller sees of an answer, without what the caller
// has said itself (the ID it asked for) and without times.
func visible(a rig.Answer, id string) string {
	var b strings.Builder
	fmt.Fprintln(&b, a.Status)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range a.Header {
			if name != "Date" && name != "Content-Length" && !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintln(&b, name, a.Header[name])
	}
	b.Write(a.Body)
	text := moments.ReplaceAllString(b.String(), "TIME")
	text = strings.ReplaceAll(text, a.ID, "REQUEST")
	return strings.ReplaceAll(text, id, "ID")
}
