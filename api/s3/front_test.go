package s3_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"strongroom/server"
	"strongroom/test/rig"
)

// storage is a deployment with an object storage instance, asked by its owner.
type storage struct {
	t        *testing.T
	r        *rig.Rig
	token    string
	instance string // CRN
	guid     string
}

const cosPlan = "744bfc56-d12c-4866-88d5-dac9139e0e5d"

func newStorage(t *testing.T, change ...func(*server.Config)) *storage {
	t.Helper()
	s := &storage{t: t, r: rig.Start(t, change...)}
	s.token = s.r.Token(t, s.r.Operator.APIKey)
	s.instance, s.guid = s.newInstance("store", "global", cosPlan)
	return s
}

// newInstance makes a service instance and returns its CRN and GUID.
func (s *storage) newInstance(name, target, plan string) (crn, guid string) {
	s.t.Helper()
	var made struct{ CRN, GUID string }
	s.r.Must(s.t, rig.Request{
		Method: http.MethodPost, Path: "/v2/resource_instances", Token: s.token,
		Body: rig.JSON(map[string]string{
			"name": name, "target": target, "resource_group": s.r.Operator.ResourceGroup, "resource_plan_id": plan,
		}),
	}, &made)
	return made.CRN, made.GUID
}

// do sends a request, with the owner's token unless it is to be anonymous, and expects a status.
func (s *storage) do(status int, method, path, body string, header ...string) (http.Header, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.r.S3URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Ibm-Service-Instance-Id", s.instance)
	if body != "" {
		req.Header.Set("Content-Md5", md5Of(body))
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		if req.Header.Del(header[i]); header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := s.r.Client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		s.t.Fatalf("%s %s: status %d, want %d, %v\n%s", method, path, resp.StatusCode, status, err, got)
	}
	return resp.Header, string(got)
}

// anonymous takes the credentials off a request.
var anonymous = []string{"Authorization", "", "Ibm-Service-Instance-Id", ""}

// TestTerraformReadsABucketBack makes the calls of the Terraform provider on a new bucket, in its order.
func TestTerraformReadsABucketBack(t *testing.T) {
	s := newStorage(t)
	s.do(200, "PUT", "/tf-bucket", `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>us-south-smart</LocationConstraint></CreateBucketConfiguration>`)
	s.do(200, "PUT", "/tf-bucket?versioning=", `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`)
	patch := func(status int, body string) {
		t.Helper()
		a := s.r.Send(t, rig.Request{
			Method: http.MethodPatch, Path: "/v1/b/tf-bucket", Token: s.token, Body: body,
			Header: http.Header{"Content-Type": {"application/merge-patch+json"}},
		})
		if a.Status != status {
			t.Fatalf("%s: status %d, want %d\n%s", body, a.Status, status, a.Body)
		}
	}
	patch(204, `{"hard_quota":1000000}`)
	patch(204, `{"activity_tracking":{"management_events":true,"read_data_events":true,"write_data_events":true},"firewall":{"allowed_ip":["127.0.0.0/8","::1"]}}`)

	s.do(200, "HEAD", "/tf-bucket", "")
	_, list := s.do(200, "GET", "/?extended=", "")
	if !strings.Contains(list, "<Name>tf-bucket</Name>") || !strings.Contains(list, "<LocationConstraint>us-south-smart</LocationConstraint>") {
		t.Errorf("the list has no bucket with a location: %s", list)
	}
	var config struct {
		Name, CRN string
		Instance  string `json:"service_instance_crn"`
		Quota     int64  `json:"hard_quota"`
		Firewall  struct {
			Allowed []string `json:"allowed_ip"`
		}
	}
	a := s.r.Must(t, rig.Request{Method: http.MethodGet, Path: "/v1/b/tf-bucket", Token: s.token}, &config)
	if config.Name != "tf-bucket" || config.Instance != s.instance || config.Quota != 1000000 || len(config.Firewall.Allowed) != 2 || a.Header.Get("Etag") == "" {
		t.Errorf("the configuration is %+v, ETag %q", config, a.Header.Get("Etag"))
	}
	_, doc := s.do(404, "GET", "/tf-bucket?lifecycle=", "")
	if !strings.Contains(doc, "<Message>The lifecycle configuration does not exist</Message>") {
		t.Errorf("no lifecycle: %s", doc)
	}
	if _, doc := s.do(200, "GET", "/tf-bucket?protection=", ""); !strings.Contains(doc, "<Status>Disabled</Status>") {
		t.Errorf("no protection: %s", doc)
	}
	if _, doc := s.do(200, "GET", "/tf-bucket?versioning=", ""); !strings.Contains(doc, "<Status>Enabled</Status>") {
		t.Errorf("versioning: %s", doc)
	}
	s.do(404, "GET", "/tf-bucket?object-lock=", "")

	// A firewall that shuts everybody out can still be opened.
	patch(204, `{"firewall":{"allowed_ip":["192.0.2.1"]}}`)
	_, doc = s.do(403, "GET", "/tf-bucket?versioning=", "")
	if !strings.Contains(doc, "<Message>Access Denied") {
		t.Errorf("the firewall says %s", doc)
	}
	patch(204, `{"firewall":{"allowed_ip":[]}}`)
	s.do(204, "DELETE", "/tf-bucket", "")
	s.do(404, "HEAD", "/tf-bucket", "")
}

