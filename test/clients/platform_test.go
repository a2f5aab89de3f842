package clients_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/IBM/go-sdk-core/v5/core"
	kp "github.com/IBM/keyprotect-go-client"
	"github.com/IBM/platform-services-go-sdk/globalcatalogv1"
	"github.com/IBM/platform-services-go-sdk/iamaccessgroupsv2"
	"github.com/IBM/platform-services-go-sdk/iamidentityv1"
	"github.com/IBM/platform-services-go-sdk/iampolicymanagementv1"
	"github.com/IBM/platform-services-go-sdk/resourcecontrollerv2"
	"github.com/IBM/platform-services-go-sdk/resourcemanagerv2"
)

// What the catalog of the real cloud calls the service and plan of Key Protect
// and of Cloud Object Storage.
const (
	kmsService = "ee41347f-b18e-4ca6-bf80-b5467c63f9a6"
	kmsPlan    = "eedd3585-90c6-4c8f-be3d-062069e99fc3"
	cosService = "dff97f5c-bc5e-4455-b470-411c3edbe49c"
	cosPlan    = "744bfc56-d12c-4866-88d5-dac9139e0e5d"
)

// platform is the Platform Services SDK, as one caller uses it.
type platform struct {
	identity  *iamidentityv1.IamIdentityV1
	policies  *iampolicymanagementv1.IamPolicyManagementV1
	groups    *iamaccessgroupsv2.IamAccessGroupsV2
	resources *resourcecontrollerv2.ResourceControllerV2
	manager   *resourcemanagerv2.ResourceManagerV2
	catalog   *globalcatalogv1.GlobalCatalogV1
	auth      core.Authenticator
}

// administrator is the caller whose API key the credentials file holds.
func administrator(t *testing.T) *platform {
	t.Helper()
	return platformAs(t, env(t, "STRONGROOM_API_KEY"))
}

func platformAs(t *testing.T, apiKey string) *platform {
	t.Helper()
	return platformWith(t, &core.IamAuthenticator{ApiKey: apiKey, URL: env(t, "STRONGROOM_URL")})
}

func platformWith(t *testing.T, auth core.Authenticator) *platform {
	t.Helper()
	url := env(t, "STRONGROOM_URL")
	p := &platform{auth: auth}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	p.identity, err = iamidentityv1.NewIamIdentityV1(&iamidentityv1.IamIdentityV1Options{URL: url, Authenticator: p.auth})
	must(err)
	p.policies, err = iampolicymanagementv1.NewIamPolicyManagementV1(
		&iampolicymanagementv1.IamPolicyManagementV1Options{URL: url, Authenticator: p.auth})
	must(err)
	p.groups, err = iamaccessgroupsv2.NewIamAccessGroupsV2(&iamaccessgroupsv2.IamAccessGroupsV2Options{URL: url, Authenticator: p.auth})
	must(err)
	p.resources, err = resourcecontrollerv2.NewResourceControllerV2(
		&resourcecontrollerv2.ResourceControllerV2Options{URL: url, Authenticator: p.auth})
	must(err)
	p.manager, err = resourcemanagerv2.NewResourceManagerV2(&resourcemanagerv2.ResourceManagerV2Options{URL: url, Authenticator: p.auth})
	must(err)
	p.catalog, err = globalcatalogv1.NewGlobalCatalogV1(
		&globalcatalogv1.GlobalCatalogV1Options{URL: url + "/api/v1", Authenticator: p.auth})
	must(err)
	return p
}

// ok fails the test unless a call of the SDK worked with one of these statuses.
func ok(t *testing.T, resp *core.DetailedResponse, err error, statuses ...int) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, detail(resp))
	}
	for _, s := range statuses {
		if resp.StatusCode == s {
			return
		}
	}
	t.Fatalf("status %d, want %v\n%s", resp.StatusCode, statuses, detail(resp))
}

// refused fails the test unless a call of the SDK was refused with this status.
func refused(t *testing.T, resp *core.DetailedResponse, err error, status int) {
	t.Helper()
	if err == nil {
		t.Fatalf("it was allowed, want %d\n%s", status, detail(resp))
	}
	if resp == nil {
		t.Fatalf("no answer, want %d: %v", status, err)
	}
	if resp.StatusCode != status {
		t.Fatalf("status %d, want %d: %v\n%s", resp.StatusCode, status, err, detail(resp))
	}
	if err.Error() == "" || err.Error() == http.StatusText(status) {
		t.Errorf("the SDK finds no message in the answer\n%s", detail(resp))
	}
}

