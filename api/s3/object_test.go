package s3_test

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/api/s3"
	"strongroom/objects"
)

// TestEveryAnswerCarriesTheHeadersOfTheService, errors too.
func TestEveryAnswerCarriesTheHeadersOfTheService(t *testing.T) {
	h := newHouse(t)
	h.shelf.keep("b", "k", "content")
	for _, r := range []*http.Request{
		asMe(httptest.NewRequest("GET", "/b/k", nil)),
		asMe(httptest.NewRequest("GET", "/b/other", nil)),
		asMe(httptest.NewRequest("GET", "/b/k?policy", nil)),
		httptest.NewRequest("DELETE", "/b/k", nil),
		httptest.NewRequest("GET", "//", nil),
	} {
		w := h.ask(r)
		id := w.Header().Get("X-Amz-Request-Id")
		if len(id) != 36 || w.Header().Get("X-Clv-Request-Id") != id || w.Header().Get("X-Clv-S3-Version") != "2.5" || w.Header().Get("Server") == "" {
			t.Errorf("%s %s: %v", r.Method, r.URL, w.Header())
		}
		for _, name := range []string{"Cache-Control", "X-Content-Type-Options"} {
			if v, has := w.Header()[name]; has {
				t.Errorf("%s %s: %s is %q, and nobody has stored that", r.Method, r.URL, name, v)
			}
		}
	}
}

// TestObjectsComeBackWithTheirHeaders: what is sent with an object comes back with it.
func TestObjectsComeBackWithTheirHeaders(t *testing.T) {
	h := newHouse(t)
	put := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("content")))
	sent := map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "max-age=60", "Content-Disposition": "attachment",
		"Content-Language": "de", "Expires": "Thu, 01 Dec 2044 16:00:00 GMT", "X-Amz-Meta-Some-Name": "Wert", "Content-Encoding": "identity",
		"X-Amz-Website-Redirect-Location": "/elsewhere",
	}
	for name, v := range sent {
		put.Header.Set(name, v)
	}
	put.Header.Add("X-Amz-Meta-Some-Name", "zwei")
	put.Header.Set("X-Amz-Tagging", "a=b&c+d=%26")
	w := h.ask(put)
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Etag") != `"9a0364b9e99bb480dd25e1f0284c8555"` {
		t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
	}
	write, _ := h.shelf.asked().(objects.Write)
	if diff := cmp.Diff(map[string]string{"a": "b", "c d": "&"}, write.Tags); diff != "" {
		t.Errorf("tags:\n%s", diff)
	}
	delete(sent, "X-Amz-Meta-Some-Name")
	sent["X-Amz-Tagging-Count"] = "2"
	sent["Content-Length"] = "7"
	sent["Accept-Ranges"] = "bytes"
	sent["Last-Modified"] = "Fri, 24 May 2013 00:00:00 GMT"
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := h.ask(asMe(httptest.NewRequest(method, "/b/k", nil)))
		for name, v := range sent {
			if got := w.Header().Get(name); got != v {
				t.Errorf("%s: %s is %q, want %q", method, name, got, v)
			}
		}
		// Clients that take the names of metadata as they come have to find those that they gave.
		asIs := map[string][]string(w.Header())
		if diff := cmp.Diff([]string{"Wert,zwei"}, asIs["x-amz-meta-some-name"]); diff != "" {
			t.Errorf("%s: metadata in %v:\n%s", method, w.Header(), diff)
		}
		if want := map[string]string{http.MethodGet: "content"}[method]; w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q", method, w.Code, w.Body)
		}
	}
}

