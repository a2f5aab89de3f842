package s3

import (
	"io"
	"net/http"
	"time"
)

// What tests need from inside.
var (
	ParseRange   = parseRange
	ParseTags    = parseTags
	ParseSource  = parseSource
	Conditions   = conditions
	ParseXML     = parseXML
	CanonicalURI = canonicalURIs
)

// Target is what a path and a host name.
func Target(r *http.Request, domains []string) (bucket, key string, err error) {
	_, bucket, key, err = target(r, domains)
	return bucket, key, err
}

// ParseAuthorization reads an Authorization header and gives back what it names.
func ParseAuthorization(v string) (accessKey, region string, headers []string, err error) {
	s, err := parseAuthorization(v)
	if err != nil {
		return "", "", nil, err
	}
	return s.accessKey, s.region, s.headers, nil
}

// ParsePresigned reads the signature in a query.
func ParsePresigned(raw string) (accessKey string, valid time.Duration, err error) {
	q, err := parseQuery(raw)
	if err != nil {
		return "", 0, err
	}
	s, valid, err := parsePresigned(q)
	if err != nil {
		return "", 0, err
	}
	return s.accessKey, valid, nil
}

// Chunks is a body in chunks without signatures, with the trailers that are announced.
func Chunks(from io.Reader, length int64, announce string) (body io.Reader, trailers map[string]string, err error) {
	var t *trailer
	if announce != "" {
		if t, err = announced([]string{announce}); err != nil {
			return nil, nil, err
		}
		trailers = t.values
	}
	return newChunks(from, length, nil, t), trailers, nil
}

// SignedChunks is a body in chunks signed with a key that is all zeros.
func SignedChunks(from io.Reader, length int64, trailed bool) io.Reader {
	var t *trailer
	if trailed {
		t, _ = announced([]string{"x-amz-checksum-crc32"})
	}
	return newChunks(from, length, &signer{key: make([]byte, 32), stamp: "20130524T000000Z", scope: "x"}, t)
}
