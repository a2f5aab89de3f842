package s3

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"strongroom/objects"
)

const (
	metaPrefix = "X-Amz-Meta-"
	// defaultType is the type of objects that were stored without one.
	defaultType = "binary/octet-stream"
)

// write reads what the headers say of an object to be written, all but its content.
func (q *request) write() (w objects.Write, err error) {
	if q.query.has("partNumber") { // or who forgets the upload would replace the object by a part of it
		return w, errParameter.On("partNumber", "it needs an uploadId")
	}
	h := q.R.Header
	w = objects.Write{Bucket: q.bucket, Key: q.key, Redirect: h.Get("X-Amz-Website-Redirect-Location")}
	if w.Headers, err = storedHeaders(h); err != nil {
		return w, err
	}
	if w.Tags, err = parseTags(h.Get("X-Amz-Tagging")); err != nil {
		return w, err
	}
	if w.ACL, err = parseACL(h.Get("X-Amz-Acl")); err != nil {
		return w, err
	}
	if w.Lock, err = parseLock(h); err != nil {
		return w, err
	}
	if w.Retention, err = parseRetention(h); err != nil {
		return w, err
	}
	if w.Conditions, err = writeConditions(h); err != nil {
		return w, err
	}
	w.Encryption, err = q.encryption()
	return w, err
}

// storedHeaders reads what comes back with the object. Metadata of one name are joined to one value.
func storedHeaders(h http.Header) (objects.Headers, error) {
	s := objects.Headers{
		ContentType:        h.Get("Content-Type"),
		CacheControl:       h.Get("Cache-Control"),
		ContentDisposition: h.Get("Content-Disposition"),
		ContentEncoding:    contentEncoding(h.Values("Content-Encoding")),
		ContentLanguage:    h.Get("Content-Language"),
		Expires:            h.Get("Expires"),
	}
	for name, values := range h {
		meta, ok := strings.CutPrefix(name, metaPrefix)
		if !ok || meta == "" {
			continue
		}
		if s.Metadata == nil {
			s.Metadata = map[string]string{}
		}
		s.Metadata[strings.ToLower(meta)] = strings.Join(values, ",")
	}
	return s, checkHeaders(&s)
}

// contentEncoding is the coding of the content itself: aws-chunked is only that of the request.
func contentEncoding(values []string) string {
	var kept []string
	for _, v := range values {
		for coding := range strings.SplitSeq(v, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "aws-chunked") {
				kept = append(kept, coding)
			}
		}
	}
	return strings.Join(kept, ",")
}

// parseTags reads tags as they stand in a header: k=v&k2=v2.
func parseTags(v string) (map[string]string, error) {
	if v == "" {
		return nil, nil
	}
	pairs, err := parseQuery(v)
	if err != nil {
		return nil, objects.ErrTag.On("x-amz-tagging", "it does not have the form key=value&key=value")
	}
	tags := map[string]string{}
	for _, p := range pairs {
		if _, twice := tags[p.name]; twice {
			return nil, objects.ErrTag.On("x-amz-tagging", "a key is given twice")
		}
		tags[p.name] = p.value
	}
	return tags, nil
}

// parseACL reads a canned ACL.
func parseACL(v string) (objects.ACL, error) {
	switch v {
	case "", "private":
		return objects.ACLPrivate, nil
	case "public-read":
		return objects.ACLPublicRead, nil
	}
	return "", errHeader.On("x-amz-acl", "it is neither private nor public-read")
}

// parseLock reads what a write says of Object Lock.
func parseLock(h http.Header) (l objects.Lock, err error) {
	l.Mode = objects.LockMode(h.Get("X-Amz-Object-Lock-Mode"))
	if l.Mode != "" && l.Mode != objects.Governance && l.Mode != objects.Compliance {
		return l, errHeader.On("x-amz-object-lock-mode", "it is neither GOVERNANCE nor COMPLIANCE")
	}
	until := h.Get("X-Amz-Object-Lock-Retain-Until-Date")
	if (until == "") != (l.Mode == "") {
		return l, errHeader.On("x-amz-object-lock-mode", "mode and date belong together")
	}
	if until != "" {
		var ok bool
		if l.Until, ok = parseDate(time.RFC3339, until); !ok {
			return l, errHeader.On("x-amz-object-lock-retain-until-date", "it is not a date as 2030-01-02T15:04:05Z")
		}
	}
	switch h.Get("X-Amz-Object-Lock-Legal-Hold") {
	case "":
	case "OFF":
		l.Lifted = true
	case "ON":
		l.Hold = true
	default:
		return l, errHeader.On("x-amz-object-lock-legal-hold", "it is neither ON nor OFF")
	}
	return l, nil
}

