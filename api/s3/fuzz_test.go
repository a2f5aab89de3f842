package s3_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"strongroom/api/s3"
	"strongroom/fault"
)

// shown fails the test if a failure is one that a caller cannot be told about.
func shown(t *testing.T, err error) {
	t.Helper()
	if err != nil && fault.KindOf(err) == fault.Internal {
		t.Errorf("%v cannot be shown to a caller", err)
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add(" Credential=a/20130524/us-south/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=" + strings.Repeat("0", 64))
	f.Add("Credential=a/b//c/s3/aws4_request, Signature=00, SignedHeaders=")
	f.Fuzz(func(t *testing.T, v string) {
		key, _, headers, err := s3.ParseAuthorization(v)
		shown(t, err)
		if err == nil && (key == "" || len(headers) == 0) {
			t.Errorf("%q is taken, without a key or headers", v)
		}
	})
}

func FuzzPresignedQuery(f *testing.F) {
	f.Add(strings.TrimPrefix(me("us-south").presign("GET", "/b/k", 60, nil), "/b/k?"))
	f.Add("X-Amz-Expires=99999999999999999999&X-Amz-Date=1")
	f.Fuzz(func(t *testing.T, raw string) {
		key, valid, err := s3.ParsePresigned(raw)
		shown(t, err)
		if err == nil && (key == "" || valid <= 0) {
			t.Errorf("%q is taken, for %q and %v", raw, key, valid)
		}
	})
}

// FuzzRequest sends whole requests as nobody: whatever they are, they are answered, and nothing is let in.
func FuzzRequest(f *testing.F) {
	f.Add("PUT", "/b/k?uploadId=u&partNumber=1", "AWS4-HMAC-SHA256 Credential=x", "bytes=0-1")
	f.Add("GET", "/b/k?X-Amz-Signature=0", "", "")
	f.Fuzz(func(t *testing.T, method, path, authorization, other string) {
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(other))
		r.Method, r.URL.Path, r.URL.RawPath = method, path, path
		if p, q, ok := strings.Cut(path, "?"); ok {
			r.URL.Path, r.URL.RawPath, r.URL.RawQuery = p, p, q
		}
		r.Header.Set("Authorization", authorization)
		for _, name := range []string{"Range", "X-Amz-Copy-Source", "X-Amz-Content-Sha256", "X-Amz-Trailer", "X-Amz-Tagging", "If-Match"} {
			r.Header.Set(name, other)
		}
		w := newHouse(t).ask(r)
		if strings.Contains(authorization, token) {
			return
		}
		if w.Code/100 == 2 && method != http.MethodOptions || w.Code == http.StatusInternalServerError {
			t.Errorf("%s %q as %q: %d %s", method, path, authorization, w.Code, w.Body)
		}
	})
}

func FuzzUnsignedChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"), int64(5), "x-amz-checksum-crc32")
	f.Add([]byte("0\r\n\r\n"), int64(0), "")
	f.Add([]byte("ffffffffffffffff\r\n"), int64(5), "a,b")
	f.Fuzz(func(t *testing.T, sent []byte, length int64, announce string) {
		body, trailers, err := s3.Chunks(bytes.NewReader(sent), length, announce)
		if err != nil {
			shown(t, err)
			return
		}
		got, err := io.ReadAll(body)
		shown(t, err)
		if err != nil {
			return
		}
		if int64(len(got)) != length {
			t.Errorf("%d bytes came, %d were announced", len(got), length)
		}
		for name := range trailers {
			if !strings.Contains(strings.ToLower(announce), name) {
				t.Errorf("the trailer %q was not announced", name)
			}
		}
	})
}

// FuzzSignedChunks: nobody without the key makes a body that is taken.
func FuzzSignedChunks(f *testing.F) {
	f.Add([]byte("5;chunk-signature="+strings.Repeat("0", 64)+"\r\nhello\r\n"), int64(5), false)
	f.Add([]byte("0;chunk-signature="+strings.Repeat("0", 64)+"\r\n\r\n"), int64(0), true)
	f.Fuzz(func(t *testing.T, sent []byte, length int64, trailed bool) {
		_, err := io.ReadAll(s3.SignedChunks(bytes.NewReader(sent), length, trailed))
		if err == nil {
			t.Errorf("%q is taken", sent)
		}
		shown(t, err)
	})
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Add([]byte("\ufeff<a xmlns:b='c'><b:d/></a>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var v struct {
			XMLName xml.Name
			Part    []struct{ PartNumber int }
		}
		shown(t, s3.ParseXML(body, &v))
	})
}

func FuzzRangeAndConditions(f *testing.F) {
	f.Add("bytes=0-9", `"a", W/"b"`)
	f.Add("bytes=-99999999999999999999", `*`)
	f.Fuzz(func(t *testing.T, ranges, tags string) {
		if r := s3.ParseRange(ranges); r != nil && (r.First < 0 && r.Last < 0 || r.First >= 0 && r.Last >= 0 && r.Last < r.First) {
			t.Errorf("%q is taken for %+v", ranges, r)
		}
		for _, tag := range s3.Conditions(http.Header{"If-Match": {tags}}, "").Match {
			if strings.HasPrefix(tag, `"`) {
				t.Errorf("a tag of %q has kept its quote: %q", tags, tag)
			}
		}
	})
}

func FuzzSourceOfACopy(f *testing.F) {
	f.Add("/b/k?versionId=v")
	f.Add("b%2Fk")
	f.Fuzz(func(t *testing.T, v string) {
		bucket, key, _, err := s3.ParseSource(v)
		shown(t, err)
		if err == nil && (bucket == "" || key == "" || strings.Contains(bucket, "/")) {
			t.Errorf("%q is taken for %q, %q", v, bucket, key)
		}
	})
}

// FuzzTags: tags that are taken from a header are the same when they are written and read again.
func FuzzTags(f *testing.F) {
	f.Add("a=b&c=d+e%20f")
	f.Add("a&b=&=c")
	f.Add("a=1&%61=2")
	f.Fuzz(func(t *testing.T, v string) {
		tags, err := s3.ParseTags(v)
		shown(t, err)
		if err != nil {
			return
		}
		values := url.Values{}
		for key, value := range tags {
			values.Set(key, value)
		}
		again, err := s3.ParseTags(values.Encode())
		if err != nil || !maps.Equal(tags, again) {
			t.Errorf("%q is taken for %q, which is taken for %q, %v", v, tags, again, err)
		}
	})
}