func TestRangesAndConditions(t *testing.T) {
	h := newHouse(t)
	h.shelf.keep("b", "k", "content")
	get := asMe(httptest.NewRequest(http.MethodGet, "/b/k", nil))
	get.Header.Set("Range", "bytes=0-2")
	if w := h.ask(get); w.Code != 206 || w.Body.String() != "con" || w.Header().Get("Content-Range") != "bytes 0-2/7" || w.Header().Get("Content-Length") != "3" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	get = asMe(httptest.NewRequest(http.MethodGet, "/b/k", nil))
	get.Header.Set("If-None-Match", `"e"`)
	if w := h.ask(get); w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("Etag") != `"e"` || w.Header().Get("Last-Modified") == "" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

// TestChecksumsAreThoseOfWhatIsSent: clients compare one with what they read, so that none may come with less
// than the object.
func TestChecksumsAreThoseOfWhatIsSent(t *testing.T) {
	h := newHouse(t)
	put := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("hello")))
	put.Header.Set("X-Amz-Checksum-Crc32", "NhCmhg==")
	if w := h.ask(put); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, tc := range []struct{ query, ranges, want string }{
		{"", "", "NhCmhg=="}, {"?partNumber=1", "", "NhCmhg=="}, {"?partNumber=2", "", ""}, {"", "bytes=0-2", ""},
	} {
		get := asMe(httptest.NewRequest(http.MethodGet, "/b/k"+tc.query, nil))
		get.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
		if tc.ranges != "" {
			get.Header.Set("Range", tc.ranges)
		}
		if w := h.ask(get); w.Code/100 != 2 || w.Header().Get("X-Amz-Checksum-Crc32") != tc.want {
			t.Errorf("%+v: %d %s %v", tc, w.Code, w.Body, w.Header())
		}
	}
}

func TestParseRange(t *testing.T) {
	for v, want := range map[string]*objects.Range{
		"bytes=0-9": {First: 0, Last: 9}, "bytes=5-": {First: 5, Last: -1}, "bytes=-5": {First: -1, Last: 5}, "Bytes =1-2 ": {First: 1, Last: 2},
		"bytes=0-99999999999999999999": {First: 0, Last: 1<<63 - 1},
		"bytes=-":                      nil, "bytes=5-4": nil, "bytes=0-1,3-4": nil, "bytes=a-b": nil, "items=0-9": nil, "bytes": nil, "": nil, "bytes=--5": nil, "bytes= -1": nil, "bytes=1 - 2": nil, "bytes=+1-2": nil,
	} {
		if diff := cmp.Diff(want, s3.ParseRange(v)); diff != "" {
			t.Errorf("%q:\n%s", v, diff)
		}
	}
}

func TestParseConditions(t *testing.T) {
	h := http.Header{
		"If-Match": {`"a", W/"b,c" , d`, `"e"`}, "If-None-Match": {"*"}, "If-Modified-Since": {"Fri, 24 May 2013 00:00:00 GMT"},
		"If-Unmodified-Since": {"yesterday"},
	}
	want := objects.Conditions{Match: []string{"a", "b,c", "d", "e"}, NoneMatch: []string{"*"}, ModifiedSince: published}
	if diff := cmp.Diff(want, s3.Conditions(h, "")); diff != "" {
		t.Error(diff)
	}
}

