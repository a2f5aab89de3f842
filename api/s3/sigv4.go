package s3

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strongroom/iam"
)

// AWS Signature Version 4 (cos-api.md, section 3.3).
const (
	algorithm       = "AWS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	signedService   = "s3"
	scopeEnd        = "aws4_request"
	isoBasic        = "20060102T150405Z"

	// maxSkew is how far the date of a request may be from ours.
	maxSkew = 15 * time.Minute
	// maxUnhashed is the longest body, in bytes, of a signed request that does not say what the SHA-256
	// of its body is: it has to be held until the signature is checked.
	maxUnhashed = 8 << 20
)

// signature is a claim: what a request says about who signed what.
type signature struct {
	accessKey string
	day       string // yyyymmdd, of the scope
	region    string // any string: it is part of the key and compared with nothing
	headers   []string
	mac       []byte
	time      time.Time
}

// scope is what the key is derived for.
func (s *signature) scope() string {
	return s.day + "/" + s.region + "/" + signedService + "/" + scopeEnd
}

// setCredential reads "key/yyyymmdd/region/s3/aws4_request". The region may be empty or hold slashes.
func (s *signature) setCredential(v string) error {
	parts := strings.Split(v, "/")
	n := len(parts)
	if n < 5 || parts[n-2] != signedService || parts[n-1] != scopeEnd || parts[0] == "" {
		return errCredential.On("Credential", "it does not have the form key/date/region/s3/aws4_request")
	}
	s.accessKey, s.day, s.region = parts[0], parts[1], strings.Join(parts[2:n-2], "/")
	return nil
}

// setHeaders reads a list of names as "host;x-amz-date".
func (s *signature) setHeaders(v string) error {
	s.headers = strings.Split(v, ";")
	for _, name := range s.headers {
		if name == "" || name != strings.ToLower(name) {
			return errCredential.On("SignedHeaders", "a name is empty, or not in lower case")
		}
	}
	return nil
}

func (s *signature) setMAC(v string) error {
	mac, err := hex.DecodeString(v)
	if err != nil || len(mac) != sha256.Size {
		return errCredential.On("Signature", "it does not have 64 hexadecimal digits")
	}
	s.mac = mac
	return nil
}

// parseAuthorization reads what follows the scheme in an Authorization header.
func parseAuthorization(v string) (*signature, error) {
	var s signature
	seen := map[string]bool{}
	for field := range strings.SplitSeq(v, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if seen[name] {
			return nil, errCredential.On("Authorization", "a field is given twice")
		}
		seen[name] = true
		var err error
		switch name {
		case "Credential":
			err = s.setCredential(value)
		case "SignedHeaders":
			err = s.setHeaders(value)
		case "Signature":
			err = s.setMAC(value)
		}
		if err != nil {
			return nil, err
		}
	}
	if !seen["Credential"] || !seen["SignedHeaders"] || !seen["Signature"] {
		return nil, errCredential.On("Authorization", "it needs Credential, SignedHeaders and Signature")
	}
	return &s, nil
}

// presigned says whether the query claims to hold a signature.
func (q *request) presigned() bool {
	return q.query.has("X-Amz-Algorithm") || q.query.has("X-Amz-Signature") || q.query.has("X-Amz-Credential")
}

// parsePresigned reads the signature in a query, and for how long it holds.
func parsePresigned(params query) (*signature, time.Duration, error) {
	for _, name := range []string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
	} {
		if n := params.count(name); n != 1 {
			return nil, 0, errCredential.On(name, "it must be in the query exactly once")
		}
	}
	if params.get("X-Amz-Algorithm") != algorithm {
		return nil, 0, errScheme
	}
	var s signature
	if err := s.setCredential(params.get("X-Amz-Credential")); err != nil {
		return nil, 0, err
	}
	if err := s.setHeaders(params.get("X-Amz-SignedHeaders")); err != nil {
		return nil, 0, err
	}
	if err := s.setMAC(params.get("X-Amz-Signature")); err != nil {
		return nil, 0, err
	}
	var err error
	if s.time, err = time.Parse(isoBasic, params.get("X-Amz-Date")); err != nil {
		return nil, 0, errCredential.On("X-Amz-Date", "it is not a date as 20060102T150405Z")
	}
	seconds, err := strconv.ParseInt(params.get("X-Amz-Expires"), 10, 64)
	if err != nil || seconds <= 0 {
		return nil, 0, errCredential.On("X-Amz-Expires", "it is not a positive number of seconds")
	}
	// Any number of seconds is allowed; what a Duration cannot hold is for ever.
	return &s, time.Duration(min(seconds, int64(maxExpiry/time.Second))) * time.Second, nil
}