// TestTheWorldReadsWhatIsPublic: by a policy for the group of public access, or by an ACL, and nothing else.
func TestTheWorldReadsWhatIsPublic(t *testing.T) {
	s := newStorage(t)
	s.do(200, "PUT", "/open", "")
	s.do(200, "PUT", "/open/page", "hello")
	s.do(403, "GET", "/open/page", "", anonymous...)
	s.do(200, "PUT", "/open/page?acl", "", "X-Amz-Acl", "public-read")
	if _, got := s.do(200, "GET", "/open/page", "", anonymous...); got != "hello" {
		t.Errorf("anonymous reads %q", got)
	}
	s.do(403, "PUT", "/open/page", "x", anonymous...)
	s.do(403, "GET", "/open", "", anonymous...)
	s.do(200, "PUT", "/open?publicAccessBlock", `<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>`)
	s.do(403, "GET", "/open/page", "", anonymous...)
	s.do(403, "PUT", "/open/page?acl", "", "X-Amz-Acl", "public-read")

	body := `{"type":"access","control":{"grant":{"roles":[{"role_id":"crn:v1:bluemix:public:cloud-object-storage::::serviceRole:ContentReader"}]}},` +
		`"subject":{"attributes":[{"key":"access_group_id","operator":"stringEquals","value":"AccessGroupId-PublicAccess"}]},` +
		`"resource":{"attributes":[{"key":"accountId","operator":"stringEquals","value":"` + s.r.Operator.ID + `"},` +
		`{"key":"serviceName","operator":"stringEquals","value":"cloud-object-storage"},{"key":"serviceInstance","operator":"stringEquals","value":"` + s.guid + `"},` +
		`{"key":"resourceType","operator":"stringEquals","value":"bucket"},{"key":"resource","operator":"stringEquals","value":"open"}]}}`
	s.r.Must(t, rig.Request{Method: http.MethodPost, Path: "/v2/policies", Token: s.token, Body: body}, nil)
	s.do(200, "GET", "/open/page", "", anonymous...) // public access blocks do not concern policies
	_, list := s.do(200, "GET", "/open?list-type=2", "", anonymous...)
	var found struct {
		Contents []struct{ Key string }
	}
	if err := xml.Unmarshal([]byte(list), &found); err != nil || len(found.Contents) != 1 || found.Contents[0].Key != "page" {
		t.Errorf("anonymous lists %s", list)
	}
	s.do(403, "DELETE", "/open/page", "", anonymous...)

	neighbour := s.r.Token(t, s.r.Neighbour.APIKey)
	s.do(200, "GET", "/open/page", "", "Authorization", "Bearer "+neighbour)
	s.do(403, "PUT", "/open/page", "x", "Authorization", "Bearer "+neighbour)
	s.do(403, "GET", "/open?acl", "", "Authorization", "Bearer "+neighbour)
}

