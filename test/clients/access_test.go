package clients_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/IBM/go-sdk-core/v5/core"
	"github.com/IBM/platform-services-go-sdk/iamaccessgroupsv2"
	"github.com/IBM/platform-services-go-sdk/iampolicymanagementv1"

	kp "github.com/IBM/keyprotect-go-client"
)

func TestReaderReadsAndNoMore(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	key := rootKey(t, keyProtect(t))
	id, apiKey := newServiceID(t, p)
	client := keyProtect(t, withAPIKey(apiKey))

	_, err := client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
	policy, _ := grant(t, p, "iam_id", *id.IamID, roleReader,
		attribute("serviceName", "kms"), attribute("serviceInstance", env(t, "STRONGROOM_KMS_INSTANCE_ID")))
	if _, err := client.GetKeys(t.Context(), 1, 0); err != nil {
		t.Errorf("a Reader cannot list: %v", err)
	}
	if _, _, err := client.WrapCreateDEK(t.Context(), key.ID, nil); err != nil {
		t.Errorf("a Reader cannot wrap: %v", err)
	}
	_, err = client.CreateRootKey(t.Context(), "not allowed", nil)
	wantNoAccess(t, err)
	_, err = client.GetKey(t.Context(), key.ID)
	wantNoAccess(t, err)
	_, err = client.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	wantNoAccess(t, err)
	wantNoAccess(t, client.Rotate(t.Context(), key.ID, ""))

	resp, err := p.policies.DeleteV2Policy(p.policies.NewDeleteV2PolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusNoContent)
	_, err = client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
}

