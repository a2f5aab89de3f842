package clients_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/IBM/go-sdk-core/v5/core"
	"github.com/IBM/platform-services-go-sdk/resourcecontrollerv2"

	kp "github.com/IBM/keyprotect-go-client"
)

func TestInstanceLife(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	create := p.resources.NewCreateResourceInstanceOptions("team a",
		"crn:v1:bluemix:public:globalcatalog::::deployment:"+kmsPlan+"%3A"+env(t, "STRONGROOM_REGION"),
		env(t, "STRONGROOM_RESOURCE_GROUP_ID"), kmsPlan)
	create.SetTags([]string{"team:a"})
	instance, resp, err := p.resources.CreateResourceInstance(create)
	ok(t, resp, err, http.StatusCreated)
	wantInstance(t, instance)

	for _, id := range []string{*instance.ID, *instance.GUID} { // a CRN travels with its slash escaped
		got, resp, err := p.resources.GetResourceInstance(p.resources.NewGetResourceInstanceOptions(id))
		ok(t, resp, err, http.StatusOK)
		wantInstance(t, got)
		if *got.GUID != *instance.GUID || *got.Name != "team a" {
			t.Errorf("by %s: GUID %s, name %s", id, *got.GUID, *got.Name)
		}
	}

	update := p.resources.NewUpdateResourceInstanceOptions(*instance.GUID)
	update.SetName("team b")
	renamed, resp, err := p.resources.UpdateResourceInstance(update)
	ok(t, resp, err, http.StatusOK)
	if *renamed.Name != "team b" {
		t.Errorf("name %s", *renamed.Name)
	}
	list := p.resources.NewListResourceInstancesOptions()
	list.SetGUID(*instance.GUID).SetResourceID(kmsService)
	found, resp, err := p.resources.ListResourceInstances(list)
	ok(t, resp, err, http.StatusOK)
	if *found.RowsCount != 1 || len(found.Resources) != 1 || *found.Resources[0].Name != "team b" {
		t.Errorf("found: %s", detail(resp))
	}

	lock := p.resources.NewLockResourceInstanceOptions(*instance.GUID)
	locked, resp, err := p.resources.LockResourceInstance(lock)
	ok(t, resp, err, http.StatusOK)
	if locked.Locked == nil || !*locked.Locked {
		t.Error("not locked")
	}
	resp, err = p.resources.DeleteResourceInstance(p.resources.NewDeleteResourceInstanceOptions(*instance.GUID))
	refused(t, resp, err, http.StatusUnprocessableEntity)
	_, resp, err = p.resources.UnlockResourceInstance(p.resources.NewUnlockResourceInstanceOptions(*instance.GUID))
	ok(t, resp, err, http.StatusOK)

	resp, err = p.resources.DeleteResourceInstance(p.resources.NewDeleteResourceInstanceOptions(*instance.GUID))
	ok(t, resp, err, http.StatusNoContent, http.StatusAccepted)
	deleted, resp, err := p.resources.GetResourceInstance(p.resources.NewGetResourceInstanceOptions(*instance.GUID))
	ok(t, resp, err, http.StatusOK)
	if s := *deleted.State; s != "pending_reclamation" && s != "removed" {
		t.Errorf("state %s after deletion", s)
	}
}

// wantInstance checks the members of an instance that Terraform reads without
// looking whether they are there.
func wantInstance(t *testing.T, i *resourcecontrollerv2.ResourceInstance) {
	t.Helper()
	if *i.State != "active" || *i.ID != *i.CRN || !strings.Contains(*i.CRN, *i.GUID) {
		t.Errorf("state %s, ID %s, CRN %s", *i.State, *i.ID, *i.CRN)
	}
	endpoints, _ := i.Extensions["endpoints"].(map[string]any)
	for _, name := range []string{"public", "private"} {
		if url, _ := endpoints[name].(string); url != env(t, directURL) {
			t.Errorf("extensions.endpoints.%s is %v", name, endpoints[name])
		}
	}
	if len(i.PlanHistory) != 1 || *i.PlanHistory[0].ResourcePlanID != kmsPlan {
		t.Errorf("plan history %+v", i.PlanHistory)
	}
	if i.LastOperation == nil || *i.LastOperation.State != "succeeded" {
		t.Errorf("last operation %+v", i.LastOperation)
	}
}

