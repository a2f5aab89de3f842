package s3_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/iam"
	"strongroom/objects"
)

func (h *bucketHouse) Site(_ context.Context, bucket string) (objects.Website, error) {
	switch {
	case bucket != h.bucket.Name:
		return objects.Website{}, objects.ErrNoBucket
	case h.bucket.Website == nil:
		return objects.Website{}, objects.ErrNoConfig
	}
	return *h.bucket.Website, nil
}

// Get serves what is in content to callers without credentials, who are all that a website has.
func (h *bucketHouse) Get(_ context.Context, who iam.Caller, r objects.Read) (*objects.Content, error) {
	if who.Kind != iam.KindAnonymous {
		h.t.Errorf("a website reads on behalf of %q", who.Identity)
	}
	body, ok := h.content[r.Key]
	switch {
	case body == "secret":
		return nil, iam.ErrForbidden
	case !ok:
		return nil, objects.ErrNoObject
	}
	o := objects.Object{Key: r.Key, Size: int64(len(body)), Modified: created, ETag: "e", Headers: objects.Headers{ContentType: "text/html"}}
	if to, ok := strings.CutPrefix(body, "see "); ok {
		o.Redirect = to
	}
	return &objects.Content{Object: o, Length: o.Size, ReadCloser: io.NopCloser(strings.NewReader(body))}, nil
}

// Head is Get without the content.
func (h *bucketHouse) Head(ctx context.Context, who iam.Caller, r objects.Read) (*objects.Content, error) {
	c, err := h.Get(ctx, who, r)
	if err == nil {
		c.ReadCloser = nil
	}
	return c, err
}

func TestWebsites(t *testing.T) {
	h := newBucketHouse(t)
	h.content = map[string]string{
		"index.html": "home", "docs/index.html": "docs", "page": "page", "lost.html": "lost", "hidden": "secret", "moved": "see /page",
	}
	ask := func(status int, method, path string, header ...string) (location, body string) {
		t.Helper()
		got, body := h.ok(status, method, path, "", append([]string{"Authorization", "", "Host", "apiary.s3-web.example"}, header...)...)
		return got.Get("Location"), body
	}
	if _, body := ask(404, "GET", "/"); !strings.Contains(body, "<h1>404 NoSuchWebsiteConfiguration</h1>") {
		t.Errorf("without a configuration: %s", body)
	}
	h.bucket.Website = &objects.Website{
		Index: "index.html", Error: "lost.html",
		Rules: []objects.RoutingRule{
			{Prefix: "old/", Redirect: objects.Redirect{Prefix: "new/", Code: "302"}},
			{Status: "404", Prefix: "gone/", Redirect: objects.Redirect{Host: "archive.example", Protocol: "https"}},
		},
	}
	for _, c := range []struct {
		method, path   string
		status         int
		location, body string
	}{
		{"GET", "/", 200, "", "home"},
		{"HEAD", "/", 200, "", ""},
		{"GET", "/docs/", 200, "", "docs"},
		{"GET", "/docs", 302, "/docs/", ""},
		{"GET", "/page", 200, "", "page"},
		{"GET", "/missing", 404, "", "lost"},
		{"GET", "/hidden", 403, "", "lost"},
		{"GET", "/moved", 301, "/page", ""},
		{"GET", "/old/a%20b", 302, "http://apiary.s3-web.example/new/a%20b", ""},
		{"GET", "/gone/x", 301, "https://archive.example/gone/x", ""},
	} {
		location, body := ask(c.status, c.method, c.path)
		if diff := cmp.Diff([]string{c.location, c.body}, []string{location, body}); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
	}
	ask(405, "PUT", "/page")
	if _, body := ask(400, "GET", "/page", "Authorization", "Bearer x"); !strings.Contains(body, "CredentialsNotSupported") {
		t.Errorf("with credentials: %s", body)
	}

	h.bucket.Website = &objects.Website{Redirect: &objects.Redirect{Host: "www.example", Protocol: "https"}}
	if location, _ := ask(301, "GET", "/any%2Fthing"); location != "https://www.example/any/thing" {
		t.Errorf("everything goes to %s", location)
	}
}

func TestCrossOriginAccess(t *testing.T) {
	h := newBucketHouse(t)
	age := 600
	h.bucket.CORS = []objects.CORSRule{
		{Origins: []string{"https://*.example"}, Methods: []string{"GET", "PUT"}, Headers: []string{"x-amz-*", "content-type"}, Expose: []string{"ETag"}, MaxAge: &age},
		{Origins: []string{"*"}, Methods: []string{"HEAD"}},
	}
	ask := []string{"Authorization", "", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "X-Amz-Date, Content-Type"}
	header, body := h.ok(200, "OPTIONS", "/apiary/key", "", ask...)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Methods": "GET, PUT",
		"Access-Control-Allow-Headers": "x-amz-date, content-type", "Access-Control-Expose-Headers": "ETag", "Access-Control-Max-Age": "600",
		"Access-Control-Allow-Credentials": "true", "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Allow-Methods",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if body != "" {
		t.Errorf("a preflight has the body %q", body)
	}
	for name, change := range map[string][]string{
		"another origin":  {"Origin", "https://app.example.org"},
		"another method":  {"Access-Control-Request-Method", "DELETE"},
		"another header":  {"Access-Control-Request-Headers", "x-other"},
		"a prefix of one": {"Origin", "https://.example.evil"},
	} {
		t.Run(name, func(t *testing.T) {
			h.fails(403, "AccessDenied", "OPTIONS", "/apiary/key", "", append(ask, change...)...)
		})
	}
	h.fails(403, "AccessDenied", "OPTIONS", "/missing/key", "", ask...)
	h.fails(400, "InvalidArgument", "OPTIONS", "/apiary/key", "", "Authorization", "")

	// Answers to requests can be read by the same pages, failures too.
	header, _ = h.ok(200, "GET", "/apiary?location", "", "Origin", "https://app.example")
	if header.Get("Access-Control-Allow-Origin") != "https://app.example" || header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("an answer has %v", header)
	}
	header, _ = h.ok(404, "GET", "/apiary?lifecycle", "", "Origin", "https://app.example")
	if header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("a failure has %v", header)
	}
	header, _ = h.ok(200, "HEAD", "/apiary", "", "Origin", "https://anybody.test")
	if header.Get("Access-Control-Allow-Origin") != "*" || header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("an answer for everybody has %v", header)
	}
	header, _ = h.ok(200, "GET", "/apiary?location", "", "Origin", "https://anybody.test")
	if header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("an answer for another page has %v", header)
	}
}
