package keyprotect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strongroom/iam"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

const policyType = "application/vnd.ibm.kms.policy+json"

// policies is the body of a setting of policies.
func policies(resources ...string) string {
	return fmt.Sprintf(`{"metadata":{"collectionType":"%s","collectionTotal":%d},"resources":[%s]}`,
		policyType, len(resources), strings.Join(resources, ","))
}

func (r reply) resources(t testing.TB) []any {
	t.Helper()
	list, ok := r.JSON["resources"].([]any)
	if !ok {
		t.Fatalf("no list of resources in %s", r.text)
	}
	return list
}

func TestThreeShapesSetPolicies(t *testing.T) {
	h := newHouse(t)
	const rotation, dualAuth = `"rotation":{"interval_month":3}`, `"dualAuthDelete":{"enabled":false}`
	for _, body := range []string{
		policies(`{"type":"`+policyType+`",`+rotation+`}`, `{"type":"`+policyType+`",`+dualAuth+`}`),
		policies(`{` + rotation + `,` + dualAuth + `}`),
	} {
		id := h.root(t)
		r := h.do(t, "PUT", "/keys/"+id+"/policies", body).want(t, 200, "")
		if got := h.do(t, "GET", "/keys/"+id+"/policies", "").want(t, 200, ""); got.text != r.text || len(r.resources(t)) != 2 {
			t.Errorf("%s\n%s", r.text, got.text)
		}
	}
	id := h.root(t)
	if r := h.do(t, "GET", "/keys/"+id+"/policies", "").want(t, 200, ""); len(r.resources(t)) != 0 {
		t.Errorf("%s", r.text)
	}
	r := h.do(t, "PUT", "/keys/"+id+"/policies?policy=rotation", policies(`{`+rotation+`}`)).want(t, 200, "")
	p := r.resource(t)
	crn, policyID := p["crn"].(string), p["id"].(string)
	if !strings.HasSuffix(crn, ":policy:"+policyID) || strings.Count(crn, ":") != 9 || fmt.Sprint(p["rotation"]) != "map[enabled:true interval_month:3]" ||
		p["createdBy"] != "IBMid-owner" || r.header.Get("Content-Type") != policyType {
		t.Errorf("%s", r.text)
	}
	only(t, p, "id", "crn", "type", "creationDate", "createdBy", "updatedBy", "lastUpdateDate", "rotation")

	// What Terraform sends when only the switch is configured.
	h.do(t, "PUT", "/keys/"+id+"/policies?policy=rotation", policies(`{"rotation":{"enabled":false}}`)).want(t, 200, "")
	r = h.do(t, "GET", "/keys/"+id, "").want(t, 200, "")
	if fmt.Sprint(r.resource(t)["rotation"]) != "map[enabled:false interval_month:3]" {
		t.Errorf("%s", r.text)
	}
	if r := h.do(t, "GET", "/keys/"+id+"/policies?policy=dualAuthDelete", "").want(t, 200, ""); len(r.resources(t)) != 0 {
		t.Errorf("%s", r.text)
	}
}

func TestIntervalInDays(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	r := h.do(t, "PUT", "/keys/"+id+"/policies", policies(`{"rotation":{"interval_day":45}}`)).want(t, 200, "")
	if fmt.Sprint(r.resource(t)["rotation"]) != "map[enabled:true interval_day:45 interval_month:2]" {
		t.Errorf("%s", r.text)
	}
	// What was read can be written.
	h.do(t, "PUT", "/keys/"+id+"/policies", policies(`{"rotation":{"enabled":true,"interval_day":45,"interval_month":2}}`)).want(t, 200, "")
	h.do(t, "PUT", "/keys/"+id+"/policies", policies(`{"rotation":{"interval_day":45,"interval_month":1}}`)).want(t, 400, "INVALID_FIELD_ERR")
	r = h.do(t, "PUT", "/keys/"+id+"/policies", policies(`{"rotation":{"interval_month":2}}`)).want(t, 200, "")
	if fmt.Sprint(r.resource(t)["rotation"]) != "map[enabled:true interval_month:2]" {
		t.Errorf("%s", r.text)
	}
}

