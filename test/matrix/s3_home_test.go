package matrix_test

import (
	"encoding/xml"
	"net/http"
	"strings"

	"strongroom/internal/httpface"
)

// home is a bucket with an object, an upload that has one part, and a configuration.
type home struct {
	*world
	instance, bucket, key, upload, etag, version string
}

// newHome makes a home in an instance.
func newHome(w *world, instance string, kind homeKind) *home {
	w.t.Helper()
	h := &home{world: w, instance: instance, bucket: "bucket-" + hex32()[:12], key: "name-" + hex32()}
	h.must(http.MethodPut, "/{bucket}", "", "Ibm-Service-Instance-Id", instance)
	switch kind {
	case empty:
		return h
	case locked:
		h.must(http.MethodPut, "/{bucket}?versioning", versionsBody)
		h.must(http.MethodPut, "/{bucket}?object-lock", lockBody)
		h.must(http.MethodPut, "/{bucket}?replication", copiesBody)
	case protected:
		h.must(http.MethodPut, "/{bucket}?protection", protectBody)
	case plain:
		h.must(http.MethodPut, "/{bucket}?cors", corsBody)
		h.must(http.MethodPut, "/{bucket}?lifecycle", expireBody)
		h.must(http.MethodPut, "/{bucket}?website", siteBody)
		h.must(http.MethodPut, "/{bucket}?publicAccessBlock", blockBody)
		h.startUpload()
	}
	made := h.must(http.MethodPut, "/{bucket}/{key}", confidentialName, "X-Amz-Meta-Name", confidentialName, "X-Amz-Tagging", "kind="+confidentialName)
	h.version = made.Get("X-Amz-Version-Id")
	if kind == locked {
		h.must(http.MethodPut, "/{bucket}/{key}?retention", retainBody)
		h.must(http.MethodPut, "/{bucket}/{key}?legal-hold", noHoldBody)
	}
	return h
}

// startUpload begins an upload of the object in parts.
func (h *home) startUpload() {
	h.t.Helper()
	a := h.mustS3(s3Request{method: http.MethodPost, path: h.fill("/{bucket}/{key}?uploads")})
	var made struct {
		ID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(a.Body, &made); err != nil || made.ID == "" {
		h.t.Fatalf("no upload: %s (%v)", a.Body, err)
	}
	h.upload = made.ID
	h.etag = h.must(http.MethodPut, "/{bucket}/{key}?uploadId={upload}&partNumber=1", confidentialName).Get("Etag")
}

// must sends a request as the owner, which has to be carried out, and returns the header of the answer.
func (h *home) must(method, path, body string, header ...string) http.Header {
	h.t.Helper()
	q := s3Request{method: method, path: h.fill(path), body: body, header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		q.header[header[i]] = header[i+1]
	}
	return h.mustS3(q).Header
}

// fill puts the names of what the home has into a text.
func (h *home) fill(text string) string {
	return strings.NewReplacer(
		"{bucket}", h.bucket, "{key}", h.key, "{upload}", h.upload, "{etag}", h.etag, "{version}", h.version, "{instance}", h.instance,
	).Replace(text)
}

// request is the sample of an operation, for what the home has.
func (h *home) request(route httpface.RouteInfo, s s3Sample) s3Request {
	path, _, _ := strings.Cut(route.Path, " ")
	if strings.HasSuffix(path, "?uploadId") {
		path += "={upload}"
	}
	if s.query != "" && strings.Contains(path, "?") {
		path += "&" + s.query
	} else if s.query != "" {
		path += "?" + s.query
	}
	q := s3Request{method: route.Method, path: h.fill(path), body: h.fill(s.body), header: map[string]string{}}
	for name, value := range s.header {
		q.header[name] = h.fill(value)
	}
	return q
}

// without returns the home as if its object, its version and its upload did not exist.
func (h *home) without() *home {
	other := *h
	other.key = "name-" + hex32()
	if h.upload != "" {
		other.upload = same(h.upload)
	}
	if h.version != "" {
		other.version = same(h.version)
	}
	return &other
}

// same returns an ID that nothing has, in the form of one that something has.
func same(id string) string {
	turned := []byte(id)
	for i, c := range turned {
		switch {
		case c >= '0' && c < '9', c >= 'a' && c < 'f':
			turned[i]++
		case c == '9':
			turned[i] = '0'
		}
	}
	return string(turned)
}

// hidden reports what of the home stands in an answer to who must not learn it.
func (h *home) hidden(answer string, asked s3Request) (found []string) {
	for _, secret := range []string{confidentialName, h.key, h.upload, h.version} {
		said := asked.path + asked.body
		for _, value := range asked.header {
			said += value
		}
		if secret != "" && strings.Contains(answer, secret) && !strings.Contains(said, secret) {
			found = append(found, secret)
		}
	}
	return found
}
