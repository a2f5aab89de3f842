package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	strongroom "strongroom/cmd/strongroom"
)

const (
	serviceID     = "ServiceId-5b1f3c1e-6d1b-4d38-9a7d-0c5f1a2b3c4d"
	accessGroupID = "AccessGroupId-5b1f3c1e-6d1b-4d38-9a7d-0c5f1a2b3c4d"
	reader        = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
	writer        = "crn:v1:bluemix:public:iam::::serviceRole:Writer"
	cosGUID       = "11111111-2222-4333-8444-555555555555"
	cosCRN        = "crn:v1:bluemix:public:cloud-object-storage:global:a/" + accountID + ":" + cosGUID + "::"
)

// identities are routes that answer look-ups of names.
func identities() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /v1/serviceids": answer(200, `{"serviceids":[{"id":"`+serviceID+`","iam_id":"iam-`+serviceID+`","name":"build-server"}]}`),
		"GET /v2/accounts/" + accountID + "/users": answer(200,
			`{"total_results":1,"resources":[{"iam_id":"IBMid-1","email":"ada@example.com","firstname":"Ada","state":"ACTIVE"}]}`),
		"GET /v2/groups": answer(200, `{"groups":[{"id":"`+accessGroupID+`","name":"operators"}]}`),
		"GET /v2/roles": answer(200, `{"custom_roles":[],"service_roles":[{"crn":"`+reader+`","display_name":"Reader","actions":["a","b"]},
			{"crn":"`+writer+`","display_name":"Writer","actions":[]}],"system_roles":[]}`),
		"GET /v2/resource_instances": answer(200, `{"rows_count":1,"next_url":null,"resources":[{"guid":"`+cosGUID+`","name":"storage","crn":"`+cosCRN+`"}]}`),
	}
}

func TestEveryWayToAnnounceTheNextPageIsFollowed(t *testing.T) {
	pages := func(member, item, next string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("at") == "2" {
				answer(200, fmt.Sprintf(`{%q:[%s],"next":null,"next_url":null}`, member, item))(w, r)
				return
			}
			answer(200, fmt.Sprintf(`{%q:[%s],%s}`, member, item, next))(w, r)
		}
	}
	for name, c := range map[string]struct {
		route, member, next string
		command             []string
	}{
		"identity":            {"GET /v1/serviceids", "serviceids", `"next":"https://elsewhere.example/v1/serviceids?at=2"`, []string{"service-id", "list"}},
		"resource controller": {"GET /v2/resource_keys", "resources", `"next_url":"/v2/resource_keys?at=2"`, []string{"credential", "list"}},
		"access groups":       {"GET /v2/groups", "groups", `"next":{"href":"https://elsewhere.example/v2/groups?at=2"}`, []string{"group", "list"}},
		"policies":            {"GET /v2/policies", "policies", `"next":{"href":"/v2/policies?at=2","start":"2"}`, []string{"policy", "list"}},
		"users":               {"GET /v2/accounts/" + accountID + "/users", "resources", `"next_url":"/x?at=2"`, []string{"user", "list"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, map[string]http.HandlerFunc{c.route: pages(c.member, `{"name":"x"}`, c.next)})
			s := newShell(t, f)
			wantJSON(t, s.ok(append(c.command, "-o", "json")...).stdout, `[{"name":"x"},{"name":"x"}]`)
			if got := f.count(c.route); got != 2 {
				t.Errorf("asked for %d pages, want 2", got)
			}
		})
	}
}

func TestListThatDoesNotEndIsAnError(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /v1/serviceids":              answer(200, `{"serviceids":[],"next":"https://x/?pagetoken=1"}`),
		"GET /strongroom/v1/audit/events": answer(200, `{"events":[],"next":"1"}`),
	})
	s := newShell(t, f)
	s.fails(strongroom.ExitFailure, []string{"does not end"}, "service-id", "list")
	s.fails(strongroom.ExitFailure, []string{"does not end"}, "audit", "list")
}

