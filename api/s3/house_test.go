package s3_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"strongroom/api/s3"
	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// The credentials and the time of the examples that AWS has published for Signature Version 4.
const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	token     = "a-token"
)

var published = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// house is the face over a shelf.
type house struct {
	http.Handler
	shelf *shelf
	now   time.Time
	log   *journal
}

func newHouse(t *testing.T, change ...func(*s3.Config)) *house {
	t.Helper()
	h := &house{shelf: &shelf{kept: map[string]kept{}}, now: published, log: &journal{}}
	rt := new(httpface.Router)
	c := s3.Config{
		Objects: h.shelf, Identities: identities{}, Log: h.log, Now: func() time.Time { return h.now },
		Logger: slog.New(slog.DiscardHandler), Domains: []string{"s3.amazonaws.com"},
	}
	for _, f := range change {
		f(&c)
	}
	httpface.Mount(rt, s3.New(c))
	h.Handler = rt
	return h
}

// ask sends a request and returns the answer.
func (h *house) ask(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// asMe adds a token to a request.
func asMe(r *http.Request) *http.Request {
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// code is the code in an error document.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var doc struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("the answer %d %q is no error document: %v", w.Code, w.Body, err)
	}
	return doc.Code
}

// identities knows one token and one access key.
type identities struct{}

func (identities) Authenticate(_ context.Context, given string, trail *audit.Trail) (iam.Caller, error) {
	if given != token {
		return iam.Caller{}, iam.ErrUnauthenticated
	}
	return iam.Caller{Identity: "IBMid-1", Account: "a", Trail: trail}, nil
}

func (identities) AuthenticateHMAC(_ context.Context, key string, trail *audit.Trail) (iam.Caller, custody.Secret, error) {
	if key != accessKey {
		return iam.Caller{}, custody.Secret{}, iam.ErrUnauthenticated
	}
	return iam.Caller{Identity: "iam-ServiceId-1", Account: "a", Trail: trail}, custody.NewSecret([]byte(secretKey)), nil
}

// journal takes in events.
type journal struct{}

func (*journal) Append(context.Context, ...*audit.Event) error       { return nil }
func (*journal) Healthy() error                                      { return nil }
func (*journal) Refused(context.Context, string, *audit.Event) error { return nil }

// shelf is an object store in memory that keeps what it was given, and refuses what is anonymous.
type shelf struct {
	s3.Objects

	mu   sync.Mutex
	kept map[string]kept // guarded by mu; by bucket and key
	last any             // guarded by mu; what the last operation was asked
}

type kept struct {
	objects.Object
	content []byte
}

func (s *shelf) note(who iam.Caller, what any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = what
	if who.Trail != nil {
		who.Trail.MarkRecorded()
	}
	if who.Account == "" {
		return iam.ErrForbidden
	}
	return nil
}

// keep puts an object on the shelf.
func (s *shelf) keep(bucket, key, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[bucket+"/"+key] = kept{objects.Object{
		Bucket: bucket, Key: key, Size: int64(len(content)), Modified: published, ETag: "e",
	}, []byte(content)}
}

// has returns the content of an object.
func (s *shelf) has(bucket, key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[bucket+"/"+key]
	return string(k.content), ok
}

// asked returns what the last operation was asked, and forgets it.
func (s *shelf) asked() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last
	s.last = nil
	return last
}

func (s *shelf) Refuse(_ context.Context, who iam.Caller, _ iam.Action, _, _ string, cause error) error {
	if err := s.note(who, nil); err != nil {
		return err
	}
	return cause
}

// Put reads the body to its end before anything is kept.
func (s *shelf) Put(_ context.Context, who iam.Caller, w objects.Write, body io.Reader) (objects.Object, error) {
	if err := s.note(who, w); err != nil {
		return objects.Object{}, err
	}
	content, sums, err := take(w.Expect, body)
	if err != nil {
		return objects.Object{}, err
	}
	sum := md5.Sum(content)
	o := objects.Object{
		Bucket: w.Bucket, Key: w.Key, Size: int64(len(content)), Modified: published, ETag: hex.EncodeToString(sum[:]),
		Headers: w.Headers, Tags: w.Tags, Checksums: sums, Redirect: w.Redirect, Lock: w.Lock,
	}
	if c := w.Encryption.Customer; c != nil {
		o.CustomerKeyMD5 = c.MD5
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[w.Bucket+"/"+w.Key] = kept{o, content}
	return o, nil
}

// take reads a body as it is expected to be.
func take(e objects.Expect, body io.Reader) ([]byte, objects.Checksums, error) {
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, objects.Checksums{}, err
	}
	sums := objects.Checksums{Algorithm: e.Want, Value: e.Value}
	if e.Trailer != nil {
		if sums.Value, err = e.Trailer(); err != nil {
			return nil, sums, err
		}
	}
	if int64(len(content)) != e.Size {
		return nil, sums, objects.ErrIncomplete
	}
	return content, sums, nil
}