func TestGrantOnOneKey(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	owner := keyProtect(t)
	mine, sibling := rootKey(t, owner), rootKey(t, owner)
	id, apiKey := newServiceID(t, p)
	grant(t, p, "iam_id", *id.IamID, roleManager,
		attribute("serviceName", "kms"), attribute("serviceInstance", env(t, "STRONGROOM_KMS_INSTANCE_ID")),
		attribute("resourceType", "key"), attribute("resource", mine.ID))

	client := keyProtect(t, withAPIKey(apiKey))
	_, wrapped, err := client.WrapCreateDEK(t.Context(), mine.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Unwrap(t.Context(), sibling.ID, wrapped, nil)
	wantNoAccess(t, err)
	_, err = client.GetKey(t.Context(), sibling.ID)
	wantNoAccess(t, err)
	_, err = client.CreateRootKey(t.Context(), "not allowed", nil)
	wantNoAccess(t, err)

	seen, err := client.GetKeys(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Keys) != 1 || seen.Keys[0].ID != mine.ID {
		t.Errorf("the list shows %d keys, want the one that was granted", len(seen.Keys))
	}
}

func TestPolicyInBothVersions(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	account := env(t, "STRONGROOM_ACCOUNT_ID")
	id, _ := newServiceID(t, p)

	create := p.policies.NewCreatePolicyOptions("access",
		[]iampolicymanagementv1.PolicySubject{{Attributes: []iampolicymanagementv1.SubjectAttribute{
			{Name: core.StringPtr("iam_id"), Value: id.IamID},
		}}},
		[]iampolicymanagementv1.PolicyRole{{RoleID: core.StringPtr(roleWriter)}},
		[]iampolicymanagementv1.PolicyResource{{Attributes: []iampolicymanagementv1.ResourceAttribute{
			{Name: core.StringPtr("accountId"), Value: &account},
			{Name: core.StringPtr("serviceName"), Value: core.StringPtr("kms")},
		}}})
	create.SetDescription("made in version 1")
	policy, resp, err := p.policies.CreatePolicy(create)
	ok(t, resp, err, http.StatusCreated)
	if *policy.State != "active" || *policy.ID == "" {
		t.Errorf("a new policy: %+v", policy)
	}
	_, resp, err = p.policies.CreatePolicy(create)
	refused(t, resp, err, http.StatusConflict)

	v2, resp, err := p.policies.GetV2Policy(p.policies.NewGetV2PolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusOK)
	etag := resp.Headers.Get("ETag")
	if *v2.Description != "made in version 1" || len(v2.Subject.Attributes) != 1 || v2.Subject.Attributes[0].Value != *id.IamID {
		t.Errorf("version 2 shows %+v", v2)
	}

	replace := p.policies.NewReplaceV2PolicyOptions(*policy.ID, etag,
		&iampolicymanagementv1.Control{Grant: &iampolicymanagementv1.Grant{
			Roles: []iampolicymanagementv1.Roles{{RoleID: core.StringPtr(roleReader)}},
		}}, "access")
	replace.SetSubject(v2.Subject)
	replace.SetResource(v2.Resource)
	replace.SetDescription("changed in version 2")
	_, resp, err = p.policies.ReplaceV2Policy(replace)
	ok(t, resp, err, http.StatusOK)
	_, resp, err = p.policies.ReplaceV2Policy(replace) // with the tag of before
	refused(t, resp, err, http.StatusConflict)

	v1, resp, err := p.policies.GetPolicy(p.policies.NewGetPolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusOK)
	if *v1.Description != "changed in version 2" || len(v1.Roles) != 1 || *v1.Roles[0].RoleID != roleReader {
		t.Errorf("version 1 shows %+v", v1)
	}

	list := p.policies.NewListPoliciesOptions(account)
	list.SetIamID(*id.IamID)
	found, resp, err := p.policies.ListPolicies(list)
	ok(t, resp, err, http.StatusOK)
	if len(found.Policies) != 1 || *found.Policies[0].ID != *policy.ID {
		t.Errorf("the list of the identity's policies has %d", len(found.Policies))
	}
	list2 := p.policies.NewListV2PoliciesOptions(account)
	list2.SetIamID(*id.IamID)
	found2, resp, err := p.policies.ListV2Policies(list2)
	ok(t, resp, err, http.StatusOK)
	if len(found2.Policies) != 1 || *found2.Policies[0].ID != *policy.ID {
		t.Errorf("the list in version 2 has %d", len(found2.Policies))
	}

	resp, err = p.policies.DeletePolicy(p.policies.NewDeletePolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusNoContent)
	gone, resp, err := p.policies.GetPolicy(p.policies.NewGetPolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusOK)
	if *gone.State != "deleted" {
		t.Errorf("state %s after deletion", *gone.State)
	}
}

func TestAuthorizationBetweenServices(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	account := env(t, "STRONGROOM_ACCOUNT_ID")
	equals := core.StringPtr("stringEquals")
	subject := func(key, value string) iampolicymanagementv1.V2PolicySubjectAttribute {
		return iampolicymanagementv1.V2PolicySubjectAttribute{Key: &key, Operator: equals, Value: value}
	}
	create := p.policies.NewCreateV2PolicyOptions(&iampolicymanagementv1.Control{Grant: &iampolicymanagementv1.Grant{
		Roles: []iampolicymanagementv1.Roles{{RoleID: core.StringPtr(roleReader)}},
	}}, "authorization")
	create.SetSubject(&iampolicymanagementv1.V2PolicySubject{Attributes: []iampolicymanagementv1.V2PolicySubjectAttribute{
		subject("serviceName", "cloud-object-storage"), subject("accountId", account),
		subject("serviceInstance", env(t, "STRONGROOM_COS_INSTANCE_ID")),
	}})
	create.SetResource(&iampolicymanagementv1.V2PolicyResource{Attributes: []iampolicymanagementv1.V2PolicyResourceAttribute{
		attribute("serviceName", "kms"), attribute("accountId", account),
		attribute("serviceInstance", env(t, "STRONGROOM_KMS_INSTANCE_ID")),
	}})
	policy, resp, err := p.policies.CreateV2Policy(create)
	ok(t, resp, err, http.StatusCreated)

	// Made and read in version 2, looked for and removed in version 1: so does Terraform.
	_, resp, err = p.policies.GetPolicy(p.policies.NewGetPolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusOK)
	resp, err = p.policies.DeletePolicy(p.policies.NewDeletePolicyOptions(*policy.ID))
	ok(t, resp, err, http.StatusNoContent)
}

func TestRolesHaveTheNamesThatTerraformLooksFor(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	options := p.policies.NewListRolesOptions()
	options.SetAccountID(env(t, "STRONGROOM_ACCOUNT_ID")).SetServiceName("kms")
	roles, resp, err := p.policies.ListRoles(options)
	ok(t, resp, err, http.StatusOK)
	var names []string
	for _, r := range slices.Concat(roles.ServiceRoles, roles.SystemRoles) {
		names = append(names, *r.DisplayName)
		if len(r.Actions) == 0 || *r.CRN == "" {
			t.Errorf("role %s has %d actions and CRN %s", *r.DisplayName, len(r.Actions), *r.CRN)
		}
	}
	for _, want := range []string{"Reader", "ReaderPlus", "Writer", "Manager", "KeyPurge", "Viewer", "Operator", "Editor", "Administrator"} {
		if !slices.Contains(names, want) {
			t.Errorf("no role %s among %v", want, names)
		}
	}
	options = p.policies.NewListRolesOptions()
	options.SetServiceName("kms").SetSourceServiceName("cloud-object-storage").SetPolicyType("authorization")
	roles, resp, err = p.policies.ListRoles(options)
	ok(t, resp, err, http.StatusOK)
	if !slices.ContainsFunc(roles.ServiceRoles, func(r iampolicymanagementv1.Role) bool { return *r.DisplayName == "Reader" }) {
		t.Error("no Reader for authorizations")
	}
}

func TestGroupGivesAccess(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	account := env(t, "STRONGROOM_ACCOUNT_ID")
	id, apiKey := newServiceID(t, p)
	client := keyProtect(t, withAPIKey(apiKey))

	create := p.groups.NewCreateAccessGroupOptions(account, t.Name())
	create.SetDescription("readers")
	group, resp, err := p.groups.CreateAccessGroup(create)
	ok(t, resp, err, http.StatusCreated)
	_, resp, err = p.groups.CreateAccessGroup(create)
	refused(t, resp, err, http.StatusConflict)
	grant(t, p, "access_group_id", *group.ID, roleReader, attribute("serviceName", "kms"))
	_, err = client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)

	add := p.groups.NewAddMembersToAccessGroupOptions(*group.ID)
	add.SetMembers([]iamaccessgroupsv2.AddGroupMembersRequestMembersItem{{IamID: id.IamID, Type: core.StringPtr("service")}})
	added, resp, err := p.groups.AddMembersToAccessGroup(add)
	ok(t, resp, err, http.StatusMultiStatus)
	if len(added.Members) != 1 || *added.Members[0].StatusCode != http.StatusOK {
		t.Errorf("added: %s", detail(resp))
	}
	if _, err := client.GetKeys(t.Context(), 1, 0); err != nil {
		t.Errorf("a member has no access: %v", err)
	}

	resp, err = p.groups.IsMemberOfAccessGroup(p.groups.NewIsMemberOfAccessGroupOptions(*group.ID, *id.IamID))
	ok(t, resp, err, http.StatusNoContent)
	members, resp, err := p.groups.ListAccessGroupMembers(p.groups.NewListAccessGroupMembersOptions(*group.ID))
	ok(t, resp, err, http.StatusOK)
	if *members.TotalCount != 1 || len(members.Members) != 1 || *members.Members[0].IamID != *id.IamID {
		t.Errorf("members: %s", detail(resp))
	}

	got, resp, err := p.groups.GetAccessGroup(p.groups.NewGetAccessGroupOptions(*group.ID))
	ok(t, resp, err, http.StatusOK)
	if *got.Description != "readers" {
		t.Errorf("description %q", *got.Description)
	}
	update := p.groups.NewUpdateAccessGroupOptions(*group.ID, resp.Headers.Get("ETag"))
	update.SetDescription("those who read")
	_, resp, err = p.groups.UpdateAccessGroup(update)
	ok(t, resp, err, http.StatusOK)

	list := p.groups.NewListAccessGroupsOptions(account)
	list.SetIamID(*id.IamID)
	groups, resp, err := p.groups.ListAccessGroups(list)
	ok(t, resp, err, http.StatusOK)
	if !slices.ContainsFunc(groups.Groups, func(g iamaccessgroupsv2.Group) bool { return *g.ID == *group.ID }) {
		t.Errorf("the groups of the member: %s", detail(resp))
	}

	resp, err = p.groups.RemoveMemberFromAccessGroup(p.groups.NewRemoveMemberFromAccessGroupOptions(*group.ID, *id.IamID))
	ok(t, resp, err, http.StatusNoContent)
	_, err = client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
	remove := p.groups.NewDeleteAccessGroupOptions(*group.ID)
	remove.SetForce(true)
	resp, err = p.groups.DeleteAccessGroup(remove)
	ok(t, resp, err, http.StatusNoContent)
	_, resp, err = p.groups.GetAccessGroup(p.groups.NewGetAccessGroupOptions(*group.ID))
	refused(t, resp, err, http.StatusNotFound)
}