func TestEmptyList(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{"GET /v1/serviceids": answer(200, `{"serviceids":[]}`)})
	s := newShell(t, f)
	wantJSON(t, s.ok("service-id", "list", "-o", "json").stdout, `[]`)
	if r := s.ok("service-id", "list"); r.stdout != "" || r.stderr == "" {
		t.Errorf("an empty list prints %q, and %q for people", r.stdout, r.stderr)
	}
}

func TestAPIKeyValueGoesWhereItIsWanted(t *testing.T) {
	const value = "only-once"
	routes := identities()
	routes["POST /v1/apikeys"] = answer(201, `{"id":"ApiKey-1","name":"ci","iam_id":"iam-`+serviceID+`","apikey":"`+value+`"}`)
	f := newFake(t, routes)
	s := newShell(t, f)
	if out := s.ok("apikey", "create", "ci", "--for", "build-server").stdout; strings.Count(out, value) != 1 {
		t.Errorf("the value is not shown once:\n%s", out)
	}
	wantJSON(t, f.last("POST /v1/apikeys").body, `{"name":"ci","iam_id":"iam-`+serviceID+`","account_id":"`+accountID+`"}`)
	for _, output := range []string{"table", "json"} {
		name := filepath.Join(t.TempDir(), "ci.key")
		r := s.ok("apikey", "create", "ci", "--out", name, "-o", output)
		if strings.Contains(r.stdout+r.stderr, value) {
			t.Errorf("the value is printed although it went to a file:\n%s", r.stdout)
		}
		wantFile(t, name, value+"\n")
	}
	wantJSON(t, f.last("POST /v1/apikeys").body, `{"name":"ci","iam_id":"IBMid-50ABCDEFGH","account_id":"`+accountID+`"}`)
	if out := s.ok("apikey", "create", "ci", "--out", "-").stdout; out != value+"\n" {
		t.Errorf("--out - printed %q", out)
	}
}

func TestAPIKeySwitches(t *testing.T) {
	routes := map[string]http.HandlerFunc{"GET /v1/apikeys": answer(200, `{"apikeys":[{"id":"ApiKey-1","name":"ci","locked":true}]}`)}
	for verb, route := range map[string]string{
		"lock": "POST /v1/apikeys/ApiKey-1/lock", "unlock": "DELETE /v1/apikeys/ApiKey-1/lock",
		"disable": "POST /v1/apikeys/ApiKey-1/disable", "enable": "DELETE /v1/apikeys/ApiKey-1/disable",
	} {
		routes[route] = answer(204, "")
		f := newFake(t, routes)
		newShell(t, f).ok("apikey", verb, "ci")
		f.last(route)
	}
	routes["DELETE /v1/apikeys/ApiKey-1"] = answer(409, `{"errors":[{"code":"locked","message":"The API key is locked."}]}`)
	newShell(t, newFake(t, routes)).fails(strongroom.ExitConflict, []string{"hint: it is locked", "unlock"}, "apikey", "delete", "ci")
}

