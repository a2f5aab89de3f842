package resourcecontroller_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"strongroom/resource/resourcetest"
)

// call is one request of Terraform's provider and what it needs of the answer:
// paths of members with the value they must have. Values may refer to what
// earlier answers gave, as {name}.
type call struct {
	method, path, body string
	status             int
	need               map[string]any
	keep               map[string]string // name: path of the member to remember
}

// some is a value that must be there and be neither null nor empty.
type some struct{}

// text is a value that must be a string, which may be empty: the provider
// dereferences it without looking.
type text struct{}

// list is a value that must be an array, which may be empty.
type list struct{}

func replay(t *testing.T, r *rig, known map[string]string, calls []call) {
	t.Helper()
	fill := func(s string) string {
		for name, v := range known {
			s = strings.ReplaceAll(s, "{/"+name+"}", escape(v))
			s = strings.ReplaceAll(s, "{"+name+"}", v)
		}
		return s
	}
	for _, c := range calls {
		got := r.do(t, "admin", c.method, fill(c.path), fill(c.body), c.status)
		for path, want := range c.need {
			has := got.at(path)
			var ok bool
			switch w := want.(type) {
			case some:
				ok = has != nil && has != "" && has != missing{}
			case text:
				_, ok = has.(string)
			case list:
				_, ok = has.([]any)
			case string:
				want = fill(w)
				ok = has == want
			default:
				ok = has == want
			}
			if !ok {
				t.Errorf("%s %s: %s is %#v, want %#v", c.method, fill(c.path), path, has, want)
			}
		}
		for name, path := range c.keep {
			if known[name] = got.text(path); known[name] == "" {
				t.Fatalf("%s %s: %s is %#v", c.method, fill(c.path), path, got.at(path))
			}
		}
	}
}