// TestErrorsToHeadHaveNoBody, and their status is all there is.
func TestErrorsToHeadHaveNoBody(t *testing.T) {
	server := httptest.NewServer(newHouse(t))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/b/k", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(asMe(r))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 404 || resp.ContentLength > 0 {
		t.Errorf("%d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
}

// TestDigestsOfABody: their forms are checked before the body is asked for.
func TestDigestsOfABody(t *testing.T) {
	for _, tc := range []struct{ name, header, value, code string }{
		{"a digest", "Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", ""},
		{"a digest that is none", "Content-MD5", "hello", "InvalidDigest"},
		{"an empty digest", "Content-MD5", "", "InvalidDigest"},
		{"a digest that is too short", "Content-MD5", "aGVsbG8=", "InvalidDigest"},
		{"a checksum", "X-Amz-Checksum-Crc32", "NhCmhg==", ""},
		{"a checksum that is none", "X-Amz-Checksum-Crc32", "xyz", "InvalidRequest"},
		{"a checksum that is too short", "X-Amz-Checksum-Sha256", "NhCmhg==", "InvalidRequest"},
		{"a hint", "X-Amz-Sdk-Checksum-Algorithm", "CRC64NVME", ""},
		{"a hint that is none", "X-Amz-Sdk-Checksum-Algorithm", "CRC8", "InvalidRequest"},
		{"a SHA-256 that is none", "X-Amz-Content-Sha256", "hello", "InvalidArgument"},
		{"another SHA-256", "X-Amz-Content-Sha256", nothing, "XAmzContentSHA256Mismatch"},
		{"a form of body that is not known", "X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("hello")))
		r.Header.Set(tc.header, tc.value)
		w := h.ask(r)
		if _, kept := h.shelf.has("b", "k"); tc.code == "" && w.Code != 200 || tc.code != "" && (w.Code < 400 || code(t, w) != tc.code || kept) {
			t.Errorf("%s: %d %s, kept: %v", tc.name, w.Code, w.Body, kept)
		}
	}
	h := newHouse(t)
	r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("hello")))
	r.Header.Set("X-Amz-Checksum-Crc32", "NhCmhg==")
	r.Header.Set("X-Amz-Checksum-Crc32c", "NhCmhg==")
	if w := h.ask(r); w.Code != 400 || code(t, w) != "InvalidRequest" {
		t.Errorf("two checksums: %d %s", w.Code, w.Body)
	}
	r = asMe(httptest.NewRequest(http.MethodPut, "/b/k", nil))
	r.ContentLength = -1
	if w := h.ask(r); w.Code != 411 || code(t, w) != "MissingContentLength" {
		t.Errorf("without a length: %d %s", w.Code, w.Body)
	}
}

// TestKeysOfTheCaller come over TLS alone, whole, and are named in the answer by their MD5.
func TestKeysOfTheCaller(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	good := map[string]string{"Algorithm": "AES256", "Key": key, "Key-Md5": "hRasmdxgYDKV3nvbahU1MA=="}
	const prefix = "X-Amz-Server-Side-Encryption-Customer-"
	for _, tc := range []struct {
		name, change, to string
		plain            bool
		code             string
	}{
		{name: "whole"},
		{name: "without TLS", plain: true, code: "InvalidArgument"},
		{name: "without a key", change: "Key", code: "InvalidArgument"},
		{name: "without an algorithm", change: "Algorithm", code: "InvalidArgument"},
		{name: "another algorithm", change: "Algorithm", to: "AES128", code: "InvalidArgument"},
		{name: "a short key", change: "Key", to: "MDEyMw==", code: "InvalidArgument"},
		{name: "another MD5", change: "Key-Md5", to: "XUFAKrxLKna5cZ2REBfFkg==", code: "InvalidArgument"},
		{name: "another way as well", change: "X", code: "InvalidRequest"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("hello")))
		for name, v := range good {
			r.Header.Set(prefix+name, v)
		}
		switch {
		case tc.change == "X":
			r.Header.Set("X-Amz-Server-Side-Encryption", "AES256")
		case tc.to != "":
			r.Header.Set(prefix+tc.change, tc.to)
		case tc.change != "":
			r.Header.Del(prefix + tc.change)
		}
		if !tc.plain {
			r.TLS = &tls.ConnectionState{}
		}
		w := h.ask(r)
		if tc.code != "" {
			if w.Code != 400 || code(t, w) != tc.code || strings.Contains(w.Body.String(), key) {
				t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
			}
			continue
		}
		if w.Code != 200 || w.Header().Get(prefix+"Key-Md5") != good["Key-Md5"] || w.Header().Get(prefix+"Algorithm") != "AES256" || w.Header().Get(prefix+"Key") != "" {
			t.Errorf("%s: %d %s %v", tc.name, w.Code, w.Body, w.Header())
		}
	}
}

