package s3_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/objects"
)

// TestParametersOfPresignedURLsStandForHeaders: what presigners move from the headers into the query.
func TestParametersOfPresignedURLsStandForHeaders(t *testing.T) {
	const crc = "jNxQlA==" // of "x"
	h := newHouse(t)
	u := me("us-south").presign(http.MethodPut, "/b/k", 60, url.Values{
		"x-amz-meta-Name": {"a b"}, "X-Amz-Acl": {"public-read"}, "x-amz-tagging": {"kind=one"}, "x-amz-checksum-crc32": {crc},
	})
	if w := h.ask(httptest.NewRequest(http.MethodPut, u, strings.NewReader("x"))); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got, _ := h.shelf.asked().(objects.Write)
	if diff := cmp.Diff(map[string]string{"name": "a b"}, got.Headers.Metadata); diff != "" || got.ACL != "public-read" ||
		got.Tags["kind"] != "one" || got.Expect.Want != "CRC32" || got.Expect.Value != crc {
		t.Errorf("written: %+v %s", got, diff)
	}
}

// TestHoistedCopySource makes a presigned PUT the copy that its signer has meant.
func TestHoistedCopySource(t *testing.T) {
	h := newHouse(t)
	h.shelf.keep("b", "from", "content")
	u := me("us-south").presign(http.MethodPut, "/b/k", 60, url.Values{"x-amz-copy-source": {"/b/from"}})
	h.ask(httptest.NewRequest(http.MethodPut, u, nil))
	if c, ok := h.shelf.asked().(objects.Copy); !ok || c.From.Key != "from" {
		t.Errorf("it was taken as %+v", c)
	}
}

// TestHoistedHeadersAreWhatWasSigned: who uses a URL can neither change nor contradict it.
func TestHoistedHeadersAreWhatWasSigned(t *testing.T) {
	h := newHouse(t)
	sign := func(extra url.Values) string { return me("us-south").presign(http.MethodPut, "/b/k", 60, extra) }
	private := sign(url.Values{"x-amz-acl": {"private"}})
	for name, c := range map[string]struct {
		url    string
		header string // value of x-amz-acl
		status int
		code   string
	}{
		"as signed":          {private, "", 200, ""},
		"changed":            {strings.Replace(private, "=private", "=public-read", 1), "", 403, "SignatureDoesNotMatch"},
		"added":              {sign(nil) + "&x-amz-acl=public-read", "", 403, "SignatureDoesNotMatch"},
		"another header":     {private, "public-read", 400, "InvalidRequest"},
		"the same header":    {private, "private", 403, "AccessDenied"}, // which is not signed
		"twice":              {sign(url.Values{"x-amz-acl": {"private", "private"}}), "", 400, "InvalidRequest"},
		"twice, by case":     {sign(url.Values{"x-amz-acl": {"private"}, "X-Amz-Acl": {"public-read"}}), "", 400, "InvalidRequest"},
		"a line break":       {sign(url.Values{"x-amz-meta-a": {"b\r\nSet-Cookie: c"}}), "", 400, "InvalidRequest"},
		"a name with spaces": {sign(url.Values{"x-amz-meta-a b": {"c"}}), "", 400, "InvalidRequest"},
		"signed as a header": {sign(url.Values{"x-amz-acl": {"private"}, "X-Amz-SignedHeaders": {"host;x-amz-acl"}}), "", 403, "SignatureDoesNotMatch"},
	} {
		r := httptest.NewRequest(http.MethodPut, c.url, strings.NewReader("x"))
		if c.header != "" {
			r.Header.Set("X-Amz-Acl", c.header)
		}
		w := h.ask(r)
		if w.Code != c.status || c.code != "" && code(t, w) != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.code)
		}
	}
}

// TestParametersOfOtherRequestsStandForNothing: a query that holds no signature is no place for headers.
func TestParametersOfOtherRequestsStandForNothing(t *testing.T) {
	h := newHouse(t)
	h.ask(asMe(httptest.NewRequest(http.MethodPut, "/b/k?x-amz-acl=public-read", strings.NewReader("x"))))
	if w, ok := h.shelf.asked().(objects.Write); !ok || w.ACL != objects.ACLPrivate {
		t.Errorf("written: %+v", w)
	}
}
