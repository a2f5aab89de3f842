package dispersal_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/dispersal/slicestest"
	"strongroom/objects"
)

// miniS3 is as much of an S3 server as a node needs: one bucket in memory, in the path.
type miniS3 struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string][]byte
	parts   map[string]map[int][]byte // of uploads
	uploads int
}

func (m *miniS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=the-key-id/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key, inBucket := strings.CutPrefix(r.URL.Path, "/bucket")
	if key = strings.TrimPrefix(key, "/"); !inBucket {
		m.refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	q := r.URL.Query()
	switch {
	case key == "" && r.Method == http.MethodGet:
		m.list(w, q.Get("prefix"), q.Get("continuation-token"))
	case q.Has("uploads") || q.Has("uploadId"):
		m.upload(w, r, key, body)
	case r.Method == http.MethodPut:
		m.objects[key] = body
		w.Header().Set("ETag", `"x"`)
	case r.Method == http.MethodDelete:
		delete(m.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		content, ok := m.objects[key]
		if !ok {
			m.refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(content))
	}
}

func (m *miniS3) refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

// list answers with two keys a page.
func (m *miniS3) list(w http.ResponseWriter, prefix, after string) {
	type object struct {
		Key          string
		Size         int
		LastModified string
		ETag         string
	}
	var result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
	}
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if len(result.Contents) == 2 {
			result.IsTruncated, result.NextContinuationToken = true, result.Contents[1].Key
			break
		}
		result.Contents = append(result.Contents, object{key, len(m.objects[key]), "2026-01-02T03:04:05.000Z", `"x"`})
	}
	if err := xml.NewEncoder(w).Encode(result); err != nil {
		m.t.Error(err)
	}
}

// upload serves an upload in parts.
func (m *miniS3) upload(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	id := r.URL.Query().Get("uploadId")
	switch {
	case r.Method == http.MethodPost && id == "":
		m.uploads++
		id = strconv.Itoa(m.uploads)
		m.parts[id] = map[int][]byte{}
		_, _ = fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case r.Method == http.MethodPut:
		n, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
		if err != nil {
			m.t.Error(err)
		}
		m.parts[id][n] = body
		w.Header().Set("ETag", `"x"`)
	case r.Method == http.MethodPost:
		var whole []byte
		for _, n := range slices.Sorted(maps.Keys(m.parts[id])) {
			whole = append(whole, m.parts[id][n]...)
		}
		m.objects[key] = whole
		delete(m.parts, id)
		_, _ = fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodDelete:
		delete(m.parts, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

// newMiniS3 starts a server, and returns a node in its bucket.
func newMiniS3(t *testing.T, id objects.NodeID, parameters string) objects.Node {
	t.Helper()
	s := httptest.NewServer(&miniS3{t: t, objects: map[string][]byte{}, parts: map[string]map[int][]byte{}})
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = the-key-id\naws_secret_access_key = the-key\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return objects.Node{
		ID: id, Name: "s3-" + string(id), URL: "s3://bucket?endpoint=" + s.URL + "&region=eu-de" + parameters,
		CredentialsFile: file, State: objects.NodeActive,
	}
}

func TestBucketOfAnS3Server(t *testing.T) {
	for name, parameters := range map[string]string{"whole bucket": "", "below a prefix": "&prefix=some/where/"} {
		t.Run(name, func(t *testing.T) {
			slicestest.Run(t, func(t *testing.T) dispersal.SliceStore {
				s, err := dispersal.OpenStore(t.Context(), newMiniS3(t, slicestest.Node, parameters))
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func TestBlobsInBuckets(t *testing.T) {
	r := newRig(t, 0, patient, func(c *dispersal.Config) { c.Open = nil })
	for i := range 3 {
		n := newMiniS3(t, nodeID(i), "")
		if err := r.cluster.Probe(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if err := r.catalog.AddNode(t.Context(), n, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.reload()
	data := content(1, 5*segment+1)
	b := r.write(twoOfThree, data)
	r.wantRead(b.ID, data)
	r.wantWhole(b.ID)
}

func TestBucketWithoutCredentialsIsNotReached(t *testing.T) {
	r := newRig(t, 0, func(c *dispersal.Config) { c.Open = nil })
	n := newMiniS3(t, nodeID(0), "")
	n.CredentialsFile = ""
	if err := r.cluster.Probe(t.Context(), n); err == nil {
		t.Error("a bucket was used without credentials")
	}
	n.CredentialsFile = filepath.Join(t.TempDir(), "absent")
	if err := r.cluster.Probe(t.Context(), n); err == nil {
		t.Error("a file of credentials that is absent was read")
	}
}
