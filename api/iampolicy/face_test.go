package iampolicy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"strongroom/api/iampolicy"
	"strongroom/audit"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/httpface"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

const (
	account = "0123456789abcdef0123456789abcdef"
	other   = "fedcba9876543210fedcba9876543210"
	alice   = "IBMid-ALICE00001"
	bob     = "IBMid-BOB0000002"
	robot   = "iam-ServiceId-11111111-1111-4111-8111-111111111111"
	kmsA    = "aaaaaaaa-0000-4000-8000-000000000001"
	kmsB    = "aaaaaaaa-0000-4000-8000-000000000002"
	cosA    = "cccccccc-0000-4000-8000-000000000001"
	reader  = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
	manager = "crn:v1:bluemix:public:iam::::serviceRole:Manager"
	admin   = "crn:v1:bluemix:public:iam::::role:Administrator"
)

// tokens stand for the identities whose callers they name.
type tokens map[string]iam.Caller

func (t tokens) Authenticate(_ context.Context, token string, trail *audit.Trail) (iam.Caller, error) {
	who, ok := t[token]
	if !ok {
		return iam.Caller{}, iam.ErrUnauthenticated
	}
	who.Trail = trail
	return who, nil
}

// journal remembers the events that no change was committed with.
type journal struct {
	mu     sync.Mutex
	events []*audit.Event
}

func (j *journal) Append(_ context.Context, evs ...*audit.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, evs...)
	return nil
}

func (j *journal) Refused(ctx context.Context, _ string, ev *audit.Event) error {
	return j.Append(ctx, ev)
}

func (j *journal) Healthy() error { return nil }

// last returns the newest event.
func (j *journal) last() *audit.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.events[len(j.events)-1]
}

// house is the face in front of a real store.
type house struct {
	t      *testing.T
	url    string
	access *iam.Access
	log    *journal
	clock  *iamtest.Clock
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, log: &journal{}, clock: iamtest.NewClock()}
	now := h.clock.Now
	hub := lease.Always()
	db := sqlstoretest.Open(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), "data.db"), Hub: hub, Now: now})
	h.access = iam.NewAccess(iam.AccessConfig{Store: db.Access(), Hub: hub, Recorder: h.log, Now: now})
	var router httpface.Router
	server := httptest.NewServer(&router)
	t.Cleanup(server.Close)
	h.url = server.URL
	user := func(id, in string, owner bool) iam.Caller {
		return iam.Caller{Identity: iam.IdentityID(id), Kind: iam.KindOf(iam.IdentityID(id)), Account: iam.AccountID(in), Owner: owner}
	}
	httpface.Mount(&router, iampolicy.New(iampolicy.Config{
		Access: h.access, Log: h.log, PublicURL: h.url, Now: now, Logger: slog.New(slog.DiscardHandler),
		Identities: tokens{
			"owner": user("IBMid-OWNER00001", account, true), "alice": user(alice, account, false), "bob": user(bob, account, false),
			"stranger": user("IBMid-STRANGER01", other, true),
		},
	}))
	return h
}

// reply is an answer with its body.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// at finds a member of the body by its path, as "errors.0.code".
func (r reply) at(path string) any {
	var v any = r.body
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (r reply) id() string { return fmt.Sprint(r.body["id"]) }

// do sends a request as who. Headers are pairs of name and value.
func (h *house) do(who, method, path, body string, headers ...string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out.body); err != nil {
			h.t.Fatalf("%s %s answers %q: %v", method, path, raw, err)
		}
	}
	return out
}

// want fails the test if the answer has another status or error code.
func (h *house) want(r reply, status int, code string) reply {
	h.t.Helper()
	got, _ := r.at("errors.0.code").(string)
	if r.status != status || got != code {
		h.t.Fatalf("answer is %d %q, want %d %q: %s", r.status, got, status, code, r.raw)
	}
	return r
}

// equal compares members of a body by their paths.
func (h *house) equal(r reply, want map[string]any) {
	h.t.Helper()
	for path, v := range want {
		if got := r.at(path); fmt.Sprint(got) != fmt.Sprint(v) {
			h.t.Errorf("%s is %v, want %v", path, got, v)
		}
	}
}

// allowed asks for a decision on a key.
func (h *house) allowed(id, action, instance, key string) bool {
	h.t.Helper()
	who := iam.Caller{Identity: iam.IdentityID(id), Kind: iam.KindOf(iam.IdentityID(id)), Account: account}
	err := h.access.Allow(h.t.Context(), who, iam.Action(action), iam.Object{
		Account: account, Service: "kms", Instance: instance, KeyRing: "default", Type: "key", Resource: key,
	})
	return err == nil
}
