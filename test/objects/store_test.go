package objects_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/objects"
	"strongroom/server"
	"strongroom/test/rig"
)

// Public IDs of what every deployment has.
const (
	storagePlan = "744bfc56-d12c-4866-88d5-dac9139e0e5d"
	keysPlan    = "eedd3585-90c6-4c8f-be3d-062069e99fc3"
	readerRole  = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
)

// patience bounds what only a broken server does not finish, however busy the machine is.
const patience = 5 * time.Minute

// store is the object store of a deployment, with one bucket, as its owner uses it.
type store struct {
	*rig.Rig
	instance string // of object storage
	keys     string // instance of the key service
	bucket   string
	data     string // folder of the server
	folder   string // has those of the nodes

	mu    sync.Mutex
	nodes map[string]*node // by name; guarded by mu

	signing sync.Mutex
	token   string    // guarded by signing
	signed  time.Time // when the token was; guarded by signing
}

// bearer returns a token that is good for a while, however far the clock was moved.
func (s *store) bearer(t *testing.T) string {
	t.Helper()
	s.signing.Lock()
	defer s.signing.Unlock()
	if now := s.Clock.Now(); s.token == "" || now.Sub(s.signed) > 30*time.Minute {
		s.token, s.signed = s.Token(t, s.Operator.APIKey), now
	}
	return s.token
}

// open starts a deployment with a number of nodes, which can be broken.
func open(t *testing.T, nodes int, change ...func(*server.Config)) *store {
	t.Helper()
	s := &store{folder: t.TempDir(), nodes: map[string]*node{}}
	t.Cleanup(func() { s.mend(t) }) // before the server ends, which waits for calls
	all := append([]func(*server.Config){func(c *server.Config) {
		for i := range nodes {
			name := fmt.Sprintf("node-%d", i)
			c.Objects.Nodes = append(c.Objects.Nodes, server.StorageNode{
				Name: name, Site: fmt.Sprintf("site-%d", i),
				URL: (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(s.folder, name))}).String(),
			})
		}
		c.Disperse, s.data = s.disperse, c.Data
	}}, change...)
	s.Rig = rig.Start(t, all...)
	t.Cleanup(func() { s.mend(t) })
	s.instance, s.keys = s.newInstance(t, "storage", storagePlan, "global"), s.newInstance(t, "keys", keysPlan, "us-south")
	return s
}

// disperse lets nodes be broken, and looks after them more often than is usual.
func (s *store) disperse(c *dispersal.Config) {
	c.Open = func(ctx context.Context, n objects.Node) (dispersal.SliceStore, error) {
		is, err := dispersal.OpenStore(ctx, n)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.nodes[n.Name] = &node{SliceStore: is, folder: filepath.Join(s.folder, n.Name), mended: make(chan struct{})}
		return s.nodes[n.Name], nil
	}
	c.Upkeep.ScrubRate, c.Upkeep.ScrubEvery = 1<<30, 200*time.Millisecond
	c.Upkeep.Every, c.Upkeep.Monitor = 200*time.Millisecond, 100*time.Millisecond
	c.Upkeep.MinFree = 1
	if !soak() { // which has a machine to itself, and measures how soon a read is given up
		c.Timing.Read, c.Timing.Write = 15*time.Second, time.Minute
	}
}

func (s *store) newInstance(t *testing.T, name, plan, target string) string {
	t.Helper()
	var made struct {
		GUID string `json:"guid"`
	}
	s.Must(t, rig.Request{
		Method: http.MethodPost, Path: "/v2/resource_instances", Token: s.bearer(t),
		Body: rig.JSON(map[string]any{
			"name": name, "target": target, "resource_group": s.Operator.ResourceGroup, "resource_plan_id": plan,
		}),
	}, &made)
	return made.GUID
}

// newRoot makes a root key and returns its ID and CRN.
func (s *store) newRoot(t *testing.T, name string) (id, crn string) {
	t.Helper()
	var made struct {
		Resources []struct{ ID, CRN string } `json:"resources"`
	}
	s.Must(t, rig.Request{
		Method: http.MethodPost, Path: "/api/v2/keys", Token: s.bearer(t), Header: http.Header{"Bluemix-Instance": {s.keys}},
		Body: rig.JSON(map[string]any{
			"metadata":  map[string]any{"collectionType": "application/vnd.ibm.kms.key+json", "collectionTotal": 1},
			"resources": []any{map[string]any{"type": "application/vnd.ibm.kms.key+json", "name": name, "extractable": false}},
		}),
	}, &made)
	return made.Resources[0].ID, made.Resources[0].CRN
}

