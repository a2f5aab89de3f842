package remote

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strongroom/server"
	"strongroom/test/rig"
)

const (
	kmsPlan     = "eedd3585-90c6-4c8f-be3d-062069e99fc3"
	storagePlan = "744bfc56-d12c-4866-88d5-dac9139e0e5d"
	actor       = "crn:v1:bluemix:public:cloud-object-storage::::serviceRole:InstanceActor"
	reader      = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
	bucket      = "photos-of-elsewhere"
)

// pair is a vault with the root key, and a store with the bucket.
type pair struct {
	t            *testing.T
	vault, store *rig.Rig
	kms, key     string // GUID and ID in the vault
	root         string // CRN of the key
	grant        string // the authorization in the vault
}

// instance makes a service instance, and returns its CRN and GUID.
func instance(t *testing.T, r *rig.Rig, target, plan string) (crn, guid string) {
	t.Helper()
	var made struct{ CRN, GUID string }
	r.Must(t, rig.Request{
		Method: http.MethodPost, Path: "/v2/resource_instances", Token: r.Token(t, r.Operator.APIKey),
		Body: rig.JSON(map[string]any{
			"name": "of the test", "target": target, "resource_group": r.Operator.ResourceGroup, "resource_plan_id": plan,
		}),
	}, &made)
	return made.CRN, made.GUID
}

// start starts both.
func start(t *testing.T, change func(*server.KeyService)) *pair {
	t.Helper()
	p := &pair{t: t}
	var data string
	p.vault = rig.Start(t, func(c *server.Config) { data = c.Data })
	kmsCRN, kmsGUID := instance(t, p.vault, "us-south", kmsPlan)
	p.kms = kmsGUID
	var made struct {
		Resources []struct{ ID, CRN string }
	}
	p.keys(http.MethodPost, "", `{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},`+
		`"resources":[{"type":"application/vnd.ibm.kms.key+json","name":"root","extractable":false}]}`, &made)
	p.key, p.root = made.Resources[0].ID, made.Resources[0].CRN
	if !strings.HasPrefix(p.root, strings.TrimSuffix(kmsCRN, "::")) {
		t.Fatalf("key %s in %s", p.root, kmsCRN)
	}
	actsAs, guid := instance(t, p.vault, "global", storagePlan)
	who := p.vault.NewIdentity(t, p.vault.Operator, "store")
	s := &server.KeyService{URL: p.vault.URL, CAFile: filepath.Join(data, "ca.pem"), Kind: "strongroom", Instance: actsAs}
	change(s)
	if s.Kind == "strongroom" {
		p.vault.Grant(t, p.vault.Operator, who.IAM, actor, map[string]string{"serviceName": "cloud-object-storage", "serviceInstance": guid})
		p.grant = p.authorize(guid)
	} else {
		p.vault.Grant(t, p.vault.Operator, who.IAM, reader, map[string]string{"serviceName": "kms", "serviceInstance": p.kms})
	}
	s.APIKeyFile = filepath.Join(t.TempDir(), "api-key")
	if err := os.WriteFile(s.APIKeyFile, []byte(who.APIKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.store = rig.Start(t, func(c *server.Config) { c.Objects.KeyService = s })
	return p
}

// authorize lets the object storage instance of the vault use its keys.
func (p *pair) authorize(source string) string {
	p.t.Helper()
	is := func(name, value string) map[string]string { return map[string]string{"name": name, "value": value} }
	var made struct{ ID string }
	p.vault.Must(p.t, rig.Request{
		Method: http.MethodPost, Path: "/v1/policies", Token: p.vault.Token(p.t, p.vault.Operator.APIKey),
		Body: rig.JSON(map[string]any{
			"type": "authorization", "roles": []any{map[string]string{"role_id": reader}},
			"subjects": []any{map[string]any{"attributes": []any{
				is("accountId", p.vault.Operator.ID), is("serviceName", "cloud-object-storage"), is("serviceInstance", source),
			}}},
			"resources": []any{map[string]any{"attributes": []any{
				is("accountId", p.vault.Operator.ID), is("serviceName", "kms"), is("serviceInstance", p.kms),
			}}},
		}),
	}, &made)
	return made.ID
}

// keys sends a request about keys to the vault.
func (p *pair) keys(method, path, body string, answer any) {
	p.t.Helper()
	p.vault.Must(p.t, rig.Request{
		Method: method, Path: "/api/v2/keys" + path, Token: p.vault.Token(p.t, p.vault.Operator.APIKey),
		Header: http.Header{"Bluemix-Instance": {p.kms}}, Body: body,
	}, answer)
}

// s3 sends a request to the store.
func (p *pair) s3(method, path, body string, header ...string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.store.S3URL+"/"+bucket+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.store.Token(p.t, p.store.Operator.APIKey))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.store.Client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

// want sends a request to the store, again while it is told to come back: where the machine stood still
// for longer than the answer of the key service holds, the store does not know how its root key stands.
func (p *pair) want(status int, method, path, body string, header ...string) {
	p.t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		got, text := p.s3(method, path, body, header...)
		switch {
		case got == status:
			return
		case got != http.StatusServiceUnavailable || time.Since(begun) > patience:
			p.t.Fatalf("%s %s: %d %s", method, path, got, text)
		}
	}
}

// fill makes the bucket under the root key, with an object.
func (p *pair) fill() {
	p.t.Helper()
	storage, _ := instance(p.t, p.store, "global", storagePlan)
	p.want(200, http.MethodPut, "", "", "Ibm-Service-Instance-Id", storage,
		"Ibm-Sse-Kp-Encryption-Algorithm", "AES256", "Ibm-Sse-Kp-Customer-Root-Key-Crn", p.root)
	p.want(200, http.MethodPut, "/one", "content")
	p.want(200, http.MethodGet, "/one", "")
}

// patience is how long a machine that is busy may take for what has no limit of its own.
const patience = 5 * time.Minute

// becomes reads the object until it is answered with a status. No read that begins when the change is
// older than within may be answered with before.
func (p *pair) becomes(before, after int, within time.Duration) {
	p.t.Helper()
	changed := time.Now()
	for {
		begun := time.Since(changed)
		got, text := p.s3(http.MethodGet, "/one", "")
		switch {
		case got == after:
			return
		case got == before && begun > within:
			p.t.Fatalf("%v after the change still %d", begun, got)
		case got != before && got != http.StatusServiceUnavailable || begun > patience:
			p.t.Fatalf("%d %s", got, text)
		}
	}
}

// registered are the buckets that the root key protects, with the version for each.
func (p *pair) registered() map[string]string {
	p.t.Helper()
	var list struct {
		Resources []struct {
			ResourceCRN string
			KeyVersion  struct{ ID string }
		}
	}
	p.keys(http.MethodGet, "/"+p.key+"/registrations", "", &list)
	got := map[string]string{}
	for _, r := range list.Resources {
		got[r.ResourceCRN[strings.LastIndexByte(r.ResourceCRN, ':')+1:]] = r.KeyVersion.ID
	}
	return got
}

func (p *pair) eventually(what string, ok func() bool) {
	p.t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > patience {
			p.t.Fatal(what)
		}
	}
}