// instanceLife is what the provider sends for ibm_resource_instance.
func instanceLife(service, plan, location, kind, children string) (create, destroy []call) {
	needed := map[string]any{
		"id": "{crn}", "crn": "{crn}", "guid": some{}, "state": "active", "plan_history.0.resource_plan_id": "{plan}",
		"plan_history.0.start_date": some{}, "extensions.endpoints.public": some{}, "extensions.endpoints.private": some{},
		"last_operation.type": "create", "last_operation.state": "succeeded", "last_operation.async": false,
		"last_operation.description": some{}, "last_operation.cancelable": false, "last_operation.poll": false,
		"resource_id": "{service}", "resource_plan_id": "{plan}", "resource_group_id": "{group}", "resource_group_crn": some{},
		"target_crn": "{target}", "account_id": string(resourcetest.Account), "region_id": location, "type": "service_instance",
		"created_at": some{}, "updated_at": some{}, "created_by": some{}, "deleted_by": text{}, "locked": false, "allow_cleanup": false,
	}
	create = []call{
		{
			"GET", "/api/v1/?include=%2A&q=" + service, "", 200,
			map[string]any{
				"resources.0.name": service, "resources.0.kind": kind, "resources.0.metadata.service.rc_provisionable": true,
				"resource_count": 1.0, "next": "", "offset": 0.0, "limit": 50.0,
			},
			map[string]string{"service": "resources.0.id"},
		},
		{"GET", "/api/v1/{service}/" + children, "", 200, map[string]any{"resources.0.name": plan}, map[string]string{"plan": "resources.0.id"}},
		{
			"GET", "/api/v1/{plan}/deployment?include=*", "", 200,
			map[string]any{
				"resources.0.metadata.deployment.location": location, "resources.0.metadata.rc_compatible": true,
				"resources.0.metadata.deployment.target_crn": "crn:v1:bluemix:public:globalcatalog::::environment:" + location,
				"resources.0.id": "{plan}:" + location,
			},
			map[string]string{"target": "resources.0.catalog_crn"},
		},
		{
			"GET", "/v2/resource_groups?account_id=" + string(resourcetest.Account) + "&default=true", "", 200,
			map[string]any{
				"resources.0.name": "Default", "resources.0.state": "ACTIVE", "resources.0.default": true, "resources.0.crn": some{},
			},
			map[string]string{"group": "resources.0.id"},
		},
		{
			"POST", "/v2/resource_instances",
			`{"name":"kp1","parameters":{},"resource_group":"{group}","resource_plan_id":"{plan}","target":"{target}","tags":["a:b"]}`,
			201,
			map[string]any{"id": some{}, "plan_history.0.resource_plan_id": "{plan}"},
			map[string]string{"crn": "id", "guid": "guid"},
		},
		{"GET", "/v2/resource_instances/{/crn}", "", 200, needed, nil},
		{
			"POST", "/v3/resources/search?limit=10", `{"fields":["access_tags","tags","service_tags"],"query":"crn:\"{crn}\""}`, 200,
			map[string]any{"items.0.crn": "{crn}", "items.0.tags.0": "a:b", "items.0.access_tags": list{}, "items.0.service_tags": list{}},
			nil,
		},
		{"GET", "/api/v1/{service}", "", 200, map[string]any{"id": "{service}", "name": service, "kind": kind}, nil},
		{"GET", "/api/v1/{plan}", "", 200, map[string]any{"id": "{plan}", "name": plan}, nil},
		{"GET", "/v2/resource_instances/{guid}", "", 200, needed, nil},
		{"PATCH", "/v2/resource_instances/{/crn}", `{"name":"kp2"}`, 200, map[string]any{"name": "kp2", "last_operation.type": "update"}, nil},
		{"GET", "/v2/resource_instances/{/crn}", "", 200, map[string]any{"name": "kp2", "state": "active", "last_operation.state": "succeeded"}, nil},
	}
	destroy = []call{
		{"DELETE", "/v2/resource_instances/{/crn}?recursive=true", "", 204, nil, nil},
		{"GET", "/v2/resource_instances/{/crn}", "", 200, map[string]any{
			"state": "pending_reclamation", "last_operation.type": "delete", "last_operation.state": "succeeded",
			"scheduled_reclaim_at": "2026-07-08T10:00:00.000Z", "plan_history.0.start_date": some{}, "extensions.endpoints.public": some{},
		}, nil},
		{"DELETE", "/v2/resource_instances/{/crn}?recursive=true", "", 410, nil, nil},
	}
	return create, destroy
}

func TestTerraformInstances(t *testing.T) {
	for _, c := range []struct{ service, plan, location, kind, children string }{
		{"kms", "tiered-pricing", "us-south", "service", "plan"},
		{"cloud-object-storage", "standard", "global", "iaas", "flavor"},
	} {
		t.Run(c.service, func(t *testing.T) {
			r := newRig(t)
			create, destroy := instanceLife(c.service, c.plan, c.location, c.kind, c.children)
			replay(t, r, map[string]string{}, append(create, destroy...))
		})
	}
}