// TestExpectedOwner: a bucket that is not of the instance or account that a request names is refused, also
// to its owner and where it is public.
func TestExpectedOwner(t *testing.T) {
	s := newStorage(t)
	_, other := s.newInstance("other", "global", cosPlan)
	const target, source = "X-Amz-Expected-Bucket-Owner", "X-Amz-Source-Expected-Bucket-Owner"
	s.do(200, "PUT", "/mine", "")
	s.do(200, "PUT", "/mine/key", "x", "X-Amz-Acl", "public-read")
	for _, owner := range []string{s.guid, s.r.Operator.ID} {
		s.do(200, "GET", "/mine/key", "", target, owner)
		s.do(200, "PUT", "/mine/copy", "", "X-Amz-Copy-Source", "mine/key", target, owner, source, owner)
	}
	for _, owner := range []string{other, s.r.Neighbour.ID, s.instance} {
		for _, r := range [][2]string{
			{"GET", "/mine/key"},
			{"HEAD", "/mine/key"},
			{"DELETE", "/mine/key"},
			{"PUT", "/mine/key"},
			{"GET", "/mine/key?tagging"},
			{"POST", "/mine/key?uploads"},
			{"GET", "/mine?list-type=2"},
			{"HEAD", "/mine"},
			{"GET", "/mine?lifecycle"},
			{"PUT", "/mine/key?partNumber=x&uploadId=u"}, // which is not understood
			{"DELETE", "/mine"},
		} {
			_, doc := s.do(403, r[0], r[1], "", target, owner)
			if r[0] != "HEAD" && !strings.Contains(doc, "<Code>AccessDenied</Code><Message>Access Denied") {
				t.Errorf("%v of %q: %s", r, owner, doc)
			}
		}
		s.do(403, "GET", "/mine/key", "", append([]string{target, owner}, anonymous...)...)
		s.do(403, "PUT", "/mine/copy", "", "X-Amz-Copy-Source", "mine/key", source, owner)
	}
	s.do(200, "GET", "/mine/key", "", anonymous...)
}

// TestVersionHeader is there in buckets that keep versions or did, and nowhere else.
func TestVersionHeader(t *testing.T) {
	s := newStorage(t)
	s.do(200, "PUT", "/plain", "")
	const name = "X-Amz-Version-Id"
	answers := func() (ids []string) {
		for _, r := range []struct{ method, path, body, from string }{
			{"PUT", "/plain/key", "x", ""},
			{"GET", "/plain/key", "", ""},
			{"HEAD", "/plain/key", "", ""},
			{"GET", "/plain/key?tagging", "", ""},
			{"PUT", "/plain/copy", "", "plain/key"},
		} {
			h, _ := s.do(200, r.method, r.path, r.body, "X-Amz-Copy-Source", r.from)
			if v, there := h[name]; there {
				ids = append(ids, v...)
			}
		}
		return ids
	}
	if ids := answers(); ids != nil {
		t.Errorf("in a bucket that never kept versions: %q", ids)
	}
	const versioning = `<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>`
	s.do(200, "PUT", "/plain?versioning", fmt.Sprintf(versioning, "Enabled"))
	h, _ := s.do(200, "GET", "/plain/key", "")
	if h.Get(name) != "null" {
		t.Errorf("what is older than versions is %q", h.Get(name))
	}
	if ids := answers(); len(ids) != 5 || len(ids[0]) != 32 || ids[1] != ids[0] {
		t.Errorf("in a bucket that keeps versions: %q", ids)
	}
	s.do(200, "PUT", "/plain?versioning", fmt.Sprintf(versioning, "Suspended"))
	if ids := answers(); !slices.Equal(ids, []string{"null", "null", "null", "null", "null"}) {
		t.Errorf("in a bucket that kept versions: %q", ids)
	}

	_, doc := s.do(200, "POST", "/plain/upload?uploads", "")
	var begun struct{ UploadId string } //nolint:revive // as it is called in the document
	if err := xml.Unmarshal([]byte(doc), &begun); err != nil {
		t.Fatal(err)
	}
	h, _ = s.do(200, "PUT", "/plain/upload?partNumber=1&uploadId="+begun.UploadId, "", "X-Amz-Copy-Source", "plain/key")
	if v := h.Get("X-Amz-Copy-Source-Version-Id"); v != "null" {
		t.Errorf("the part is a copy of %q", v)
	}
	_, doc = s.do(200, "GET", "/plain/upload?uploadId="+begun.UploadId, "")
	if !strings.Contains(doc, "<Owner><ID>"+s.guid+"</ID>") || strings.Contains(doc, "<Initiator><ID>"+s.guid) {
		t.Errorf("whose the parts are: %s", doc)
	}
}

