package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	strongroom "strongroom/cmd/strongroom"
)

// loggedIn returns a shell that has logged in to f, and has no credentials but its profile.
func loggedIn(t *testing.T, f *fake) *shell {
	t.Helper()
	s := newShell(t, f)
	s.ok("login")
	for _, name := range []string{"STRONGROOM_URL", "STRONGROOM_API_KEY", "STRONGROOM_CA_FILE", "STRONGROOM_KMS_INSTANCE_ID"} {
		delete(s.env, name)
	}
	return s
}

func (s *shell) profileFile(name string) string {
	return filepath.Join(s.env["XDG_CONFIG_HOME"], "strongroom", name+".json")
}

func emptyKeys() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /api/v2/keys": answer(200, `{"metadata":{"collectionTotal":0},"resources":[]}`),
	}
}

func TestLoginKeepsTokensAndNotTheAPIKey(t *testing.T) {
	f := newFake(t, emptyKeys())
	s := newShell(t, f)
	r := s.ok("login")
	if !strings.Contains(r.stdout, "ada@example.com") || !strings.Contains(r.stdout, accountID) {
		t.Errorf("login does not say who is logged in:\n%s", r.stdout)
	}
	data, err := os.ReadFile(s.profileFile("default"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), apiKeyValue) {
		t.Error("the profile holds the API key")
	}
	if !strings.Contains(string(data), "refresh-1") {
		t.Error("the profile holds no refresh token")
	}
	for name, want := range map[string]os.FileMode{s.profileFile("default"): 0o600, filepath.Dir(s.profileFile("default")): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	form, err := url.ParseQuery(f.last("POST /identity/token").body)
	if err != nil {
		t.Fatal(err)
	}
	if form.Get("apikey") != apiKeyValue || form.Get("grant_type") != "urn:ibm:params:oauth:grant-type:apikey" {
		t.Errorf("login sent %v", form)
	}
	if user, password, _ := (&http.Request{Header: f.last("POST /identity/token").header}).BasicAuth(); user != "bx" || password != "bx" {
		t.Errorf("login identified itself as %s:%s, want bx:bx", user, password)
	}
}

func TestLoginReadsTheAPIKeyFromAFileOrStandardInput(t *testing.T) {
	for name, prepare := range map[string]func(*shell) []string{
		"file":           func(s *shell) []string { return []string{"login", "--api-key-file", file(t, apiKeyValue+"\n")} },
		"dash":           func(s *shell) []string { s.stdin = apiKeyValue + "\n"; return []string{"login", "--api-key-file", "-"} },
		"standard input": func(s *shell) []string { s.stdin = apiKeyValue; return []string{"login"} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil)
			s := newShell(t, f)
			delete(s.env, "STRONGROOM_API_KEY")
			s.ok(prepare(s)...)
			if body := f.last("POST /identity/token").body; !strings.Contains(body, "apikey="+apiKeyValue) {
				t.Errorf("login sent %s", body)
			}
		})
	}
	newShell(t, newFake(t, nil)).fails(strongroom.ExitFailure, []string{"is empty"}, "login", "--api-key-file", file(t, " \n"))
}

func TestProfileReplacesTheEnvironment(t *testing.T) {
	f := newFake(t, emptyKeys())
	s := loggedIn(t, f)
	s.ok("key", "list")
	if got := f.count("POST /identity/token"); got != 1 {
		t.Errorf("asked for %d tokens, want 1: the access token was still good", got)
	}
	listed := f.last("GET /api/v2/keys")
	if got := listed.header.Get("Authorization"); got != "Bearer "+accessToken() {
		t.Errorf("Authorization is %q", got)
	}
	if got := listed.header.Get("Bluemix-Instance"); got != instanceGUID {
		t.Errorf("Bluemix-Instance is %q: the profile's default was not used", got)
	}
}

func TestExpiredAccessTokenIsRenewed(t *testing.T) {
	routes := emptyKeys()
	renewals := 0
	routes["POST /identity/token"] = func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(body(r), "grant_type=refresh_token") {
			renewals++
		}
		fmt.Fprint(w, tokenJSON(fmt.Sprintf("refresh-%d", renewals), testNow().Add(time.Duration(renewals+1)*time.Hour)))
	}
	f := newFake(t, routes)
	s := loggedIn(t, f)
	s.now = testNow().Add(time.Hour - time.Second)
	s.ok("key", "list")
	if sent := f.last("POST /identity/token").body; !strings.Contains(sent, "refresh_token=refresh-0") {
		t.Errorf("renewed with %s", sent)
	}
	s.now = testNow().Add(2*time.Hour - time.Second)
	s.ok("key", "list")
	if sent := f.last("POST /identity/token").body; !strings.Contains(sent, "refresh_token=refresh-1") {
		t.Errorf("the newer refresh token was not kept: renewed with %s", sent)
	}
	if renewals != 2 {
		t.Errorf("renewed %d times, want 2", renewals)
	}
}

