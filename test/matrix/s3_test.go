package matrix_test

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"strongroom/internal/httpface"
	"strongroom/test/rig"
)

// TestS3Matrix sends every operation's samples as everybody who may not use it. Nobody is let in, nothing
// that is confidential comes out, nobody can tell which objects, versions and uploads exist, and all is as
// it was afterwards. That the samples are good is shown by the owner, for whom each of them works.
func TestS3Matrix(t *testing.T) {
	r := rig.Start(t)
	routes := s3Guarded(t, r.Routes)
	old := expired(t, r)
	w := newWorld(t, r)
	instance := newStorage(w)
	homes := map[homeKind]*home{}
	for _, kind := range []homeKind{plain, locked, protected, empty} {
		homes[kind] = newHome(w, instance, kind)
	}
	attackers := s3Attackers(w, instance, old)
	before := s3State(w, routes, homes)
	for i, route := range routes {
		t.Run(route.Method+" "+route.Path, func(t *testing.T) {
			w := w.in(t)
			for _, row := range s3Samples[route.Method+" "+route.Path] {
				victim := *homes[row.home]
				victim.world = w
				for j, a := range attackers {
					if a.forged && !soak() && (i+j)%8 != 0 {
						continue // each forger tries some operations, and each operation is tried by some
					}
					if !slices.Contains(a.allowed, cmp.Or(row.action, route.Action)) {
						attackS3(t, &victim, route, row, a)
					}
				}
				wantGood(t, newHome(w, instance, row.home), route, row)
			}
		})
	}
	if diff := gocmp.Diff(before, s3State(w.in(t), routes, homes)); diff != "" {
		t.Errorf("attacks have changed something (-before +after):\n%s", diff)
	}
}

// soak says that the full set was asked for.
func soak() bool { return os.Getenv("STRONGROOM_SOAK") != "" }

// s3Guarded returns the operations that need a caller, each of which must have samples.
func s3Guarded(t *testing.T, all []httpface.RouteInfo) (routes []httpface.RouteInfo) {
	t.Helper()
	known := map[string]bool{}
	for _, route := range all {
		name := route.Method + " " + route.Path
		switch {
		case route.Face != "s3":
			continue
		case route.Open && route.Method != http.MethodOptions:
			t.Errorf("%s is open to everybody, and not known to be", name)
		case !route.Open && len(s3Samples[name]) == 0:
			t.Errorf("%s has no sample: say in the table how to call it", name)
		}
		known[name] = true
		if !route.Open {
			routes = append(routes, route)
		}
	}
	for name := range s3Samples {
		if !known[name] {
			t.Errorf("%s has a sample, and is no operation", name)
		}
	}
	return routes
}

// attackS3 sends one sample as one attacker: for what exists, and for what does not.
func attackS3(t *testing.T, h *home, route httpface.RouteInfo, row s3Sample, a s3Attacker) {
	t.Helper()
	asked := h.request(route, row)
	if row.home == empty && route.Method == http.MethodPut {
		asked.path = "/attacked-" + hex32()[:12] // a bucket of its own in the victim's instance
	}
	got := h.sendS3(asked, a.sign)
	if got.OK() {
		t.Errorf("%s is let in: %d %s", a.name, got.Status, start(got.Body))
		return
	}
	codes := a.codes
	if len(codes) == 0 {
		codes = []string{"AccessDenied"}
	}
	if got.Status != http.StatusForbidden || route.Method != http.MethodHead && !slices.Contains(codes, codeOf(got)) {
		t.Errorf("%s is answered %d %s, want 403 %v", a.name, got.Status, start(got.Body), codes)
	}
	for _, secret := range h.hidden(text(got), asked) {
		t.Errorf("%s learns %s: %s", a.name, secret, start(got.Body))
	}
	if !strings.Contains(route.Path, "{key}") {
		return
	}
	absent := h.without()
	other := h.sendS3(absent.request(route, row), a.sign)
	if diff := gocmp.Diff(anonymized(got, h), anonymized(other, absent)); diff != "" {
		t.Errorf("%s can tell whether the object exists (-exists +absent):\n%s", a.name, diff)
	}
}

// wantGood checks that the owner may do what the sample does.
func wantGood(t *testing.T, h *home, route httpface.RouteInfo, row s3Sample) {
	t.Helper()
	asked := h.request(route, row)
	if row.home == empty && route.Method == http.MethodPut {
		asked.path += "-2"
	}
	a := h.sendS3(asked, bearer(h.owner))
	if row.code == "" && !a.OK() || row.code != "" && codeOf(a) != row.code {
		t.Errorf("the sample is not good: the owner is answered %d %s", a.Status, start(a.Body))
	}
}

// s3State is all that the owner can read of the homes.
func s3State(w *world, routes []httpface.RouteInfo, homes map[homeKind]*home) map[string]string {
	w.t.Helper()
	state := map[string]string{}
	for _, route := range routes {
		if route.Method != http.MethodGet || !strings.HasPrefix(route.Path, "/{bucket}") {
			continue
		}
		for _, row := range s3Samples[route.Method+" "+route.Path] {
			h := *homes[row.home]
			h.world = w
			q := h.request(route, row)
			a := w.mustS3(q)
			delete(a.Header, "Date")
			state[q.path] = strings.ReplaceAll(text(a), a.ID, "REQUEST")
		}
	}
	return state
}

// text is an answer with its header.
func text(a rig.Answer) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		b.WriteString(name + ": " + strings.Join(a.Header[name], ", ") + "\n")
	}
	return b.String() + string(a.Body)
}

// anonymized is all that a caller sees of an answer, without what it has said itself.
func anonymized(a rig.Answer, h *home) string {
	seen := visible(a, h.key)
	for _, own := range []string{h.upload, h.version} {
		if own != "" {
			seen = strings.ReplaceAll(seen, own, "OWN")
		}
	}
	return seen
}

// codeOf is the code in an error document, or "".
func codeOf(a rig.Answer) string {
	var doc struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	if xml.Unmarshal(a.Body, &doc) != nil {
		return ""
	}
	return doc.Code
}
