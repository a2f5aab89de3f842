package s3

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

// page is what the lists of a bucket have in common.
type page struct {
	prefix, delimiter string
	limit             int
	encoded           bool // encoding-type=url
}

// page reads what a list asks for; limit names the parameter that bounds it.
func (q *request) page(limit string) (p page, err error) {
	p.prefix, p.delimiter, p.limit = q.query.get("prefix"), q.query.get("delimiter"), objects.MaxPage
	if text := q.query.get(limit); text != "" {
		if p.limit, err = strconv.Atoi(text); err != nil || p.limit < 0 {
			return p, errParameter.On(limit, "it must be a number from 0 to 1000")
		}
		p.limit = min(p.limit, objects.MaxPage)
	}
	switch q.query.get("encoding-type") {
	case "":
	case "url":
		p.encoded = true
	default:
		return p, errParameter.On("encoding-type", `it must be "url"`)
	}
	return p, nil
}

// name writes an element with a key, a prefix or a delimiter.
func (p *page) name(d *document, element, value string) {
	if p.encoded {
		value = percent(value)
	}
	d.text(element, value)
}

// end writes what all lists end with.
func (p *page) end(d *document, prefixes []string) {
	for _, prefix := range prefixes {
		d.open("CommonPrefixes")
		p.name(d, "Prefix", prefix)
		d.close("CommonPrefixes")
	}
}

// begin writes what all lists begin with.
func (p *page) begin(d *document, truncated bool) {
	p.name(d, "Prefix", p.prefix)
	if p.delimiter != "" {
		p.name(d, "Delimiter", p.delimiter)
	}
	if p.encoded {
		d.text("EncodingType", "url")
	}
	d.truth("IsTruncated", truncated)
}

// percent encodes every byte of a name that a URL could misread; the slash stays.
func percent(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// tokenForm is the first byte of a continuation token, should its form ever change.
const tokenForm = "1"

// token makes the opaque text with which a list of the second form goes on after a key.
func token(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenForm + after))
}

func parseToken(s string) (after string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	after, ok := strings.CutPrefix(string(b), tokenForm)
	if err != nil || !ok {
		return "", errParameter.On("continuation-token", "it is not one of a list before")
	}
	return after, nil
}

// listObjects is the first form of the list of a bucket.
func (f *face) listObjects(ctx context.Context, q *request) (httpface.Answer, error) {
	p, err := q.page("max-keys")
	if err != nil {
		return httpface.Answer{}, err
	}
	marker := q.query.get("marker")
	l, err := f.Objects.List(ctx, q.who, objects.List{
		Bucket: q.bucket, Prefix: p.prefix, Delimiter: p.delimiter, After: marker, Limit: p.limit,
	})
	if err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListBucketResult")
	d.text("Name", q.bucket)
	p.name(d, "Marker", marker)
	d.number("MaxKeys", int64(p.limit))
	p.begin(d, l.Truncated)
	if l.Truncated && p.delimiter != "" {
		p.name(d, "NextMarker", l.Next)
	}
	own := ownerOf(&l.Bucket.Bucket)
	for i := range l.Objects {
		p.object(d, &l.Objects[i], &own)
	}
	p.end(d, l.Prefixes)
	return listed(d, &l), nil
}

// listObjectsV2 is the second form.
func (f *face) listObjectsV2(ctx context.Context, q *request) (httpface.Answer, error) {
	p, err := q.page("max-keys")
	if err != nil {
		return httpface.Answer{}, err
	}
	start, given := q.query.get("start-after"), q.query.get("continuation-token")
	after := start
	if given != "" {
		if after, err = parseToken(given); err != nil {
			return httpface.Answer{}, err
		}
	}
	l, err := f.Objects.List(ctx, q.who, objects.List{
		Bucket: q.bucket, Prefix: p.prefix, Delimiter: p.delimiter, After: after, Limit: p.limit,
	})
	if err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListBucketResult")
	d.text("Name", q.bucket)
	if start != "" {
		p.name(d, "StartAfter", start)
	}
	d.given("ContinuationToken", given)
	d.number("KeyCount", int64(len(l.Objects)+len(l.Prefixes)))
	d.number("MaxKeys", int64(p.limit))
	p.begin(d, l.Truncated)
	if l.Truncated {
		d.text("NextContinuationToken", token(l.Next))
	}
	var own *owner
	if strings.EqualFold(q.query.get("fetch-owner"), "true") {
		o := ownerOf(&l.Bucket.Bucket)
		own = &o
	}
	for i := range l.Objects {
		p.object(d, &l.Objects[i], own)
	}
	p.end(d, l.Prefixes)
	return listed(d, &l), nil
}