// body returns what r was sent with.
func body(r *http.Request) string {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func TestTokensOfAProfileStayWithItsServer(t *testing.T) {
	s := loggedIn(t, newFake(t, emptyKeys()))
	other := newFake(t, emptyKeys())
	s.fails(strongroom.ExitRefused, []string{"not logged in"}, "key", "list", "--url", other.url, "--ca-file", other.caFile)
	s.fails(strongroom.ExitUsage, []string{"is for https://"}, "key", "list", "--url", other.url, "--profile", "default")
	if len(other.asked) != 0 {
		t.Errorf("the other server was asked %v", other.asked)
	}
}

func TestNamedProfileWinsOverTheEnvironment(t *testing.T) {
	f := newFake(t, emptyKeys())
	s := loggedIn(t, f)
	other := newFake(t, nil)
	s.env["STRONGROOM_URL"], s.env["STRONGROOM_API_KEY"] = other.url, apiKeyValue
	s.ok("key", "list", "--profile", "default")
	if f.count("GET /api/v2/keys") != 1 || len(other.asked) != 0 {
		t.Errorf("the environment's server was asked %v", other.asked)
	}
}

func TestProfileThatOthersCanReadIsRefused(t *testing.T) {
	s := loggedIn(t, newFake(t, emptyKeys()))
	if err := os.Chmod(s.profileFile("default"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.fails(strongroom.ExitFailure, []string{"can be read by others", "hint: chmod 600"}, "key", "list")
}

func TestProfiles(t *testing.T) {
	f := newFake(t, nil)
	s := newShell(t, f)
	s.ok("login", "--profile", "one")
	s.ok("login", "--profile", "two")
	if out := s.ok("profile", "list", "--output", "json").stdout; strings.Contains(out, "refresh-1") || strings.Contains(out, accessToken()) {
		t.Errorf("the list shows tokens:\n%s", out)
	}
	s.ok("profile", "use", "one")
	list := s.ok("profile", "list").stdout
	for _, line := range strings.Split(list, "\n") {
		if strings.HasPrefix(line, "one") != strings.Contains(strings.SplitN(line+" https", "https", 2)[0], "yes") {
			t.Errorf("the current profile is not shown:\n%s", list)
		}
	}
	s.fails(strongroom.ExitNotFound, []string{`there is no profile "tow"`, `did you mean "two"?`}, "profile", "use", "tow")
	s.ok("profile", "delete", "one")
	if out := s.ok("profile", "list").stdout; strings.Contains(out, "one") {
		t.Errorf("a deleted profile is listed:\n%s", out)
	}
	s.fails(strongroom.ExitNotFound, nil, "profile", "delete", "one")
}

func TestLogoutForgetsTheTokens(t *testing.T) {
	s := loggedIn(t, newFake(t, emptyKeys()))
	s.ok("logout")
	data, err := os.ReadFile(s.profileFile("default"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "token") {
		t.Errorf("the profile still has tokens:\n%s", data)
	}
	s.fails(strongroom.ExitRefused, []string{"not logged in"}, "key", "list")
}

func TestToken(t *testing.T) {
	s := newShell(t, newFake(t, nil))
	if got := s.ok("token").stdout; got != accessToken()+"\n" {
		t.Errorf("token printed %q", got)
	}
	if got := s.ok("token", "--decode").stdout; !strings.Contains(got, `"iam_id": "IBMid-50ABCDEFGH"`) {
		t.Errorf("token --decode printed %s", got)
	}
}

func FuzzTokenClaims(f *testing.F) {
	f.Add(accessToken())
	f.Add("a.b.c")
	f.Add("..")
	f.Add("e30.bnVsbA.x")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := strongroom.TokenClaims(token); err != nil && strings.Contains(err.Error(), token) && len(token) > 20 {
			t.Error("the error quotes the token")
		}
	})
}
