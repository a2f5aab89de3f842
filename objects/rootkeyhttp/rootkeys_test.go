package rootkeyhttp_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

// service speaks Key Protect, with one root key.
type service struct {
	mu       sync.Mutex
	now      time.Time
	state    int  // of the key
	version  int  // the newest
	status   int  // of every answer but those about tokens; 0 for none in particular
	failures int  // how many answers fail with 503 before the next good one
	token    int  // counts tokens: only the newest is good
	broken   bool // answers nonsense
	asked    []string
}

var (
	instance = crn.Of(crn.ObjectStorage, "global", "account", "storage", "", "")
	root     = crn.Of(crn.KeyProtect, "us-south", "account", "vault", "key", "0f2e5b5e-6c1c-4a57-9b8e-6a3cf7e0a111")
	aad      = []string{"bucket"}
)

func (s *service) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *service) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *service) count(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, asked := range s.asked {
		if strings.HasSuffix(asked, what) {
			n++
		}
	}
	return n
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	answer := func(status int, body any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	if r.URL.Path == "/identity/token" {
		if r.FormValue("apikey") != "secret" {
			answer(http.StatusBadRequest, map[string]string{"errorMessage": "Provided API key could not be found."})
			return
		}
		s.token++
		answer(http.StatusOK, map[string]any{"access_token": fmt.Sprintf("token-%d", s.token), "expires_in": 3600})
		return
	}
	failure := map[string]any{"resources": []any{map[string]string{"errorMsg": "no"}}}
	switch {
	case s.failures > 0:
		s.failures--
		answer(http.StatusServiceUnavailable, failure)
		return
	case r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.token):
		answer(http.StatusUnauthorized, failure)
		return
	case s.status != 0:
		answer(s.status, failure)
		return
	case s.broken:
		_, _ = w.Write([]byte("<html>"))
		return
	case r.Header.Get("Bluemix-Instance") != root.Instance || !strings.HasPrefix(r.URL.Path, "/api/v2/keys/"+root.Resource):
		answer(http.StatusNotFound, failure)
		return
	}
	version := map[string]string{"id": fmt.Sprintf("version-%d", s.version)}
	var body struct {
		Plaintext, Ciphertext string
		AAD                   []string
	}
	if r.Method == http.MethodPost {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	bound := strings.Join(body.AAD, ",")
	switch action := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; action {
	case "metadata":
		answer(http.StatusOK, map[string]any{"resources": []any{map[string]any{
			"id": root.Resource, "crn": root.String(), "state": s.state, "extractable": false, "keyVersion": version,
		}}})
	case "wrap":
		answer(http.StatusOK, map[string]any{"ciphertext": fmt.Sprintf("%d|%s|%s", s.version, bound, body.Plaintext), "keyVersion": version})
	case "unwrap", "rewrap":
		parts := strings.SplitN(body.Ciphertext, "|", 3)
		if len(parts) != 3 || parts[1] != bound {
			answer(http.StatusUnprocessableEntity, failure)
			return
		}
		out := map[string]any{"keyVersion": map[string]string{"id": "version-" + parts[0]}}
		if action == "unwrap" {
			out["plaintext"] = parts[2]
		}
		if action == "rewrap" || parts[0] != fmt.Sprint(s.version) {
			out["ciphertext"], out["rewrappedKeyVersion"] = fmt.Sprintf("%d|%s|%s", s.version, bound, parts[2]), version
		}
		answer(http.StatusOK, out)
	}
}

func start(t *testing.T) (*service, *rootkeyhttp.Client) {
	t.Helper()
	s := &service{now: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC), state: 1, version: 1}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	c, err := rootkeyhttp.New(rootkeyhttp.Config{
		URL: server.URL, TokenURL: server.URL + "/identity/token", APIKey: custody.NewSecret([]byte("secret")),
		Client: server.Client(), Now: s.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestAKeyIsWrappedRotatedAndRewrapped(t *testing.T) {
	s, c := start(t)
	ctx, who := t.Context(), iam.Caller{}
	key, w, err := c.Generate(ctx, who, instance, root, aad)
	if err != nil || w.Version != "version-1" || key.Len() != 32 {
		t.Fatalf("generated %+v, %v", w, err)
	}
	if !strings.Contains(w.Ciphertext, base64.StdEncoding.EncodeToString(key.Reveal())) {
		t.Fatal("another key was wrapped")
	}
	got, newer, err := c.Unwrap(ctx, who, instance, root, w, aad)
	if err != nil || newer != nil || !got.Equal(key) {
		t.Errorf("unwrapped %v, %v", newer, err)
	}
	s.change(func() { s.version = 2 })
	got, newer, err = c.Unwrap(ctx, who, instance, root, w, aad)
	if err != nil || newer == nil || newer.Version != "version-2" || !got.Equal(key) {
		t.Errorf("unwrapped after the rotation %v, %v", newer, err)
	}
	again, err := c.Rewrap(ctx, instance, root, w, aad)
	if err != nil || again.Version != "version-2" {
		t.Errorf("rewrapped %+v, %v", again, err)
	}
	if _, _, err = c.Unwrap(ctx, who, instance, root, w, []string{"other"}); !errors.Is(err, objects.ErrRootUnreadable) {
		t.Errorf("of another bucket: %v", err)
	}
	if s.count("/identity/token") != 1 {
		t.Errorf("%d tokens", s.count("/identity/token"))
	}
}

func TestStateIsAskedForOnceInAnInterval(t *testing.T) {
	s, c := start(t)
	ask := func() error {
		t.Helper()
		first := c.Standing(t.Context(), instance, root)
		for range 5 {
			if err := c.Standing(t.Context(), instance, root); !errors.Is(err, first) {
				t.Errorf("now %v, before %v", err, first)
			}
		}
		return first
	}
	for i, c := range []struct {
		state, status int
		want          error
	}{
		{1, 0, nil},
		{2, 0, objects.ErrRootDisabled},
		{3, 0, nil},
		{5, 0, objects.ErrRootDeleted},
		{1, http.StatusForbidden, objects.ErrUnauthorized},
		{1, http.StatusNotFound, objects.ErrRootDeleted},
		{1, http.StatusGone, objects.ErrRootDeleted},
		{1, 0, nil},
	} {
		s.change(func() { s.state, s.status = c.state, c.status; s.now = s.now.Add(30 * time.Second) })
		if err := ask(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%d: got %v, want %v", i, err, c.want)
		}
		if got := s.count("/metadata"); got != i+1 {
			t.Errorf("%d: asked %d times", i, got)
		}
	}
}

func TestLastAnswerHoldsForAWhileWithoutTheService(t *testing.T) {
	s, c := start(t)
	if err := c.Standing(t.Context(), instance, root); err != nil {
		t.Fatal(err)
	}
	down := func(after time.Duration) error {
		s.change(func() { s.broken = true; s.now = s.now.Add(after) })
		return c.Standing(t.Context(), instance, root)
	}
	if err := down(29 * time.Second); err != nil {
		t.Errorf("within the interval: %v", err)
	}
	if err := down(4 * time.Minute); err != nil {
		t.Errorf("within ten intervals: %v", err)
	}
	if err := down(2 * time.Minute); !errors.Is(err, objects.ErrRootService) {
		t.Errorf("after ten intervals: %v", err)
	}
	asked := s.count("/metadata")
	if err := down(time.Second); !errors.Is(err, objects.ErrRootService) || s.count("/metadata") != asked {
		t.Errorf("a second later: %v, asked %d times more", err, s.count("/metadata")-asked)
	}
	s.change(func() { s.broken = false; s.now = s.now.Add(10 * time.Second) })
	if err := c.Standing(t.Context(), instance, root); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func TestFailuresOfTheMomentAreTriedAgain(t *testing.T) {
	s, c := start(t)
	s.change(func() { s.failures = 2 })
	if _, _, err := c.Generate(t.Context(), iam.Caller{}, instance, root, aad); err != nil {
		t.Errorf("after two failures: %v", err)
	}
	s.change(func() { s.failures = 3 })
	if _, _, err := c.Generate(t.Context(), iam.Caller{}, instance, root, aad); !errors.Is(err, objects.ErrRootService) {
		t.Errorf("after three: %v", err)
	}
	s.change(func() { s.token++ }) // the token is good no more
	if _, _, err := c.Generate(t.Context(), iam.Caller{}, instance, root, aad); err != nil {
		t.Errorf("with a token that was withdrawn: %v", err)
	}
	before := s.count("/metadata")
	s.change(func() { s.status = http.StatusForbidden })
	if _, err := c.Describe(t.Context(), iam.Caller{}, instance, root); !errors.Is(err, objects.ErrRootUnknown) || s.count("/metadata") != before+1 {
		t.Errorf("a refusal: %v, asked %d times", err, s.count("/metadata")-before)
	}
}

func TestRootKeysAreDescribed(t *testing.T) {
	s, c := start(t)
	foreign := root
	foreign.Scope = "a/other"
	for name, k := range map[string]struct {
		root  crn.CRN
		state int
		want  error
	}{
		"active":          {root, 1, nil},
		"disabled":        {root, 2, objects.ErrRootUnusable},
		"expired":         {root, 3, objects.ErrRootUnusable},
		"deleted":         {root, 5, objects.ErrRootUnknown},
		"foreign account": {foreign, 1, objects.ErrRootUnknown},
		"unknown":         {root.Child("key", "other"), 1, objects.ErrRootUnknown},
		"no key":          {root.Child("", ""), 1, objects.ErrRootUnknown},
	} {
		s.change(func() { s.state = k.state })
		got, err := c.Describe(t.Context(), iam.Caller{}, instance, k.root)
		if !errors.Is(err, k.want) || k.want == nil && (err != nil || got != root) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, c := range map[string]rootkeyhttp.Config{
		"no URL":     {TokenURL: "https://iam.example.com/identity/token", APIKey: custody.NewSecret([]byte("x"))},
		"plain http": {URL: "http://kms.example.com", TokenURL: "https://iam.example.com/identity/token", APIKey: custody.NewSecret([]byte("x"))},
		"no API key": {URL: "https://kms.example.com", TokenURL: "https://iam.example.com/identity/token"},
	} {
		if _, err := rootkeyhttp.New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