func TestPolicyBodies(t *testing.T) {
	const kms = `{"key":"accountId","operator":"stringEquals","value":"` + accountID + `"},{"key":"serviceName","operator":"stringEquals","value":"kms"}`
	body := func(subject, resource, rest string) string {
		return `{"type":"access","subject":{"attributes":[` + subject + `]},"resource":{"attributes":[` + resource + `]},
			"control":{"grant":{"roles":[{"role_id":"` + writer + `"}]}}` + rest + `}`
	}
	iamID := func(id string) string { return `{"key":"iam_id","operator":"stringEquals","value":"` + id + `"}` }
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"service ID on an instance": {
			[]string{"--for", "build-server", "--service", "kms", "--instance", instanceGUID},
			body(iamID("iam-"+serviceID), kms+`,{"key":"serviceInstance","operator":"stringEquals","value":"`+instanceGUID+`"}`, ""),
		},
		"user on a key of a ring": {
			[]string{"--for", "ada@example.com", "--service", "kms", "--ring", "team", "--key", keyID},
			body(iamID("IBMid-1"), kms+`,{"key":"keyRing","operator":"stringEquals","value":"team"},
				{"key":"resourceType","operator":"stringEquals","value":"key"},{"key":"resource","operator":"stringEquals","value":"`+keyID+`"}`, ""),
		},
		"group on keys that match": {
			[]string{"--group", "operators", "--service", "kms", "--resource-match", "dev-*"},
			body(`{"key":"access_group_id","operator":"stringEquals","value":"`+accessGroupID+`"}`, kms+`,
				{"key":"resourceType","operator":"stringEquals","value":"key"},{"key":"resource","operator":"stringMatch","value":"dev-*"}`, ""),
		},
		"until": {
			[]string{"--for", serviceID, "--service", "kms", "--until", "24h"},
			body(iamID("iam-"+serviceID), kms, `,"pattern":"time-based-conditions:once","rule":{"key":"{{environment.attributes.current_date_time}}",
				"operator":"dateTimeLessThanOrEquals","value":"2026-07-02T12:00:00+00:00"}`),
		},
		"window": {
			[]string{"--for", "iam-" + serviceID, "--service", "kms", "--from", "2026-08-01", "--until", "2026-08-02T08:00:00+02:00", "--description", "d"},
			body(iamID("iam-"+serviceID), kms, `,"description":"d","pattern":"time-based-conditions:once","rule":{"operator":"and","conditions":[
				{"key":"{{environment.attributes.current_date_time}}","operator":"dateTimeGreaterThanOrEquals","value":"2026-08-01T00:00:00+00:00"},
				{"key":"{{environment.attributes.current_date_time}}","operator":"dateTimeLessThanOrEquals","value":"2026-08-02T06:00:00+00:00"}]}`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			routes := identities()
			routes["POST /v2/policies"] = answer(201, c.want)
			f := newFake(t, routes)
			out := newShell(t, f).ok(append([]string{"policy", "create", "--role", "writer"}, c.args...)...).stdout
			wantJSON(t, f.last("POST /v2/policies").body, c.want)
			if !strings.Contains(out, "Writer") || !strings.Contains(out, "serviceName=kms") || strings.Contains(out, accountID) {
				t.Errorf("output is\n%s", out)
			}
		})
	}
	s := newShell(t, newFake(t, identities()))
	s.fails(strongroom.ExitNotFound, []string{`there is no role "Raeder"`, `did you mean "Reader"?`},
		"policy", "create", "--for", serviceID, "--service", "kms", "--role", "Raeder")
	s.fails(strongroom.ExitNotFound, []string{"roles are: Reader, Writer"},
		"policy", "create", "--for", serviceID, "--service", "kms", "--role", "Emperor")
	s.fails(strongroom.ExitUsage, []string{"--bucket is for"}, "policy", "create", "--for", serviceID, "--service", "kms", "--role", "Reader", "--bucket", "b")
}

func TestAuthorizationBody(t *testing.T) {
	routes := identities()
	want := `{"type":"authorization","control":{"grant":{"roles":[{"role_id":"` + reader + `"}]}},
		"subject":{"attributes":[{"key":"accountId","operator":"stringEquals","value":"` + accountID + `"},
			{"key":"serviceName","operator":"stringEquals","value":"cloud-object-storage"},{"key":"serviceInstance","operator":"stringEquals","value":"` + cosGUID + `"}]},
		"resource":{"attributes":[{"key":"accountId","operator":"stringEquals","value":"` + accountID + `"},
			{"key":"serviceName","operator":"stringEquals","value":"kms"},{"key":"serviceInstance","operator":"stringEquals","value":"` + instanceGUID + `"}]}}`
	routes["POST /v2/policies"] = answer(201, want)
	f := newFake(t, routes)
	shell := newShell(t, f)
	scope := []string{"authorization", "create", "--source-instance", "storage", "--target-instance", instanceGUID}
	shell.fails(strongroom.ExitUsage, []string{"all-keys"}, scope...)
	shell.ok(append(scope, "--target-key", keyID)...)
	wantJSON(t, f.last("POST /v2/policies").body, strings.TrimSuffix(want, "]}}")+`,
		{"key":"resourceType","operator":"stringEquals","value":"key"},{"key":"resource","operator":"stringEquals","value":"`+keyID+`"}]}}`)
	shell.ok(append(scope, "--all-keys")...)
	wantJSON(t, f.last("POST /v2/policies").body, want)
	query, err := url.ParseQuery(f.last("GET /v2/roles").query)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(url.Values{
		"account_id": {accountID}, "service_name": {"kms"}, "source_service_name": {"cloud-object-storage"},
		"policy_type": {"authorization"},
	}, query); diff != "" {
		t.Errorf("query for roles (-want +got):\n%s", diff)
	}
}

