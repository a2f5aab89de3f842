package resourcecontroller_test

import (
	"fmt"
	"testing"

	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

func TestKeyIsRefused(t *testing.T) {
	r := newRig(t)
	keys, store := r.newKeys(t, "keys").text("guid"), r.newStore(t, "store").text("guid")
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"no name":           {`{"source":%q}`, 400},
		"unknown role":      {`{"name":"k","source":%q,"role":"Emperor"}`, 400},
		"platform role":     {`{"name":"k","source":%q,"role":"Administrator"}`, 400},
		"platform role CRN": {`{"name":"k","source":%q,"role":"crn:v1:bluemix:public:iam::::role:Administrator"}`, 400},
		"right to purge":    {`{"name":"k","source":%q,"role":"crn:v1:bluemix:public:kms::::serviceRole:KeyPurge"}`, 400},
		"HMAC for keys":     {`{"name":"k","source":%q,"parameters":{"HMAC":true}}`, 400},
		"odd HMAC":          {`{"name":"k","source":%q,"parameters":{"HMAC":"perhaps"}}`, 400},
		"two roles":         {`{"name":"k","source":%q,"role":"Reader","parameters":{"role_crn":"Writer"}}`, 400},
		"service ID abroad": {`{"name":"k","source":%q,"parameters":{"serviceid_crn":"crn:v1:bluemix:public:iam-identity::a/other::serviceid:ServiceId-1"}}`, 400},
		"no source":         {`{"name":"k","x":%q}`, 404},
	} {
		if got := r.do(t, "admin", "POST", "/v2/resource_keys", fmt.Sprintf(c.body, keys), c.status); got.text("errors.0.code") == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	r.do(t, "foreign", "POST", "/v2/resource_keys", fmt.Sprintf(`{"name":"k","source":%q}`, store), 404)
	if len(r.Credentials.Issued) != 0 {
		t.Errorf("refused, and issued: %v", r.Credentials.Issued)
	}
}

func TestRolesOfKeys(t *testing.T) {
	r := newRig(t)
	keys := r.newKeys(t, "keys").text("guid")
	for role, want := range map[string]any{
		"Manager":    "crn:v1:bluemix:public:iam::::serviceRole:Manager",
		"ReaderPlus": "crn:v1:bluemix:public:kms::::serviceRole:ReaderPlus",
		"NONE":       missing{},
		"":           missing{},
	} {
		got := r.do(t, "admin", "POST", "/v2/resource_keys", fmt.Sprintf(`{"name":"k","source":%q,"role":%q}`, keys, role), 201)
		if got.at("credentials.iam_role_crn") != want {
			t.Errorf("%q: %v, want %v", role, got.at("credentials.iam_role_crn"), want)
		}
		if got.at("credentials.cos_hmac_keys") != (missing{}) || got.at("credentials.endpoints") != (missing{}) {
			t.Errorf("%q: %v", role, got.at("credentials"))
		}
	}
	if len(r.Credentials.Granted) != 2 {
		t.Errorf("policies: %v", r.Credentials.Granted)
	}
}

func TestCredentialsAreShownToWhomTheyMayBe(t *testing.T) {
	r := newRig(t)
	store := r.newStore(t, "store").text("guid")
	body := fmt.Sprintf(`{"name":"k","source":%q,"role":"Writer"}`, store)
	r.user("1001", resourcetest.Grant{Action: resource.ActionKeyCreate}, resourcetest.Grant{Action: resource.ActionKeyRetrieve})
	created := r.do(t, "1001", "POST", "/v2/resource_keys", body, 201)
	if created.text("credentials.apikey") == "" {
		t.Error("the answer that made the key does not show it")
	}
	path := "/v2/resource_keys/" + created.text("guid")
	for _, c := range []struct {
		path, member string
	}{
		{path, "credentials"},
		{"/v2/resource_keys", "resources.0.credentials"},
		{"/v2/resource_instances/" + store + "/resource_keys", "resources.0.credentials"},
	} {
		if got := r.do(t, "1001", "GET", c.path, "", 200); got.text(c.member+".REDACTED") != "REDACTED" || got.at(c.member+".apikey") != (missing{}) {
			t.Errorf("%s: %v", c.path, got.at(c.member))
		}
		if got := r.do(t, "admin", "GET", c.path, "", 200); got.text(c.member+".apikey") != created.text("credentials.apikey") {
			t.Errorf("%s: the owner sees %v", c.path, got.at(c.member))
		}
	}
	r.do(t, "foreign", "GET", path, "", 404)
	if got := r.do(t, "admin", "PATCH", path, `{"name":"other"}`, 200); got.text("name") != "other" || got.text("credentials.iam_apikey_name") != "other" {
		t.Errorf("renamed: %v", got)
	}
	r.do(t, "admin", "PATCH", path, `{"name":""}`, 400)
	r.do(t, "1001", "DELETE", path, "", 403)
}

func TestOnetimeCredentialsAreShownOnce(t *testing.T) {
	r := newRig(t)
	store := r.newStore(t, "store").text("guid")
	r.do(t, "admin", "PATCH", "/v2/resource_instances/"+store, `{"parameters":{"onetime_credentials":true}}`, 200)
	key := r.do(t, "admin", "POST", "/v2/resource_keys", fmt.Sprintf(`{"name":"k","source":%q}`, store), 201)
	if key.at("onetime_credentials") != true || key.text("credentials.apikey") == "" {
		t.Errorf("created: %v", key)
	}
	r.do(t, "admin", "PATCH", "/v2/resource_instances/"+store, `{"parameters":{"onetime_credentials":false}}`, 200)
	if got := r.do(t, "admin", "GET", "/v2/resource_keys/"+key.text("guid"), "", 200); got.text("credentials.REDACTED") == "" {
		t.Errorf("read: %v", got.at("credentials"))
	}
}

func TestServiceIDOfOthersIsNotTakenOver(t *testing.T) {
	r := newRig(t)
	store := r.newStore(t, "store").text("guid")
	const service = "crn:v1:bluemix:public:iam-identity::a/" + string(resourcetest.Account) + "::serviceid:ServiceId-0b5a5ab4-0d6a-4d0e-8b0a-7d0b1a4c1c11"
	body := fmt.Sprintf(`{"name":"k","source":%q,"parameters":{"serviceid_crn":%q}}`, store, service)
	r.user("1001", resourcetest.Grant{Action: resource.ActionKeyCreate})
	r.do(t, "1001", "POST", "/v2/resource_keys", body, 403)
	key := r.do(t, "admin", "POST", "/v2/resource_keys", body, 201)
	if key.text("credentials.iam_serviceid_crn") != service {
		t.Errorf("service ID is %q", key.text("credentials.iam_serviceid_crn"))
	}
	for _, v := range r.Credentials.Issued {
		if v.NewService {
			t.Error("the service ID would be removed with the key")
		}
	}
}
