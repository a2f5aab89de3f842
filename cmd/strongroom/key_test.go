package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	strongroom "strongroom/cmd/strongroom"
)

const (
	keys = "/api/v2/keys"
	root = `{"type":"application/vnd.ibm.kms.key+json","id":"` + keyID + `","name":"payments","state":1,"extractable":false,` +
		`"crn":"crn:v1:bluemix:public:kms:us-south:a/` + accountID + ":" + instanceGUID + ":key:" + keyID + `","imported":false,` +
		`"keyRingID":"default","creationDate":"2026-07-01T10:00:00Z","unknown<member>":[1,2]}`
)

func collected(resources ...string) string {
	return fmt.Sprintf(`{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":%d},"resources":[%s]}`,
		len(resources), strings.Join(resources, ","))
}

func wantJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v in %q", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestCreateKey(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"POST " + keys: answer(201, collected(root))})
	s := newShell(t, f)
	out := s.ok("key", "create", "payments", "--description", "pay roll", "--tag", "a", "--tag", "b,c", "--alias", "pay",
		"--ring", "team", "--expires", "24h").stdout
	for _, want := range []string{"ID        " + keyID, "STATE     active", "TYPE      root"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	asked := f.last("POST " + keys)
	wantJSON(t, asked.body, `{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},"resources":[
		{"type":"application/vnd.ibm.kms.key+json","name":"payments","description":"pay roll","tags":["a","b,c"],"aliases":["pay"],
		 "expirationDate":"2026-07-02T12:00:00Z","extractable":false}]}`)
	if got := asked.header.Get("X-Kms-Key-Ring"); got != "team" {
		t.Errorf("key ring header is %q", got)
	}
	if _, err := uuid.Parse(asked.header.Get("Correlation-Id")); err != nil {
		t.Errorf("correlation ID: %v", err)
	}
	out = s.ok("key", "create", "payments", "--standard", "-o", "json").stdout
	wantJSON(t, out, root)
	if !strings.Contains(out, "unknown<member>") {
		t.Errorf("members were changed:\n%s", out)
	}
}

func TestImportKey(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"POST " + keys: answer(201, collected(root))})
	s := newShell(t, f)
	material := strings.Repeat("k", 32)
	s.ok("key", "import", "payments", "--material-file", file(t, material))
	if body := f.last("POST " + keys).body; !strings.Contains(body, `"payload":"`+base64.StdEncoding.EncodeToString([]byte(material))+`"`) {
		t.Errorf("sent %s", body)
	}
	before := f.count("POST " + keys)
	s.fails(strongroom.ExitFailure, []string{"has 31 bytes"}, "key", "import", "payments", "--material-file", file(t, material[1:]))
	s.stdin = base64.StdEncoding.EncodeToString([]byte(material)) + "\n"
	s.fails(strongroom.ExitFailure, []string{"has 45 bytes", "base64 -d"}, "key", "import", "payments", "--material-file", "-")
	s.fails(strongroom.ExitFailure, []string{"has 0 bytes"}, "key", "import", "payments", "--standard", "--material-file", file(t, ""))
	s.fails(strongroom.ExitFailure, []string{"reading a secret"}, "key", "import", "payments", "--material-file", filepath.Join(t.TempDir(), "none"))
	if f.count("POST "+keys) != before {
		t.Error("material of a wrong size was sent")
	}
}