func TestOnlyAdministratorsGiveAccess(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	id, apiKey := newServiceID(t, p)
	grant(t, p, "iam_id", *id.IamID, roleViewer, attribute("serviceName", "kms"))
	grant(t, p, "iam_id", *id.IamID, roleManager, attribute("serviceName", "kms"))
	other := platformAs(t, apiKey)
	options := other.policies.NewCreateV2PolicyOptions(&iampolicymanagementv1.Control{Grant: &iampolicymanagementv1.Grant{
		Roles: []iampolicymanagementv1.Roles{{RoleID: core.StringPtr(roleWriter)}},
	}}, "access")
	options.SetSubject(&iampolicymanagementv1.V2PolicySubject{Attributes: []iampolicymanagementv1.V2PolicySubjectAttribute{
		{Key: core.StringPtr("iam_id"), Operator: core.StringPtr("stringEquals"), Value: *id.IamID},
	}})
	options.SetResource(&iampolicymanagementv1.V2PolicyResource{Attributes: []iampolicymanagementv1.V2PolicyResourceAttribute{
		attribute("accountId", env(t, "STRONGROOM_ACCOUNT_ID")), attribute("serviceName", "cloud-object-storage"),
	}})
	_, resp, err := other.policies.CreateV2Policy(options)
	refused(t, resp, err, http.StatusForbidden)
}