// maxExpiry is about 290 years, the longest Duration in whole seconds.
const maxExpiry = time.Duration(1<<63 - 1)

// count returns how often a parameter was given.
func (q query) count(name string) int {
	n := 0
	for _, p := range q {
		if p.name == name {
			n++
		}
	}
	return n
}

// identifySigned checks a signature in the Authorization header.
func (f *face) identifySigned(ctx context.Context, q *request, header string) (who iam.Caller, sg *signer, err error) {
	s, err := parseAuthorization(strings.TrimPrefix(header, algorithm))
	if err != nil {
		return who, nil, err
	}
	if s.time, err = requestTime(q.R.Header); err != nil {
		return who, nil, err
	}
	if skew := f.Now().Sub(s.time); skew > maxSkew || skew < -maxSkew {
		return who, nil, errSkew
	}
	who, secret, err := f.credential(ctx, q, s.accessKey)
	if err != nil {
		return iam.Caller{}, nil, err
	}
	payload := q.header("X-Amz-Content-Sha256")
	if payload == "" {
		if payload, err = q.hashBody(); err != nil {
			return iam.Caller{}, nil, err
		}
	}
	return f.verify(q, s, who, secret, payload)
}

// identifyPresigned checks a signature in the query.
func (f *face) identifyPresigned(ctx context.Context, q *request) (who iam.Caller, sg *signer, err error) {
	s, valid, err := parsePresigned(q.query)
	if err != nil {
		return who, nil, err
	}
	now := f.Now()
	if s.time.After(now.Add(maxSkew)) {
		return who, nil, errSkew
	}
	if now.Sub(s.time) >= valid {
		return who, nil, errExpired
	}
	who, secret, err := f.credential(ctx, q, s.accessKey)
	if err != nil {
		return iam.Caller{}, nil, err
	}
	return f.verify(q, s, who, secret, q.contentHash())
}

// contentHash is what a request says of the SHA-256 of its body; a presigned one may say so in the query.
func (q *request) contentHash() string {
	if v := q.header("X-Amz-Content-Sha256"); v != "" {
		return v
	}
	if q.presigned() {
		if v := q.query.get("X-Amz-Content-Sha256"); v != "" {
			return v
		}
		return unsignedPayload
	}
	return ""
}