// TestBucketUnderARootKey goes through the states of a root key and its authorization, with the codes and
// words of cos-api.md, section 20.6.
func TestBucketUnderARootKey(t *testing.T) {
	s := newStorage(t)
	keys, guid := s.newInstance("keys", "us-south", "eedd3585-90c6-4c8f-be3d-062069e99fc3")
	kms := func(method, path, body string, out any) {
		t.Helper()
		s.r.Must(t, rig.Request{Method: method, Path: path, Token: s.token, Header: http.Header{"Bluemix-Instance": {guid}}, Body: body}, out)
	}
	const keyType = "application/vnd.ibm.kms.key+json"
	var made struct{ Resources []struct{ ID, CRN string } }
	kms("POST", "/api/v2/keys", `{"metadata":{"collectionType":"`+keyType+`","collectionTotal":1},`+
		`"resources":[{"type":"`+keyType+`","name":"root","extractable":false}]}`, &made)
	key := made.Resources[0]
	const algorithm, root = "Ibm-Sse-Kp-Encryption-Algorithm", "Ibm-Sse-Kp-Customer-Root-Key-Crn"
	create := []string{algorithm, "AES256", root, key.CRN}

	if _, doc := s.do(400, "PUT", "/vault", "", create...); !strings.Contains(doc, "<Code>InvalidArgument</Code><Message>The Key CRN could not be found") {
		t.Errorf("without an authorization: %s", doc)
	}
	s.do(404, "HEAD", "/vault", "")
	attribute := func(name, value string) map[string]string {
		return map[string]string{"key": name, "operator": "stringEquals", "value": value}
	}
	var authorization struct{ ID string }
	s.r.Must(t, rig.Request{Method: "POST", Path: "/v2/policies", Token: s.token, Body: rig.JSON(map[string]any{
		"type":    "authorization",
		"control": map[string]any{"grant": map[string]any{"roles": []map[string]string{{"role_id": "crn:v1:bluemix:public:iam::::serviceRole:Reader"}}}},
		"subject": map[string]any{"attributes": []any{
			attribute("accountId", s.r.Operator.ID), attribute("serviceName", "cloud-object-storage"), attribute("serviceInstance", s.guid),
		}},
		"resource": map[string]any{"attributes": []any{
			attribute("accountId", s.r.Operator.ID), attribute("serviceName", "kms"), attribute("serviceInstance", guid),
		}},
	})}, &authorization)
	for _, wrong := range []string{keys, strings.Replace(key.CRN, ":kms:", ":hs-crypto:", 1), "no-crn"} {
		s.do(400, "PUT", "/vault", "", algorithm, "AES256", root, wrong)
	}
	s.do(400, "PUT", "/vault", "", root, key.CRN)
	s.do(200, "PUT", "/vault", "", create...)
	s.do(200, "PUT", "/vault/key", "content")

	// What tells of the bucket works in every state, and names the key; the content follows the key.
	state := func(what string, status int, words string) {
		t.Helper()
		for _, path := range []string{"/vault", "/vault?list-type=2"} {
			method := map[bool]string{true: "HEAD", false: "GET"}[path == "/vault"]
			h, _ := s.do(200, method, path, "")
			if h.Get("Ibm-Sse-Kp-Enabled") != "True" || h.Get(root) != key.CRN || h.Get("Ibm-Sse-Kp-Crk-Id") != key.CRN {
				t.Errorf("%s: %s %s names %q, %q and %q", what, method, path, h.Get("Ibm-Sse-Kp-Enabled"), h.Get(root), h.Get("Ibm-Sse-Kp-Crk-Id"))
			}
		}
		s.do(200, "HEAD", "/vault/key", "")
		for _, r := range [][2]string{{"GET", ""}, {"PUT", "content"}} {
			_, doc := s.do(status, r[0], "/vault/key", r[1])
			if !strings.Contains(doc, words) && r[0] == "GET" || status != 200 && !strings.Contains(doc, words) {
				t.Errorf("%s: %s says %s, want %q", what, r[0], doc, words)
			}
		}
	}
	state("active", 200, "content")
	act := func(action string) { t.Helper(); kms("POST", "/api/v2/keys/"+key.ID+"/actions/"+action, "", nil) }
	act("disable")
	state("disabled", 403, "<Code>AccessDenied</Code><Message>Access Denied - the root key of this bucket is disabled</Message>")
	s.r.Clock.Forward(time.Minute) // a key may be enabled again no sooner than half a minute later
	act("enable")
	state("enabled", 200, "content")

	policy := "/v2/policies/" + authorization.ID
	s.r.Must(t, rig.Request{Method: "DELETE", Path: policy, Token: s.token}, nil)
	state("unauthorized", 401, "<Code>ServiceNotAuthorized</Code><Message>The specified COS Service Instance does not have sufficient permissions "+
		"to access the resource provided in the ibm-sse-kp-customer-root-key-crn request header")
	s.do(204, "DELETE", "/vault/key", "")
	s.do(204, "DELETE", "/vault", "")
}

