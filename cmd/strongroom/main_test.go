package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	strongroom "strongroom/cmd/strongroom"
)

// TestMain makes the test binary the program of the scripts, which waits for answers for as long as a
// server may need on a machine that is busy, unless a script says otherwise.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"strongroom": func() {
		os.Args = slices.Insert(os.Args, 1, "--timeout=4m")
		strongroom.Main()
	}})
}

const (
	apiKeyValue  = "the-api-key-of-the-test-000000000000000000000"
	accountID    = "0123456789abcdef0123456789abcdef"
	instanceGUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	keyID        = "1f0e3dad-9990-4b1e-8d3c-5a7b2c9d4e6f"
)

// fake is a server that answers from a table and remembers what it was asked.
type fake struct {
	t      *testing.T
	url    string
	caFile string
	routes map[string]http.HandlerFunc // by "METHOD /path", path decoded

	mu    sync.Mutex
	asked []asked // guarded by mu
}

// asked is one request that the fake was sent.
type asked struct {
	route  string
	query  string
	header http.Header
	body   string
}

func newFake(t *testing.T, routes map[string]http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{t: t, routes: routes}
	server := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that does not trust it is a test
	server.StartTLS()
	t.Cleanup(server.Close)
	f.url = server.URL
	f.caFile = filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(f.caFile, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("reading a request: %v", err)
	}
	route := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.asked = append(f.asked, asked{route: route, query: r.URL.RawQuery, header: r.Header.Clone(), body: string(body)})
	f.mu.Unlock()
	if handler, ok := f.routes[route]; ok {
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
		return
	}
	if route == "POST /identity/token" {
		fmt.Fprint(w, tokenJSON("refresh-1", testNow().Add(time.Hour)))
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// last returns the last request of route.
func (f *fake) last(route string) asked {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.asked) - 1; i >= 0; i-- {
		if f.asked[i].route == route {
			return f.asked[i]
		}
	}
	f.t.Fatalf("%s was not asked for; asked were %v", route, f.asked)
	return asked{}
}

// count returns how often route was asked for.
func (f *fake) count(route string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, a := range f.asked {
		if a.route == route {
			n++
		}
	}
	return n
}

func testNow() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

// accessToken is a token with the claims that the program reads; its signature is not one.
func accessToken() string {
	claims := `{"iam_id":"IBMid-50ABCDEFGH","sub":"ada@example.com","name":"Ada","account":{"bss":"` + accountID + `"}}`
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func tokenJSON(refresh string, ends time.Time) string {
	data, err := json.Marshal(map[string]any{
		"access_token": accessToken(), "refresh_token": refresh, "token_type": "Bearer",
		"expires_in": 3600, "expiration": ends.Unix(),
	})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// answer returns a handler that answers with status and body.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// shell runs command lines in surroundings of its own.
type shell struct {
	t     *testing.T
	env   map[string]string
	stdin string
	now   time.Time
}

// newShell returns a shell whose environment points at f, which may be nil.
func newShell(t *testing.T, f *fake) *shell {
	t.Helper()
	s := &shell{t: t, now: testNow(), env: map[string]string{"XDG_CONFIG_HOME": t.TempDir()}}
	if f != nil {
		s.env["STRONGROOM_URL"] = f.url
		s.env["STRONGROOM_CA_FILE"] = f.caFile
		s.env["STRONGROOM_API_KEY"] = apiKeyValue
		s.env["STRONGROOM_KMS_INSTANCE_ID"] = instanceGUID
	}
	return s
}

// result is what a command line left behind.
type result struct {
	code           int
	stdout, stderr string
}

func (s *shell) run(args ...string) result {
	s.t.Helper()
	var out, errs bytes.Buffer
	code := strongroom.Run(s.t.Context(), args, strings.NewReader(s.stdin), &out, &errs,
		func(name string) string { return s.env[name] }, func() time.Time { return s.now })
	if strings.Contains(errs.String(), apiKeyValue) {
		s.t.Errorf("%v: the API key is in the error output", args)
	}
	return result{code, out.String(), errs.String()}
}

// ok runs a command line that must succeed.
func (s *shell) ok(args ...string) result {
	s.t.Helper()
	r := s.run(args...)
	if r.code != strongroom.ExitOK {
		s.t.Fatalf("%v: exit code %d, want 0; error output:\n%s", args, r.code, r.stderr)
	}
	return r
}

// fails runs a command line that must fail with code, and say every one of texts.
func (s *shell) fails(code int, texts []string, args ...string) result {
	s.t.Helper()
	r := s.run(args...)
	if r.code != code {
		s.t.Errorf("%v: exit code %d, want %d; error output:\n%s", args, r.code, code, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			s.t.Errorf("%v: error output lacks %q:\n%s", args, text, r.stderr)
		}
	}
	return r
}

// file writes a file and returns its name.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// wantFile checks that name holds content and that only its owner can read it.
func wantFile(t *testing.T, name, content string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != content {
		t.Errorf("%s holds %q, want %q", name, data, content)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("%s has mode %o, want 600", name, mode)
	}
}
