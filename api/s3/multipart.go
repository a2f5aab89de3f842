package s3

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

// maxComplete is how long, in bytes, the list of 10,000 parts with their checksums may be.
const maxComplete = 4 << 20

// upload is the ID in the query.
func (q *request) upload() (objects.UploadID, error) {
	id := objects.UploadID(q.query.get("uploadId"))
	if id == "" {
		return "", objects.ErrNoUpload
	}
	return id, nil
}

// parsePartNumber reads the number of a part.
func parsePartNumber(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > objects.MaxParts {
		return 0, errParameter.On("partNumber", "it is not a number from 1 to "+strconv.Itoa(objects.MaxParts))
	}
	return n, nil
}

type startResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket   string
	Key      text
	UploadID objects.UploadID `xml:"UploadId"`
}

// startUpload begins an upload in parts.
func (f *face) startUpload(ctx context.Context, q *request) (a httpface.Answer, err error) {
	var u objects.StartUpload
	if u.Write, err = q.write(); err != nil {
		return a, err
	}
	if u.Algorithm, err = parseAlgorithm(q.header("X-Amz-Checksum-Algorithm"), "x-amz-checksum-algorithm"); err != nil {
		return a, err
	}
	kind, err := parseChecksumType(q.R.Header)
	if err != nil {
		return a, err
	}
	switch {
	case kind != "" && u.Algorithm == "":
		return a, errContradiction.On("x-amz-checksum-type", "it needs an algorithm")
	case kind == "FULL_OBJECT":
		u.FullObject = true
	case kind != "" && u.Algorithm == objects.CRC64NVME:
		return a, errContradiction.On("x-amz-checksum-type", "CRC64NVME is always that of the full object")
	case u.Algorithm == objects.CRC64NVME:
		u.FullObject = true
	}
	if u.FullObject && !u.Algorithm.Combines() {
		return a, errContradiction.On("x-amz-checksum-type", "the algorithm has no checksum of the full object in parts")
	}
	if _, err := q.readBody(0); err != nil {
		return a, err
	}
	up, err := f.Objects.StartUpload(ctx, q.who, u)
	if err != nil {
		return a, err
	}
	h := http.Header{}
	if up.Algorithm != "" {
		h.Set("X-Amz-Checksum-Algorithm", string(up.Algorithm))
		h.Set("X-Amz-Checksum-Type", checksumType(objects.Checksums{Composite: up.Composite}))
	}
	showCustomer(h, up.CustomerKeyMD5)
	if key := q.header(sseKeyHeader); key != "" {
		h.Set(sseKeyHeader, key)
	}
	if kind := q.header(sseHeader); kind != "" {
		h.Set(sseHeader, kind)
	}
	return writeXML(startResult{Bucket: q.bucket, Key: text(q.key), UploadID: up.ID}, h)
}

// part reads which part a request is about.
func (q *request) part() (p objects.PartWrite, err error) {
	p = objects.PartWrite{Bucket: q.bucket, Key: q.key}
	if p.Upload, err = q.upload(); err != nil {
		return p, err
	}
	if p.Number, err = parsePartNumber(q.query.get("partNumber")); err != nil {
		return p, err
	}
	p.Customer, err = q.customer()
	return p, err
}

// putPart stores the body as a part.
func (f *face) putPart(ctx context.Context, q *request) (a httpface.Answer, err error) {
	p, err := q.part()
	if err != nil {
		return a, err
	}
	if p.Expect, err = q.expect(); err != nil {
		return a, err
	}
	done, err := f.Objects.PutPart(ctx, q.who, p, q.body)
	if err != nil {
		return a, err
	}
	h := http.Header{}
	h.Set("Etag", quoted(done.ETag))
	if done.Checksums.Algorithm != "" {
		h.Set(headerChecksum+string(done.Checksums.Algorithm), done.Checksums.Value)
	}
	if p.Customer != nil {
		showCustomer(h, p.Customer.MD5)
	}
	return httpface.Answer{Header: h}, nil
}

type copyPartResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyPartResult"`
	LastModified instant
	ETag         string
	checksumElements
}

// copyPart makes a part from an object.
func (f *face) copyPart(ctx context.Context, q *request) (a httpface.Answer, err error) {
	p, err := q.part()
	if err != nil {
		return a, err
	}
	from, err := q.source()
	if err != nil {
		return a, err
	}
	if from.Range, err = parseSourceRange(q.header("X-Amz-Copy-Source-Range")); err != nil {
		return a, err
	}
	if _, err := q.readBody(0); err != nil {
		return a, err
	}
	p.From, p.Expect.Size = &from, -1
	done, err := f.Objects.PutPart(ctx, q.who, p, nil)
	if err != nil {
		return a, sourceFailure(err)
	}
	h := http.Header{}
	if done.Source != "" {
		h.Set("X-Amz-Copy-Source-Version-Id", string(done.Source))
	}
	if p.Customer != nil {
		showCustomer(h, p.Customer.MD5)
	}
	return writeXML(copyPartResult{
		LastModified: instant(done.Modified), ETag: quoted(done.ETag), checksumElements: elementsOf(done.Checksums),
	}, h)
}

// party is who owns something or has begun it.
type party struct {
	ID          text
	DisplayName text
}

type partEntry struct {
	PartNumber   int
	LastModified instant
	ETag         string
	Size         int64
	checksumElements
}

type partsResult struct {
	XMLName              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket               string
	Key                  text
	UploadID             objects.UploadID `xml:"UploadId"`
	Initiator            party
	Owner                party
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    objects.Algorithm `xml:",omitempty"`
	ChecksumType         string            `xml:",omitempty"`
	Part                 []partEntry
}

// listParts lists the parts of an upload.
func (f *face) listParts(ctx context.Context, q *request) (a httpface.Answer, err error) {
	l := objects.ListParts{Bucket: q.bucket, Key: q.key}
	if l.Upload, err = q.upload(); err != nil {
		return a, err
	}
	if l.Limit, err = q.query.number("max-parts", objects.MaxPage); err != nil {
		return a, err
	}
	limit := min(l.Limit, objects.MaxPage)
	l.Limit = limit
	if l.After, err = q.query.number("part-number-marker", 0); err != nil {
		return a, err
	}
	page, err := f.Objects.Parts(ctx, q.who, l)
	if err != nil {
		return a, err
	}
	who := party{text(page.Initiator), text(page.Initiator)}
	of := party{text(page.Owner), text(page.Owner)}
	doc := partsResult{
		Bucket: q.bucket, Key: text(q.key), UploadID: l.Upload, Initiator: who, Owner: of, StorageClass: "STANDARD",
		PartNumberMarker: l.After, NextPartNumberMarker: page.Next, MaxParts: limit, IsTruncated: page.Truncated,
	}
	if page.Algorithm != "" {
		doc.ChecksumAlgorithm = page.Algorithm
		doc.ChecksumType = checksumType(objects.Checksums{Composite: page.Composite})
	}
	for _, p := range page.Parts {
		doc.Part = append(doc.Part, partEntry{p.Number, instant(p.Modified), quoted(p.ETag), p.Size, elementsOf(p.Checksums)})
	}
	return writeXML(doc, nil)
}

// number reads a parameter that is a number of zero or more.
func (q query) number(name string, otherwise int) (int, error) {
	v := q.get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(v, 10, 31)
	if err != nil || n < 0 {
		return 0, errParameter.On(name, "it is not a number of zero or more")
	}
	return int(n), nil
}

// completeRequest is the list of parts that an object is to be made of.
type completeRequest struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Part    []struct {
		PartNumber int
		ETag       string
		checksumElements
	}
}

// parts returns what the domain makes of the list.
func (r *completeRequest) parts() ([]objects.Part, error) {
	list := make([]objects.Part, len(r.Part))
	for i, p := range r.Part {
		sums, err := p.given()
		if err != nil {
			return nil, err
		}
		list[i] = objects.Part{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Checksums: sums}
	}
	return list, nil
}

type completeResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location text
	Bucket   string
	Key      text
	ETag     string
	checksumElements
	ChecksumType string `xml:",omitempty"`
}

// complete reads a request to put parts together.
func (q *request) complete() (c objects.Complete, err error) {
	c = objects.Complete{Bucket: q.bucket, Key: q.key, Size: -1}
	if c.Upload, err = q.upload(); err != nil {
		return c, err
	}
	if c.Checksums.Algorithm, c.Checksums.Value, err = headerSumOfWhole(q.R.Header); err != nil {
		return c, err
	}
	kind, err := parseChecksumType(q.R.Header)
	if err != nil {
		return c, err
	}
	if kind != "" {
		composite := kind == "COMPOSITE"
		c.Composite = &composite
	}
	if v := q.header("X-Amz-Mp-Object-Size"); v != "" {
		if c.Size, err = strconv.ParseInt(v, 10, 64); err != nil || c.Size < 0 {
			return c, errHeader.On("x-amz-mp-object-size", "it is not a number of bytes")
		}
	}
	if c.Retention, err = parseRetention(q.R.Header); err != nil {
		return c, err
	}
	if c.Conditions, err = writeConditions(q.R.Header); err != nil {
		return c, err
	}
	if c.Customer, err = q.customer(); err != nil {
		return c, err
	}
	var list completeRequest
	body, err := q.readBody(maxComplete)
	if err != nil {
		return c, err
	}
	if err := parseXML(body, &list); err != nil { // its checksums are those of the object
		return c, err
	}
	if len(list.Part) == 0 || len(list.Part) > objects.MaxParts {
		return c, errXML.On("Part", "there must be 1 to "+strconv.Itoa(objects.MaxParts))
	}
	c.Parts, err = list.parts()
	return c, err
}

// headerSumOfWhole reads the checksum of the whole, which for a composite one ends with "-" and a number.
func headerSumOfWhole(h http.Header) (found objects.Algorithm, value string, err error) {
	for _, a := range algorithms {
		v := h.Get(headerChecksum + string(a))
		if v == "" {
			continue
		}
		if found != "" {
			return "", "", errContradiction.On("x-amz-checksum", "there is more than one")
		}
		sum, _, _ := strings.Cut(v, "-")
		if err := checkSum(a, sum); err != nil {
			return "", "", err
		}
		found, value = a, v
	}
	return found, value, nil
}

// completeUpload makes an object of its parts. That may take longer than clients wait for a first
// byte: then the answer begins early, with white space, and a failure is a document in a 200.
func (f *face) completeUpload(ctx context.Context, q *request) (a httpface.Answer, err error) {
	c, err := q.complete()
	if err != nil {
		return a, err
	}
	done := f.patiently(ctx, func() (httpface.Answer, error) {
		o, err := f.Objects.CompleteUpload(ctx, q.who, c)
		if err != nil {
			return httpface.Answer{}, err
		}
		h := q.written(&o)
		doc := completeResult{
			Location: text(q.location()), Bucket: q.bucket, Key: text(q.key), ETag: quoted(o.ETag),
			checksumElements: elementsOf(o.Checksums),
		}
		if o.Checksums.Algorithm != "" {
			doc.ChecksumType = checksumType(o.Checksums)
		}
		return writeXML(doc, h)
	})
	if done.early {
		return done.answer, done.err
	}
	q.Trail.MarkRecorded() // by the door, when it is done
	return httpface.Answer{Type: typeXML, Stream: func(w io.Writer) error { return f.keepAlive(q, done, w) }}, nil
}

// location is the address of the object.
func (q *request) location() string {
	scheme := "http"
	if q.R.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + q.R.Host + q.R.URL.EscapedPath()
}

// abortUpload gives an upload up.
func (f *face) abortUpload(ctx context.Context, q *request) (a httpface.Answer, err error) {
	id, err := q.upload()
	if err != nil {
		return a, err
	}
	return a, f.Objects.AbortUpload(ctx, q.who, q.bucket, q.key, id)
}
