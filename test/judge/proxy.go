package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"strongroom/test/openapi"
)

// newProxy passes requests on to the server, and answers back piece by piece as they come.
func newProxy(upstream *url.URL, through http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = upstream.Scheme, upstream.Host, ""
			r.Out.URL.RawQuery = r.In.URL.RawQuery // also what cannot be parsed
		},
		Transport:     through,
		FlushInterval: -1,
	}
}

// recorder hands every exchange to the verdicts when its answer has ended.
type recorder struct {
	next     http.RoundTripper
	verdicts *verdicts
	limit    int64 // of what is kept of a body, in bytes
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if !r.verdicts.document.Covers(req.URL.EscapedPath()) {
		return r.next.RoundTrip(req)
	}
	q := openapi.Request{
		Method: req.Method, Path: req.URL.EscapedPath(), Query: req.URL.RawQuery, Header: req.Header.Clone(),
	}
	sent := &record{limit: r.limit}
	if req.Body != nil {
		out := req.Clone(req.Context())
		out.Body = &tee{from: req.Body, record: sent}
		req = out
	}
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	a := openapi.Answer{Status: resp.StatusCode, Header: resp.Header.Clone()}
	came := &record{limit: r.limit}
	resp.Body = &tee{from: resp.Body, record: came, ended: func() {
		var whole bool
		if q.Body, whole = sent.bytes(); whole {
			a.Body, whole = came.bytes()
		}
		r.verdicts.judge(q, a, whole)
	}}
	return resp, nil
}

// record is what has passed of a body.
type record struct {
	limit int64 // of what is kept, in bytes

	mu   sync.Mutex
	buf  bytes.Buffer
	more bool // than is kept
}

func (r *record) add(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if int64(r.buf.Len()+len(p)) > r.limit {
		r.more = true
		return
	}
	r.buf.Write(p)
}

// bytes returns the body, and whether it is all of it.
func (r *record) bytes() (body []byte, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.buf.Bytes()), !r.more
}

// tee records what is read from a body. It calls ended, if set, at the end of it: not for a body
// that was given up before.
type tee struct {
	from   io.ReadCloser
	record *record
	ended  func()
}

// Read implements io.Reader.
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.record.add(p[:n])
	if errors.Is(err, io.EOF) && t.ended != nil {
		t.ended()
		t.ended = nil
	}
	return n, err
}

// Close implements io.Closer.
func (t *tee) Close() error { return t.from.Close() }