// TestNamesThatAWSHasForKeys: a root key can be named for one object.
func TestNamesThatAWSHasForKeys(t *testing.T) {
	const sse = "X-Amz-Server-Side-Encryption"
	for _, tc := range []struct {
		name, kind, key string
		root, code      string
	}{
		{"the service's", "AES256", "", "", ""},
		{"the bucket's root key", "aws:kms", "", "", ""},
		{"a root key", "aws:kms", "crn:x", "crn:x", ""},
		{"a key without kind", "", "crn:x", "", "InvalidArgument"},
		{"a key with the service's", "AES256", "crn:x", "", "InvalidArgument"},
		{"another kind", "aws:kms:dsse", "", "", "InvalidArgument"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("hello")))
		if tc.kind != "" {
			r.Header.Set(sse, tc.kind)
		}
		if tc.key != "" {
			r.Header.Set(sse+"-Aws-Kms-Key-Id", tc.key)
		}
		w := h.ask(r)
		if tc.code != "" {
			if w.Code != 400 || code(t, w) != tc.code {
				t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
			}
			continue
		}
		write, _ := h.shelf.asked().(objects.Write)
		if w.Code != 200 || write.Encryption.Root != tc.root || w.Header().Get(sse) != tc.kind {
			t.Errorf("%s: %d %s %+v", tc.name, w.Code, w.Body, write.Encryption)
		}
	}
}

// TestHeadersOfAWrite that cannot be meant are refused.
func TestHeadersOfAWrite(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header map[string]string
		code   string
	}{
		{"an ACL", map[string]string{"X-Amz-Acl": "public-read"}, ""},
		{"an ACL that is not offered", map[string]string{"X-Amz-Acl": "authenticated-read"}, "InvalidArgument"},
		{"a tag twice", map[string]string{"X-Amz-Tagging": "a=b&a=c"}, "InvalidTag"},
		{"a mode without a date", map[string]string{"X-Amz-Object-Lock-Mode": "GOVERNANCE"}, "InvalidArgument"},
		{"a date without a mode", map[string]string{"X-Amz-Object-Lock-Retain-Until-Date": "2030-01-01T00:00:00Z"}, "InvalidArgument"},
		{"a lock without a digest", map[string]string{"X-Amz-Object-Lock-Legal-Hold": "ON"}, "InvalidRequest"},
		{"a lock with a digest", map[string]string{"X-Amz-Object-Lock-Legal-Hold": "ON", "Content-MD5": "XUFAKrxLKna5cZ2REBfFkg=="}, ""},
		{"a hold that is none", map[string]string{"X-Amz-Object-Lock-Legal-Hold": "yes"}, "InvalidArgument"},
		{"a period and a date", map[string]string{"Retention-Period": "5", "Retention-Expiration-Date": "20301128T031001Z"}, "InvalidRequest"},
		{"a period that is none", map[string]string{"Retention-Period": "5d"}, "InvalidArgument"},
		{"a date in IBM's form", map[string]string{"Retention-Expiration-Date": "20301128T031001Z"}, ""},
		{"not if there is one", map[string]string{"If-None-Match": "*"}, ""},
		{"not if there is that one", map[string]string{"If-None-Match": `"e"`}, "NotImplemented"},
		{"metadata that are no text", map[string]string{"X-Amz-Meta-A": "\xff"}, "InvalidArgument"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("hello")))
		for name, v := range tc.header {
			r.Header.Set(name, v)
		}
		w := h.ask(r)
		if tc.code == "" && w.Code != 200 || tc.code != "" && (w.Code < 400 || code(t, w) != tc.code) {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
}

// TestOverrides: who shows a credential may change headers of the answer, and nobody else.
func TestOverrides(t *testing.T) {
	h := newHouse(t)
	h.shelf.keep("b", "k", "content")
	const u = "/b/k?response-content-type=text/html&response-cache-control=no-store"
	if w := h.ask(asMe(httptest.NewRequest(http.MethodGet, u, nil))); w.Header().Get("Content-Type") != "text/html" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := h.ask(httptest.NewRequest(http.MethodGet, u, nil)); w.Code/100 != 4 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
