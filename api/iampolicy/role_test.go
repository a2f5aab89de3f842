package iampolicy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// names lists the display names of one array of roles.
func names(r reply, array string) []string {
	var all []string
	list, _ := r.at(array).([]any)
	for _, x := range list {
		all = append(all, fmt.Sprint(x.(map[string]any)["display_name"]))
	}
	return all
}

func TestRolesAsClientsAskForThem(t *testing.T) {
	h := newHouse(t)
	platform := []string{"Viewer", "Operator", "Editor", "Administrator"}
	for query, want := range map[string]struct{ service, platform []string }{
		"service_name=kms&source_service_name=cloud-object-storage&policy_type=authorization": {[]string{"Reader", "Writer", "Manager", "ReaderPlus"}, nil},
		"account_id=" + account + "&service_name=kms":                                         {[]string{"Reader", "Writer", "Manager", "ReaderPlus", "KeyPurge", "KmipAdapterManager"}, platform},
		"service_name=cloud-object-storage":                                                   {[]string{"Reader", "Writer", "Manager", "Content Reader", "Object Reader", "Object Writer", "Instance Actor"}, platform},
		"service_name=alliamserviceroles":                                                     {[]string{"Reader", "Writer", "Manager"}, platform},
		"service_name=iam-groups":                                                             {nil, platform},
		"account_id=" + account:                                                               {nil, platform},
		"":                                                                                    {nil, platform},
	} {
		r := h.want(h.do("bob", "GET", "/v2/roles?"+query, ""), 200, "")
		if got := names(r, "service_roles"); !slices.Equal(got, want.service) {
			t.Errorf("%s: service roles %q, want %q", query, got, want.service)
		}
		if got := names(r, "system_roles"); !slices.Equal(got, want.platform) {
			t.Errorf("%s: platform roles %q, want %q", query, got, want.platform)
		}
		if _, ok := r.at("custom_roles").([]any); !ok {
			t.Errorf("%s: custom_roles is %v", query, r.at("custom_roles"))
		}
	}
	r := h.do("bob", "GET", "/v2/roles?service_name=kms", "")
	if s := fmt.Sprint(r.at("service_roles.0.actions")); !strings.Contains(s, "kms.secrets.wrap") || strings.Contains(s, "cloud-object-storage") {
		t.Errorf("actions of Reader in kms: %s", s)
	}
	old := h.want(h.do("bob", "GET", "/v1/roles?serviceName=kms", ""), 200, "")
	h.equal(old, map[string]any{"supportedRoles.0.displayName": "Reader", "platformExtensions.supportedRoles.0.displayName": "Viewer"})
	h.want(h.do("stranger", "GET", "/v2/roles?account_id="+account, ""), 403, "insufficent_permissions")
	h.want(h.do("bob", "GET", "/v2/roles?policy_type=denial", ""), 403, "insufficent_permissions")
}

func roleBody(name, display, actions string) string {
	return fmt.Sprintf(`{"name":%q,"display_name":%q,"description":"d","account_id":%q,"service_name":"kms","actions":[%s]}`, name, display, account, actions)
}

