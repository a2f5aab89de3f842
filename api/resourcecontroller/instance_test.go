package resourcecontroller_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

func TestInstanceIsRefused(t *testing.T) {
	r := newRig(t)
	good := fmt.Sprintf(`{"name":"n","target":"us-south","resource_group":%q,"resource_plan_id":%q}`, r.Group.ID, resourcetest.KeysPlan)
	for name, c := range map[string]struct {
		from, to string
		status   int
	}{
		"no name":              {`"name":"n",`, ``, 400},
		"blank name":           {`"n"`, `"  "`, 400},
		"name too long":        {`"n"`, `"` + strings.Repeat("x", 181) + `"`, 400},
		"name with a slash":    {`"n"`, `"a/b"`, 400},
		"no such plan":         {resourcetest.KeysPlan, "nope", 400},
		"plan elsewhere":       {`"us-south"`, `"crn:v1:bluemix:public:globalcatalog::::deployment:other%3Aus-south"`, 400},
		"region not ours":      {`"us-south"`, `"eu-de"`, 400},
		"global keys":          {`"us-south"`, `"global"`, 400},
		"no target":            {`"target":"us-south",`, ``, 400},
		"no group":             {string(r.Group.ID), "", 400},
		"unknown group":        {string(r.Group.ID), "0123", 404},
		"parameters no object": {`{"name"`, `{"parameters":[1],"name"`, 400},
		"unknown network":      {`{"name"`, `{"parameters":{"allowed_network":"none"},"name"`, 400},
		"bad tag":              {`{"name"`, `{"tags":["a/b"],"name"`, 400},
		"not JSON":             {`{`, `[`, 400},
		"wrong type":           {`"n"`, `7`, 400},
		"more after the end":   {`}`, `}{}`, 400},
	} {
		body := strings.Replace(good, c.from, c.to, 1)
		got := r.do(t, "admin", "POST", "/v2/resource_instances", body, c.status)
		if got.text("errors.0.message") == "" || got.text("message") == "" || got.at("status_code") != float64(c.status) || got.text("transaction_id") == "" {
			t.Errorf("%s: the error is %v", name, got)
		}
	}
	if got := r.do(t, "admin", "GET", "/v2/resource_instances", "", 200); got.at("rows_count") != 0.0 {
		t.Errorf("%v instances after refusals", got.at("rows_count"))
	}
	r.do(t, "admin", "POST", "/v2/resource_instances", good, 201)
}

func TestUnknownCallerIsRefusedBeforeBadInput(t *testing.T) {
	r := newRig(t)
	r.user("1001")
	r.do(t, "", "POST", "/v2/resource_instances", `[`, 401)
	r.do(t, "1001", "POST", "/v2/resource_instances", `[`, 403)
	r.do(t, "1001", "PATCH", "/v2/resource_instances/"+uuid.NewString(), `[`, 403)
	r.do(t, "1001", "POST", "/v2/resource_keys", `[`, 403)
	if diff := cmp.Diff([]string{"failure 403"}, r.Events(t, resource.ActionInstanceCreate)); diff != "" {
		t.Errorf("events of known callers (-want +got):\n%s", diff)
	}
}

func TestForeignAndUnknownInstancesLookAlike(t *testing.T) {
	r := newRig(t)
	i := r.newKeys(t, "one")
	guid, name := i.text("guid"), i.text("crn")
	r.user("1001")
	for _, c := range []struct{ method, suffix, body string }{
		{"GET", "", ""},
		{"PATCH", "", `{"name":"x"}`},
		{"DELETE", "", ""},
		{"POST", "/lock", ""},
		{"DELETE", "/lock", ""},
		{"GET", "/resource_keys", ""},
		{"GET", "/resource_aliases", ""},
	} {
		for _, token := range []string{"foreign", "1001"} {
			var answers []string
			for _, id := range []string{guid, uuid.NewString(), escape(name), escape(strings.Replace(name, guid, uuid.NewString(), 1)), "nonsense"} {
				want := 404
				if token == "1001" {
					want = 403
				}
				got := r.do(t, token, c.method, "/v2/resource_instances/"+id+c.suffix, c.body, want)
				answers = append(answers, got.text("message"))
			}
			for _, a := range answers {
				if a != answers[0] {
					t.Errorf("%s %s as %s: answers differ: %q", c.method, c.suffix, token, answers)
				}
			}
		}
	}
	r.do(t, "admin", "GET", "/v2/resource_instances/"+escape(strings.Replace(name, "kms", "cloud-object-storage", 1)), "", 404)
	for _, id := range []string{strings.ToUpper(guid), escape(name), escape(strings.TrimRight(name, ":")), escape(strings.TrimSuffix(name, ":"))} {
		r.do(t, "admin", "GET", "/v2/resource_instances/"+id, "", 200)
	}
}