func TestBucketUnderARootKeyElsewhere(t *testing.T) {
	p := start(t, func(*server.KeyService) {})
	p.fill()
	if got := p.registered(); len(got) != 1 || got[bucket] != p.key {
		t.Errorf("registered: %v", got)
	}

	p.keys(http.MethodPost, "/"+p.key+"/actions/disable", "", nil)
	p.becomes(200, 403, time.Second)
	p.keys(http.MethodPost, "/"+p.key+"/actions/enable", "", nil)
	p.becomes(403, 200, patience)

	p.keys(http.MethodPost, "/"+p.key+"/actions/rotate", "", nil)
	p.eventually("the bucket key is not wrapped by the new version", func() bool { return p.registered()[bucket] != p.key })
	p.want(200, http.MethodGet, "/one", "")

	p.vault.Must(t, rig.Request{
		Method: http.MethodDelete, Path: "/v1/policies/" + p.grant, Token: p.vault.Token(t, p.vault.Operator.APIKey),
	}, nil)
	p.becomes(200, 401, time.Second)
}

func TestBucketRemovedIsUnregisteredElsewhere(t *testing.T) {
	p := start(t, func(*server.KeyService) {})
	p.fill()
	p.want(204, http.MethodDelete, "/one", "")
	p.want(204, http.MethodDelete, "", "")
	p.eventually("the bucket is still registered", func() bool { return len(p.registered()) == 0 })
}

func TestPolledKeyServiceIsFollowedWithinItsInterval(t *testing.T) {
	const poll = 500 * time.Millisecond
	p := start(t, func(s *server.KeyService) { s.Kind, s.Poll = "ibm", poll })
	p.fill()
	p.keys(http.MethodPost, "/"+p.key+"/actions/disable", "", nil)
	p.becomes(200, 403, poll+100*time.Millisecond)
	p.keys(http.MethodPost, "/"+p.key+"/actions/enable", "", nil)
	p.becomes(403, 200, patience)
	if got := p.registered(); len(got) != 0 {
		t.Errorf("registered: %v", got)
	}
}
