package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// TestWhoCalls: tokens and signatures are told apart, in their order, and refused with the codes of the
// service.
func TestWhoCalls(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header map[string]string
		url    string
		status int
		code   string
	}{
		{"a token", map[string]string{"Authorization": "Bearer " + token}, "/b/k", 200, ""},
		{"a token, in another case", map[string]string{"Authorization": "bearer " + token}, "/b/k", 200, ""},
		{"a wrong token", map[string]string{"Authorization": "Bearer x"}, "/b/k", 403, "AccessDenied"},
		{"no token", map[string]string{"Authorization": "Bearer"}, "/b/k", 403, "AccessDenied"},
		{"nobody", nil, "/b/k", 403, "AccessDenied"},
		{"basic", map[string]string{"Authorization": "Basic eA=="}, "/b/k", 400, "InvalidRequest"},
		{"version 2", map[string]string{"Authorization": "AWS ak:sig"}, "/b/k", 400, "InvalidRequest"},
		{"version 2 in the query", nil, "/b/k?AWSAccessKeyId=x&Signature=y&Expires=1", 400, "InvalidRequest"},
		{"version 4a", map[string]string{"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=x"}, "/b/k", 501, "NotImplemented"},
		{"no fields", map[string]string{"Authorization": "AWS4-HMAC-SHA256"}, "/b/k", 400, "InvalidArgument"},
		{"both ways", map[string]string{"Authorization": "Bearer " + token}, "/b/k?X-Amz-Signature=x", 400, "InvalidRequest"},
	} {
		h := newHouse(t)
		h.shelf.keep("b", "k", "content")
		r := httptest.NewRequest(http.MethodGet, tc.url, nil)
		for name, v := range tc.header {
			r.Header.Set(name, v)
		}
		w := h.ask(r)
		if w.Code != tc.status || tc.code != "" && code(t, w) != tc.code {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
}

// TestAnyRegion: a region is part of the key that signs and compared with nothing.
func TestAnyRegion(t *testing.T) {
	for _, region := range []string{"us-south", "us-standard", "us-east-1", "other-v4-signature", "", "a/b", "zürich"} {
		h := newHouse(t)
		h.shelf.keep("b", "k", "content")
		r := httptest.NewRequest(http.MethodGet, "/b/k", nil)
		me(region).sign(r, nothing)
		if w := h.ask(r); w.Code != 200 {
			t.Errorf("%q: %d %s", region, w.Code, w.Body)
		}
	}
}

// TestSignedRequestsUnderAttack: whoever gets hold of a signed request can send it again for a while,
// and can do nothing else with it.
func TestSignedRequestsUnderAttack(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(h *house, r *http.Request)
		code string // of the refusal; empty if it is let in
	}{
		{"as signed", func(*house, *http.Request) {}, ""},
		{"a header that changes nothing", func(_ *house, r *http.Request) { r.Header.Set("X-Other", "1") }, ""},
		{"within the skew", func(h *house, _ *http.Request) { h.now = h.now.Add(15 * time.Minute) }, ""},
		{"too late", func(h *house, _ *http.Request) { h.now = h.now.Add(15*time.Minute + time.Second) }, "RequestTimeTooSkewed"},
		{"too early", func(h *house, _ *http.Request) { h.now = h.now.Add(-15*time.Minute - time.Second) }, "RequestTimeTooSkewed"},
		{"another method", func(_ *house, r *http.Request) { r.Method = http.MethodDelete }, "SignatureDoesNotMatch"},
		{"another object", func(_ *house, r *http.Request) { r.URL.Path = "/b/other" }, "SignatureDoesNotMatch"},
		{"another host", func(_ *house, r *http.Request) { r.Host = "b.s3.amazonaws.com" }, "SignatureDoesNotMatch"},
		{"another query", func(_ *house, r *http.Request) { r.URL.RawQuery = "versionId=x" }, "SignatureDoesNotMatch"},
		{"another body", func(_ *house, r *http.Request) { r.Body = io.NopCloser(strings.NewReader("something")) }, "XAmzContentSHA256Mismatch"},
		{"another digest", func(_ *house, r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", hexSum("something"))
		}, "SignatureDoesNotMatch"},
		{"no digest", func(_ *house, r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, "SignatureDoesNotMatch"},
		{"a header added", func(_ *house, r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, "AccessDenied"},
		{"a header that is a copy", func(_ *house, r *http.Request) { r.Header.Set("X-Amz-Copy-Source", "/other/secret") }, "AccessDenied"},
		{"metadata added", func(_ *house, r *http.Request) { r.Header.Set("X-Amz-Meta-A", "b") }, "AccessDenied"},
		{"a signed header again", func(_ *house, r *http.Request) { r.Header.Add("X-Amz-Date", "20130524T000001Z") }, "SignatureDoesNotMatch"},
		{"a signed header removed", func(_ *house, r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, "SignatureDoesNotMatch"},
		{"another access key", func(_ *house, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), accessKey, "AKIAIOSFODNN7EXAMPLF", 1))
		}, "InvalidAccessKeyId"},
		{"another scope", func(_ *house, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-south", "us-north", 1))
		}, "SignatureDoesNotMatch"},
		{"another day in the scope", func(_ *house, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "20130524", "20130523", 1))
		}, "InvalidArgument"},
		{"another service", func(_ *house, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/s3/", "/ec2/", 1))
		}, "InvalidArgument"},
		{"fewer signed headers", func(_ *house, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
		}, "AccessDenied"},
		{"the header twice", func(_ *house, r *http.Request) {
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, "InvalidRequest"},
	} {
		h := newHouse(t)
		r := httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("anything!"))
		me("us-south").sign(r, hexSum("anything!"))
		tc.do(h, r)
		w := h.ask(r)
		if _, kept := h.shelf.has("b", "k"); tc.code == "" && (w.Code != 200 || !kept) {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
		if _, kept := h.shelf.has("b", "k"); tc.code != "" && (w.Code/100 != 4 || kept || code(t, w) != tc.code) {
			t.Errorf("%s: %d %s, kept: %v", tc.name, w.Code, w.Body, kept)
		}
	}
}