func detail(resp *core.DetailedResponse) string {
	if resp == nil {
		return "no answer"
	}
	return resp.String()
}

// call sends a request that no method of a client sends, as the administrator.
func call(t *testing.T, method, path string, in any, status int, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, env(t, "STRONGROOM_URL")+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := administrator(t).auth.Authenticate(req); err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Bluemix-Instance", env(t, "STRONGROOM_KMS_INSTANCE_ID"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d\n%s", method, path, resp.Status, status, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
	}
}

// freshInstance makes a Key Protect instance and returns a client for it.
func freshInstance(t *testing.T) (*kp.Client, *resourcecontrollerv2.ResourceInstance) {
	t.Helper()
	p := administrator(t)
	instance, resp, err := p.resources.CreateResourceInstance(p.resources.NewCreateResourceInstanceOptions(
		t.Name(), env(t, "STRONGROOM_REGION"), env(t, "STRONGROOM_RESOURCE_GROUP_ID"), kmsPlan))
	ok(t, resp, err, http.StatusCreated)
	return keyProtect(t, func(c *kp.ClientConfig) { c.InstanceID = *instance.GUID }), instance
}

// newServiceID makes a service ID with an API key, and no access at all.
func newServiceID(t *testing.T, p *platform) (id *iamidentityv1.ServiceID, apiKey string) {
	t.Helper()
	options := p.identity.NewCreateServiceIDOptions(env(t, "STRONGROOM_ACCOUNT_ID"), t.Name())
	options.SetApikey(&iamidentityv1.APIKeyInsideCreateServiceIDRequest{Name: core.StringPtr("key")})
	id, resp, err := p.identity.CreateServiceID(options)
	ok(t, resp, err, http.StatusCreated)
	if id.Apikey == nil || id.Apikey.Apikey == nil || *id.Apikey.Apikey == "" {
		t.Fatalf("no API key in the answer\n%s", detail(resp))
	}
	return id, *id.Apikey.Apikey
}

// attribute is one resource attribute of a version 2 policy.
func attribute(key, value string) iampolicymanagementv1.V2PolicyResourceAttribute {
	return iampolicymanagementv1.V2PolicyResourceAttribute{
		Key: &key, Operator: core.StringPtr("stringEquals"), Value: value,
	}
}

// grant gives an identity or group (by subject key) a role on what the
// attributes say, and returns the policy with its ETag.
func grant(t *testing.T, p *platform, subject, who, role string, on ...iampolicymanagementv1.V2PolicyResourceAttribute) (*iampolicymanagementv1.V2Policy, string) {
	t.Helper()
	options := p.policies.NewCreateV2PolicyOptions(&iampolicymanagementv1.Control{Grant: &iampolicymanagementv1.Grant{
		Roles: []iampolicymanagementv1.Roles{{RoleID: &role}},
	}}, "access")
	options.SetSubject(&iampolicymanagementv1.V2PolicySubject{Attributes: []iampolicymanagementv1.V2PolicySubjectAttribute{
		{Key: &subject, Operator: core.StringPtr("stringEquals"), Value: who},
	}})
	options.SetResource(&iampolicymanagementv1.V2PolicyResource{
		Attributes: append([]iampolicymanagementv1.V2PolicyResourceAttribute{attribute("accountId", env(t, "STRONGROOM_ACCOUNT_ID"))}, on...),
	})
	policy, resp, err := p.policies.CreateV2Policy(options)
	ok(t, resp, err, http.StatusCreated)
	return policy, resp.Headers.Get("ETag")
}

const (
	roleReader  = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
	roleWriter  = "crn:v1:bluemix:public:iam::::serviceRole:Writer"
	roleManager = "crn:v1:bluemix:public:iam::::serviceRole:Manager"
	roleViewer  = "crn:v1:bluemix:public:iam::::role:Viewer"
)

// wantNoAccess checks for what Key Protect says to a caller without access.
func wantNoAccess(t *testing.T, err error) {
	t.Helper()
	var no *kp.Error
	if !errors.As(err, &no) || no.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %v, want 401", err)
	}
}
