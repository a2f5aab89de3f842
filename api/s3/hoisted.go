package s3

import (
	"net/http"
	"strings"
)

// hoist makes the parameters of a presigned URL that stand for headers into headers: who signs a URL cannot
// make its users send any, so presigners move those that begin with x-amz- into the query, which the signature
// covers. A header that the request has as well must say the same, and is to be signed as any other.
func (q *request) hoist() error {
	if !q.presigned() {
		return nil
	}
	for _, p := range q.query {
		lower := strings.ToLower(p.name)
		if !strings.HasPrefix(lower, "x-amz-") || ofSignature(lower) {
			continue
		}
		name := http.CanonicalHeaderKey(p.name)
		sent, given := q.R.Header[name]
		switch {
		case q.hoisted[name]:
			return errContradiction.On(lower, "the query gives it more than once")
		case given && (len(sent) != 1 || sent[0] != p.value):
			return errContradiction.On(lower, "the header says something else than the query")
		case given:
			continue
		case !headerName(lower) || strings.ContainsFunc(p.value, notInHeader):
			return errContradiction.On(clipped(lower), "it stands for a header, and cannot be one")
		}
		if q.hoisted == nil {
			q.hoisted = map[string]bool{}
		}
		q.hoisted[name] = true
		q.R.Header.Set(name, p.value)
	}
	return nil
}

// ofSignature reports whether a parameter is part of a presigned signature, and stands for no header.
func ofSignature(lower string) bool {
	switch lower {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
		"x-amz-security-token", "x-amz-content-sha256":
		return true
	}
	return false
}

// headerName reports whether a text in lower case can be the name of a header (RFC 9110, section 5.1).
func headerName(lower string) bool {
	return strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}

// notInHeader reports whether a character cannot be part of the value of a header.
func notInHeader(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// clipped bounds a name that an error shows.
func clipped(name string) string { return name[:min(len(name), 64)] }