func TestAuthorizationIsNotDeletedAsAPolicy(t *testing.T) {
	f := newFake(t, map[string]http.HandlerFunc{
		"GET /v2/policies/" + keyID:    answer(200, `{"id":"`+keyID+`","type":"authorization"}`),
		"DELETE /v2/policies/" + keyID: answer(204, ""),
	})
	s := newShell(t, f)
	s.fails(strongroom.ExitNotFound, []string{"there is no policy"}, "policy", "delete", keyID)
	s.ok("authorization", "delete", keyID)
}

func TestMembersThatAreRefusedAreAnError(t *testing.T) {
	routes := identities()
	route := "PUT /v2/groups/" + accessGroupID + "/members"
	routes[route] = answer(207, `{"members":[{"iam_id":"IBMid-1","status_code":200},{"iam_id":"iam-`+serviceID+`","status_code":409,"errors":[{"code":"conflict","message":"too many groups"}]}]}`)
	f := newFake(t, routes)
	newShell(t, f).fails(strongroom.ExitConflict, []string{"adding to operators: iam-" + serviceID + ": too many groups (conflict)"},
		"group", "add-member", "operators", "ada@example.com", "build-server")
	wantJSON(t, f.last(route).body, `{"members":[{"iam_id":"IBMid-1","type":"user"},{"iam_id":"iam-`+serviceID+`","type":"service"}]}`)
}

func TestUserCommands(t *testing.T) {
	routes := identities()
	users := "/v2/accounts/" + accountID + "/users"
	routes["POST "+users] = answer(202, `{"resources":[{"email":"bob@example.com","id":"IBMid-2","state":"ACTIVE"}]}`)
	routes["PATCH "+users+"/IBMid-1"] = answer(204, "")
	routes["DELETE "+users+"/IBMid-1"] = answer(204, "")
	f := newFake(t, routes)
	s := newShell(t, f)
	if out := s.ok("user", "create", "bob@example.com", "--first-name", "Bob").stdout; !strings.Contains(out, "IBMid-2") {
		t.Errorf("output is\n%s", out)
	}
	wantJSON(t, f.last("POST "+users).body, `{"users":[{"email":"bob@example.com","account_role":"Member","first_name":"Bob"}]}`)
	s.ok("user", "disable", "ada@example.com")
	wantJSON(t, f.last("PATCH "+users+"/IBMid-1").body, `{"state":"DISABLED"}`)
	s.ok("user", "enable", "IBMid-1")
	wantJSON(t, f.last("PATCH "+users+"/IBMid-1").body, `{"state":"ACTIVE"}`)
	s.ok("user", "delete", "ada@example.com")
	s.fails(strongroom.ExitNotFound, []string{`did you mean "ada@example.com"?`}, "user", "delete", "adda@example.com")
}

