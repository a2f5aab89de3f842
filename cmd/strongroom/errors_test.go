package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	strongroom "strongroom/cmd/strongroom"
)

// keyProtectError is an error in the envelope of Key Protect.
func keyProtectError(code, message string) string {
	return `{"metadata":{"collectionType":"application/vnd.ibm.kms.error+json","collectionTotal":1},"resources":[{` +
		"\"errorMsg\":\"Conflict: Key could not be deleted: Please see `reasons` for more details (" + code + ")\"," +
		`"reasons":[{"code":"` + code + `","message":"` + message + `","status":409}]}]}`
}

func TestEveryErrorEnvelopeIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
	}{
		"Key Protect": {
			keyProtectError("KEY_DELETED_ERR", "Key has already been deleted."),
			"Key has already been deleted. (KEY_DELETED_ERR)",
		},
		"Key Protect without reasons": {
			`{"resources":[{"errorMsg":"Unauthorized: no access"}]}`,
			"Unauthorized: no access",
		},
		"token service": {
			`{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found.","errorDetails":"more","context":{"requestId":"x"}}`,
			"Provided API key could not be found: more (BXNIM0415E)",
		},
		"identity": {
			`{"context":{},"status_code":404,"errors":[{"code":"not_found","message_code":"BXNIM0123E","message":"No such thing."}],"trace":"t"}`,
			"No such thing. (BXNIM0123E)",
		},
		"policies": {
			`{"trace":"t","status_code":404,"errors":[{"code":"policy_not_found","message":"Policy not found."}]}`,
			"Policy not found. (policy_not_found)",
		},
		"resource controller": {
			`{"message":"outer","errors":[{"code":"RC-X","message":"inner"}],"status_code":404,"error_code":"RC-X"}`,
			"inner (RC-X)",
		},
		"resource controller, short": {
			`{"message":"outer","status_code":404,"error_code":"RC-X"}`,
			"outer (RC-X)",
		},
		"Strongroom's own": {
			`{"error":{"code":"not_found","message":"no such thing","correlation_id":"c"}}`,
			"no such thing (not_found)",
		},
		"OAuth's":           {`{"error":"invalid_request"}`, "the server answered bad gateway"},
		"none of them":      {`<html>nginx</html>`, "the server answered bad gateway"},
		"empty":             {``, "the server answered bad gateway"},
		"empty arrays":      {`{"resources":[],"errors":[]}`, "the server answered bad gateway"},
		"members of a type": {`{"errors":"text","message":7}`, "the server answered bad gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strongroom.DecodeError(http.StatusBadGateway, []byte(c.body), "id").Error()
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add([]byte(keyProtectError("KEY_DELETED_ERR", "gone")))
	f.Add([]byte(`{"errorCode":"BXNIM0415E","errorMessage":"unknown"}`))
	f.Add([]byte(`{"errors":[{"code":"c","message":"m"}]}`))
	f.Add([]byte(`{"resources":[{"reasons":[{}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if strongroom.DecodeError(http.StatusConflict, body, "id").Error() == "" {
			t.Error("an error says nothing")
		}
	})
}

func TestRefusalsHaveExitCodesAndHints(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		code   int
		texts  []string
	}{
		"not allowed": {
			401, `{"resources":[{"errorMsg":"Unauthorized: no access"}]}`, strongroom.ExitRefused,
			[]string{"strongroom: error: deleting key " + keyID + ": Unauthorized", "strongroom: hint: ", "policy list"},
		},
		"forbidden": {403, `{}`, strongroom.ExitRefused, nil},
		"unknown":   {404, keyProtectError("KEY_NOT_FOUND_ERR", "key does not exist"), strongroom.ExitNotFound, []string{"key does not exist"}},
		"protects": {
			409, keyProtectError("PROTECTED_RESOURCE_ERR", "Key is protecting one or more cloud resources"), strongroom.ExitConflict,
			[]string{"Key is protecting one or more cloud resources (PROTECTED_RESOURCE_ERR)", "hint: resources", "--force"},
		},
		"deleted":      {410, keyProtectError("KEY_DELETED_ERR", "deleted"), strongroom.ExitConflict, []string{"--state destroyed"}},
		"bad cipher":   {422, keyProtectError("UNPROCESSABLE_CIPHERTEXT_ERR", "corrupted"), strongroom.ExitFailure, []string{"--aad"}},
		"locked":       {422, `{"message":"locked"}`, strongroom.ExitConflict, []string{"locked"}},
		"too many":     {429, `{}`, strongroom.ExitUnavailable, []string{"try again"}},
		"unavailable":  {503, `{}`, strongroom.ExitUnavailable, []string{"try again"}},
		"internal":     {500, `{}`, strongroom.ExitFailure, []string{"request ID"}},
		"bad request":  {400, `{"message":"no"}`, strongroom.ExitFailure, []string{"no"}},
		"a redirect":   {302, ``, strongroom.ExitFailure, []string{"the server answered found"}},
		"odd status":   {299 + 700, ``, strongroom.ExitFailure, []string{"status 999"}},
		"escape codes": {409, `{"message":"a\u001b[31mb\nc\u202ed"}`, strongroom.ExitConflict, []string{"a\ufffd[31mb; c\ufffdd\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, map[string]http.HandlerFunc{"DELETE /api/v2/keys/" + keyID: answer(c.status, c.body)})
			newShell(t, f).fails(c.code, c.texts, "key", "delete", keyID)
		})
	}
}

func TestWrongCommandLinesAreUsageErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		texts []string
	}{
		"unknown command":    {[]string{"kye"}, []string{`strongroom has no command "kye"`, `did you mean "key"?`}},
		"unknown subcommand": {[]string{"key", "crate"}, []string{`strongroom key has no command "crate"`, `did you mean "create"?`}},
		"unlike any":         {[]string{"key", "qqqqqq"}, []string{`"strongroom key --help"`}},
		"unknown flag":       {[]string{"key", "list", "--foo"}, []string{"unknown flag: --foo"}},
		"missing argument":   {[]string{"key", "wrap"}, []string{"strongroom key wrap needs KEY"}},
		"empty argument":     {[]string{"key", "delete", ""}, []string{"KEY is empty"}},
		"too many":           {[]string{"key", "delete", "a", "b"}, []string{`does not take the argument "b"`}},
		"bad output":         {[]string{"key", "list", "--output", "xml"}, []string{"table or json"}},
		"no server":          {[]string{"key", "list"}, []string{"no server is named", "STRONGROOM_URL"}},
		"not https":          {[]string{"key", "list", "--url", "http://127.0.0.1"}, []string{"must be https"}},
		"not a URL":          {[]string{"key", "list", "--url", "://"}, []string{"not a URL"}},
		"no material":        {[]string{"key", "import", "a"}, []string{"--material-file is required"}},
		"bad state":          {[]string{"key", "list", "--state", "happy"}, []string{"active, deactivated, destroyed"}},
		"bad time":           {[]string{"key", "create", "a", "--expires", "soon"}, []string{"no time"}},
		"data of no text":    {[]string{"key", "wrap", "a", "--aad", "b", "--aad", "c\xff"}, []string{"--aad", "UTF-8"}},
		"unwrap of no text":  {[]string{"key", "unwrap", "a", "--aad", "\xff", "--ciphertext-file", "-"}, []string{"--aad", "UTF-8"}},
		"window that is over": {
			[]string{"policy", "create", "--for", "x", "--role", "Reader", "--service", "kms", "--until", "2020-01-01"},
			[]string{"--until", "already"},
		},
		"window inside out": {
			[]string{"policy", "create", "--for", "x", "--role", "Reader", "--service", "kms", "--from", "2h", "--until", "1h"},
			[]string{"--until", "--from"},
		},
		"no role":         {[]string{"policy", "create", "--for", "x"}, []string{"--role is required"}},
		"nobody":          {[]string{"policy", "create", "--role", "Reader"}, []string{"for somebody"}},
		"exclusive":       {[]string{"policy", "list", "--for", "x", "--group", "y"}, []string{"for", "group"}},
		"unknown profile": {[]string{"profile", "use", "../x"}, []string{"no name for a profile"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newShell(t, nil).fails(strongroom.ExitUsage, c.texts, c.args...)
			if r.stdout != "" {
				t.Errorf("standard output is %q, want nothing", r.stdout)
			}
		})
	}
}

func TestUnreachableServer(t *testing.T) {
	s := newShell(t, nil)
	s.env["STRONGROOM_URL"] = "https://127.0.0.1:1"
	s.env["STRONGROOM_API_KEY"] = apiKeyValue
	s.env["STRONGROOM_KMS_INSTANCE_ID"] = instanceGUID
	s.fails(strongroom.ExitUnavailable, []string{"cannot reach https://127.0.0.1:1", "hint: is the server running?"}, "key", "list")
}

func TestUntrustedServer(t *testing.T) {
	s := newShell(t, newFake(t, nil))
	delete(s.env, "STRONGROOM_CA_FILE")
	s.fails(strongroom.ExitUnavailable, []string{"--ca-file"}, "key", "list")
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /api/v2/keys": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	})
	newShell(t, f).fails(strongroom.ExitUnavailable, []string{"did not answer within 300ms", "--timeout"}, "key", "list", "--timeout", "300ms")
}

func TestUnknownAPIKeyIsNotAuthenticated(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"POST /identity/token": answer(400, `{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}`),
	})
	newShell(t, f).fails(strongroom.ExitRefused, []string{"logging in: Provided API key could not be found.", "check the API key"}, "key", "list")
}

func TestNoCredentials(t *testing.T) {
	s := newShell(t, newFake(t, nil))
	delete(s.env, "STRONGROOM_API_KEY")
	s.fails(strongroom.ExitRefused, []string{"not logged in", "strongroom login"}, "key", "list")
}

func TestAnswerThatIsNotJSONIsNotQuoted(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"GET /api/v2/keys": answer(200, `secret-in-no-json`)})
	r := newShell(t, f).fails(strongroom.ExitFailure, []string{"not the JSON that was expected"}, "key", "list")
	if strings.Contains(r.stderr, "secret") {
		t.Errorf("the error quotes the answer: %s", r.stderr)
	}
}

func TestClosest(t *testing.T) {
	known := []string{"create", "list", "rotate", "wrap", "unwrap", "rewrap", "rewrap", "delete"}
	for name, want := range map[string][]string{
		"crate":    {"create"},
		"wrpa":     {"wrap"},
		"ROTATE":   {"rotate"},
		"del":      {"delete"},
		"unwarp":   {"unwrap"},
		"rwrap":    {"wrap", "rewrap", "unwrap"},
		"":         nil,
		"entirely": nil,
	} {
		if diff := cmp.Diff(want, strongroom.Closest(name, known)); diff != "" {
			t.Errorf("Closest(%q) (-want +got):\n%s", name, diff)
		}
	}
}

func TestHelpTopics(t *testing.T) {
	s := newShell(t, nil)
	for _, topic := range []string{"exit-codes", "environment"} {
		direct, asked := s.ok(topic).stdout, s.ok("help", topic).stdout
		if diff := cmp.Diff(direct, asked); diff != "" {
			t.Errorf("%s: help differs (-command +help):\n%s", topic, diff)
		}
		if !strings.Contains(direct, "\n") {
			t.Errorf("%s says nothing", topic)
		}
	}
}
