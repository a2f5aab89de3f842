package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// putObject stores the body of the request.
func (f *face) putObject(ctx context.Context, q *request) (a httpface.Answer, err error) {
	w, err := q.write()
	if err != nil {
		return a, err
	}
	if w.Expect, err = q.expect(); err != nil {
		return a, err
	}
	if w.Lock.Mode != "" || w.Lock.Hold {
		if err := q.needDigest(); err != nil {
			return a, err
		}
	}
	o, err := f.Objects.Put(ctx, q.who, w, q.body)
	if err != nil {
		return a, err
	}
	return httpface.Answer{Header: q.written(&o)}, nil
}

// written are the headers that tell of an object that was just written.
func (q *request) written(o *objects.Object) http.Header {
	h := http.Header{}
	h.Set("Etag", quoted(o.ETag))
	showVersion(h, o)
	setChecksums(h, o.Checksums)
	showCustomer(h, o.CustomerKeyMD5)
	q.echoEncryption(h, o.Root)
	return h
}

// read reads what a GET or HEAD asks for.
func (q *request) read() (r objects.Read, err error) {
	r = objects.Read{
		Bucket: q.bucket, Key: q.key, Version: objects.VersionID(q.query.get("versionId")),
		Range: parseRange(q.header("Range")), Conditions: conditions(q.R.Header, ""),
	}
	if q.query.has("versionId") && r.Version == "" {
		return r, errParameter.On("versionId", "it is empty")
	}
	if q.query.has("partNumber") {
		if r.Part, err = parsePartNumber(q.query.get("partNumber")); err != nil {
			return r, err
		}
		if r.Range != nil {
			return r, errContradiction.On("partNumber", "there is a range as well")
		}
	}
	if r.Range != nil {
		r.RangeIf = rangeIf(q.header("If-Range"))
	}
	r.Customer, err = q.customer()
	return r, err
}

// overrides are parameters that replace headers of the answer.
var overrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-content-encoding":    "Content-Encoding",
	"response-content-disposition": "Content-Disposition",
	"response-cache-control":       "Cache-Control",
	"response-expires":             "Expires",
}

// override replaces headers as the query asks. Only who shows a credential may: a link to a public
// object must not be able to make a page out of it.
func (q *request) override(h http.Header) {
	for parameter, name := range overrides {
		if q.query.has(parameter) {
			h.Set(name, q.query.get(parameter))
		}
	}
}

func (q *request) checkOverrides() error {
	if q.signed {
		return nil
	}
	for parameter := range overrides {
		if q.query.has(parameter) {
			return errContradiction.On(parameter, "it needs a request with credentials")
		}
	}
	return nil
}

// getObject sends an object.
func (f *face) getObject(ctx context.Context, q *request) (a httpface.Answer, err error) {
	return f.show(ctx, q, f.Objects.Get)
}

// headObject tells of an object.
func (f *face) headObject(ctx context.Context, q *request) (a httpface.Answer, err error) {
	return f.show(ctx, q, f.Objects.Head)
}

// finder finds an object to be read.
type finder func(ctx context.Context, who iam.Caller, r objects.Read) (*objects.Content, error)

// show answers with an object, and its content if find opens it.
func (f *face) show(ctx context.Context, q *request, find finder) (a httpface.Answer, err error) {
	r, err := q.read()
	if err != nil {
		return a, err
	}
	if err := q.checkOverrides(); err != nil {
		return a, err
	}
	c, err := find(ctx, q.who, r)
	if err != nil {
		return a, q.unread(c, err)
	}
	h := objectHeaders(&c.Object)
	q.echoEncryption(h, c.Root)
	if q.header("X-Amz-Checksum-Mode") == "ENABLED" && (!c.Partial || r.Part > 0 && c.Length == c.Size) {
		setChecksums(h, c.Checksums) // clients compare it with what they get, which must be all
	}
	if r.Part > 0 && c.PartCount > 0 {
		h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(c.PartCount))
	}
	h.Set("Content-Length", strconv.FormatInt(c.Length, 10))
	q.override(h)
	a = httpface.Answer{Header: h}
	if c.ReadCloser != nil {
		a.Content = c.ReadCloser
	}
	if c.Partial {
		a.Status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", c.Offset, c.Offset+c.Length-1, c.Size))
	}
	return a, nil
}

// unread adds to a failure what is known of the object all the same: that it is a delete marker, or
// which one the caller has.
func (q *request) unread(c *objects.Content, err error) error {
	h := http.Header{}
	switch {
	case c == nil:
		if !errors.Is(err, objects.ErrDeleteMarker) {
			return err
		}
		h.Set("X-Amz-Delete-Marker", "true")
	case c.Marker:
		h.Set("X-Amz-Delete-Marker", "true")
		h.Set("X-Amz-Version-Id", string(c.Version))
	case errors.Is(err, objects.ErrNotModified):
		h = objectHeaders(&c.Object)
		h.Del("Content-Type")
	case errors.Is(err, objects.ErrRange):
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(c.Size, 10))
	default:
		return err
	}
	return &failure{err, h}
}

// deleteObject removes an object, or a version of it for good.
func (f *face) deleteObject(ctx context.Context, q *request) (a httpface.Answer, err error) {
	r := objects.Remove{
		Bucket: q.bucket, Key: q.key, Version: objects.VersionID(q.query.get("versionId")),
		Bypass:     q.header("X-Amz-Bypass-Governance-Retention") == "true",
		Conditions: objects.Conditions{Match: etags(q.R.Header.Values("If-Match"))},
	}
	if q.query.has("versionId") && r.Version == "" {
		return a, errParameter.On("versionId", "it is empty")
	}
	done, err := f.Objects.Remove(ctx, q.who, r)
	if err != nil {
		return a, err
	}
	h := http.Header{}
	if done.Version != "" {
		h.Set("X-Amz-Version-Id", string(done.Version))
	}
	if done.Marker {
		h.Set("X-Amz-Delete-Marker", "true")
	}
	return httpface.Answer{Header: h}, nil
}
