package keyprotect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

func TestErrorEnvelope(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	h.do(t, "DELETE", "/keys/"+id, "")
	correlation := uuid.NewString()
	r := h.do(t, "POST", "/keys/"+id+"/actions/wrap", "{}", "Correlation-Id: "+correlation).want(t, 410, "KEY_DELETED_ERR")
	want := `{"metadata":{"collectionType":"application/vnd.ibm.kms.error+json","collectionTotal":1},"resources":[{` +
		"\"errorMsg\":\"Gone: Wrap with key could not be performed: Please see `reasons` for more details (KEY_DELETED_ERR)\"," +
		`"reasons":[{"code":"KEY_DELETED_ERR","message":"Key has already been deleted. Please delete references to this key.",` +
		`"status":410,"moreInfo":"https://cloud.ibm.com/apidocs/key-protect"}]}]}` + "\n"
	if r.text != want || r.header.Get("Content-Type") != errType || r.header.Get("Correlation-Id") != correlation {
		t.Errorf("%s\n%v", r.text, r.header)
	}
	r = h.do(t, "POST", "/keys", newKey(`"name":"x"`)).want(t, 400, "INVALID_FIELD_ERR")
	reason := r.resource(t)["reasons"].([]any)[0].(map[string]any)
	if fmt.Sprint(reason["target"]) != "map[name:name type:field]" || reason["message"] != "The field 'name' must be: a text of 2 to 90 characters" {
		t.Errorf("%s", r.text)
	}
}

const unauthorized = "Unauthorized: Either the user does not have access to the specified resource, the resource does not exist, or the region is incorrectly set"

// routes are all routes, with a body that is malformed for those that read one.
func routes(key string) [][3]string {
	return [][3]string{
		{"HEAD", "/keys?state=x", ""},
		{"GET", "/keys?limit=0", ""},
		{"POST", "/keys", "{"},
		{"GET", "/keys/" + key, ""},
		{"GET", "/keys/" + key + "/metadata", ""},
		{"DELETE", "/keys/" + key + "?force=maybe", ""},
		{"GET", "/keys/" + key + "/versions?limit=x", ""},
		{"POST", "/keys/" + key + "/actions/wrap", "{"},
		{"POST", "/keys/" + key + "/actions/unwrap", ""},
		{"POST", "/keys/" + key + "/actions/rewrap", `{"ciphertext":"wdek"}`},
		{"POST", "/keys/" + key + "/actions/rotate", `{"payload":"!"}`},
		{"PUT", "/keys/" + key + "/policies?policy=x", "{}"},
		{"GET", "/keys/" + key + "/policies?policy=x", ""},
		{"PUT", "/instance/policies", "{}"},
		{"GET", "/instance/policies?policy=x", ""},
		{"GET", "/instance/allowed_ip_port?x=y", ""},
		{"POST", "/keys_with_policy_overrides", "{"},
		{"POST", "/keys/" + key + "/actions/disable", "{"},
		{"POST", "/keys/" + key + "/actions/enable", "{"},
		{"POST", "/keys/" + key + "/actions/sync", "{"},
		{"POST", "/keys/" + key + "/actions/setKeyForDeletion", "{"},
		{"POST", "/keys/" + key + "/actions/unsetKeyForDeletion", "{"},
		{"POST", "/keys/" + key + "?action=unknown", ""},
		{"POST", "/keys/" + key + "?action=wrap", "{"},
	}
}

func TestWhoMayNotHearsOnlyThat(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	for _, key := range []string{id, absent, "alias"} {
		for _, route := range routes(key) {
			for name, headers := range map[string][]string{
				"no token":              {"Authorization: "},
				"other scheme":          {"Authorization: Basic b3duZXI6"},
				"unknown token":         {"Authorization: Bearer nobody"},
				"stranger":              {"Authorization: Bearer stranger"},
				"colleague":             {"Authorization: Bearer colleague"},
				"unknown instance":      {instance + ": " + absent},
				"no token, no instance": {"Authorization: ", instance + ": "},
			} {
				r := h.do(t, route[0], route[1], route[2], headers...)
				if r.status != 401 || route[0] != "HEAD" && (r.resource(t)["errorMsg"] != unauthorized || r.resource(t)["reasons"] != nil) {
					t.Errorf("%s, %s %s: %d %s", name, route[0], route[1], r.status, r.text)
				}
			}
		}
	}
}

