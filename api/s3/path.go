package s3

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// level is what a path names.
type level int

const (
	onService level = iota
	onBucket
	onObject
)

// String is the form of a path of the level, in tables of routes.
func (l level) String() string {
	return [...]string{"/", "/{bucket}", "/{bucket}/{key}"}[l]
}

// target finds bucket and key in the host and the escaped path of a request. The key is what stands
// after the bucket, decoded once: "//", "." and ".." are bytes of it like any others, and "+" is a plus.
func target(r *http.Request, domains []string) (at level, bucket, key string, err error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	bucket, ok := hostBucket(r.Host, domains)
	if !ok {
		if path == "" {
			return onService, "", "", nil
		}
		bucket, path, _ = strings.Cut(path, "/")
		if bucket, err = url.PathUnescape(bucket); err != nil {
			return onService, "", "", errURI.On("path", "an escape is not valid")
		}
		if bucket == "" {
			return onService, "", "", errURI.On("path", "the name of the bucket is empty")
		}
	}
	if key, err = url.PathUnescape(path); err != nil {
		return onService, "", "", errURI.On("path", "an escape is not valid")
	}
	if key == "" {
		return onBucket, bucket, "", nil
	}
	return onObject, bucket, key, nil
}

// hostBucket returns the bucket that a host name stands for. A bucket's name may itself have dots. The
// domain itself and every other host, such as an address, name none.
func hostBucket(host string, domains []string) (string, bool) {
	host = bareHost(host)
	for _, d := range domains {
		if bucket, ok := strings.CutSuffix(host, "."+d); ok && bucket != "" {
			return bucket, true
		}
	}
	return "", false
}

// bareHost is a host in lower case, without port and final dot.
func bareHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// parameter is one parameter of a query, decoded.
type parameter struct{ name, value string }

// query holds the parameters of a query in the order in which they came.
type query []parameter

// maxParameters bounds a query: no operation knows as many as twenty.
const maxParameters = 256

// parseQuery reads a raw query strictly: net/url drops what it does not understand, but what is not
// understood can neither be signed nor obeyed. A plus is a space; a parameter without value has "".
func parseQuery(raw string) (query, error) {
	if raw == "" {
		return nil, nil
	}
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if len(q) == maxParameters {
			return nil, errURI.On("query", "it has too many parameters")
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, errURI.On("query", "an escape is not valid")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, errURI.On("query", "an escape is not valid")
		}
		q = append(q, parameter{name, value})
	}
	return q, nil
}

// get returns the first value of a parameter, or "".
func (q query) get(name string) string {
	for _, p := range q {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// has says whether a parameter was given, with or without a value.
func (q query) has(name string) bool {
	for _, p := range q {
		if p.name == name {
			return true
		}
	}
	return false
}