// TestWebsiteOfABucket serves what is public of a real bucket to everybody, and nothing else.
func TestWebsiteOfABucket(t *testing.T) {
	s := newStorage(t, func(c *server.Config) { c.WebsiteDomain = "web.example" })
	s.do(200, "PUT", "/site", "")
	for key, body := range map[string]string{"index.html": "home", "docs/index.html": "docs", "lost.html": "lost"} {
		s.do(200, "PUT", "/site/"+key, body, "X-Amz-Acl", "public-read", "Content-Type", "text/html")
	}
	s.do(200, "PUT", "/site/secret", "secret")
	visitor := append([]string{"Host", "site.web.example"}, anonymous...)
	s.do(404, "GET", "/", "", visitor...)
	s.do(200, "PUT", "/site?website", `<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>`+
		`<ErrorDocument><Key>lost.html</Key></ErrorDocument></WebsiteConfiguration>`)
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/", 200, "home"},
		{"/docs/", 200, "docs"},
		{"/index.html", 200, "home"},
		{"/none", 403, "lost"}, // who may not list is not told what is not there
		{"/secret", 403, "lost"},
	} {
		h, body := s.do(c.status, "GET", c.path, "", visitor...)
		if body != c.body || h.Get("Content-Type") != "text/html" {
			t.Errorf("%s: %q of type %q, want %q", c.path, body, h.Get("Content-Type"), c.body)
		}
	}
	s.do(405, "PUT", "/index.html", "x", visitor...)
	s.do(404, "GET", "/", "", append([]string{"Host", "nobody.web.example"}, anonymous...)...)
}