func TestMalformedRequestsAreRefusedBeforeExistenceMatters(t *testing.T) {
	h := newHouse(t)
	for _, route := range routes(absent) {
		want := 400
		if !strings.Contains(route[1], "?") && route[2] == "" && !strings.Contains(route[1], "actions") {
			want = 404
		}
		if r := h.do(t, route[0], route[1], route[2]); r.status != want {
			t.Errorf("%s %s: %d %s", route[0], route[1], r.status, r.text)
		}
	}
}

func TestInstanceHeader(t *testing.T) {
	h := newHouse(t)
	for _, value := range []string{"", "x", "{" + string(h.ID) + "}", strings.ReplaceAll(string(h.ID), "-", "")} {
		r := h.do(t, "GET", "/keys", "", instance+": "+value).want(t, 400, "")
		if r.resource(t)["errorMsg"] != "Bad Request: Request requires valid Bluemix-Instance Header containing a valid UUID" {
			t.Errorf("%s", r.text)
		}
	}
	h.do(t, "GET", "/keys", "", instance+": "+strings.ToUpper(string(h.ID)), "Authorization: bEARER owner").want(t, 200, "")
}

func TestWhatBodiesAreRefusedFor(t *testing.T) {
	h := newHouse(t)
	root, standard := h.root(t), h.create(t, `"name":"std","extractable":true`)
	imported := h.create(t, `"name":"imported","extractable":false,"aliases":["taken"],"payload":"`+b64("0123456789abcdef")+`"`)
	wrapped := h.do(t, "POST", "/keys/"+root+"/actions/wrap", "").JSON["ciphertext"].(string)
	name := `"name":"ok","extractable":false`
	for _, c := range []struct {
		path, body string
		status     int
		code       string
		contains   string
	}{
		{"/keys", ``, 400, "BAD_BODY_ERR", "CollectionMetadata is empty"},
		{"/keys", `{}`, 400, "BAD_BODY_ERR", ""},
		{"/keys", `[]`, 400, "BAD_BODY_ERR", ""},
		{"/keys", newKey(name) + "x", 400, "BAD_BODY_ERR", ""},
		{"/keys", newKey(name + `,"extra_field":1`), 400, "BAD_BODY_ERR", `json: unknown field \"extra_field\"`},
		{"/keys", newKey(name + `,"encryptedNonce":"AAAA"`), 400, "INVALID_FIELD_ERR", "given together with encryptedNonce"},
		{"/keys", `{"metadata":{"collectionType":"` + keyType + `","collectionTotal":1}}`, 400, "BAD_BODY_ERR", ""},
		{"/keys", strings.Replace(newKey(name), `}]}`, `},{}]}`, 1), 400, "BAD_BODY_ERR", "Only creation of one key per request is supported"},
		{"/keys", strings.Replace(newKey(name), `Total":1`, `Total":2`, 1), 400, "COLLECTION_TOTAL_MISMATCH_ERR", ""},
		{"/keys", strings.Replace(newKey(name), keyType, "text/plain", 1), 400, "INVALID_FIELD_ERR", "collectionType"},
		{"/keys", strings.Replace(newKey(name), `"type":"`+keyType, `"type":"x`, 1), 400, "INVALID_FIELD_ERR", "'type'"},
		{"/keys", newKey(name + `,"payload":"AAA"`), 400, "INVALID_FIELD_ERR", "a base64 encoded key material: illegal base64 data at input byte"},
		{"/keys", newKey(name + `,"payload":"AAAA"`), 400, "INVALID_FIELD_ERR", "16, 24 or 32 bytes"},
		{"/keys", newKey(name + `,"expirationDate":"tomorrow"`), 400, "INVALID_FIELD_ERR", "expirationDate"},
		{"/keys", newKey(name + `,"expirationDate":"2020-01-01T00:00:00Z"`), 400, "INVALID_FIELD_ERR", "expirationDate"},
		{"/keys", newKey(name + `,"expirationDate":"0001-01-01T00:00:00Z"`), 400, "INVALID_FIELD_ERR", "a date in the future"},
		{"/keys", newKey(name + `,"expirationDate":"0000-12-31T23:00:00.5-01:00"`), 400, "INVALID_FIELD_ERR", "a date in the future"},
		{"/keys", newKey(name + `,"expirationDate":"9999-12-31T23:59:59-14:00"`), 400, "INVALID_FIELD_ERR", "before the year 10000"},
		{"/keys", newKey(name + `,"aliases":["taken"]`), 409, "KEY_ALIAS_NOT_UNIQUE_ERR", ""},
		{"/keys", newKey(name + `,"aliases":["a1","a2","a3","a4","a5","a6"]`), 409, "KEY_ALIAS_QUOTA_ERR", ""},
		{"/keys", newKey(`"name":"` + strings.Repeat("x", 2<<20) + `"`), 413, "BAD_BODY_ERR", ""},
		{"/keys/" + root + "/actions/wrap", `{"plaintext":"%"}`, 400, "INVALID_FIELD_ERR", "plaintext"},
		{"/keys/" + root + "/actions/wrap", `{"plaintext":"` + b64(strings.Repeat("x", 7501)) + `"}`, 400, "INVALID_FIELD_ERR", ""},
		{"/keys/" + root + "/actions/wrap", `{"aad":"x"}`, 400, "BAD_BODY_ERR", ""},
		{"/keys/" + root + "/actions/wrap", `{"ciphertext":""}`, 400, "BAD_BODY_ERR", ""},
		{"/keys/" + root + "/actions/wrap", `{"aad":["` + strings.Repeat("x", 256) + `"]}`, 400, "INVALID_FIELD_ERR", "aad"},
		{"/keys/" + root + "/actions/unwrap", ``, 400, "NO_BODY_ERR", ""},
		{"/keys/" + root + "/actions/rewrap", `{}`, 400, "NO_BODY_ERR", ""},
		{"/keys/" + root + "/actions/unwrap", `{"ciphertext":"wdek"}`, 400, "INVALID_FIELD_ERR", "the original base64 encoded ciphertext from the wrap operation"},
		{"/keys/" + imported + "/actions/unwrap", `{"ciphertext":"` + wrapped + `"}`, 422, "UNPROCESSABLE_CIPHERTEXT_ERR", ""},
		{"/keys/" + standard + "/actions/wrap", ``, 400, "KEY_ROOT_REQ_ERR", ""},
		{"/keys/" + standard + "/actions/rotate", ``, 400, "KEY_ROOT_REQ_ERR", ""},
		{"/keys/" + root + "/actions/rotate", `{"payload":"` + b64("0123456789abcdef") + `"}`, 400, "INVALID_QUERY_PARAM_ERR", "provided only if key is imported"},
		{"/keys/" + root + "/actions/rotate", `{"iv":"x"}`, 400, "INVALID_FIELD_ERR", "given together with iv"},
		{"/keys/" + imported + "/actions/rotate", `{}`, 400, "KEY_PAYLOAD_REQ_ERR", `"target":{"type":"field","name":"payload"}`},
		{"/keys/" + root + "?action=sync", ``, 400, "INVALID_QUERY_PARAM_ERR", "Action could not be performed on key"},
		{"/keys/" + root + "?action=wrap&action=rotate", ``, 400, "INVALID_QUERY_PARAM_ERR", "Action could not be performed on key"},
		{"/keys/" + root + "?action=enable", ``, 409, "KEY_ACTION_INVALID_STATE_ERR", "Conflict: Key is not in suspended state: Action could not be performed on key: "},
		{"/keys/" + standard + "?action=wrap", ``, 400, "KEY_ROOT_REQ_ERR", "Bad Request: Action could not be performed on key: "},
		{"/keys/" + root, ``, 400, "INVALID_QUERY_PARAM_ERR", ""},
		{"/keys/" + absent + "/actions/wrap", ``, 404, "KEY_NOT_FOUND_ERR", ""},
		{"/keys/" + root + "/actions/enable", `null`, 409, "KEY_ACTION_INVALID_STATE_ERR", "Conflict: Key is not in suspended state: Key could not be enabled: "},
		{"/keys/" + root + "/actions/enable", `{"x":1}`, 400, "BAD_BODY_ERR", ""},
		{"/keys/" + root + "/restore", `anything`, 409, "KEY_ACTION_INVALID_STATE_ERR", "Conflict: Key could not be restored: "},
	} {
		if r := h.do(t, "POST", c.path, c.body).want(t, c.status, c.code); !strings.Contains(r.text, c.contains) {
			t.Errorf("%.80s: %s", c.body, r.text)
		}
	}
	h.do(t, "POST", "/keys", newKey(name), "X-Kms-Key-Ring: team-a").want(t, 404, "KEY_RING_NOT_FOUND_ERR")
	h.do(t, "GET", "/keys/"+root, "", "X-Kms-Key-Ring: team-a").want(t, 404, "KEY_NOT_FOUND_ERR")
	h.do(t, "PUT", "/keys", "").want(t, 405, "")
}

