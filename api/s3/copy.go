package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

// copyResult is the answer to a copy.
type copyResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
	LastModified instant
	ETag         string
	checksumElements
	ChecksumType string `xml:",omitempty"`
}

// copyObject writes an object from another.
func (f *face) copyObject(ctx context.Context, q *request) (a httpface.Answer, err error) {
	c := objects.Copy{KeepRetention: strings.EqualFold(q.header("Retention-Directive"), "COPY")}
	if c.Write, err = q.write(); err != nil {
		return a, err
	}
	if c.ReplaceHeaders, err = directive(q.R.Header, "X-Amz-Metadata-Directive"); err != nil {
		return a, err
	}
	if c.ReplaceTags, err = directive(q.R.Header, "X-Amz-Tagging-Directive"); err != nil {
		return a, err
	}
	if c.Expect.Want, err = parseAlgorithm(q.header("X-Amz-Checksum-Algorithm"), "x-amz-checksum-algorithm"); err != nil {
		return a, err
	}
	if c.From, err = q.source(); err != nil {
		return a, err
	}
	if _, err := q.readBody(0); err != nil {
		return a, err
	}
	c.Expect.Size = -1
	done, err := f.Objects.Copy(ctx, q.who, c)
	if err != nil {
		return a, sourceFailure(err)
	}
	h := http.Header{}
	showVersion(h, &done.Object)
	if done.Source != "" {
		h.Set("X-Amz-Copy-Source-Version-Id", string(done.Source))
	}
	showCustomer(h, done.CustomerKeyMD5)
	q.echoEncryption(h, done.Root)
	doc := copyResult{
		LastModified: instant(done.Modified), ETag: quoted(done.ETag), checksumElements: elementsOf(done.Checksums),
	}
	if done.Checksums.Algorithm != "" {
		doc.ChecksumType = checksumType(done.Checksums)
	}
	return writeXML(doc, h)
}

// sourceFailure says that a copy has no answer for a source that is as the caller has it.
func sourceFailure(err error) error {
	if errors.Is(err, objects.ErrNotModified) {
		return objects.ErrPrecondition
	}
	return err
}

// directive reads whether what comes with the source is to be replaced.
func directive(h http.Header, name string) (replace bool, err error) {
	switch v := h.Get(name); {
	case v == "", strings.EqualFold(v, "COPY"):
		return false, nil
	case strings.EqualFold(v, "REPLACE"):
		return true, nil
	}
	return false, errHeader.On(strings.ToLower(name), "it is neither COPY nor REPLACE")
}

// source reads what is to be copied, and under which conditions.
func (q *request) source() (r objects.Read, err error) {
	bucket, key, version, err := parseSource(q.header("X-Amz-Copy-Source"))
	if err != nil {
		return r, err
	}
	r = objects.Read{Bucket: bucket, Key: key, Version: version, Conditions: conditions(q.R.Header, ofCopySource), Owner: q.header(headerSourceOwner)}
	r.Customer, err = q.sourceCustomer()
	return r, err
}

// parseSource reads "[/]bucket/key[?versionId=…]", whose bucket and key are encoded like a path. They
// are split before they are decoded, unless the slash between them is encoded as well; nothing is
// cleaned, so that no source can lead out of its bucket.
func parseSource(v string) (bucket, key string, version objects.VersionID, err error) {
	path, params, versioned := strings.Cut(strings.TrimPrefix(v, "/"), "?")
	if versioned {
		q, err := parseQuery(params)
		if err != nil || len(q) != 1 || q[0].name != "versionId" || q[0].value == "" {
			return "", "", "", errHeader.On("x-amz-copy-source", "after the key there may be ?versionId= and nothing else")
		}
		version = objects.VersionID(q[0].value)
	}
	bucket, key, ok := strings.Cut(path, "/")
	if bucket, err = url.PathUnescape(bucket); err == nil {
		if !ok {
			bucket, key, _ = strings.Cut(strings.TrimPrefix(bucket, "/"), "/")
		} else {
			key, err = url.PathUnescape(key)
		}
	}
	if err != nil || bucket == "" || key == "" || strings.Contains(bucket, "/") {
		return "", "", "", errHeader.On("x-amz-copy-source", "it does not have the form bucket/key")
	}
	return bucket, key, version, nil
}