func TestCustomRoleLifecycle(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v2/roles", roleBody("Wrapper", "Wrapper of keys", `"kms.secrets.wrap","kms.secrets.readmetadata"`)), 201, "")
	id := made.id()
	crn := "crn:v1:bluemix:public:iam-access-management::a/" + account + "::customRole:Wrapper"
	h.equal(made, map[string]any{"crn": crn, "actions": "[kms.secrets-metadata.read kms.secrets.wrap]", "href": h.url + "/v2/roles/" + id})
	h.want(h.do("owner", "POST", "/v2/roles", roleBody("Wrapper", "Another", `"kms.secrets.wrap"`)), 409, "role_conflict_error")
	h.want(h.do("owner", "POST", "/v2/roles", roleBody("Reader", "reader", `"kms.secrets.wrap"`)), 409, "role_conflict_error")
	h.want(h.do("owner", "POST", "/v2/roles", roleBody("Melter", "Melter", `"kms.secrets.melt"`)), 400, "invalid_body")
	h.want(h.do("owner", "POST", "/v2/roles", roleBody("Granter", "Granter", `"iam-am.policy.create"`)), 400, "invalid_body")
	h.want(h.do("owner", "POST", "/v2/roles", roleBody("lower", "Lower", `"kms.secrets.wrap"`)), 400, "invalid_body")

	grant := h.want(h.do("owner", "POST", "/v2/policies", accessV2(alice, crn, kmsA)), 201, "")
	if !h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") || h.allowed(alice, "kms.secrets.unwrap", kmsA, "k1") {
		t.Error("the role does not do what it says")
	}
	h.want(h.do("owner", "DELETE", "/v2/roles/"+id, ""), 409, "role_conflict_error")
	list := h.do("owner", "GET", "/v2/roles?service_name=kms&account_id="+account, "")
	h.equal(list, map[string]any{"custom_roles.0.crn": crn})
	if got := names(h.do("bob", "GET", "/v2/roles?service_name=kms&account_id="+account, ""), "custom_roles"); got != nil {
		t.Errorf("bob sees custom roles %q", got)
	}

	etag := h.want(h.do("owner", "GET", "/v2/roles/"+id, ""), 200, "").header.Get("ETag")
	change := `{"display_name":"Unwrapper","description":"","actions":["kms.secrets.unwrap"]}`
	h.want(h.do("bob", "PUT", "/v2/roles/"+id, change, "If-Match", etag), 403, "insufficent_permissions")
	h.want(h.do("owner", "PUT", "/v2/roles/"+id, change, "If-Match", "9-x"), 409, "role_conflict_error")
	h.want(h.do("owner", "PUT", "/v2/roles/"+id, change, "If-Match", etag), 200, "")
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") || !h.allowed(alice, "kms.secrets.unwrap", kmsA, "k1") {
		t.Error("the change of the role has no effect")
	}
	h.want(h.do("stranger", "GET", "/v2/roles/"+id, ""), 404, "role_not_found")
	h.want(h.do("bob", "GET", "/v2/roles/"+id, ""), 403, "insufficent_permissions")

	h.want(h.do("owner", "DELETE", "/v2/policies/"+grant.id(), ""), 204, "")
	h.want(h.do("owner", "DELETE", "/v2/roles/"+id, ""), 204, "")
	h.want(h.do("owner", "GET", "/v2/roles/"+id, ""), 404, "role_not_found")
	gone := h.do("owner", "GET", "/v2/policies/"+grant.id(), "")
	h.want(h.do("owner", "PATCH", "/v1/policies/"+grant.id(), `{"state":"active"}`, "If-Match", gone.header.Get("ETag")), 400, "invalid_body")
}

func TestRoleIsChangedByAdministratorsOfItsService(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v2/roles", roleBody("Wrapper", "Wrapper", `"kms.secrets.wrap"`)), 201, "")
	// An administrator of access management could otherwise widen a role that he holds.
	h.want(h.do("owner", "POST", "/v2/policies", strings.Replace(strings.Replace(accessV2(alice, admin, "x"), `"kms"`, `"iam-access-management"`, 1), `"serviceInstance"`, `"region"`, 1)), 201, "")
	wide := strings.Replace(accessV2(bob, admin, "service"), `"serviceInstance"`, `"serviceType"`, 1)
	h.want(h.do("owner", "POST", "/v2/policies", wide), 201, "")
	change := `{"display_name":"Wrapper","actions":["kms.secrets.delete"]}`
	h.want(h.do("alice", "PUT", "/v2/roles/"+made.id(), change, "If-Match", "*"), 403, "insufficent_permissions")
	h.want(h.do("bob", "PUT", "/v2/roles/"+made.id(), change, "If-Match", "*"), 200, "")
}