func TestUnknownParametersAreRefused(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	for _, path := range []string{
		"/keys?filter=state%3D4", "/keys?search=,", "/keys?name=x", "/keys?limit=5001", "/keys?limit=0", "/keys?offset=-1", "/keys?limit=1&limit=2",
		"/keys?state=4", "/keys?state=1,", "/keys?state=", "/keys?sort=name", "/keys?sort=id,id", "/keys?sort=id,", "/keys?extractable=1",
		"/keys?totalCount=yes", "/keys?%zz", "/keys/" + id + "/versions?limit=5001", "/keys/" + id + "/versions?sort=id",
	} {
		r := h.do(t, "GET", path, "").want(t, 400, "INVALID_QUERY_PARAM_ERR")
		if !strings.Contains(r.text, `"type":"query_param"`) {
			t.Errorf("%s: %s", path, r.text)
		}
	}
	if r := h.do(t, "HEAD", "/keys?filter=x", ""); r.status != 400 {
		t.Errorf("HEAD: %d", r.status)
	}
	h.do(t, "DELETE", "/keys/"+id+"?forse=true", "").want(t, 400, "INVALID_QUERY_PARAM_ERR")
	h.do(t, "GET", "/keys/"+id, "").want(t, 200, "")
}

func TestRotationWaitsAnHourIfConfigured(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.RotationWait = time.Hour })
	path := "/keys/" + h.root(t) + "/actions/rotate"
	h.do(t, "POST", path, "").want(t, 204, "")
	h.do(t, "POST", path, "").want(t, 409, "KEY_ROTATION_NOT_PERMITTED")
}

