package s3_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"strongroom/api/s3"
)

func TestBucketAndKeyOfARequest(t *testing.T) {
	for _, tc := range []struct{ host, path, bucket, key string }{
		{"s3.example", "/", "", ""},
		{"s3.example", "/b", "b", ""},
		{"s3.example", "/b/", "b", ""},
		{"s3.example", "/b/k", "b", "k"},
		{"s3.example", "/b//k", "b", "/k"},
		{"s3.example", "/b/../c/./k/", "b", "../c/./k/"},
		{"s3.example", "/b/a%2Fb", "b", "a/b"},
		{"s3.example", "/b/a%252Fb", "b", "a%2Fb"},
		{"s3.example", "/b/a+b%20c", "b", "a+b c"},
		{"s3.example", "/b.with.dots/k", "b.with.dots", "k"},
		{"127.0.0.1:9000", "/b/k", "b", "k"},
		{"[::1]:9000", "/b/k", "b", "k"},
		{"other.example", "/b/k", "b", "k"},
		{"b.s3.example", "/", "b", ""},
		{"B.S3.example.:443", "/k", "b", "k"},
		{"b.with.dots.s3.example", "/k/l", "b.with.dots", "k/l"},
		{"b.s3.example", "//k", "b", "/k"},
		{"xs3.example", "/b/k", "b", "k"},
	} {
		r := httptest.NewRequest(http.MethodGet, tc.path, nil)
		r.Host = tc.host
		bucket, key, err := s3.Target(r, []string{"s3.example"})
		if err != nil || bucket != tc.bucket || key != tc.key {
			t.Errorf("%s%s is %q, %q, %v; want %q, %q", tc.host, tc.path, bucket, key, err, tc.bucket, tc.key)
		}
	}
}

// TestSubResourcesOfObjects: a sub-resource that is not known here must never be taken for the object.
func TestSubResourcesOfObjects(t *testing.T) {
	for _, tc := range []struct {
		method, url string
		status      int
		code        string
	}{
		{"DELETE", "/b/k?policy", 501, "NotImplemented"},
		{"PUT", "/b/k?uploads", 405, "MethodNotAllowed"},
		{"PATCH", "/b/k", 405, "MethodNotAllowed"},
		{"POST", "/b/k", 405, "MethodNotAllowed"},
		{"GET", "/b/k?uploadId=u&uploads", 400, "InvalidRequest"},
		{"GET", "/b/k?versionId=%zz", 400, "InvalidURI"},
		{"GET", "//k", 400, "InvalidURI"},
		{"GET", "/b/k?versionId", 400, "InvalidArgument"},
		{"DELETE", "/b/k?versionId=", 400, "InvalidArgument"},
	} {
		h := newHouse(t)
		h.shelf.keep("b", "k", "content")
		w := h.ask(asMe(httptest.NewRequest(tc.method, tc.url, nil)))
		if _, kept := h.shelf.has("b", "k"); w.Code != tc.status || code(t, w) != tc.code || !kept {
			t.Errorf("%s %s: %d %s, kept: %v", tc.method, tc.url, w.Code, w.Body, kept)
		}
	}
	h := newHouse(t)
	h.shelf.keep("b", "k", "content")
	if w := h.ask(asMe(httptest.NewRequest(http.MethodGet, "/b/k?x-id=GetObject&anything=else", nil))); w.Code != 200 {
		t.Errorf("parameters that mean nothing: %d %s", w.Code, w.Body)
	}
}