func TestTerraformResourceKey(t *testing.T) {
	r := newRig(t)
	store := r.newStore(t, "cos1")
	const role = "crn:v1:bluemix:public:iam::::serviceRole:Writer"
	needed := map[string]any{
		"name": "cred1", "state": "active", "source_crn": "{crn}", "crn": some{}, "id": some{}, "guid": some{}, "url": some{},
		"account_id": some{}, "resource_group_id": some{}, "onetime_credentials": false, "iam_compatible": true, "migrated": false,
		"resource_instance_url": some{}, "created_by": text{}, "updated_by": text{}, "deleted_by": text{}, "resource_id": some{},
		"credentials.apikey": some{}, "credentials.cos_hmac_keys.access_key_id": some{}, "credentials.cos_hmac_keys.secret_access_key": some{},
		"credentials.endpoints": publicURL + "/v2/endpoints", "credentials.iam_role_crn": role, "credentials.iam_serviceid_crn": some{},
		"credentials.iam_apikey_id": some{}, "credentials.iam_apikey_name": "cred1", "credentials.iam_apikey_description": some{},
		"credentials.resource_instance_id": "{crn}",
	}
	known := map[string]string{"crn": store.text("crn"), "service": store.text("resource_id")}
	for _, hmac := range []string{`true`, `"true"`} {
		replay(t, r, known, []call{
			{"GET", "/v2/resource_instances/{/crn}", "", 200, map[string]any{"state": "active"}, nil},
			{"GET", "/api/v1/{service}?include=%2A", "", 200, map[string]any{"name": "cloud-object-storage", "metadata.service.rc_provisionable": true}, nil},
			{
				"POST", "/v2/resource_keys", fmt.Sprintf(
					`{"name":"cred1","parameters":{"HMAC":%s,"role_crn":%q},"role":%q,"source":"{crn}"}`, hmac, role, role), 201, needed,
				map[string]string{"key": "id", "guid": "guid"},
			},
			{"GET", "/v2/resource_keys/{/key}", "", 200, needed, nil},
			{"GET", "/v2/resource_keys/{guid}", "", 200, needed, nil},
			{"DELETE", "/v2/resource_keys/{/key}", "", 204, nil, nil},
			{"GET", "/v2/resource_keys/{/key}", "", 200, map[string]any{"state": "removed", "credentials.REDACTED": "REDACTED", "deleted_by": some{}}, nil},
			{"DELETE", "/v2/resource_keys/{/key}", "", 410, nil, nil},
		})
	}
	if len(r.Credentials.Issued)+len(r.Credentials.Granted) != 0 {
		t.Errorf("left behind: %v, %v", r.Credentials.Issued, r.Credentials.Granted)
	}
}

func TestTerraformDataSources(t *testing.T) {
	r := newRig(t)
	store := r.newStore(t, "cos1")
	replay(t, r, map[string]string{}, []call{
		{"GET", "/api/v1/?q=cloud-object-storage", "", 200, map[string]any{"resources.0.name": "cloud-object-storage"}, map[string]string{"service": "resources.0.id"}},
		{"GET", "/api/v1/{service}/%2A?q=cloud-object-storage", "", 200, map[string]any{"resource_count": 0.0, "resources": list{}}, nil},
		{"GET", "/v2/resource_instances?name=cos1&resource_id={service}", "", 200, map[string]any{
			"rows_count": 1.0, "next_url": nil, "resources.0.crn": store.text("crn"),
		}, nil},
		{"GET", "/v2/resource_groups?account_id=" + string(resourcetest.Account) + "&name=Default", "", 200, map[string]any{"resources.0.name": "Default"}, nil},
		{"GET", "/api/v1//deployment", "", 404, map[string]any{"errors.0.code": some{}, "message": some{}}, nil},
		{"GET", "/api/v1/no-such-entry", "", 404, map[string]any{"errors.0.code": "GC-NotFound"}, nil},
	})
	// A deleted instance of the same name must not be a second hit.
	r.do(t, "admin", "DELETE", "/v2/resource_instances/"+store.text("guid"), "", http.StatusNoContent)
	r.newStore(t, "cos1")
	if got := r.do(t, "admin", "GET", "/v2/resource_instances?name=cos1", "", 200); got.at("rows_count") != 1.0 {
		t.Errorf("%v instances of the name", got.at("rows_count"))
	}
}

func TestCatalogAnswersEveryKnownCaller(t *testing.T) {
	r := newRig(t)
	r.user("1001")
	for _, path := range []string{"/api/v1", "/api/v1/", "/api/v1/?q=kms", "/v2/quota_definitions"} {
		r.do(t, "1001", "GET", path, "", 200)
		r.do(t, "", "GET", path, "", 401)
	}
	r.do(t, "", "GET", "/v2/endpoints", "", 200)
}
