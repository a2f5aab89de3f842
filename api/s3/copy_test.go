package s3_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strongroom/api/s3"
	"strongroom/objects"
)

// TestSourceOfACopy: bucket and key are the bytes of the header, decoded once; no source leads out of
// its bucket.
func TestSourceOfACopy(t *testing.T) {
	for v, want := range map[string][3]string{
		"/b/k":                  {"b", "k", ""},
		"b/k":                   {"b", "k", ""},
		"b/k/l%20m+n":           {"b", "k/l m+n", ""},
		"b%2Fk":                 {"b", "k", ""},
		"%2Fb%2Fk%2Fl":          {"b", "k/l", ""},
		"b/k?versionId=v":       {"b", "k", "v"},
		"b/k%3FversionId=v":     {"b", "k?versionId=v", ""},
		"b/../other/secret":     {"b", "../other/secret", ""},
		"b/%2E%2E/other/secret": {"b", "../other/secret", ""},
		"b//k":                  {"b", "/k", ""},
		"b/%252e":               {"b", "%2e", ""},
	} {
		bucket, key, version, err := s3.ParseSource(v)
		if got := [3]string{bucket, key, string(version)}; err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", v, got, err, want)
		}
	}
	for _, v := range []string{
		"", "/", "b", "b/", "//k", "/b", "a%2Fb/k", "b/%zz", "%zz/k", "b/k?versionId=", "b/k?versionId", "b/k?other=v", "b/k?versionId=v&versionId=w",
	} {
		if bucket, key, version, err := s3.ParseSource(v); err == nil {
			t.Errorf("%q is taken for %q, %q, %q", v, bucket, key, version)
		}
	}
}

func TestCopies(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header map[string]string
		body   string
		code   string
		check  func(objects.Copy) bool
	}{
		{name: "as it is", check: func(c objects.Copy) bool {
			return !c.ReplaceHeaders && !c.ReplaceTags && c.From.Bucket == "src" && c.From.Key == "k"
		}},
		{name: "with other headers", header: map[string]string{"X-Amz-Metadata-Directive": "REPLACE", "X-Amz-Meta-A": "b"}, check: func(c objects.Copy) bool {
			return c.ReplaceHeaders && c.Headers.Metadata["a"] == "b"
		}},
		{name: "with conditions", header: map[string]string{"X-Amz-Copy-Source-If-Match": `"e"`}, check: func(c objects.Copy) bool {
			return len(c.From.Conditions.Match) == 1 && len(c.Conditions.Match) == 0
		}},
		{name: "with its retention", header: map[string]string{"Retention-Directive": "COPY"}, check: func(c objects.Copy) bool { return c.KeepRetention }},
		{name: "with a directive that is none", header: map[string]string{"X-Amz-Metadata-Directive": "KEEP"}, code: "InvalidArgument"},
		{name: "from nowhere", header: map[string]string{"X-Amz-Copy-Source": "nowhere"}, code: "InvalidArgument"},
		{name: "with a body", body: "x", code: "MaxMessageLengthExceeded"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader(tc.body)))
		r.Header.Set("X-Amz-Copy-Source", "/src/k")
		for name, v := range tc.header {
			r.Header.Set(name, v)
		}
		w := h.ask(r)
		if tc.code != "" {
			if w.Code != 400 || code(t, w) != tc.code {
				t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
			}
			continue
		}
		c, ok := h.shelf.asked().(objects.Copy)
		if w.Code != 200 || !ok || !tc.check(c) || !strings.Contains(w.Body.String(), "<ETag>&#34;x&#34;</ETag>") {
			t.Errorf("%s: %d %s %+v", tc.name, w.Code, w.Body, c)
		}
	}
}