func TestInstanceWithKeysStays(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	client, instance := freshInstance(t)
	key := rootKey(t, client)
	dek, wrapped, err := client.WrapCreateDEK(t.Context(), key.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.resources.DeleteResourceInstance(p.resources.NewDeleteResourceInstanceOptions(*instance.GUID))
	if err == nil {
		t.Fatal("an instance with a key was deleted")
	}
	if resp == nil || resp.StatusCode/100 != 4 {
		t.Errorf("refused with %s", detail(resp))
	}
	if got, err := client.Unwrap(t.Context(), key.ID, wrapped, nil); err != nil || string(got) != string(dek) {
		t.Errorf("after the refusal the key does not unwrap: %v", err)
	}
	if _, err := client.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal); err != nil {
		t.Fatal(err)
	}
	resp, err = p.resources.DeleteResourceInstance(p.resources.NewDeleteResourceInstanceOptions(*instance.GUID))
	ok(t, resp, err, http.StatusNoContent, http.StatusAccepted)
	_, err = client.GetKeys(t.Context(), 0, 0)
	wantNoAccess(t, err)
}

func TestReclamations(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	client, instance := freshInstance(t)
	remove := p.resources.NewDeleteResourceInstanceOptions(*instance.GUID)
	resp, err := p.resources.DeleteResourceInstance(remove)
	ok(t, resp, err, http.StatusNoContent, http.StatusAccepted)

	reclamation := reclamationOf(t, p, *instance.GUID)
	if *reclamation.State != "SCHEDULED" || *reclamation.TargetTime == "" {
		t.Errorf("reclamation %+v", reclamation)
	}
	_, resp, err = p.resources.RunReclamationAction(p.resources.NewRunReclamationActionOptions(*reclamation.ID, "restore"))
	ok(t, resp, err, http.StatusOK, http.StatusAccepted)
	got, resp, err := p.resources.GetResourceInstance(p.resources.NewGetResourceInstanceOptions(*instance.GUID))
	ok(t, resp, err, http.StatusOK)
	if *got.State != "active" {
		t.Errorf("state %s after restore", *got.State)
	}
	if _, err := client.GetKeys(t.Context(), 0, 0); err != nil {
		t.Errorf("a restored instance does not answer: %v", err)
	}

	resp, err = p.resources.DeleteResourceInstance(remove)
	ok(t, resp, err, http.StatusNoContent, http.StatusAccepted)
	reclamation = reclamationOf(t, p, *instance.GUID)
	_, resp, err = p.resources.RunReclamationAction(p.resources.NewRunReclamationActionOptions(*reclamation.ID, "reclaim"))
	ok(t, resp, err, http.StatusOK, http.StatusAccepted)
	_, err = client.GetKeys(t.Context(), 0, 0)
	wantNoAccess(t, err)
}

func reclamationOf(t *testing.T, p *platform, guid string) resourcecontrollerv2.Reclamation {
	t.Helper()
	list := p.resources.NewListReclamationsOptions()
	list.SetResourceInstanceID(guid)
	found, resp, err := p.resources.ListReclamations(list)
	ok(t, resp, err, http.StatusOK)
	if len(found.Resources) != 1 {
		t.Fatalf("%d reclamations of instance %s, want 1\n%s", len(found.Resources), guid, detail(resp))
	}
	return found.Resources[0]
}