// authorize lets the object storage instance use the keys of the other.
func (s *store) authorize(t *testing.T) {
	t.Helper()
	attribute := func(key, value string) map[string]string {
		return map[string]string{"key": key, "operator": "stringEquals", "value": value}
	}
	s.Must(t, rig.Request{
		Method: http.MethodPost, Path: "/v2/policies", Token: s.bearer(t),
		Body: rig.JSON(map[string]any{
			"type":    "authorization",
			"control": map[string]any{"grant": map[string]any{"roles": []any{map[string]string{"role_id": readerRole}}}},
			"subject": map[string]any{"attributes": []any{
				attribute("serviceName", "cloud-object-storage"), attribute("accountId", s.Operator.ID), attribute("serviceInstance", s.instance),
			}},
			"resource": map[string]any{"attributes": []any{
				attribute("serviceName", "kms"), attribute("accountId", s.Operator.ID), attribute("serviceInstance", s.keys),
			}},
		}),
	}, nil)
}

// newBucket makes the bucket, under a root key if one is named.
func (s *store) newBucket(t *testing.T, name, root string) {
	t.Helper()
	s.bucket = name
	h := http.Header{"Ibm-Service-Instance-Id": {s.instance}}
	if root != "" {
		h.Set("Ibm-Sse-Kp-Encryption-Algorithm", "AES256")
		h.Set("Ibm-Sse-Kp-Customer-Root-Key-Crn", root)
	}
	s.must(t, http.MethodPut, "", h, nil, 0)
}