func TestListKeysByPages(t *testing.T) {
	const total = 2500
	f := newFake(t, map[string]http.HandlerFunc{"GET " + keys: func(w http.ResponseWriter, r *http.Request) {
		var offset, limit int
		fmt.Sscan(r.URL.Query().Get("offset"), &offset)
		fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		var page []string
		for i := offset; i < min(offset+limit, total); i++ {
			page = append(page, fmt.Sprintf(`{"id":"id-%d","name":"key-%d","state":1}`, i, i))
		}
		answer(200, collected(page...))(w, r)
	}})
	s := newShell(t, f)
	var all []struct{ ID string }
	if err := json.Unmarshal([]byte(s.ok("key", "list", "--all", "-o", "json").stdout), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != total || all[total-1].ID != fmt.Sprintf("id-%d", total-1) {
		t.Errorf("listed %d keys, want %d", len(all), total)
	}
	r := s.ok("key", "list", "--limit", "3", "--offset", "2", "--state", "active,destroyed")
	if lines := strings.Count(r.stdout, "\n"); lines != 4 {
		t.Errorf("%d lines, want 4:\n%s", lines, r.stdout)
	}
	if !strings.Contains(r.stderr, "--offset 5") {
		t.Errorf("it is not said how to go on: %s", r.stderr)
	}
	asked, err := url.ParseQuery(f.last("GET " + keys).query)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(url.Values{"limit": {"3"}, "offset": {"2"}, "state": {"1,5"}}, asked); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
}

func TestKeyByName(t *testing.T) {
	second := strings.Replace(root, keyID, "2"+keyID[1:], 1)
	deleted := strings.Replace(strings.Replace(root, keyID, "3"+keyID[1:], 1), `"state":1`, `"state":5`, 1)
	other := strings.Replace(strings.Replace(root, keyID, "4"+keyID[1:], 1), `"payments"`, `"payroll"`, 1)
	for name, c := range map[string]struct {
		all   []string
		ref   string
		code  int
		texts []string
	}{
		"only one":        {[]string{root, other}, "payments", strongroom.ExitOK, nil},
		"one not deleted": {[]string{deleted, root}, "payments", strongroom.ExitOK, nil},
		"two":             {[]string{root, second}, "payments", strongroom.ExitFailure, []string{`2 of kind key have the name "payments"`, keyID, "2" + keyID[1:]}},
		"none":            {[]string{root}, "paymnets", strongroom.ExitNotFound, []string{`there is no key "paymnets"`, `did you mean "payments"?`}},
		"not an alias":    {[]string{root}, "a b", strongroom.ExitNotFound, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, map[string]http.HandlerFunc{
				"GET " + keys: answer(200, collected(c.all...)),
				"GET " + keys + "/" + keyID + "/metadata": answer(200, collected(root)),
			})
			s := newShell(t, f)
			if c.code == strongroom.ExitOK {
				wantJSON(t, s.ok("key", "show", c.ref, "-o", "json").stdout, root)
				return
			}
			s.fails(c.code, c.texts, "key", "show", c.ref)
		})
	}
}

func TestKeyByAliasIsNotLookedFor(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET " + keys + "/pay/metadata":                  answer(200, collected(root)),
		"POST " + keys + "/" + keyID + "/actions/rotate": answer(204, ""),
	})
	out := newShell(t, f).ok("key", "rotate", "pay").stdout
	if !strings.Contains(out, "key "+keyID+" is rotated") {
		t.Errorf("output is %q", out)
	}
	if f.count("GET "+keys) != 0 {
		t.Error("the keys were listed")
	}
	wantJSON(t, f.last("POST "+keys+"/"+keyID+"/actions/rotate").body, `{}`)
}

func TestWrapAndUnwrapFiles(t *testing.T) {
	plaintext := "\x00\xffsixteen bytes\n"
	encoded := base64.StdEncoding.EncodeToString([]byte(plaintext))
	f := newFake(t, map[string]http.HandlerFunc{
		"POST " + keys + "/" + keyID + "/actions/wrap":   answer(200, `{"ciphertext":"eyJ3","keyVersion":{"id":"v"}}`),
		"POST " + keys + "/" + keyID + "/actions/rewrap": answer(200, `{"ciphertext":"eyJ4","keyVersion":{"id":"v"}}`),
		"POST " + keys + "/" + keyID + "/actions/unwrap": answer(200, `{"plaintext":"`+encoded+`","keyVersion":{"id":"v"}}`),
	})
	s := newShell(t, f)
	wrapped := filepath.Join(t.TempDir(), "wrapped")

	if r := s.ok("key", "wrap", keyID, "--plaintext-file", file(t, plaintext), "--aad", "a,b", "--aad", "c", "--out", wrapped); r.stdout != "" {
		t.Errorf("wrap printed %q although --out was given", r.stdout)
	}
	wantJSON(t, f.last("POST "+keys+"/"+keyID+"/actions/wrap").body, `{"plaintext":"`+encoded+`","aad":["a,b","c"]}`)
	wantFile(t, wrapped, "eyJ3\n")

	out := filepath.Join(t.TempDir(), "plain")
	s.ok("key", "unwrap", keyID, "--ciphertext-file", wrapped, "--aad", "a,b", "--aad", "c", "--out", out)
	wantJSON(t, f.last("POST "+keys+"/"+keyID+"/actions/unwrap").body, `{"ciphertext":"eyJ3","aad":["a,b","c"]}`)
	wantFile(t, out, plaintext)
	if got := s.ok("key", "unwrap", keyID, "--ciphertext-file", wrapped).stdout; got != plaintext {
		t.Errorf("unwrap printed %q, want %q", got, plaintext)
	}

	s.ok("key", "rewrap", keyID, "--ciphertext-file", wrapped, "--out", wrapped)
	wantFile(t, wrapped, "eyJ4\n")

	s.stdin = plaintext
	if got := s.ok("key", "wrap", keyID, "--plaintext-file", "-").stdout; got != "eyJ3\n" {
		t.Errorf("wrap printed %q", got)
	}
	s.fails(strongroom.ExitUsage, []string{"--ciphertext-file is required"}, "key", "unwrap", keyID)
	s.fails(strongroom.ExitFailure, []string{"the plaintext has 0 bytes"}, "key", "wrap", keyID, "--plaintext-file", file(t, ""))
}