func TestServiceCredentialsOfKeyProtect(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	create := p.resources.NewCreateResourceKeyOptions("app", env(t, "STRONGROOM_KMS_INSTANCE_CRN"))
	create.SetRole(roleReader)
	key, resp, err := p.resources.CreateResourceKey(create)
	ok(t, resp, err, http.StatusCreated)
	if key.Credentials == nil || key.Credentials.Apikey == nil || *key.Credentials.IamRoleCRN != roleReader {
		t.Fatalf("credentials: %s", detail(resp))
	}
	client := keyProtect(t, withAPIKey(*key.Credentials.Apikey))
	if _, err := client.GetKeys(t.Context(), 1, 0); err != nil {
		t.Errorf("the credentials do not work: %v", err)
	}
	_, err = client.CreateRootKey(t.Context(), "not allowed", nil)
	wantNoAccess(t, err)

	got, resp, err := p.resources.GetResourceKey(p.resources.NewGetResourceKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusOK)
	if *got.Credentials.Apikey != *key.Credentials.Apikey {
		t.Error("a read shows another API key")
	}
	renamed, resp, err := p.resources.UpdateResourceKey(p.resources.NewUpdateResourceKeyOptions(*key.GUID, "renamed"))
	ok(t, resp, err, http.StatusOK)
	if *renamed.Name != "renamed" {
		t.Errorf("name %s", *renamed.Name)
	}
	list := p.resources.NewListResourceKeysForInstanceOptions(env(t, "STRONGROOM_KMS_INSTANCE_ID"))
	keys, resp, err := p.resources.ListResourceKeysForInstance(list)
	ok(t, resp, err, http.StatusOK)
	if *keys.RowsCount == 0 {
		t.Error("the instance's list has no key")
	}

	resp, err = p.resources.DeleteResourceKey(p.resources.NewDeleteResourceKeyOptions(*key.GUID))
	ok(t, resp, err, http.StatusNoContent)
	_, err = client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
}

func TestServiceCredentialsOfObjectStorage(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	create := p.resources.NewCreateResourceKeyOptions("hmac", env(t, "STRONGROOM_COS_INSTANCE_CRN"))
	parameters := &resourcecontrollerv2.ResourceKeyPostParameters{}
	parameters.SetProperty("HMAC", true)
	create.SetParameters(parameters)
	create.SetRole("Writer")
	key, resp, err := p.resources.CreateResourceKey(create)
	ok(t, resp, err, http.StatusCreated)
	pair, _ := key.Credentials.GetProperty("cos_hmac_keys").(map[string]any)
	id, _ := pair["access_key_id"].(string)
	secret, _ := pair["secret_access_key"].(string)
	if len(id) != 32 || len(secret) != 48 {
		t.Errorf("HMAC pair of %d and %d characters, want 32 and 48", len(id), len(secret))
	}
	if got := key.Credentials.GetProperty("resource_instance_id"); got != env(t, "STRONGROOM_COS_INSTANCE_CRN") {
		t.Errorf("resource_instance_id %v", got)
	}
	resp, err = p.resources.DeleteResourceKey(p.resources.NewDeleteResourceKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusNoContent)
	got, resp, err := p.resources.GetResourceKey(p.resources.NewGetResourceKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusOK)
	if *got.State != "removed" {
		t.Errorf("state %s after deletion", *got.State)
	}
}