// TestSignatureWithoutDigest: clients that sign host and date alone have their body hashed, up to a size.
func TestSignatureWithoutDigest(t *testing.T) {
	ask := func(h *house, body, signed string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader(body))
		r.Header.Set("X-Amz-Date", "20130524T000000Z")
		me("us-south").signOnly(r, []string{"host", "x-amz-date"}, hexSum(signed))
		return h.ask(r)
	}
	h := newHouse(t)
	if w := ask(h, "hello", "hello"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got, _ := h.shelf.has("b", "k"); got != "hello" {
		t.Errorf("%q is kept", got)
	}
	h = newHouse(t)
	if w := ask(h, "hullo", "hello"); w.Code != 403 || code(t, w) != "SignatureDoesNotMatch" {
		t.Errorf("another body: %d %s", w.Code, w.Body)
	}
	large := strings.Repeat("a", 8<<20+1)
	if w := ask(h, large, large); w.Code != 400 {
		t.Errorf("too large to be held: %d %s", w.Code, w.Body)
	}
}

// TestEscapesInSignedPaths: a path may be signed as it was sent or in the one canonical form, and
// escaping it once more makes another path.
func TestEscapesInSignedPaths(t *testing.T) {
	for _, tc := range []struct {
		signed, sent string
		key          string // that is asked for; empty if the request is refused
	}{
		{"/b/a%20b", "/b/a%20b", "a b"},
		{"/b/a%2Fb", "/b/a%2Fb", "a/b"},
		{"/b/a/b", "/b/a%2Fb", "a/b"},
		{"/b/a%2Fb", "/b/a/b", ""},
		{"/b//a/../b", "/b//a/../b", "/a/../b"},
		{"/b/%C3%BC%2B", "/b/ü%2B", "ü+"},
		{"/b/a%20b", "/b/a%2520b", ""},
		{"/b/a%2520b", "/b/a%20b", ""},
		{"/b/a%252Fb", "/b/a%2Fb", ""},
	} {
		h := newHouse(t)
		signed := httptest.NewRequest(http.MethodPut, tc.signed, strings.NewReader(""))
		me("us-south").sign(signed, nothing)
		r := httptest.NewRequest(http.MethodPut, tc.sent, strings.NewReader(""))
		r.Header = signed.Header
		w := h.ask(r)
		if _, kept := h.shelf.has("b", tc.key); tc.key != "" && (w.Code != 200 || !kept) {
			t.Errorf("signed %s, sent %s: %d %s", tc.signed, tc.sent, w.Code, w.Body)
		}
		if tc.key == "" && (w.Code != 403 || code(t, w) != "SignatureDoesNotMatch") {
			t.Errorf("signed %s, sent %s: %d %s", tc.signed, tc.sent, w.Code, w.Body)
		}
	}
}

// TestPresignedURLs: they may be used again until they expire, which may be in years, for what was
// signed and nothing else.
func TestPresignedURLs(t *testing.T) {
	h := newHouse(t)
	u := me("us-south").presign(http.MethodPut, "/b/k", 10*365*24*3600, nil)
	for i, at := range []time.Duration{0, time.Hour, 9 * 365 * 24 * time.Hour} {
		h.now = published.Add(at)
		if w := h.ask(httptest.NewRequest(http.MethodPut, u, strings.NewReader("x"))); w.Code != 200 {
			t.Errorf("use %d: %d %s", i, w.Code, w.Body)
		}
	}
	h.now = published.Add(10 * 365 * 24 * time.Hour)
	if w := h.ask(httptest.NewRequest(http.MethodPut, u, strings.NewReader("x"))); w.Code != 403 || code(t, w) != "AccessDenied" ||
		!strings.Contains(w.Body.String(), "Request has expired") {
		t.Errorf("expired: %d %s", w.Code, w.Body)
	}
	h.now = published
	added := httptest.NewRequest(http.MethodPut, u, strings.NewReader("x"))
	added.Header.Set("X-Amz-Acl", "public-read")
	if w := h.ask(added); w.Code != 403 || code(t, w) != "AccessDenied" {
		t.Errorf("with a header added: %d %s", w.Code, w.Body)
	}
	forever := me("us-south").presign(http.MethodPut, "/b/k", 1<<62, nil)
	if w := h.ask(httptest.NewRequest(http.MethodPut, forever, strings.NewReader("x"))); w.Code != 200 {
		t.Errorf("for ever: %d %s", w.Code, w.Body)
	}
}
