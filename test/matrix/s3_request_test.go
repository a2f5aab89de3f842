package matrix_test

import (
	"bytes"
	"crypto/md5" // what S3 calls Content-MD5
	"encoding/base64"
	"io"
	"net/http"

	"strongroom/test/rig"
)

// s3Request is one request to the S3 face. Path is escaped, with its query.
type s3Request struct {
	method, path string
	header       map[string]string
	body         string
}

// sendS3 sends a request, which sign gives its credentials.
func (w *world) sendS3(q s3Request, sign func(*http.Request)) rig.Answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), q.method, w.r.S3URL+q.path, bytes.NewReader([]byte(q.body)))
	if err != nil {
		w.t.Fatal(err)
	}
	if q.body != "" {
		sum := md5.Sum([]byte(q.body))
		req.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	sign(req)
	resp, err := w.r.Client.Do(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	return rig.Answer{ID: resp.Header.Get("X-Amz-Request-Id"), Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// mustS3 sends a request as the owner, which has to be carried out.
func (w *world) mustS3(q s3Request) rig.Answer {
	w.t.Helper()
	a := w.sendS3(q, bearer(w.owner))
	if !a.OK() {
		w.t.Fatalf("%s %s: %d %s", q.method, q.path, a.Status, a.Body)
	}
	return a
}

// bearer signs with a token.
func bearer(token string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token) }
}
