package s3_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"

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

func newStorage(t *testing.T) *storage {
	t.Helper()
	s := &storage{t: t, r: rig.Start(t)}
	s.token = s.r.Token(t, s.r.Operator.APIKey)
	var made struct{ CRN, GUID string }
	s.r.Must(t, rig.Request{
		Method: http.MethodPost, Path: "/v2/resource_instances", Token: s.token,
		Body: `{"name":"store","target":"global","resource_group":"` + s.r.Operator.ResourceGroup + `","resource_plan_id":"` + cosPlan + `"}`,
	}, &made)
	s.instance, s.guid = made.CRN, made.GUID
	return s
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