func TestWhatPoliciesAreRefusedFor(t *testing.T) {
	h := newHouse(t)
	root, standard := h.root(t), h.create(t, `"name":"std","extractable":true`)
	deleted := h.root(t)
	h.do(t, "DELETE", "/keys/"+deleted, "")
	rotation := `{"rotation":{"interval_month":1}}`
	for _, c := range []struct {
		path, body string
		status     int
		code       string
	}{
		{"/keys/" + root + "/policies", `{}`, 400, "BAD_BODY_ERR"},
		{"/keys/" + root + "/policies", policies(), 400, "BAD_BODY_ERR"},
		{"/keys/" + root + "/policies", policies(`{}`), 400, "BAD_BODY_ERR"},
		{"/keys/" + root + "/policies", policies(rotation, rotation), 400, "BAD_BODY_ERR"},
		{"/keys/" + root + "/policies", strings.Replace(policies(rotation), `Total":1`, `Total":2`, 1), 400, "COLLECTION_TOTAL_MISMATCH_ERR"},
		{"/keys/" + root + "/policies", strings.Replace(policies(rotation), policyType, keyType, 1), 400, "INVALID_FIELD_ERR"},
		{"/keys/" + root + "/policies", policies(`{"rotation":{"interval_month":-1}}`), 400, "INVALID_FIELD_ERR"},
		{"/keys/" + root + "/policies", policies(`{"rotation":{}}`), 400, "INVALID_FIELD_ERR"},
		{"/keys/" + root + "/policies", policies(`{"dualAuthDelete":{}}`), 400, "INVALID_FIELD_ERR"},
		{"/keys/" + root + "/policies?policy=metrics", policies(rotation), 400, "INVALID_QUERY_PARAM_ERR"},
		{"/keys/" + root + "/policies?policy=dualAuthDelete", policies(rotation), 400, "BODY_QUERY_PARAM_MISMATCH_ERR"},
		{"/keys/" + root + "/policies?policy=rotation", policies(rotation, `{"dualAuthDelete":{"enabled":true}}`), 400, "NUM_COLLECTION_RESOURCE_ERR"},
		{"/keys/" + standard + "/policies", policies(rotation), 400, "KEY_ROOT_REQ_ERR"},
		{"/keys/" + deleted + "/policies", policies(rotation), 410, "KEY_DELETED_ERR"},
		{"/keys/" + absent + "/policies", policies(rotation), 404, "KEY_NOT_FOUND_ERR"},
		{"/instance/policies", `{}`, 400, "BAD_BODY_ERR"},
		{"/instance/policies", policies(`{"policy_type":"dualAuthDelete"}`), 400, "BAD_BODY_ERR"},
		{"/instance/policies", policies(`{"policy_type":"x","policy_data":{"enabled":true}}`), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("dualAuthDelete", true, `{"x":1}`)), 400, "BAD_BODY_ERR"},
		{"/instance/policies", policies(instancePolicy("metrics", true, `{"x":1}`)), 400, "BAD_BODY_ERR"},
		{"/instance/policies", policies(instancePolicy("rotation", true, ``)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("rotation", true, `{"interval_month":13}`)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("rotation", false, `{"interval_month":1}`)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("rotation", true, `{"interval":1}`)), 400, "BAD_BODY_ERR"},
		{"/instance/policies", policies(instancePolicy("keyCreateImportAccess", false, `{"enforce_token":true}`)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("allowedNetwork", true, `{"allowed_network":"private"}`)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("allowedNetwork", false, `{"allowed_network":1}`)), 400, "BAD_BODY_ERR"},
		{"/instance/policies", policies(instancePolicy("allowedIP", true, `{"allowed_ip":[]}`)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("allowedIP", true, `{"allowed_ip":["192.0.2.0/33"]}`)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies", policies(instancePolicy("metrics", true, ``), instancePolicy("metrics", true, ``)), 400, "INVALID_FIELD_ERR"},
		{"/instance/policies?policy=rotation", policies(instancePolicy("metrics", true, ``)), 400, "BODY_QUERY_PARAM_MISMATCH_ERR"},
		{"/instance/policies?policy=metrics", policies(instancePolicy("metrics", true, ``), instancePolicy("rotation", false, ``)), 400, "NUM_COLLECTION_RESOURCE_ERR"},
		{"/instance/policies", policies(`{"type":"` + policyType + `","dualAuthDelete":{"enabled":false}}`), 400, "BAD_BODY_ERR"},
	} {
		r := h.do(t, "PUT", c.path, c.body)
		if r.status != c.status || r.code() != c.code {
			t.Errorf("%s %.150s: got %d %s", c.path, c.body, r.status, r.text)
		}
	}
	if r := h.do(t, "GET", "/instance/policies", "").want(t, 200, ""); len(r.resources(t)) != 0 {
		t.Errorf("a refused request has set a policy: %s", r.text)
	}
}

func instancePolicy(kind string, enabled bool, attributes string) string {
	if attributes != "" {
		attributes = `,"attributes":` + attributes
	}
	return fmt.Sprintf(`{"policy_type":"%s","policy_data":{"enabled":%t%s}}`, kind, enabled, attributes)
}

func TestInstancePolicies(t *testing.T) {
	h := newHouse(t)
	put := func(query string, resources ...string) {
		t.Helper()
		if r := h.do(t, "PUT", "/instance/policies"+query, policies(resources...)).want(t, 204, ""); r.text != "" {
			t.Errorf("%s", r.text)
		}
	}
	shown := func(kind string) string {
		t.Helper()
		r := h.do(t, "GET", "/instance/policies?policy="+kind, "").want(t, 200, "")
		if len(r.resources(t)) == 0 {
			return "none"
		}
		p := r.resource(t)
		text := fmt.Sprint(p["policy_data"])
		only(t, p, "creationDate", "createdBy", "updatedBy", "lastUpdated", "policy_type", "policy_data")
		return text
	}
	port := func() string {
		t.Helper()
		return fmt.Sprint(h.do(t, "GET", "/instance/allowed_ip_port", "").want(t, 200, "").resources(t))
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	want(shown("rotation"), "none")
	want(port(), "[]")
	put("", instancePolicy("rotation", true, `{"interval_day":14}`), instancePolicy("dualAuthDelete", false, ""))
	want(shown("rotation"), "map[attributes:map[interval_day:14 interval_month:1] enabled:true]")
	want(shown("dualAuthDelete"), "map[enabled:false]")
	if r := h.do(t, "GET", "/instance/policies", "").want(t, 200, ""); len(r.resources(t)) != 2 {
		t.Errorf("%s", r.text)
	}
	put("?policy=dualAuthDelete", `{"type":"`+policyType+`","dualAuthDelete":{"enabled":true}}`)
	want(shown("dualAuthDelete"), "map[enabled:true]")
	put("?policy=keyCreateImportAccess", instancePolicy("keyCreateImportAccess", true, `{"create_root_key":false,"enforce_token":true}`))
	put("?policy=keyCreateImportAccess", instancePolicy("keyCreateImportAccess", true, `{"create_standard_key":false}`))
	want(shown("keyCreateImportAccess"), "map[attributes:map[create_root_key:true create_standard_key:false enforce_token:false "+
		"import_root_key:true import_standard_key:true] enabled:true]")
	h.do(t, "POST", "/keys", newKey(`"name":"std"`)).want(t, 409, "KEY_CREATE_IMPORT_ACCESS_ERR")
	put("", instancePolicy("keyCreateImportAccess", false, ""))
	want(shown("keyCreateImportAccess"), "map[attributes:map[create_root_key:true create_standard_key:true enforce_token:false "+
		"import_root_key:true import_standard_key:true] enabled:false]")

	// As the Go client disables them.
	put("?policy=allowedNetwork", instancePolicy("allowedNetwork", false, `{"allowed_network":"public-and-private"}`))
	put("?policy=allowedIP", instancePolicy("allowedIP", false, `{}`))
	put("", instancePolicy("allowedIP", true, `{"allowed_ip":["192.0.2.0/24","198.51.100.7"]}`))
	want(shown("allowedIP"), "map[attributes:map[allowed_ip:[192.0.2.0/24 198.51.100.7/32]] enabled:true]")
	want(port(), "[map[private_endpoint_port:443]]")
	r := h.do(t, "POST", "/keys", newKey(`"name":"both","extractable":false`)).want(t, 201, "")
	id := r.resource(t)["id"].(string)
	r = h.do(t, "GET", "/keys/"+id+"/policies", "").want(t, 200, "")
	if len(r.resources(t)) != 2 {
		t.Errorf("%s", r.text)
	}
	put("", instancePolicy("allowedIP", true, `{"allowed_ip":["198.51.100.0/24"]}`))
	if r := h.do(t, "GET", "/keys/"+id, "").want(t, 401, ""); r.resource(t)["errorMsg"] != unauthorized {
		t.Errorf("%s", r.text)
	}
}

func TestCreationWithPolicies(t *testing.T) {
	h := newHouse(t)
	create := func(fields string) reply { return h.do(t, "POST", "/keys_with_policy_overrides", newKey(fields)) }
	id := create(`"name":"both","extractable":false,"rotation":{"interval_month":3},"dualAuthDelete":{"enabled":true}`).
		want(t, 201, "").resource(t)["id"].(string)
	if r := h.do(t, "GET", "/keys/"+id+"/policies", ""); len(r.resources(t)) != 2 {
		t.Errorf("%s", r.text)
	}
	id = create(`"name":"none","extractable":false`).want(t, 201, "").resource(t)["id"].(string)
	if r := h.do(t, "GET", "/keys/"+id+"/policies", ""); len(r.resources(t)) != 0 {
		t.Errorf("%s", r.text)
	}
	create(`"name":"std","extractable":true,"rotation":{"interval_month":3}`).want(t, 400, "KEY_ROOT_REQ_ERR")
	create(`"name":"imp","extractable":false,"payload":"`+b64("0123456789abcdef")+`","rotation":{"interval_month":3}`).want(t, 400, "INVALID_FIELD_ERR")
	r := create(`"name":"bad","extractable":false,"rotation":{"interval_month":-1}`).want(t, 400, "INVALID_FIELD_ERR")
	if !strings.Contains(r.text, "an integer between 1 and 12 (inclusive)") {
		t.Errorf("%s", r.text)
	}
	h.do(t, "POST", "/keys", newKey(`"name":"no","rotation":{"interval_month":1}`)).want(t, 400, "BAD_BODY_ERR")
}

func TestLifecycleOnTheWire(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.EnableWait = 30 * time.Second })
	id := h.create(t, `"name":"root","extractable":false,"aliases":["pay"],"expirationDate":"2026-07-20T10:00:00Z"`)
	h.do(t, "POST", "/keys/pay/actions/disable", "null").want(t, 204, "")
	r := h.do(t, "POST", "/keys/pay/actions/disable", "null").want(t, 409, "KEY_ACTION_INVALID_STATE_ERR")
	if msg := r.resource(t)["errorMsg"]; msg != "Conflict: Key is not in active state: Key could not be disabled: Please see `reasons` for more details (KEY_ACTION_INVALID_STATE_ERR)" {
		t.Errorf("%s", msg)
	}
	if r := h.do(t, "POST", "/keys/"+id+"?action=enable", "{}").want(t, 409, "REQ_TOO_EARLY_ERR"); !strings.Contains(r.text, "The key was updated recently: Please wait and try again") {
		t.Errorf("%s", r.text)
	}
	h.Clock.Advance(30 * time.Second)
	h.do(t, "POST", "/keys/"+id+"?action=enable", "").want(t, 204, "")
	h.do(t, "POST", "/keys/"+id+"?action=disable", "").want(t, 204, "")
	h.do(t, "POST", "/keys/"+id+"/actions/setKeyForDeletion", "null").want(t, 409, "NOT_DUAL_AUTH_ERR")
	h.do(t, "POST", "/keys/"+id+"/actions/sync", "").want(t, 409, "REQ_TOO_EARLY_ERR")
	h.do(t, "POST", "/keys/"+h.root(t)+"/actions/sync", "").want(t, 204, "")

	h.do(t, "DELETE", "/keys/"+id, "", "Prefer: return=representation").want(t, 200, "")
	if r := h.do(t, "POST", "/keys/"+id+"/restore", "").want(t, 201, "").resource(t); r["state"] != 1.0 || r["deleted"] != false || r["deletionDate"] != nil {
		t.Errorf("%v", r)
	}
	h.do(t, "DELETE", "/keys/"+id, "").want(t, 204, "")
	if r := h.do(t, "POST", "/keys/pay?action=restore", newKey(`"name":"ignored"`)).want(t, 201, "").resource(t); r["id"] != id {
		t.Errorf("%v", r)
	}
	h.do(t, "DELETE", "/keys/"+id, "").want(t, 204, "")
	h.do(t, "DELETE", "/keys/"+id+"/purge", "").want(t, 401, "") // not even the owner of the account

	h.Access.Grant(kmstest.Grant{Identity: "IBMid-reader", Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionPurge}})
	purger := "Authorization: Bearer reader"
	if r := h.do(t, "DELETE", "/keys/"+id+"/purge", "", purger).want(t, 409, "REQ_TOO_EARLY_ERR"); !strings.Contains(r.text, "Purge operation is allowed 4h0m0s after key is deleted") {
		t.Errorf("%s", r.text)
	}
	h.Clock.Advance(20 * 24 * time.Hour)
	r = h.do(t, "POST", "/keys/"+id+"/restore", "").want(t, 400, "KEY_EXPIRED_ERR")
	if !strings.Contains(r.text, "Bad Request: The key expired on 2026-07-20 10:00:00 +0000 UTC: Key could not be restored: ") {
		t.Errorf("%s", r.text)
	}
	if r := h.do(t, "DELETE", "/keys/"+id+"/purge", "", purger, "Prefer: return=representation").want(t, 200, "").resource(t); r["state"] != 5.0 || r["purgeAllowed"] != true {
		t.Errorf("%v", r)
	}
	h.do(t, "DELETE", "/keys/"+id+"/purge", "", purger).want(t, 404, "KEY_NOT_FOUND_ERR")
	h.do(t, "GET", "/keys/"+id, "").want(t, 404, "KEY_NOT_FOUND_ERR")

	old := h.root(t)
	h.do(t, "DELETE", "/keys/"+old, "").want(t, 204, "")
	h.Clock.Advance(31 * 24 * time.Hour)
	h.do(t, "POST", "/keys/"+old+"/restore", "").want(t, 400, "KEY_RESTORE_EXPIRED")
}