// requestTime is the date of a signed request: x-amz-date, or else Date.
func requestTime(h http.Header) (time.Time, error) {
	v, name := h.Get("X-Amz-Date"), "x-amz-date"
	if v == "" {
		v, name = h.Get("Date"), "Date"
	}
	for _, form := range []string{isoBasic, http.TimeFormat, time.RFC1123Z} {
		if t, err := time.Parse(form, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errCredential.On(name, "a signed request needs a date, as 20060102T150405Z")
}

// verify checks a signature. Every header that begins with x-amz- has to be signed, so that nobody who
// hands a signed request on can add what the signer did not mean.
func (f *face) verify(q *request, s *signature, who iam.Caller, secret []byte, payload string) (iam.Caller, *signer, error) {
	if s.day != s.time.Format("20060102") {
		return iam.Caller{}, nil, errCredential.On("Credential", "its date is not that of the request")
	}
	if !slices.Contains(s.headers, "host") {
		return iam.Caller{}, nil, errUnsigned.On("", "host")
	}
	for name := range q.R.Header {
		lower := strings.ToLower(name)
		if q.hoisted[name] {
			if slices.Contains(s.headers, lower) {
				return iam.Caller{}, nil, errSignature.On("", "the header "+lower+" is signed, and missing")
			}
			continue // signed with the query
		}
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.headers, lower) {
			return iam.Caller{}, nil, errUnsigned.On("", lower)
		}
	}
	headers, err := canonicalHeaders(q.R, s.headers)
	if err != nil {
		return iam.Caller{}, nil, err
	}
	key := deriveKey(secret, s)
	stamp := s.time.Format(isoBasic)
	rest := "\n" + canonicalQuery(q.query) + "\n" + headers + "\n" + strings.Join(s.headers, ";") + "\n" + payload
	for _, uri := range canonicalURIs(q.R.URL) {
		sum := sha256.Sum256([]byte(q.R.Method + "\n" + uri + rest))
		mac := sign(key, algorithm+"\n"+stamp+"\n"+s.scope()+"\n"+hex.EncodeToString(sum[:]))
		if hmac.Equal(mac, s.mac) {
			q.signed = true
			return who, &signer{key: key, stamp: stamp, scope: s.scope(), last: hex.EncodeToString(s.mac)}, nil
		}
	}
	return iam.Caller{}, nil, errSignature
}

// deriveKey makes the key that signs, for one day and region.
func deriveKey(secret []byte, s *signature) []byte {
	key := sign(append([]byte("AWS4"), secret...), s.day)
	for _, part := range []string{s.region, signedService, scopeEnd} {
		key = sign(key, part)
	}
	return key
}

func sign(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// canonicalURIs are the forms in which clients sign a path: decoded once and encoded again, and as it
// was sent. Both stand for one key only, since each is decoded once to find it.
func canonicalURIs(u *url.URL) []string {
	sent := u.EscapedPath()
	if sent == "" {
		sent = "/"
	}
	canonical := uriEncode(u.Path, true)
	if u.Path == "" {
		canonical = "/"
	}
	if canonical == sent {
		return []string{canonical}
	}
	return []string{canonical, sent}
}

// canonicalQuery sorts and encodes the parameters, all but the signature itself.
func canonicalQuery(params query) string {
	pairs := make([]parameter, 0, len(params))
	for _, p := range params {
		if p.name != "X-Amz-Signature" {
			pairs = append(pairs, parameter{uriEncode(p.name, false), uriEncode(p.value, false)})
		}
	}
	slices.SortFunc(pairs, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name)
		b.WriteByte('=')
		b.WriteString(p.value)
	}
	return b.String()
}

// canonicalHeaders are the signed headers with their values. The server of net/http has taken some out
// of the map of headers.
func canonicalHeaders(r *http.Request, names []string) (string, error) {
	var b strings.Builder
	for _, name := range names {
		values := r.Header.Values(name)
		switch {
		case name == "host":
			values = []string{r.Host}
		case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		case name == "transfer-encoding" && len(values) == 0:
			values = r.TransferEncoding
		}
		if len(values) == 0 {
			return "", errSignature.On("", "the header "+name+" is signed, and missing")
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.Fields(v), " "))
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// uriEncode encodes every byte that is not unreserved, in upper-case hexadecimal digits.
func uriEncode(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// hashBody reads the body of a request that does not say what its SHA-256 is, and puts it back.
func (q *request) hashBody() (string, error) {
	body, err := readPlain(q.R, maxUnhashed)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	q.R.Body = newHeld(bytes.NewReader(body))
	return hex.EncodeToString(sum[:]), nil
}

// signer signs the chunks of a body one after the other: each signature covers the one before.
type signer struct {
	key          []byte
	stamp, scope string
	last         string // the signature before, in hexadecimal digits
}

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// chunk checks the signature of a chunk whose data has the sum.
func (s *signer) chunk(given string, sum []byte) bool {
	return s.next(given, algorithm+"-PAYLOAD\n"+s.stamp+"\n"+s.scope+"\n"+s.last+"\n"+emptyHash+"\n"+hex.EncodeToString(sum))
}

// trailer checks the signature of the trailer whose lines have the sum.
func (s *signer) trailer(given string, sum []byte) bool {
	return s.next(given, algorithm+"-TRAILER\n"+s.stamp+"\n"+s.scope+"\n"+s.last+"\n"+hex.EncodeToString(sum))
}

func (s *signer) next(given, toSign string) bool {
	mac, err := hex.DecodeString(given)
	if err != nil || !hmac.Equal(mac, sign(s.key, toSign)) {
		return false
	}
	s.last = hex.EncodeToString(mac)
	return true
}