// parseRetention reads what a write asks of the bucket's retention policy (cos-api.md, section 15).
func parseRetention(h http.Header) (r objects.RetentionRequest, err error) {
	r.Hold = h.Get("Retention-Legal-Hold-Id")
	if v := h.Get("Retention-Period"); v != "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return r, errHeader.On("Retention-Period", "it is not a number of seconds")
		}
		r.Seconds = &seconds
	}
	if v := h.Get("Retention-Expiration-Date"); v != "" {
		if r.Seconds != nil {
			return r, errContradiction.On("Retention-Expiration-Date", "there is a period as well")
		}
		var ok bool
		if r.Until, ok = parseRetentionDate(v); !ok {
			return r, errHeader.On("Retention-Expiration-Date", "it is not a date as 2030-01-02T15:04:05Z")
		}
	}
	return r, nil
}

// parseRetentionDate reads both forms that IBM's clients use.
func parseRetentionDate(v string) (time.Time, bool) {
	if t, ok := parseDate(isoBasic, v); ok {
		return t, true
	}
	return parseDate(time.RFC3339, v)
}

// checkHeaders refuses values that are no text: what is stored has to come back as it was.
func checkHeaders(s *objects.Headers) error {
	for _, v := range []string{
		s.ContentType, s.CacheControl, s.ContentDisposition, s.ContentEncoding, s.ContentLanguage, s.Expires,
	} {
		if !utf8.ValidString(v) {
			return errMetadata.On("", "a header is not valid UTF-8")
		}
	}
	for name, v := range s.Metadata {
		if !utf8.ValidString(v) {
			return errMetadata.On(clip(name), "the value is not valid UTF-8")
		}
	}
	return nil
}

// clip bounds what a caller can put into a message.
func clip(s string) string {
	const longest = 128
	if len(s) > longest {
		return s[:longest]
	}
	return s
}

// quoted is an ETag as headers and documents show it.
func quoted(etag string) string { return `"` + etag + `"` }

// objectHeaders are the headers of an object as it is read.
func objectHeaders(o *objects.Object) http.Header {
	h := http.Header{}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Etag", quoted(o.ETag))
	h.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	h.Set("Content-Type", defaultType)
	set("Content-Type", o.Headers.ContentType)
	set("Cache-Control", o.Headers.CacheControl)
	set("Content-Disposition", o.Headers.ContentDisposition)
	set("Content-Encoding", o.Headers.ContentEncoding)
	set("Content-Language", o.Headers.ContentLanguage)
	set("Expires", o.Headers.Expires)
	for name, value := range o.Headers.Metadata {
		h[strings.ToLower(metaPrefix)+name] = []string{value} // not Set, which would write it in capitals
	}
	set("X-Amz-Website-Redirect-Location", o.Redirect)
	showVersion(h, o)
	if len(o.Tags) > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(len(o.Tags)))
	}
	if !o.Expiry.IsZero() {
		h.Set("X-Amz-Expiration", `expiry-date="`+o.Expiry.UTC().Format(http.TimeFormat)+`", rule-id="`+url.QueryEscape(o.ExpiryRule)+`"`)
	}
	showLock(h, o.Lock)
	showRetention(h, o.Retention)
	showArchive(h, o.Archive)
	showCustomer(h, o.CustomerKeyMD5)
	return h
}

// showVersion names the version of an object whose bucket keeps versions, or did.
func showVersion(h http.Header, o *objects.Object) {
	if o.Versioned {
		h.Set("X-Amz-Version-Id", string(o.Version))
	}
}

// showLock shows Object Lock.
func showLock(h http.Header, l objects.Lock) {
	if l.Mode != "" {
		h.Set("X-Amz-Object-Lock-Mode", string(l.Mode))
		h.Set("X-Amz-Object-Lock-Retain-Until-Date", l.Until.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	switch {
	case l.Hold:
		h.Set("X-Amz-Object-Lock-Legal-Hold", "ON")
	case l.Lifted:
		h.Set("X-Amz-Object-Lock-Legal-Hold", "OFF")
	}
}

// showRetention shows what a retention policy keeps of the object.
func showRetention(h http.Header, r *objects.Retention) {
	if r == nil {
		return
	}
	h.Set("Retention-Period", strconv.FormatInt(r.Seconds, 10))
	if !r.Until.IsZero() {
		h.Set("Retention-Expiration-Date", r.Until.UTC().Format(http.TimeFormat))
	}
	h.Set("Retention-Legal-Hold-Count", strconv.Itoa(len(r.Holds)))
}
