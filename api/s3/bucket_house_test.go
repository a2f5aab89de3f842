package s3_test

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strongroom/api/s3"
	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// bucketHouse is the face over one bucket in memory, whose configuration is changed by the real rules.
// What it does not have panics: it is for what the wire makes of buckets, and the rest is tested over
// the real store.
type bucketHouse struct {
	s3.Objects
	t    *testing.T
	face http.Handler

	bucket  objects.BucketView
	created objects.NewBucket
	listed  objects.List
	listing objects.Listing
	uploads objects.UploadListing
	buckets []objects.Bucket
	more    bool
	asked   objects.ListBuckets
	removed []objects.Remove
	outcome []objects.Removed
	content map[string]string // of public objects, by key
	did     []iam.Action
	refused error
}

var created = time.Date(2026, 8, 18, 14, 21, 36, 593_000_000, time.UTC)

const instanceID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

func newBucketHouse(t *testing.T, change ...func(*s3.Config)) *bucketHouse {
	t.Helper()
	h := &bucketHouse{t: t, content: map[string]string{}}
	h.bucket.Bucket = objects.Bucket{
		ID: "b", Name: "apiary", Instance: instanceID, Account: "acc", Location: "us-south-standard", Created: created,
	}
	cfg := s3.Config{
		Objects: h, Identities: anybody{}, Log: deaf{}, Now: func() time.Time { return created }, Logger: slog.New(slog.DiscardHandler),
		WebsiteDomains: []string{"s3-web.example"},
	}
	for _, c := range change {
		c(&cfg)
	}
	var rt httpface.Router
	httpface.Mount(&rt, s3.New(cfg))
	h.face = &rt
	return h
}

// anybody lets every token in.
type anybody struct{}

func (anybody) Authenticate(_ context.Context, _ string, trail *audit.Trail) (iam.Caller, error) {
	return iam.Caller{Identity: "IBMid-1", Kind: iam.KindUser, Account: "acc", Trail: trail}, nil
}

func (anybody) AuthenticateHMAC(context.Context, string, *audit.Trail) (iam.Caller, custody.Secret, error) {
	return iam.Caller{}, custody.Secret{}, iam.ErrUnauthenticated
}

// deaf keeps no events.
type deaf struct{}

func (deaf) Append(context.Context, ...*audit.Event) error       { return nil }
func (deaf) Refused(context.Context, string, *audit.Event) error { return nil }
func (deaf) Healthy() error                                      { return nil }

func (h *bucketHouse) Refuse(_ context.Context, _ iam.Caller, action iam.Action, _, _ string, cause error) error {
	h.did, h.refused = append(h.did, action), cause
	return cause
}

func (h *bucketHouse) Bucket(_ context.Context, _ iam.Caller, action iam.Action, name string) (objects.BucketView, error) {
	h.did = append(h.did, action)
	if name != h.bucket.Name {
		return objects.BucketView{}, objects.ErrNoBucket
	}
	return h.bucket, nil
}

func (h *bucketHouse) Configure(_ context.Context, _ iam.Caller, action iam.Action, name string, change objects.Change) (objects.Bucket, error) {
	h.did = append(h.did, action)
	if name != h.bucket.Name {
		return objects.Bucket{}, objects.ErrNoBucket
	}
	b := h.bucket.Bucket
	if err := change(&b, created); err != nil {
		return objects.Bucket{}, err
	}
	h.bucket.Bucket = b
	return b, nil
}

func (h *bucketHouse) SetEncryption(_ context.Context, _ iam.Caller, _, root string) (v objects.BucketView, err error) {
	h.bucket.Root = crn.CRN{}
	if root != "" {
		h.bucket.Root, err = crn.Parse(root)
	}
	return h.bucket, err
}

func (h *bucketHouse) CreateBucket(_ context.Context, _ iam.Caller, n objects.NewBucket) (objects.Bucket, error) {
	h.created = n
	return h.bucket.Bucket, nil
}

func (h *bucketHouse) DeleteBucket(context.Context, iam.Caller, string) error {
	return objects.ErrNotEmpty
}

func (h *bucketHouse) Buckets(_ context.Context, _ iam.Caller, l objects.ListBuckets) ([]objects.Bucket, bool, error) {
	h.asked = l
	return h.buckets, h.more, nil
}

func (h *bucketHouse) List(_ context.Context, _ iam.Caller, l objects.List) (objects.Listing, error) {
	h.listed = l
	h.listing.Bucket = h.bucket
	return h.listing, nil
}

func (h *bucketHouse) Uploads(context.Context, iam.Caller, objects.ListUploads) (objects.UploadListing, error) {
	h.uploads.Bucket = h.bucket.Bucket
	return h.uploads, nil
}

func (h *bucketHouse) CORS(_ context.Context, bucket string) ([]objects.CORSRule, error) {
	if bucket != h.bucket.Name {
		return nil, nil
	}
	return h.bucket.CORS, nil
}

func (h *bucketHouse) RemoveMany(_ context.Context, _ iam.Caller, _ string, list []objects.Remove) ([]objects.Removed, error) {
	h.removed = list
	return h.outcome, nil
}

// request is one request; a body goes with its Content-MD5 unless a header says otherwise.
func (h *bucketHouse) request(method, target, body string, header ...string) *http.Response {
	h.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	if body != "" {
		sum := md5.Sum([]byte(body))
		r.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.face.ServeHTTP(w, r)
	return w.Result()
}

// ok expects a status and returns headers and body.
func (h *bucketHouse) ok(status int, method, target, body string, header ...string) (http.Header, string) {
	h.t.Helper()
	resp := h.request(method, target, body, header...)
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode != status {
		h.t.Fatalf("%s %s: status %d, want %d\n%s", method, target, resp.StatusCode, status, got)
	}
	return resp.Header, string(got)
}

// fails expects an error document and returns its message.
func (h *bucketHouse) fails(status int, code, method, target, body string, header ...string) string {
	h.t.Helper()
	_, doc := h.ok(status, method, target, body, header...)
	var e struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
		Status        int `xml:"httpStatusCode"`
	}
	if err := xml.Unmarshal([]byte(doc), &e); err != nil || e.Code != code || e.Status != status {
		h.t.Fatalf("%s %s: %v, want code %s\n%s", method, target, err, code, doc)
	}
	return e.Message
}

func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func crc32Of(body string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}

const (
	rootCRN  = "crn:v1:bluemix:public:kms:us-south:a/f00:e3b0c442-98fc-4c14-9afb-f4c8996fb924:key:1cf3d6b2-7d3e-4d0e-8b53-0f3a8f2d8b11"
	aliasCRN = "crn:v1:bluemix:public:kms:us-south:a/f00:e3b0c442-98fc-4c14-9afb-f4c8996fb924:alias:payments"
)
