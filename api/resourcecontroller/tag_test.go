package resourcecontroller_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

func TestTags(t *testing.T) {
	r := newRig(t)
	one, two := r.newKeys(t, "one"), r.newKeys(t, "two")
	attach := fmt.Sprintf(`{"resources":[{"resource_id":%q},{"resource_id":%q},{"resource_id":"crn:v1:nonsense"}],"tag_names":["Env:Prod","a"]}`,
		one.text("crn"), two.text("crn"))
	got := r.do(t, "admin", "POST", "/v3/tags/attach", attach, 200)
	for n, want := range []bool{false, false, true} {
		if got.at(fmt.Sprintf("results.%d.is_error", n)) != want {
			t.Errorf("result %d: %v", n, got)
		}
	}
	r.do(t, "admin", "POST", "/v3/tags/detach", fmt.Sprintf(`{"resources":[{"resource_id":%q}],"tag_name":"a"}`, two.text("crn")), 200)
	names := func(token, query string) []string {
		t.Helper()
		list := []string{}
		for _, item := range r.do(t, token, "GET", "/v3/tags"+query, "", 200).at("items").([]any) {
			list = append(list, object(item.(map[string]any)).text("name"))
		}
		return list
	}
	r.user("1001", resourcetest.Grant{Action: resource.ActionInstanceRetrieve, Instance: resource.InstanceID(two.text("guid"))})
	for _, c := range []struct {
		token, query string
		want         []string
	}{
		{"admin", "", []string{"a", "env:prod"}},
		{"admin", "?limit=1&offset=1", []string{"env:prod"}},
		{"admin", "?attached_to=" + escape(two.text("crn")), []string{"env:prod"}},
		{"admin", "?attached_to=nonsense", []string{}},
		{"admin", "?tag_type=access", []string{}},
		{"1001", "", []string{"env:prod"}},
		{"foreign", "", []string{}},
	} {
		if diff := cmp.Diff(c.want, names(c.token, c.query)); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", c.token, c.query, diff)
		}
	}
	if got := r.do(t, "1001", "POST", "/v3/tags/attach", attach, 200); got.at("results.0.is_error") != true || got.at("results.1.is_error") != true {
		t.Errorf("somebody without access tags: %v", got)
	}
	for _, body := range []string{`{}`, `{"tag_names":["x"]}`, `{"resources":[{"resource_id":"x"}]}`, `[`} {
		r.do(t, "admin", "POST", "/v3/tags/attach", body, 400)
	}
	r.do(t, "admin", "POST", "/v3/tags/attach?tag_type=access", attach, 400)
	r.do(t, "admin", "POST", "/v3/tags/attach?replace=true", fmt.Sprintf(`{"resources":[{"resource_id":%q}],"tag_names":["only"]}`, one.text("crn")), 200)
	if diff := cmp.Diff([]string{"only"}, names("admin", "?attached_to="+escape(one.text("crn")))); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	if got := r.do(t, "admin", "DELETE", "/v3/tags/only", "", 200); got.at("results.0.is_error") != true {
		t.Errorf("deleting an attached tag: %v", got)
	}
	if got := r.do(t, "admin", "DELETE", "/v3/tags/unused", "", 200); got.at("results.0.is_error") != false {
		t.Errorf("deleting an unused tag: %v", got)
	}
	r.do(t, "admin", "DELETE", "/v3/tags", "", 200)
}

func TestSearch(t *testing.T) {
	r := newRig(t)
	one, two := r.newKeys(t, "one"), r.newStore(t, "two")
	r.do(t, "admin", "POST", "/v3/tags/attach", fmt.Sprintf(`{"resources":[{"resource_id":%q}],"tag_name":"x:y"}`, two.text("crn")), 200)
	for query, want := range map[string][]string{
		"":                                    {"one", "two"},
		"*":                                   {"one", "two"},
		`crn:"` + one.text("crn") + `"`:       {"one"},
		`crn:` + one.text("crn"):              {"one"},
		`crn:"` + one.text("crn") + `key:id"`: {},
		`name:two`:                            {"two"},
		`tags:"x:y"`:                          {"two"},
		`tags:"x:y" AND service_name:kms`:     {},
		`service_name:kms  AND  name:"one"`:   {"one"},
		`resource_group_id:` + string(r.Group.ID): {"one", "two"},
	} {
		got := r.do(t, "admin", "POST", "/v3/resources/search", fmt.Sprintf(`{"query":%q}`, query), 200)
		names := []string{}
		for _, item := range got.at("items").([]any) {
			names = append(names, object(item.(map[string]any)).text("name"))
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if got := r.do(t, "foreign", "POST", "/v3/resources/search", fmt.Sprintf(`{"query":%q}`, query), 200); len(got.at("items").([]any)) != 0 {
			t.Errorf("%s: another account finds %v", query, got)
		}
	}
	for _, query := range []string{`name`, `name:"x`, `color:red`, `name:x OR name:y`, `name:x AND `} {
		r.do(t, "admin", "POST", "/v3/resources/search", fmt.Sprintf(`{"query":%q}`, query), 400)
	}
	first := r.do(t, "admin", "POST", "/v3/resources/search?limit=1", `{}`, 200)
	second := r.do(t, "admin", "POST", "/v3/resources/search?limit=1", `{"search_cursor":"`+first.text("search_cursor")+`"}`, 200)
	if first.text("items.0.name") != "one" || second.text("items.0.name") != "two" || second.at("search_cursor") != (missing{}) {
		t.Errorf("pages: %v, %v", first, second)
	}
}