func TestListShowsWhatTheCallerMaySee(t *testing.T) {
	r := newRig(t)
	one, two := r.newKeys(t, "one"), r.newKeys(t, "two")
	r.newStore(t, "three")
	r.user("1001", resourcetest.Grant{Action: resource.ActionInstanceRetrieve, Instance: resource.InstanceID(two.text("guid"))})
	r.user("1002")
	for token, want := range map[string]float64{"admin": 3, "1001": 1, "1002": 0, "foreign": 0} {
		got := r.do(t, token, "GET", "/v2/resource_instances", "", 200)
		if got.at("rows_count") != want || got.at("next_url") != nil {
			t.Errorf("%s sees %v, next %v; want %v", token, got.at("rows_count"), got.at("next_url"), want)
		}
		if _, ok := got.at("resources").([]any); !ok {
			t.Errorf("%s: resources are %v", token, got.at("resources"))
		}
	}
	for query, want := range map[string]float64{
		"name=one": 1, "guid=" + one.text("guid"): 1, "sub_type=kms": 2, "type=service_instance": 3, "type=other": 0, "state=removed": 0,
		"state=active": 3, "resource_plan_id=" + resourcetest.StorePlan: 1, "resource_group_id=" + string(r.Group.ID): 3,
		"resource_id=unknown": 0, "updated_from=2026-07-01T10:00:00Z": 3, "updated_from=2026-07-02": 0, "updated_to=2026-06-01": 0,
	} {
		if got := r.do(t, "admin", "GET", "/v2/resource_instances?"+query, "", 200); got.at("rows_count") != want {
			t.Errorf("%s: %v, want %v", query, got.at("rows_count"), want)
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "start=x", "state=odd", "updated_from=yesterday"} {
		r.do(t, "admin", "GET", "/v2/resource_instances?"+query, "", 400)
	}
}

func TestListIsPaged(t *testing.T) {
	r := newRig(t)
	want := map[string]bool{}
	for n := range 7 {
		i := r.newKeys(t, fmt.Sprintf("k%d", n))
		r.newStore(t, fmt.Sprintf("s%d", n))
		want[i.text("guid")] = true
	}
	next, pages := "/v2/resource_instances?sub_type=kms&limit=3", 0
	for next != "" {
		got := r.do(t, "admin", "GET", next, "", 200)
		for _, item := range got.at("resources").([]any) {
			guid := object(item.(map[string]any)).text("guid")
			if !want[guid] {
				t.Errorf("page %d: %s is twice in the list, or should not be", pages, guid)
			}
			delete(want, guid)
		}
		next = got.text("next_url")
		pages++
	}
	if len(want) != 0 || pages != 3 {
		t.Errorf("%d pages, not seen: %v", pages, want)
	}
}

func TestLockedInstanceRefuses(t *testing.T) {
	r := newRig(t)
	path := "/v2/resource_instances/" + r.newKeys(t, "one").text("guid")
	if got := r.do(t, "admin", "POST", path+"/lock", "", 200); got.at("locked") != true || got.text("last_operation.type") != "lock" {
		t.Errorf("locked: %v", got)
	}
	r.do(t, "admin", "PATCH", path, `{"name":"x"}`, 422)
	r.do(t, "admin", "DELETE", path, "", 422)
	r.do(t, "admin", "DELETE", path+"/lock", "", 200)
	r.do(t, "admin", "PATCH", path, `{"name":"x"}`, 200)

	req, err := http.NewRequestWithContext(t.Context(), "POST", r.server.URL+"/v2/resource_instances", strings.NewReader(
		fmt.Sprintf(`{"name":"n","target":"us-south","resource_group":%q,"resource_plan_id":%q}`, r.Group.ID, resourcetest.KeysPlan)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin")
	req.Header.Set("Entity-Lock", "true")
	if got := r.send(t, req, 201); got.at("locked") != true {
		t.Error("Entity-Lock does not lock")
	}
}

func TestPlanChangesNeedMore(t *testing.T) {
	r := newRig(t)
	i := r.newStore(t, "one")
	path := "/v2/resource_instances/" + i.text("guid")
	r.user("1001", resourcetest.Grant{Action: resource.ActionInstanceUpdate}, resourcetest.Grant{Action: resource.ActionInstanceUpdatePlan})
	r.user("1002", resourcetest.Grant{Action: resource.ActionInstanceUpdate})
	const lite = "2fdf0c08-2d32-4f46-84b5-32e0c92fffd8"
	r.do(t, "1002", "PATCH", path, `{"resource_plan_id":"`+lite+`"}`, 403)
	got := r.do(t, "1001", "PATCH", path, `{"resource_plan_id":"`+lite+`","parameters":{"a":1},"allow_cleanup":true}`, 200)
	if got.text("plan_history.1.resource_plan_id") != lite || got.text("resource_plan_id") != lite || got.at("parameters.a") != 1.0 {
		t.Errorf("after the change: %v", got)
	}
	r.do(t, "1001", "PATCH", path, `{"resource_plan_id":"`+resourcetest.KeysPlan+`"}`, 400)
	r.do(t, "1002", "PATCH", path, `{"parameters":{"onetime_credentials":true}}`, 200)
	r.do(t, "1002", "PATCH", path, `{"parameters":{"onetime_credentials":false}}`, 403)
}

func TestInstanceWithKeysIsNotDeleted(t *testing.T) {
	r := newRig(t)
	path := "/v2/resource_instances/" + r.newKeys(t, "one").text("guid")
	const text = "Instance contains 3 active keys. Remove all keys before de-provisioning"
	r.Owner.Refusal = fault.New(fault.Conflict, text)
	for _, query := range []string{"", "?recursive=false", "?recursive=true"} {
		if got := r.do(t, "admin", "DELETE", path+query, "", 409); got.text("errors.0.message") != text {
			t.Errorf("%s: %q", query, got.text("errors.0.message"))
		}
	}
	if got := r.do(t, "admin", "GET", path, "", 200); got.text("state") != "active" {
		t.Errorf("state is %q", got.text("state"))
	}
	r.Owner.Refusal = nil
	r.do(t, "admin", "DELETE", path, "", 204)
}

func TestInstanceWithResourceKeysIsDeletedRecursively(t *testing.T) {
	r := newRig(t)
	i := r.newStore(t, "one")
	path := "/v2/resource_instances/" + i.text("guid")
	key := r.do(t, "admin", "POST", "/v2/resource_keys", `{"name":"k","source":"`+i.text("guid")+`","role":"Reader"}`, 201)
	r.do(t, "admin", "DELETE", path, "", 400)
	r.do(t, "admin", "DELETE", path+"?recursive=maybe", "", 400)
	r.do(t, "admin", "DELETE", path+"?recursive=true", "", 204)
	if got := r.do(t, "admin", "GET", "/v2/resource_keys/"+key.text("guid"), "", 200); got.text("state") != "removed" {
		t.Errorf("the key is %q", got.text("state"))
	}
	if len(r.Credentials.Issued)+len(r.Credentials.Granted) != 0 {
		t.Errorf("left behind: %v, %v", r.Credentials.Issued, r.Credentials.Granted)
	}
}

func TestReclamation(t *testing.T) {
	r := newRig(t)
	i := r.newKeys(t, "one")
	guid := i.text("guid")
	path := "/v2/resource_instances/" + guid
	scheduled := func() string {
		t.Helper()
		r.do(t, "admin", "DELETE", path, "", 204)
		if _, err := r.resources.Lookup(t.Context(), resource.InstanceID(guid)); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a deleted instance can be used: %v", err)
		}
		got := r.do(t, "admin", "GET", "/v1/reclamations?resource_instance_id="+escape(i.text("crn")), "", 200)
		if got.text("resources.0.state") != "SCHEDULED" || got.text("resources.0.entity_id") != guid || got.text("resources.0.target_time") == "" {
			t.Fatalf("reclamations: %v", got)
		}
		return got.text("resources.0.id")
	}
	id := scheduled()
	r.do(t, "foreign", "POST", "/v1/reclamations/"+id+"/actions/reclaim", `{}`, 404)
	if got := r.do(t, "foreign", "GET", "/v1/reclamations", "", 200); len(got.at("resources").([]any)) != 0 {
		t.Errorf("another account sees %v", got)
	}
	r.do(t, "admin", "POST", "/v1/reclamations/"+id+"/actions/forget", `{}`, 404)
	if got := r.do(t, "admin", "POST", "/v1/reclamations/"+id+"/actions/restore", `{"request_by":"me","comment":"oops"}`, 200); got.text("state") != "RESTORING" {
		t.Errorf("restoring: %v", got)
	}
	if got := r.do(t, "admin", "GET", path, "", 200); got.text("state") != "active" || got.at("scheduled_reclaim_at") != nil || got.text("restored_by") == "" {
		t.Errorf("restored: %v", got)
	}
	r.do(t, "admin", "POST", "/v1/reclamations/"+id+"/actions/restore", `{}`, 404)

	id = scheduled()
	if got := r.do(t, "admin", "POST", "/v1/reclamations/"+id+"/actions/reclaim", ``, 200); got.text("state") != "RECLAIMING" {
		t.Errorf("reclaiming: %v", got)
	}
	if got := r.do(t, "admin", "GET", path, "", 200); got.text("state") != "removed" || got.text("last_operation.type") != "delete" {
		t.Errorf("reclaimed: %v", got)
	}
	if len(r.Owner.Prepared) != 0 {
		t.Error("the owner still has the instance")
	}
	if got := r.do(t, "admin", "GET", "/v2/resource_instances?state=removed", "", 200); got.at("rows_count") != 1.0 {
		t.Errorf("removed instances: %v", got.at("rows_count"))
	}
}

func TestAuditSeesEveryRequestOnce(t *testing.T) {
	r := newRig(t)
	i := r.newKeys(t, "one")
	path := "/v2/resource_instances/" + i.text("guid")
	r.do(t, "admin", "GET", path, "", 200)
	r.do(t, "foreign", "GET", path, "", 404)
	r.do(t, "admin", "DELETE", path, "", 204)
	r.do(t, "admin", "DELETE", path, "", 410)
	for action, want := range map[string][]string{
		"resource-controller.instance.create":   {"success 201"},
		"resource-controller.instance.retrieve": {"success 200", "failure 404"},
		"resource-controller.instance.delete":   {"failure 410", "success 204"},
	} {
		if diff := cmp.Diff(want, r.Events(t, iam.Action(action))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}

func TestABodyThatCannotBeReadTellsStrangersNothing(t *testing.T) {
	r := newRig(t)
	const unknown = "6a1f6c1e-0d5c-4d0e-9a58-0a3f3f0c7e11"
	unread := func(method, before, id, behind string) {
		t.Helper()
		r.do(t, "admin", method, before+id+behind, `{"name":`, 400)
		theirs := r.do(t, "foreign", method, before+id+behind, `{"name":`, 400)
		if none := r.do(t, "foreign", method, before+unknown+behind, `{"name":`, 400); none.text("message") != theirs.text("message") {
			t.Errorf("%s %s: %v, and of what is not there %v", method, before, theirs, none)
		}
	}
	i := r.newKeys(t, "one")
	key := r.do(t, "admin", "POST", "/v2/resource_keys", fmt.Sprintf(`{"name":"k","source":%q}`, i.text("guid")), 201).text("guid")
	unread("PATCH", "/v2/resource_keys/", key, "")
	r.do(t, "admin", "DELETE", "/v2/resource_keys/"+key, "", 204)
	r.do(t, "admin", "DELETE", "/v2/resource_instances/"+i.text("guid"), "", 204)
	reclamation := r.do(t, "admin", "GET", "/v1/reclamations", "", 200).text("resources.0.id")
	unread("POST", "/v1/reclamations/", reclamation, "/actions/reclaim")
	unread("POST", "/v1/reclamations/", reclamation, "/actions/restore")
	for _, action := range []iam.Action{resource.ActionKeyUpdate, resource.ActionReclamationReclaim, resource.ActionReclamationRestore} {
		if diff := cmp.Diff([]string{"failure 400", "failure 400", "failure 400"}, r.Events(t, action)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}
