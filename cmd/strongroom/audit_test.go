package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	strongroom "strongroom/cmd/strongroom"
)

func TestAuditSearch(t *testing.T) {
	const total = 30
	f := newFake(t, map[string]http.HandlerFunc{"GET /strongroom/v1/audit/events": func(w http.ResponseWriter, r *http.Request) {
		var at, limit int
		fmt.Sscan(r.URL.Query().Get("cursor"), &at)
		fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		end := min(at+min(limit, 20), total)
		var events []string
		for i := at; i < end; i++ {
			events = append(events, fmt.Sprintf(`{"eventTime":"2026-07-01T10:11:12.34+0000","action":"kms.secrets.wrap","outcome":"success",
				"initiator":{"id":"IBMid-1","name":"Ada"},"target":{"id":"crn","name":"key %d"},"reason":{"reasonCode":200}}`, i))
		}
		next := ""
		if end < total {
			next = fmt.Sprint(end)
		}
		answer(200, fmt.Sprintf(`{"events":[%s],"next":%q}`, strings.Join(events, ","), next))(w, r)
	}})
	s := newShell(t, f)
	r := s.ok("audit", "search", "--from", "1h", "--to", "2026-07-01", "--instance", instanceGUID, "--key", keyID,
		"--action", "kms.secrets.wrap", "--initiator", "IBMid-1", "--outcome", "success", "--correlation", "c", "--limit", "25")
	if got := strings.Count(r.stdout, "2026-07-01 10:11:12  kms.secrets.wrap  success (200)"); got != 25 {
		t.Errorf("%d events, want 25:\n%s", got, r.stdout)
	}
	if !strings.Contains(r.stderr, "there are more") {
		t.Errorf("it is not said that there are more: %s", r.stderr)
	}
	query, err := url.ParseQuery(f.last("GET /strongroom/v1/audit/events").query)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"from": {"2026-07-01T11:00:00Z"}, "to": {"2026-07-01T00:00:00Z"}, "instance": {instanceGUID}, "key": {keyID},
		"action": {"kms.secrets.wrap"}, "initiator": {"IBMid-1"}, "outcome": {"success"}, "correlation": {"c"}, "limit": {"5"}, "cursor": {"20"},
	}
	if diff := cmp.Diff(want, query); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if r := s.ok("audit", "list", "--limit", "1000"); strings.Contains(r.stderr, "more") {
		t.Errorf("all events are shown, and yet: %s", r.stderr)
	}
}

func TestAuditExportIsWholeOrNotThere(t *testing.T) {
	lines := "{\"a\":1}\n{\"a\":2}\n"
	f := newFake(t, map[string]http.HandlerFunc{"GET /strongroom/v1/audit/export": answer(200, lines)})
	s := newShell(t, f)
	if got := s.ok("audit", "export").stdout; got != lines {
		t.Errorf("printed %q", got)
	}
	name := filepath.Join(t.TempDir(), "log.jsonl")
	s.ok("audit", "export", "--out", name)
	wantFile(t, name, lines)

	f.routes["GET /strongroom/v1/audit/export"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, lines)
	}
	other := filepath.Join(t.TempDir(), "log.jsonl")
	s.fails(strongroom.ExitUnavailable, []string{"exporting the audit log"}, "audit", "export", "--out", other)
	if _, err := os.Stat(other); err == nil {
		t.Error("an export that broke off has the name of a whole one")
	}
}

func TestAuditVerify(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"POST /strongroom/v1/audit/verify": answer(200, `{"ok":true,"entries":12,"anchored_sequence":10,"after_anchor":2,"problem_count":0,"problems":[]}`),
	})
	s := newShell(t, f)
	if out := s.ok("audit", "verify").stdout; !strings.Contains(out, "INTACT        yes") || !strings.Contains(out, "ANCHORED TO   10") {
		t.Errorf("output is\n%s", out)
	}
	report := `{"ok":false,"entries":12,"anchored_sequence":10,"problem_count":1,"problems":[{"segment":"00001.log","sequence":7,"kind":"hash","detail":"entry was changed"}]}`
	f.routes["POST /strongroom/v1/audit/verify"] = answer(200, report)
	r := s.fails(strongroom.ExitFailure, []string{"problems in the audit log: 1"}, "audit", "verify")
	if !strings.Contains(r.stdout, "00001.log  7         hash  entry was changed") {
		t.Errorf("output is\n%s", r.stdout)
	}
	wantJSON(t, s.fails(strongroom.ExitFailure, nil, "audit", "verify", "-o", "json").stdout, report)
}

func TestVersion(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"GET /version": answer(200, `{"version":"1.2.3","custody":{"mode":"unsealed"}}`)})
	s := newShell(t, f)
	delete(s.env, "STRONGROOM_API_KEY")
	out := s.ok("version").stdout
	if !strings.Contains(out, "1.2.3") || !strings.Contains(out, "SERVER custody mode  unsealed") {
		t.Errorf("output is\n%s", out)
	}
	if got := f.last("GET /version").header.Get("Authorization"); got != "" {
		t.Errorf("version showed who asks: %q", got)
	}
	alone := newShell(t, nil).ok("version")
	if !strings.Contains(alone.stdout, "CLIENT") || !strings.Contains(alone.stderr, "no server is named") {
		t.Errorf("without a server: %q, %q", alone.stdout, alone.stderr)
	}
}

func TestShortTime(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-31T12:34:56.789Z":      "2026-01-31 12:34:56",
		"2026-01-31T12:34+0000":         "2026-01-31 12:34:00",
		"2026-01-31T12:34:56.78+0000":   "2026-01-31 12:34:56",
		"2026-01-31T14:34:56.000+02:00": "2026-01-31 12:34:56",
		"":                              "",
		"yesterday":                     "yesterday",
	} {
		if got := strongroom.ShortTime(in); got != want {
			t.Errorf("ShortTime(%q) = %q, want %q", in, got, want)
		}
	}
}