// listed ends a list of objects, with the headers that show the root key of its bucket.
func listed(d *document, l *objects.Listing) httpface.Answer {
	a := d.answer()
	a.Header = http.Header{}
	rootHeaders(a.Header, &l.Bucket)
	return a
}

// object writes an entry of a list; own is nil if it is not to be told.
func (p *page) object(d *document, o *objects.Object, own *owner) {
	d.open("Contents")
	p.name(d, "Key", o.Key)
	p.content(d, o)
	if own != nil {
		d.owner("Owner", *own)
	}
	d.close("Contents")
}

// content writes what an entry says of the content of an object.
func (p *page) content(d *document, o *objects.Object) {
	d.time("LastModified", o.Modified)
	d.text("ETag", `"`+o.ETag+`"`)
	if sum := o.Checksums; sum.Algorithm != "" {
		d.text("ChecksumAlgorithm", string(sum.Algorithm))
		if sum.Composite {
			d.text("ChecksumType", "COMPOSITE")
		} else {
			d.text("ChecksumType", "FULL_OBJECT")
		}
	}
	d.number("Size", o.Size)
	class := "STANDARD"
	if !o.Archive.At.IsZero() {
		class = o.Archive.Storage
	}
	d.text("StorageClass", class)
}

// listVersions lists every version and delete marker.
func (f *face) listVersions(ctx context.Context, q *request) (httpface.Answer, error) {
	p, err := q.page("max-keys")
	if err != nil {
		return httpface.Answer{}, err
	}
	marker, version := q.query.get("key-marker"), q.query.get("version-id-marker")
	if marker == "" && version != "" {
		return httpface.Answer{}, errParameter.On("version-id-marker", "it needs a key-marker")
	}
	l, err := f.Objects.List(ctx, q.who, objects.List{
		Bucket: q.bucket, Prefix: p.prefix, Delimiter: p.delimiter, After: marker,
		Version: objects.VersionID(version), Limit: p.limit, Versions: true,
	})
	if err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListVersionsResult")
	d.text("Name", q.bucket)
	p.name(d, "KeyMarker", marker)
	d.text("VersionIdMarker", version)
	d.number("MaxKeys", int64(p.limit))
	p.begin(d, l.Truncated)
	if l.Truncated {
		p.name(d, "NextKeyMarker", l.Next)
		d.given("NextVersionIdMarker", string(l.NextVersion))
	}
	own := ownerOf(&l.Bucket.Bucket)
	for i := range l.Objects {
		p.versionEntry(d, &l.Objects[i], own)
	}
	p.end(d, l.Prefixes)
	return d.answer(), nil
}

func (p *page) versionEntry(d *document, o *objects.Object, own owner) {
	element := "Version"
	if o.Marker {
		element = "DeleteMarker"
	}
	d.open(element)
	p.name(d, "Key", o.Key)
	d.text("VersionId", string(o.Version))
	d.truth("IsLatest", o.Latest)
	if o.Marker {
		d.time("LastModified", o.Modified)
	} else {
		p.content(d, o)
	}
	d.owner("Owner", own)
	d.close(element)
}

// listUploads lists the open uploads in parts of a bucket.
func (f *face) listUploads(ctx context.Context, q *request) (httpface.Answer, error) {
	p, err := q.page("max-uploads")
	if err != nil {
		return httpface.Answer{}, err
	}
	marker, upload := q.query.get("key-marker"), q.query.get("upload-id-marker")
	l, err := f.Objects.Uploads(ctx, q.who, objects.ListUploads{
		Bucket: q.bucket, Prefix: p.prefix, Delimiter: p.delimiter, After: marker,
		AfterUpload: objects.UploadID(upload), Limit: p.limit,
	})
	if err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListMultipartUploadsResult")
	d.text("Bucket", q.bucket)
	p.name(d, "KeyMarker", marker)
	d.text("UploadIdMarker", upload)
	if l.Truncated {
		p.name(d, "NextKeyMarker", l.Next)
		d.text("NextUploadIdMarker", string(l.NextUpload))
	}
	d.number("MaxUploads", int64(p.limit))
	p.begin(d, l.Truncated)
	for i := range l.Uploads {
		u := &l.Uploads[i]
		d.open("Upload")
		p.name(d, "Key", u.Key)
		d.text("UploadId", string(u.ID))
		d.owner("Initiator", owner{u.Initiator, u.Initiator})
		d.owner("Owner", ownerOf(&l.Bucket))
		d.text("StorageClass", "STANDARD")
		d.time("Initiated", u.Started)
		d.close("Upload")
	}
	p.end(d, l.Prefixes)
	return d.answer(), nil
}