func TestResourceGroups(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	account := env(t, "STRONGROOM_ACCOUNT_ID")
	list := p.manager.NewListResourceGroupsOptions()
	list.SetAccountID(account).SetDefault(true)
	groups, resp, err := p.manager.ListResourceGroups(list)
	ok(t, resp, err, http.StatusOK)
	if len(groups.Resources) != 1 || *groups.Resources[0].ID != env(t, "STRONGROOM_RESOURCE_GROUP_ID") || !*groups.Resources[0].Default {
		t.Errorf("the default group: %s", detail(resp))
	}

	create := p.manager.NewCreateResourceGroupOptions()
	create.SetAccountID(account).SetName(t.Name())
	made, resp, err := p.manager.CreateResourceGroup(create)
	ok(t, resp, err, http.StatusCreated)
	update := p.manager.NewUpdateResourceGroupOptions(*made.ID)
	update.SetName(t.Name() + "2")
	renamed, resp, err := p.manager.UpdateResourceGroup(update)
	ok(t, resp, err, http.StatusOK)
	if *renamed.Name != t.Name()+"2" {
		t.Errorf("name %s", *renamed.Name)
	}
	resp, err = p.manager.DeleteResourceGroup(p.manager.NewDeleteResourceGroupOptions(*made.ID))
	ok(t, resp, err, http.StatusNoContent)
	_, resp, err = p.manager.GetResourceGroup(p.manager.NewGetResourceGroupOptions(*made.ID))
	refused(t, resp, err, http.StatusNotFound)
}

// TestCatalog asks what Terraform asks before it makes an instance.
func TestCatalog(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	for service, want := range map[string]struct{ id, plan, children, location string }{
		"kms":                  {kmsService, kmsPlan, "plan", env(t, "STRONGROOM_REGION")},
		"cloud-object-storage": {cosService, cosPlan, "flavor", "global"},
	} {
		list := p.catalog.NewListCatalogEntriesOptions()
		list.SetInclude("*").SetQ(service)
		entries, resp, err := p.catalog.ListCatalogEntries(list)
		ok(t, resp, err, http.StatusOK)
		if len(entries.Resources) == 0 || *entries.Resources[0].ID != want.id || *entries.Resources[0].Name != service {
			t.Fatalf("%s: %s", service, detail(resp))
		}
		plans, resp, err := p.catalog.GetChildObjects(p.catalog.NewGetChildObjectsOptions(want.id, want.children))
		ok(t, resp, err, http.StatusOK)
		found := false
		for _, e := range plans.Resources {
			found = found || *e.ID == want.plan
		}
		if !found {
			t.Errorf("%s: no plan %s: %s", service, want.plan, detail(resp))
		}
		deployments, resp, err := p.catalog.GetChildObjects(
			p.catalog.NewGetChildObjectsOptions(want.plan, "deployment").SetInclude("*"))
		ok(t, resp, err, http.StatusOK)
		found = false
		for _, e := range deployments.Resources {
			found = found || *e.Metadata.Deployment.Location == want.location
		}
		if !found {
			t.Errorf("%s: no deployment in %s: %s", service, want.location, detail(resp))
		}
		entry, resp, err := p.catalog.GetCatalogEntry(p.catalog.NewGetCatalogEntryOptions(want.id))
		ok(t, resp, err, http.StatusOK)
		if *entry.Name != service {
			t.Errorf("entry %s is named %s", want.id, *entry.Name)
		}
	}
	_, resp, err := p.catalog.GetCatalogEntry(p.catalog.NewGetCatalogEntryOptions("no-such-entry"))
	refused(t, resp, err, http.StatusNotFound)
}

// TestUnauthenticated checks that each service tells an SDK without access what
// is wrong, in the words that the SDK reads.
func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	p := platformWith(t, &core.BearerTokenAuthenticator{BearerToken: "not.a.token"})
	_, resp, err := p.identity.ListServiceIds(p.identity.NewListServiceIdsOptions())
	refused(t, resp, err, http.StatusUnauthorized)
	_, resp, err = p.policies.ListPolicies(p.policies.NewListPoliciesOptions(env(t, "STRONGROOM_ACCOUNT_ID")))
	refused(t, resp, err, http.StatusUnauthorized)
	_, resp, err = p.groups.ListAccessGroups(p.groups.NewListAccessGroupsOptions(env(t, "STRONGROOM_ACCOUNT_ID")))
	refused(t, resp, err, http.StatusUnauthorized)
	_, resp, err = p.resources.ListResourceInstances(p.resources.NewListResourceInstancesOptions())
	refused(t, resp, err, http.StatusUnauthorized)
}
