package chaos_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"strongroom/test/process"
)

// store sends requests to the S3 address, as the administrator.
type store struct {
	*caller
	s3, storage, account string // its address, the object storage instance, and whose it is
}

func newStore(t *testing.T, s *process.Server, token string) *store {
	t.Helper()
	return &store{
		caller: newCaller(t, s, token), s3: s.Value(t, "STRONGROOM_S3_URL"),
		storage: s.Value(t, "STRONGROOM_COS_INSTANCE_ID"), account: s.Value(t, "STRONGROOM_ACCOUNT_ID"),
	}
}

// ask sends a request. An error means that nobody knows whether it was carried out.
func (s *store) ask(ctx context.Context, method, path string, body []byte, header ...string) (answer, http.Header, error) {
	var a answer
	req, err := http.NewRequestWithContext(ctx, method, s.s3+path, bytes.NewReader(body))
	if err != nil {
		return a, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Ibm-Service-Instance-Id", s.storage)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return a, nil, err
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	a.body, err = io.ReadAll(resp.Body)
	return a, resp.Header, err
}

// read reads an object, again while the server says that its storage nodes do not answer.
func (s *store) read(ctx context.Context, path string) (a answer, err error) {
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		a, _, err = s.ask(ctx, http.MethodGet, path, nil)
		if err != nil || a.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return a, err
		}
	}
}

// must sends a request that has to be carried out.
func (s *store) must(t *testing.T, method, path string, body []byte, header ...string) (answer, http.Header) {
	t.Helper()
	a, h, err := s.ask(t.Context(), method, path, body, header...)
	if err != nil || a.status/100 != 2 {
		t.Fatalf("%s %s: %d %s (%v)", method, path, a.status, a.body, err)
	}
	return a, h
}

// control sends v to the control API, where it has to be carried out, and decodes the answer.
func (s *store) control(t *testing.T, method, path string, v, into any) {
	t.Helper()
	a, err := s.do(t.Context(), method, path, v)
	if err != nil || a.status/100 != 2 {
		t.Fatalf("%s %s: %d %s (%v)", method, path, a.status, a.body, err)
	}
	if into != nil {
		if err := a.decode(into); err != nil {
			t.Fatal(err)
		}
	}
}

// rootKey makes a root key and returns its CRN; a payload is imported.
func (s *store) rootKey(t *testing.T, name, payload string) string {
	t.Helper()
	var made struct {
		Resources []struct {
			CRN string `json:"crn"`
		} `json:"resources"`
	}
	s.control(t, http.MethodPost, "/api/v2/keys", newKey(name, false, payload), &made)
	return made.Resources[0].CRN
}

// authorize lets the object storage instance use every root key of the key service.
func (s *store) authorize(t *testing.T) {
	t.Helper()
	attribute := func(name, value string) map[string]string {
		return map[string]string{"name": name, "operator": "stringEquals", "value": value}
	}
	s.control(t, http.MethodPost, "/v1/policies", map[string]any{
		"type":     "authorization",
		"subjects": []any{map[string]any{"attributes": []any{attribute("accountId", s.account), attribute("serviceName", "cloud-object-storage")}}},
		"roles":    []any{map[string]string{"role_id": "crn:v1:bluemix:public:iam::::serviceRole:Reader"}},
		"resources": []any{map[string]any{"attributes": []any{
			attribute("accountId", s.account), attribute("serviceName", "kms"), attribute("serviceInstance", s.instance),
		}}},
	}, nil)
}

// bucket makes a bucket, under a root key unless root is empty.
func (s *store) bucket(t *testing.T, name, root string) {
	t.Helper()
	var header []string
	if root != "" {
		header = []string{"Ibm-Sse-Kp-Encryption-Algorithm", "AES256", "Ibm-Sse-Kp-Customer-Root-Key-Crn", root}
	}
	s.must(t, http.MethodPut, "/"+name, nil, header...)
}

// upload is an upload of an object in parts: its ID, and the list that completes it.
type upload struct{ id, list string }

// upload puts an object in parts.
func (s *store) upload(ctx context.Context, path string, parts [][]byte, header ...string) (answer, error) {
	u, a, err := s.uploadParts(ctx, path, parts, header...)
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	return s.complete(ctx, path, u)
}

// uploadParts begins an upload and uploads all of its parts.
func (s *store) uploadParts(ctx context.Context, path string, parts [][]byte, header ...string) (upload, answer, error) {
	a, _, err := s.ask(ctx, http.MethodPost, path+"?uploads", nil, header...)
	if err != nil || a.status != http.StatusOK {
		return upload{}, a, err
	}
	var started struct {
		ID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(a.body, &started); err != nil {
		return upload{}, a, err
	}
	u := upload{id: started.ID}
	for i, part := range parts {
		var h http.Header
		a, h, err = s.ask(ctx, http.MethodPut, fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, i+1, u.id), part)
		if err != nil || a.status != http.StatusOK {
			return u, a, err
		}
		u.list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, h.Get("Etag"))
	}
	return u, a, nil
}

// complete makes an upload into an object.
func (s *store) complete(ctx context.Context, path string, u upload) (answer, error) {
	list := "<CompleteMultipartUpload>" + u.list + "</CompleteMultipartUpload>"
	a, _, err := s.ask(ctx, http.MethodPost, path+"?uploadId="+u.id, []byte(list))
	if err == nil && a.status == http.StatusOK && !bytes.Contains(a.body, []byte("CompleteMultipartUploadResult")) {
		err = errors.New("an upload has no result")
	}
	return a, err
}

// bucketJob is a job on a bucket, as far as the tests look at it.
type bucketJob struct {
	Kind     string   `json:"kind"`
	State    string   `json:"state"`
	Bad      int      `json:"objects_bad"`
	Findings []string `json:"findings"`
}

// jobsDone waits until no job on a bucket runs any more, and wants none to have failed.
func (s *store) jobsDone(t *testing.T, bucket string) (done []bucketJob) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var list struct {
			Jobs []bucketJob `json:"jobs"`
		}
		s.control(t, http.MethodGet, "/strongroom/v1/buckets/"+bucket+"/jobs", nil, &list)
		running := 0
		for _, j := range list.Jobs {
			if j.State == "running" {
				running++
			}
			if j.State == "failed" || j.Bad > 0 {
				t.Fatalf("a job went wrong: %+v", j)
			}
		}
		if running == 0 {
			return list.Jobs
		}
		if time.Now().After(deadline) {
			t.Fatalf("jobs do not end: %+v", list.Jobs)
		}
	}
}

// openUpload is an upload that was neither completed nor aborted.
type openUpload struct {
	Key string
	ID  string `xml:"UploadId"`
}

// openUploads lists those of a bucket.
func (s *store) openUploads(t *testing.T, bucket string) []openUpload {
	t.Helper()
	a, _ := s.must(t, http.MethodGet, "/"+bucket+"?uploads", nil)
	var list struct {
		Uploads []openUpload `xml:"Upload"`
		More    bool         `xml:"IsTruncated"`
	}
	if err := xml.Unmarshal(a.body, &list); err != nil || list.More {
		t.Fatalf("uploads: %s (%v)", a.body, err)
	}
	return list.Uploads
}
