package iamidentity_test

import (
	"strings"
	"testing"
)

func TestServiceIDLife(t *testing.T) {
	r := newRig(t)
	a := r.status(r.as(r.token, "POST", "/v1/serviceids/", `{"account_id":"`+r.account+`","name":"robot","description":"d",
		"unique_instance_crns":["crn:v1:bluemix:public:kms:us-south:a/x:y::"],"apikey":{"name":"its key"}}`), 201)
	id, tag := a.text("id"), a.header.Get("ETag")
	if a.text("iam_id") != "iam-"+id || !strings.HasPrefix(id, "ServiceId-") || tag != a.text("entity_tag") ||
		a.text("unique_instance_crns", 0) == "" || len(a.text("apikey", "apikey")) != 44 {
		t.Errorf("created: %s", a.raw)
	}
	robot := r.login(a.text("apikey", "apikey"))
	path := "/v1/serviceids/" + id
	r.status(r.as(robot, "GET", path, ""), 200) // itself
	r.status(r.as(robot, "GET", "/v1/serviceids/ServiceId-other", ""), 403)
	r.status(r.as(robot, "DELETE", path, ""), 403)
	r.status(r.as(robot, "PUT", path, `{`, "If-Match", "*"), 403) // 403 goes before 400
	r.status(r.as(robot, "GET", "/v1/serviceids", ""), 403)
	r.status(r.as(robot, "GET", "/v1/apikeys", ""), 200)

	r.status(r.as(r.token, "PUT", path, `{"name":"x"}`), 400) // without If-Match
	a = r.status(r.as(r.token, "PUT", path, `{"name":"x","unique_instance_crns":[]}`, "If-Match", tag), 200)
	if a.text("name") != "x" || a.text("description") != "d" || !strings.Contains(a.raw, `"unique_instance_crns":[]`) {
		t.Errorf("updated: %s", a.raw)
	}
	r.status(r.as(r.token, "PUT", path, `{"name":"y"}`, "If-Match", tag), 409)
	r.status(r.as(r.token, "POST", path+"/lock", ""), 204)
	r.status(r.as(r.token, "DELETE", path, ""), 409)
	r.status(r.as(r.token, "DELETE", path+"/lock", ""), 204)
	for _, list := range []string{"/v1/serviceids", "/v1/serviceids/", "/v1/serviceids?name=x&account_id=" + r.account} {
		if a = r.status(r.as(r.token, "GET", list, ""), 200); a.text("serviceids", 0, "id") != id {
			t.Errorf("%s: %s", list, a.raw)
		}
	}
	r.status(r.as(r.token, "DELETE", path, ""), 204)
	r.status(r.as(robot, "GET", path, ""), 401)
	r.status(r.as(r.token, "GET", path, ""), 404)
}

func TestServiceIDRequestsThatAreRefused(t *testing.T) {
	r := newRig(t)
	account := `"account_id":"` + r.account + `"`
	for body, status := range map[string]int{
		`{`:                 400,
		`{"name":"s"}`:      400,
		`{` + account + `}`: 400,
		`{` + account + `,"name":"s","group_id":"g"}`:                           400,
		`{` + account + `,"name":"s","unique_instance_crns":["x"]}`:             400,
		`{` + account + `,"name":"s","apikey":{"name":""}}`:                     400,
		`{` + account + `,"name":"s","apikey":{"name":"k","store_value":true}}`: 400,
		`{"account_id":"f00","name":"s"}`:                                       403,
	} {
		t.Log(body)
		r.status(r.as(r.token, "POST", "/v1/serviceids", body), status)
	}
}

func TestAccountSettings(t *testing.T) {
	r := newRig(t)
	a := r.status(r.as(r.token, "GET", "/v1/accounts/"+r.account+"/settings/identity", ""), 200)
	if a.text("account_id") != r.account || a.text("system_access_token_expiration_in_seconds") != "3600" || a.text("mfa") != "NONE" {
		t.Errorf("settings: %s", a.raw)
	}
	r.status(r.as(r.token, "GET", "/v1/accounts/f00/settings/identity", ""), 403)
}