// ask sends a request about the bucket, or about an object in it. Who calls it closes the body.
func (s *store) ask(ctx context.Context, method, path string, h http.Header, body io.Reader, size int64) (*http.Response, error) {
	if size == 0 {
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, method, s.S3URL+"/"+s.bucket+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range h {
		req.Header[name] = values
	}
	req.ContentLength = size
	s.signing.Lock()
	req.Header.Set("Authorization", "Bearer "+s.token) // renewed by who moves the clock
	s.signing.Unlock()
	return s.Client.Do(req)
}

// must sends a request that has to be carried out, and returns the header and body of the answer.
func (s *store) must(t *testing.T, method, path string, h http.Header, body io.Reader, size int64) (http.Header, []byte) {
	t.Helper()
	resp, err := s.ask(t.Context(), method, path, h, body, size)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 || bytes.Contains(answer, []byte("<Error>")) {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	return resp.Header, answer
}

// decode reads an XML document.
func decode(t *testing.T, doc []byte, v any) {
	t.Helper()
	if err := xml.Unmarshal(doc, v); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
}

// thing is an object, as it has to be.
type thing struct {
	key string
	content
	etag           string
	algorithm, sum string // the checksum it has to have; none if empty
}

// get reads a thing, all of it or the bytes from first to last, and compares.
func (s *store) get(ctx context.Context, o thing, part string, first, last int64) error {
	h := http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}
	status := http.StatusOK
	if part != "" {
		h.Set("Range", "bytes="+part)
		status = http.StatusPartialContent
	}
	resp, err := s.ask(ctx, http.MethodGet, "/"+o.key, h, nil, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		doc, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s, range %q: %d %s", o.key, part, resp.StatusCode, doc)
	}
	if err := o.same(resp.Body, first, last+1); err != nil {
		return fmt.Errorf("%s, range %q: %w", o.key, part, err)
	}
	if got := resp.Header.Get("Etag"); got != `"`+o.etag+`"` {
		return fmt.Errorf("%s has the ETag %s, not %q", o.key, got, o.etag)
	}
	if part == "" && o.algorithm != "" {
		if got := resp.Header.Get("X-Amz-Checksum-" + o.algorithm); got != o.sum {
			return fmt.Errorf("%s has the %s %q, not %q", o.key, o.algorithm, got, o.sum)
		}
	}
	return nil
}

// getWhole reads all of a thing.
func (s *store) getWhole(ctx context.Context, o thing) error { return s.get(ctx, o, "", 0, o.size-1) }

// getRange reads the bytes from first to last, of which the last ones may be beyond the end.
func (s *store) getRange(ctx context.Context, o thing, first, last int64) error {
	return s.get(ctx, o, fmt.Sprintf("%d-%d", first, last), first, min(last, o.size-1))
}

// put stores a content in one request.
func (s *store) put(t *testing.T, key string, c content, algorithm string) thing {
	t.Helper()
	o := thing{key: key, content: c, etag: c.etag(t), algorithm: algorithm, sum: c.sum(t, algorithm)}
	h, _ := s.must(t, http.MethodPut, "/"+key, http.Header{"X-Amz-Checksum-" + algorithm: {o.sum}}, c.from(0, c.size), c.size)
	if got := h.Get("Etag"); got != `"`+o.etag+`"` {
		t.Errorf("%s was stored with the ETag %s, not %q", key, got, o.etag)
	}
	return o
}

// health is what is shown of the nodes, and of all blobs together.
type health struct {
	Nodes []struct {
		Name   string
		Status struct {
			Reachable bool
			Failure   string
		}
	}
	Health struct {
		Blobs, Whole int64
	}
}

func (s *store) health(t *testing.T) (h health) {
	t.Helper()
	s.Must(t, rig.Request{Method: http.MethodGet, Path: "/strongroom/v1/nodes", Token: s.bearer(t)}, &h)
	return h
}

// sliceMap is where the slices of an object are.
type sliceMap struct {
	Parts []struct {
		Blob   string
		Slices []struct {
			Index   int
			Node    string
			Good    bool
			Failure string
		}
	}
}

func (s *store) slices(t *testing.T, key string) (m sliceMap) {
	t.Helper()
	q := url.Values{"bucket": {s.bucket}, "key": {key}}
	s.Must(t, rig.Request{Method: http.MethodGet, Path: "/strongroom/v1/slices?" + q.Encode(), Token: s.bearer(t)}, &m)
	return m
}

// whole says whether each slice of an object is good, and none waits to be rebuilt.
func (m sliceMap) whole() bool {
	for _, p := range m.Parts {
		for _, is := range p.Slices {
			if !is.Good || is.Failure != "" {
				return false
			}
		}
	}
	return true
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.After(patience)
	for !is() {
		select {
		case <-limit:
			t.Fatalf("%s: not after %v", what, patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// awaitHealed waits until all slices of all things are good again.
func (s *store) awaitHealed(t *testing.T, things []thing) {
	t.Helper()
	for _, o := range things {
		until(t, "all slices of "+o.key+" are good", func() bool { return s.slices(t, o.key).whole() })
	}
	until(t, "all blobs are whole", func() bool {
		s.Clock.Forward(time.Minute) // counts are made once a minute
		h := s.health(t).Health
		return h.Whole == h.Blobs && h.Blobs > 0
	})
}

// job is work on the bucket.
type job struct {
	ID, Kind, State string
	Bad             int64 `json:"objects_bad"`
	Findings        []string
}

// await waits for the end of a job of the kind, by whoever it was started, that is not among those known.
func (s *store) await(t *testing.T, kind string, known []string) (done job) {
	t.Helper()
	until(t, "a job to "+kind+" is done", func() bool {
		var list struct{ Jobs []job }
		s.Must(t, rig.Request{Method: http.MethodGet, Path: "/strongroom/v1/buckets/" + s.bucket + "/jobs", Token: s.bearer(t)}, &list)
		i := slices.IndexFunc(list.Jobs, func(j job) bool { return j.Kind == kind && !slices.Contains(known, j.ID) })
		if i < 0 {
			return false
		}
		done = list.Jobs[i]
		return done.State != "running"
	})
	if done.State != "done" || done.Bad != 0 {
		t.Fatalf("the job ended as %+v", done)
	}
	return done
}

// work starts a job and waits for its end.
func (s *store) work(t *testing.T, kind string, body any) job {
	t.Helper()
	var j job
	s.Must(t, rig.Request{
		Method: http.MethodPost, Path: "/strongroom/v1/buckets/" + s.bucket + "/" + kind, Token: s.bearer(t), Body: rig.JSON(body),
	}, &j)
	id := j.ID
	until(t, "the job to "+kind+" is done", func() bool {
		s.Must(t, rig.Request{
			Method: http.MethodGet, Path: "/strongroom/v1/buckets/" + s.bucket + "/jobs/" + id, Token: s.bearer(t),
		}, &j)
		return j.State != "running"
	})
	if j.State != "done" || j.Bad != 0 {
		t.Fatalf("the job ended as %+v", j)
	}
	return j
}