func TestCredentialSecrets(t *testing.T) {
	routes := identities()
	made := `{"guid":"` + keyID + `","name":"backup","state":"active","source_crn":"` + cosCRN + `","credentials":{"apikey":"the-value",
		"cos_hmac_keys":{"access_key_id":"AKID","secret_access_key":"the-secret"},"iam_role_crn":"` + writer + `"}}`
	routes["POST /v2/resource_keys"] = answer(201, made)
	routes["GET /v2/resource_keys/"+keyID] = answer(200, made)
	f := newFake(t, routes)
	s := newShell(t, f)
	out := s.ok("credential", "create", "backup", "--instance", "storage", "--role", "Writer", "--hmac").stdout
	if !strings.Contains(out, "the-secret") || !strings.Contains(out, "the-value") || !strings.Contains(out, "AKID") {
		t.Errorf("create prints\n%s", out)
	}
	wantJSON(t, f.last("POST /v2/resource_keys").body,
		`{"name":"backup","source":"`+cosCRN+`","role":"`+writer+`","parameters":{"HMAC":true,"role_crn":"`+writer+`"}}`)
	name := filepath.Join(t.TempDir(), "backup.json")
	for _, args := range [][]string{
		{"credential", "create", "backup", "--instance", "storage", "--hmac", "--out", name},
		{"credential", "create", "backup", "--instance", "storage", "--out", name, "-o", "json"},
		{"credential", "show", keyID},
		{"credential", "show", keyID, "--out", name},
	} {
		if out := s.ok(args...).stdout; strings.Contains(out, "the-secret") || strings.Contains(out, "the-value") {
			t.Errorf("%v prints secrets:\n%s", args, out)
		}
	}
	wantFile(t, name, "{\n  \"apikey\": \"the-value\",\n  \"cos_hmac_keys\": {\n    \"access_key_id\": \"AKID\",\n"+
		"    \"secret_access_key\": \"the-secret\"\n  },\n  \"iam_role_crn\": \""+writer+"\"\n}\n")
	s.fails(strongroom.ExitUsage, []string{"--instance is required"}, "credential", "create", "x")
}

func TestInstanceCommands(t *testing.T) {
	routes := identities()
	routes["GET /v2/resource_groups"] = answer(200, `{"resources":[{"id":"g1","name":"other"},{"id":"g2","name":"Default","default":true}]}`)
	routes["POST /v2/resource_instances"] = answer(201, `{"guid":"`+instanceGUID+`","name":"mine","state":"active"}`)
	routes["PATCH /v2/resource_instances/"+cosGUID] = answer(200, `{"guid":"`+cosGUID+`","name":"renamed"}`)
	routes["POST /v3/tags/attach"] = answer(200, `{"results":[{"is_error":false}]}`)
	routes["POST /v3/tags/detach"] = answer(200, `{"results":[{"is_error":true,"message":"no such tag"}]}`)
	routes["DELETE /v2/resource_instances/"+cosGUID] = answer(204, ``)
	routes["GET /v1/reclamations"] = answer(200, `{"resources":[{"id":"r1"}]}`)
	routes["POST /v1/reclamations/r1/actions/restore"] = answer(200, `{"id":"r1","state":"RESTORING"}`)
	f := newFake(t, routes)
	s := newShell(t, f)
	s.env["STRONGROOM_REGION"] = "eu-de"
	s.ok("instance", "create", "mine", "--service", "kms")
	wantJSON(t, f.last("POST /v2/resource_instances").body,
		`{"name":"mine","target":"eu-de","resource_group":"g2","resource_plan_id":"eedd3585-90c6-4c8f-be3d-062069e99fc3"}`)
	s.ok("instance", "create", "mine", "--service", "cloud-object-storage", "--plan", "lite", "--resource-group", "other")
	wantJSON(t, f.last("POST /v2/resource_instances").body,
		`{"name":"mine","target":"global","resource_group":"g1","resource_plan_id":"2fdf0c08-2d32-4f46-84b5-32e0c92fffd8"}`)
	s.fails(strongroom.ExitUsage, []string{"there is no plan", "tiered-pricing"}, "instance", "create", "x", "--service", "kms", "--plan", "gold")
	if out := s.ok("instance", "rename", "storage", "renamed").stdout; !strings.Contains(out, "renamed") {
		t.Errorf("rename prints\n%s", out)
	}
	s.ok("instance", "tag", "storage", "a:b", "c")
	wantJSON(t, f.last("POST /v3/tags/attach").body, `{"resources":[{"resource_id":"`+cosCRN+`"}],"tag_names":["a:b","c"]}`)
	s.fails(strongroom.ExitFailure, []string{"no such tag"}, "instance", "tag", "storage", "c", "--remove")
	s.ok("instance", "delete", "storage", "--recursive")
	if got := f.last("DELETE /v2/resource_instances/" + cosGUID).query; got != "recursive=true" {
		t.Errorf("query is %q", got)
	}
	s.ok("instance", "restore", "storage")
	s.fails(strongroom.ExitUsage, nil, "instance", "create", "x")
}