func (s *shelf) find(who iam.Caller, r objects.Read) (kept, error) {
	if err := s.note(who, r); err != nil {
		return kept{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[r.Bucket+"/"+r.Key]
	if !ok {
		return kept{}, objects.ErrNoObject
	}
	return k, nil
}

// Get knows ranges that begin at the beginning, and a part 2 that is not all.
func (s *shelf) Get(_ context.Context, who iam.Caller, r objects.Read) (*objects.Content, error) {
	k, err := s.find(who, r)
	if err != nil {
		return nil, err
	}
	c := &objects.Content{Object: k.Object, Length: k.Size}
	if r.Range != nil {
		c.Partial, c.Length = true, r.Range.Last+1
	}
	if r.Part == 2 {
		c.Partial, c.Length, c.PartCount = true, k.Size-1, 2
	}
	if len(r.Conditions.NoneMatch) > 0 && r.Conditions.NoneMatch[0] == k.ETag {
		return c, objects.ErrNotModified
	}
	c.ReadCloser = io.NopCloser(bytes.NewReader(k.content[:c.Length]))
	return c, nil
}

// Head is Get without the content.
func (s *shelf) Head(ctx context.Context, who iam.Caller, r objects.Read) (*objects.Content, error) {
	c, err := s.Get(ctx, who, r)
	if c != nil {
		c.ReadCloser = nil
	}
	return c, err
}

// Remove forgets an object.
func (s *shelf) Remove(_ context.Context, who iam.Caller, r objects.Remove) (objects.Removed, error) {
	if err := s.note(who, r); err != nil {
		return objects.Removed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, r.Bucket+"/"+r.Key)
	return objects.Removed{Key: r.Key}, nil
}

// Copy only remembers what it was asked.
func (s *shelf) Copy(_ context.Context, who iam.Caller, c objects.Copy) (objects.Copied, error) {
	return objects.Copied{Object: objects.Object{ETag: "x"}}, s.note(who, c)
}

// Bucket knows a bucket of every name, with one rule for its lifecycle.
func (s *shelf) Bucket(_ context.Context, who iam.Caller, action iam.Action, name string) (objects.BucketView, error) {
	b := objects.Bucket{Name: name}
	b.Lifecycle = []objects.LifecycleRule{{ID: "rule", Enabled: true, ExpireDays: 1}}
	return objects.BucketView{Bucket: b}, s.note(who, action)
}

// List lists nothing.
func (s *shelf) List(_ context.Context, who iam.Caller, l objects.List) (objects.Listing, error) {
	return objects.Listing{}, s.note(who, l)
}

// StartUpload begins the upload "u".
func (s *shelf) StartUpload(_ context.Context, who iam.Caller, u objects.StartUpload) (objects.Upload, error) {
	return objects.Upload{ID: "u", Algorithm: u.Algorithm, Composite: !u.FullObject}, s.note(who, u)
}

// PutPart takes a part and keeps nothing.
func (s *shelf) PutPart(_ context.Context, who iam.Caller, p objects.PartWrite, body io.Reader) (objects.Part, error) {
	if err := s.note(who, p); err != nil || p.From != nil {
		return objects.Part{ETag: "p"}, err
	}
	_, sums, err := take(p.Expect, body)
	return objects.Part{ETag: "p", Checksums: sums}, err
}

// CompleteUpload knows the upload "u".
func (s *shelf) CompleteUpload(_ context.Context, who iam.Caller, c objects.Complete) (objects.Object, error) {
	if err := s.note(who, c); err != nil {
		return objects.Object{}, err
	}
	if c.Upload != "u" {
		return objects.Object{}, objects.ErrNoUpload
	}
	return objects.Object{ETag: "whole-2"}, nil
}
