package resourcecontroller_test

import (
	"testing"

	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

func TestGroups(t *testing.T) {
	r := newRig(t)
	made := r.do(t, "admin", "POST", "/v2/resource_groups", `{"name":"Team A","account_id":"`+string(resourcetest.Account)+`"}`, 201)
	path := "/v2/resource_groups/" + made.text("id")
	got := r.do(t, "admin", "GET", path, "", 200)
	for member, want := range map[string]any{
		"id": made.text("id"), "crn": made.text("crn"), "name": "Team A", "state": "ACTIVE", "default": false,
		"account_id": string(resourcetest.Account),
	} {
		if got.at(member) != want {
			t.Errorf("%s is %v, want %v", member, got.at(member), want)
		}
	}
	r.do(t, "admin", "POST", "/v2/resource_groups", `{"name":"Team A"}`, 409)
	r.do(t, "admin", "POST", "/v2/resource_groups", `{"name":"x","account_id":"other"}`, 403)
	r.do(t, "admin", "POST", "/v2/resource_groups", `{"name":"a/b"}`, 400)
	r.do(t, "admin", "PATCH", path, `{"name":"Default"}`, 409)
	r.do(t, "admin", "PATCH", path, `{"state":"SUSPENDED"}`, 400)
	if got := r.do(t, "admin", "PATCH", path, `{"name":"Team B"}`, 200); got.text("name") != "Team B" {
		t.Errorf("renamed: %v", got)
	}
	r.do(t, "foreign", "GET", path, "", 404)
	r.do(t, "foreign", "DELETE", path, "", 404)
	r.do(t, "admin", "GET", "/v2/resource_groups/0123", "", 404)

	r.user("1001")
	for query, want := range map[string]int{"": 2, "?default=true": 1, "?default=false": 1, "?name=Team+B": 1, "?name=x": 0, "?account_id=other": 0} {
		if got := r.do(t, "admin", "GET", "/v2/resource_groups"+query, "", 200); len(got.at("resources").([]any)) != want {
			t.Errorf("%q: %v, want %d", query, got, want)
		}
		if got := r.do(t, "1001", "GET", "/v2/resource_groups"+query, "", 200); len(got.at("resources").([]any)) != 0 {
			t.Errorf("%q: somebody without access sees %v", query, got)
		}
	}
	r.do(t, "admin", "GET", "/v2/resource_groups?default=maybe", "", 400)

	i, err := r.resources.CreateInstance(t.Context(), resourcetest.Admin(), resource.NewInstance{
		Name: "n", Target: resourcetest.Region, ResourceGroup: resource.GroupID(made.text("id")), Plan: resourcetest.KeysPlan,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.do(t, "admin", "DELETE", path, "", 409)
	r.do(t, "admin", "DELETE", "/v2/resource_instances/"+string(i.ID), "", 204)
	r.Clock.Advance(resource.Retention)
	if err := r.resources.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.do(t, "admin", "DELETE", path, "", 204)
	r.do(t, "admin", "DELETE", path, "", 404)
	r.do(t, "admin", "DELETE", "/v2/resource_groups/"+string(r.Group.ID), "", 409)

	again, err := r.resources.EnsureDefaultGroup(t.Context(), resourcetest.Account)
	if err != nil || again.ID != r.Group.ID {
		t.Errorf("a second default group: %v, %v", again, err)
	}
}

func TestQuota(t *testing.T) {
	r := newRig(t)
	list := r.do(t, "admin", "GET", "/v2/quota_definitions", "", 200)
	id := list.text("resources.0.id")
	if got := r.do(t, "admin", "GET", "/v2/quota_definitions/"+id, "", 200); got.text("name") == "" {
		t.Errorf("quota: %v", got)
	}
	r.do(t, "admin", "GET", "/v2/quota_definitions/x", "", 404)
}