func TestDualAuthorizationOnTheWire(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	h.do(t, "PUT", "/keys/"+id+"/policies", policies(`{"dualAuthDelete":{"enabled":true}}`)).want(t, 200, "")
	h.do(t, "PUT", "/keys/"+id+"/policies", policies(`{"dualAuthDelete":{"enabled":false}}`)).want(t, 409, "KEY_ACTION_INVALID_STATE_ERR")
	shown := func() string {
		return fmt.Sprint(h.do(t, "GET", "/keys/"+id+"/metadata", "").want(t, 200, "").resource(t)["dualAuthDelete"])
	}
	if got := shown(); got != "map[enabled:true keySetForDeletion:false]" {
		t.Error(got)
	}
	r := h.do(t, "DELETE", "/keys/"+id, "").want(t, 409, "AUTHORIZATIONS_NOT_MET")
	if !strings.Contains(r.text, "Conflict: 1 prior authorization(s) are required for deletion: Key could not be deleted: ") {
		t.Errorf("%s", r.text)
	}
	h.do(t, "POST", "/keys/"+id+"/actions/setKeyForDeletion", "null").want(t, 204, "")
	if got := shown(); got != "map[authExpiration:2026-07-08T10:00:00Z enabled:true keySetForDeletion:true]" {
		t.Error(got)
	}
	h.do(t, "POST", "/keys/"+id+"?action=unsetKeyForDeletion", "").want(t, 204, "")
	h.do(t, "POST", "/keys/"+id+"?action=setKeyForDeletion", "").want(t, 204, "")
	h.do(t, "DELETE", "/keys/"+id, "").want(t, 409, "AUTHORIZATIONS_NOT_MET")
	h.Access.Grant(kmstest.Grant{Identity: "IBMid-colleague", Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionDelete}})
	h.do(t, "DELETE", "/keys/"+id, "", "Authorization: Bearer colleague").want(t, 204, "")
}