func TestWrapOfADataKeyThatTheServerMakes(t *testing.T) {
	dataKey := strings.Repeat("d", 32)
	body := `{"plaintext":"` + base64.StdEncoding.EncodeToString([]byte(dataKey)) + `","ciphertext":"eyJ3","keyVersion":{"id":"v"}}`
	f := newFake(t, map[string]http.HandlerFunc{"POST " + keys + "/" + keyID + "/actions/wrap": answer(200, body)})
	s := newShell(t, f)
	out := filepath.Join(t.TempDir(), "data.key")
	if got := s.ok("key", "wrap", keyID, "--data-key-out", out).stdout; got != "eyJ3\n" {
		t.Errorf("wrap printed %q", got)
	}
	wantFile(t, out, dataKey)
	if got := s.ok("key", "wrap", keyID).stdout; got != "eyJ3\n" {
		t.Errorf("wrap printed %q", got)
	}
	wantJSON(t, s.ok("key", "wrap", keyID, "-o", "json").stdout, body)
	s.fails(strongroom.ExitUsage, []string{"cannot both"}, "key", "wrap", keyID, "--data-key-out", "-")
}

func TestSecretFileIsMadeBeforeTheServerIsAsked(t *testing.T) {
	f := newFake(t, nil)
	s := newShell(t, f)
	nowhere := filepath.Join(t.TempDir(), "no", "such", "folder")
	s.fails(strongroom.ExitFailure, []string{"preparing " + nowhere}, "key", "wrap", keyID, "--out", nowhere)
	s.fails(strongroom.ExitFailure, []string{"is not a regular file"}, "key", "wrap", keyID, "--out", t.TempDir())
	if len(f.asked) != 0 {
		t.Errorf("the server was asked %v", f.asked)
	}
}

func TestSecretFileIsNotLeftBehindByAFailure(t *testing.T) {
	f := newFake(t, nil)
	dir := t.TempDir()
	newShell(t, f).fails(strongroom.ExitNotFound, nil, "key", "wrap", keyID, "--out", filepath.Join(dir, "wrapped"))
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	if all := append(left, hidden...); len(all) != 0 {
		t.Errorf("left behind: %v", all)
	}
}

func TestMaterialOfAStandardKey(t *testing.T) {
	standard := strings.Replace(root, `"extractable":false`, `"extractable":true,"payload":"c2VjcmV0"`, 1)
	f := newFake(t, map[string]http.HandlerFunc{"GET " + keys + "/" + keyID: answer(200, collected(standard))})
	s := newShell(t, f)
	out := filepath.Join(t.TempDir(), "material")
	s.ok("key", "show", keyID, "--material-out", out)
	wantFile(t, out, "secret")
	f.routes["GET "+keys+"/"+keyID] = answer(200, collected(root))
	s.fails(strongroom.ExitConflict, []string{"its material cannot be read"}, "key", "show", keyID, "--material-out", "-")
}

func TestOnlyInstanceIsTheDefault(t *testing.T) {
	instance := func(guid, service string) string {
		return `{"guid":"` + guid + `","name":"` + service + `","crn":"crn:v1:bluemix:public:` + service + `:us-south:a/` + accountID + `:` + guid + `::"}`
	}
	list := func(instances ...string) http.HandlerFunc {
		return answer(200, `{"rows_count":1,"next_url":null,"resources":[`+strings.Join(instances, ",")+`]}`)
	}
	routes := emptyKeys()
	f := newFake(t, routes)
	s := newShell(t, f)
	delete(s.env, "STRONGROOM_KMS_INSTANCE_ID")

	routes["GET /v2/resource_instances"] = list(instance(keyID, "cloud-object-storage"), instance(instanceGUID, "kms"))
	s.ok("key", "list")
	if got := f.last("GET " + keys).header.Get("Bluemix-Instance"); got != instanceGUID {
		t.Errorf("instance is %q, want %q", got, instanceGUID)
	}
	s.ok("key", "list", "--instance", "kms")
	s.ok("key", "list", "--instance", "crn:v1:bluemix:public:kms:us-south:a/"+accountID+":"+instanceGUID+"::")
	s.fails(strongroom.ExitNotFound, []string{`there is no Key Protect instance "kmss"`}, "key", "list", "--instance", "kmss")

	routes["GET /v2/resource_instances"] = list()
	s.fails(strongroom.ExitUsage, []string{"you see 0 of them", "--instance"}, "key", "list")
}
