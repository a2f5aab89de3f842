package s3_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPublishedSignatures: the examples of AWS's documentation of Signature Version 4 are let in, and
// with one digit changed they are not.
func TestPublishedSignatures(t *testing.T) {
	const scope = "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
	const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, tc := range []struct {
		name, method, url, body, headers, signature string
		header                                      map[string]string
	}{
		{
			name: "GET with a range", method: "GET", url: "/test.txt",
			headers:   "host;range;x-amz-content-sha256;x-amz-date",
			signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
			header:    map[string]string{"Range": "bytes=0-9", "X-Amz-Content-Sha256": nothing, "X-Amz-Date": "20130524T000000Z"},
		},
		{
			name: "PUT", method: "PUT", url: "/test$file.text", body: "Welcome to Amazon S3.",
			headers:   "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
			header: map[string]string{
				"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY",
				"X-Amz-Content-Sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			},
		},
		{
			name: "GET of a lifecycle", method: "GET", url: "/?lifecycle",
			headers:   "host;x-amz-content-sha256;x-amz-date",
			signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
			header:    map[string]string{"X-Amz-Content-Sha256": nothing, "X-Amz-Date": "20130524T000000Z"},
		},
		{
			name: "GET of a list", method: "GET", url: "/?max-keys=2&prefix=J",
			headers:   "host;x-amz-content-sha256;x-amz-date",
			signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
			header:    map[string]string{"X-Amz-Content-Sha256": nothing, "X-Amz-Date": "20130524T000000Z"},
		},
	} {
		for _, separator := range []string{",", ", "} {
			for _, good := range []bool{true, false} {
				h := newHouse(t)
				h.shelf.keep("examplebucket", "test.txt", "0123456789and more")
				r := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.body))
				r.Host = "examplebucket.s3.amazonaws.com"
				for name, v := range tc.header {
					r.Header.Set(name, v)
				}
				signature := tc.signature
				if !good {
					signature = flip(signature)
				}
				r.Header.Set("Authorization", "AWS4-HMAC-SHA256 "+scope+separator+"SignedHeaders="+tc.headers+separator+"Signature="+signature)
				w := h.ask(r)
				if good && w.Code/100 != 2 {
					t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
				}
				if !good && (w.Code != 403 || code(t, w) != "SignatureDoesNotMatch") {
					t.Errorf("%s with a wrong signature: %d %s", tc.name, w.Code, w.Body)
				}
			}
		}
	}
}

// TestPublishedPresignedURL is the example of AWS's documentation.
func TestPublishedPresignedURL(t *testing.T) {
	h := newHouse(t)
	h.shelf.keep("examplebucket", "test.txt", "content")
	const u = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
	const signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	get := func(at time.Time, method, url string) *httptest.ResponseRecorder {
		h.now = at
		r := httptest.NewRequest(method, url, nil)
		r.Host = "examplebucket.s3.amazonaws.com"
		return h.ask(r)
	}
	if w := get(published, "GET", u+signature); w.Code != 200 || w.Body.String() != "content" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, tc := range []struct {
		name, method, url string
		at                time.Time
		code              string
	}{
		{"in its last second", "GET", u + signature, published.Add(24*time.Hour - time.Second), ""},
		{"expired", "GET", u + signature, published.Add(24 * time.Hour), "AccessDenied"},
		{"long before its date", "GET", u + signature, published.Add(-16 * time.Minute), "RequestTimeTooSkewed"},
		{"for another method", "DELETE", u + signature, published, "SignatureDoesNotMatch"},
		{"for another object", "GET", strings.Replace(u, "test.txt", "test.tx", 1) + signature, published, "SignatureDoesNotMatch"},
		{"with a longer life", "GET", strings.Replace(u, "86400", "864000", 1) + signature, published, "SignatureDoesNotMatch"},
		{"with one more parameter", "GET", u + signature + "&versionId=x", published, "SignatureDoesNotMatch"},
		{"with its signature twice", "GET", u + signature + "&X-Amz-Signature=" + signature, published, "InvalidArgument"},
		{"with another signature", "GET", u + flip(signature), published, "SignatureDoesNotMatch"},
		{"without life", "GET", strings.Replace(u, "86400", "0", 1) + signature, published, "InvalidArgument"},
		{"with a negative life", "GET", strings.Replace(u, "86400", "-1", 1) + signature, published, "InvalidArgument"},
	} {
		w := get(tc.at, tc.method, tc.url)
		if tc.code == "" && w.Code != 200 || tc.code != "" && (w.Code/100 != 4 || code(t, w) != tc.code) {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
}

// signing is how the tests sign, written down a second time from the documentation of AWS.
type signing struct {
	key, secret, region string
	at                  time.Time
}

func me(region string) signing { return signing{accessKey, secretKey, region, published} }

func (s signing) scope() string { return s.at.Format("20060102") + "/" + s.region + "/s3/aws4_request" }

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, data)
	return h.Sum(nil)
}

func (s signing) hmac(data string) string {
	k := []byte("AWS4" + s.secret)
	for _, part := range []string{s.at.Format("20060102"), s.region, "s3", "aws4_request"} {
		k = mac(k, part)
	}
	return hex.EncodeToString(mac(k, data))
}

func hexSum(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// canonical is the canonical request, of the path as it stands in the URL.
func canonical(r *http.Request, path string, names []string, payload string) string {
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, path, query)
	for _, name := range names {
		v := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			v = r.Host
		}
		fmt.Fprintf(&b, "%s:%s\n", name, v)
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(names, ";"), payload)
	return b.String()
}

// sign signs a request with all its x-amz- headers, and returns the signature.
func (s signing) sign(r *http.Request, payload string) string {
	r.Header.Set("X-Amz-Date", s.at.Format("20060102T150405Z"))
	if payload != "" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	names := []string{"host"}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return s.signOnly(r, names, payload)
}

// signOnly signs with the headers that are named.
func (s signing) signOnly(r *http.Request, names []string, payload string) string {
	toSign := "AWS4-HMAC-SHA256\n" + s.at.Format("20060102T150405Z") + "\n" + s.scope() + "\n" +
		hexSum(canonical(r, r.URL.EscapedPath(), names, payload))
	signature := s.hmac(toSign)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.key+"/"+s.scope()+
		",SignedHeaders="+strings.Join(names, ";")+",Signature="+signature)
	return signature
}

// presign makes a URL that may be used for some seconds.
func (s signing) presign(method, path string, seconds int, extra url.Values) string {
	v := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {s.key + "/" + s.scope()},
		"X-Amz-Date": {s.at.Format("20060102T150405Z")}, "X-Amz-Expires": {fmt.Sprint(seconds)}, "X-Amz-SignedHeaders": {"host"},
	}
	for name, values := range extra {
		v[name] = values
	}
	r := httptest.NewRequest(method, path+"?"+v.Encode(), nil)
	toSign := "AWS4-HMAC-SHA256\n" + s.at.Format("20060102T150405Z") + "\n" + s.scope() + "\n" +
		hexSum(canonical(r, r.URL.EscapedPath(), []string{"host"}, "UNSIGNED-PAYLOAD"))
	return path + "?" + v.Encode() + "&X-Amz-Signature=" + s.hmac(toSign)
}

// flip changes the first digit of a signature.
func flip(signature string) string {
	if signature[0] == '0' {
		return "1" + signature[1:]
	}
	return "0" + signature[1:]
}
