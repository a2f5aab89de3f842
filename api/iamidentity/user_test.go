package iamidentity_test

import (
	"testing"
	"time"
)

func TestUserLife(t *testing.T) {
	r := newRig(t)
	r.clock.Advance(time.Second) // lists are sorted by age
	users := "/v2/accounts/" + r.account + "/users"
	a := r.status(r.as(r.token, "POST", users, `{"users":[{"email":"Ursula@acme.example","account_role":"Member","first_name":"Ursula"}]}`), 202)
	id := a.text("resources", 0, "id")
	if a.text("resources", 0, "email") != "ursula@acme.example" || a.text("resources", 0, "state") != "ACTIVE" || id == "" {
		t.Fatalf("added: %s", a.raw)
	}
	again := r.status(r.as(r.token, "POST", users, `{"users":[{"email":"ursula@acme.example"}]}`), 202)
	if again.text("resources", 0, "id") != id {
		t.Errorf("added again: %s", again.raw)
	}
	key := r.status(r.as(r.token, "POST", "/v1/apikeys", `{"name":"first","iam_id":"`+id+`"}`), 201)
	ursula := r.login(key.text("apikey"))

	if a = r.status(r.as(ursula, "GET", users+"/"+id, ""), 200); a.text("iam_id") != id || a.text("firstname") != "Ursula" || a.text("realm") != "IBMid" {
		t.Errorf("herself: %s", a.raw)
	}
	r.status(r.as(ursula, "GET", users, ""), 403)
	r.status(r.as(ursula, "POST", users, `{`), 403)
	r.status(r.as(ursula, "PATCH", users+"/"+id, `{"state":"DISABLED"}`), 403)
	r.status(r.as(ursula, "DELETE", users+"/"+r.owner, ""), 403)

	a = r.status(r.as(r.token, "GET", users+"?limit=1", ""), 200)
	if a.body["total_results"] != float64(2) || a.text("resources", 0, "iam_id") != r.owner || a.text("next_url") == "" {
		t.Errorf("list: %s", a.raw)
	}
	if a = r.status(r.as(r.token, "GET", a.text("next_url"), ""), 200); a.text("resources", 0, "iam_id") != id || a.text("next_url") != "" {
		t.Errorf("second page: %s", a.raw)
	}

	r.status(r.as(r.token, "PATCH", users+"/"+id, `{"state":"DISABLED","lastname":"User"}`), 204)
	r.status(r.as(ursula, "GET", users+"/"+id, ""), 401)
	r.status(r.as(r.token, "PATCH", users+"/"+id, `{"state":"GONE"}`), 400)
	r.status(r.as(r.token, "PATCH", users+"/"+id, `{"state":"ACTIVE"}`), 204)
	r.status(r.as(ursula, "GET", users+"/"+id, ""), 200)
	r.status(r.as(r.token, "DELETE", users+"/"+id, ""), 204)
	r.status(r.as(ursula, "GET", users+"/"+id, ""), 401)
	r.status(r.as(r.token, "GET", users+"/"+id, ""), 404)
	r.status(r.as(r.token, "DELETE", users+"/"+r.owner, ""), 409)
	r.status(r.as(r.token, "GET", "/v2/accounts/f00/users", ""), 403)
	for _, body := range []string{`{}`, `{"users":[]}`, `{"users":[{"email":"x"}]}`, `{"users":[{"email":"x@y.z","account_role":"Owner"}]}`} {
		r.status(r.as(r.token, "POST", users, body), 400)
	}
	r.status(r.as(r.token, "GET", users+"?limit=x", ""), 400)
}