func TestInternalErrorsShowACorrelationIDAndNothingElse(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	h.Exec(t, `UPDATE keys SET state = 3`)
	r := h.do(t, "GET", "/keys/"+id, "").want(t, 500, "")
	if msg := r.resource(t)["errorMsg"].(string); !strings.HasPrefix(msg, "Internal Server Error: Key could not be retrieved: ") ||
		!strings.Contains(msg, r.header.Get("Correlation-Id")) || strings.Contains(msg, "authentication") {
		t.Errorf("%s", r.text)
	}
}

// TestEveryRequestIsInTheLog asks the audit log what it has kept.
func TestEveryRequestIsInTheLog(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	h.Access.Grant(kmstest.Grant{
		Identity: "IBMid-reader", Account: account, Instance: h.ID, Key: id, Actions: []iam.Action{kms.ActionMetadata},
	})
	h.do(t, "GET", "/keys/"+id+"/metadata", "", "Authorization: Bearer reader").want(t, 200, "")
	for _, route := range routes(id) {
		h.do(t, route[0], route[1], route[2], "Authorization: Bearer reader")
	}
	h.do(t, "GET", "/nowhere", "").want(t, 404, "")
	got := map[string]int{}
	page, err := h.audit.Search(t.Context(), audit.Query{Account: string(account), Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range page.Events {
		got[fmt.Sprintf("%s %d", ev.Action, ev.Reason.Code)]++
	}
	want := map[string]int{
		"kms.secrets-metadata.read 200": 2, // once with the good request, once among the routes
		"kms.secrets.head 401":          1, "kms.secrets.list 401": 1, "kms.secrets.create 401": 1, "kms.secrets.read 401": 1,
		"kms.secrets.delete 401": 1, "kms.secrets-key-versions.list 401": 1, "kms.secrets.wrap 401": 2,
		"kms.secrets.unwrap 401": 1, "kms.secrets.rewrap 401": 1, "kms.secrets.rotate 401": 1, "kms.secrets.default 400": 1,
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%s: %d times, want %d", key, got[key], n)
		}
	}
}
