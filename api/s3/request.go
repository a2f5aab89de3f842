package s3

import (
	"io"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// request is one request as the face understands it.
type request struct {
	*httpface.Call
	op     *operation
	bucket string // empty for the service itself
	key    string // empty for the service and for buckets
	query  query
	parsed bool // path and query were understood
	site   bool // it came to the host of a website
	// hoisted are the headers, in canonical form, that the query of a presigned URL has given.
	hoisted map[string]bool

	// What is known when the caller is.
	who    iam.Caller
	signed bool // the caller has shown a credential
	body   io.Reader
	// length is that of the body in bytes, as it is to be stored; -1 if the request does not say.
	length  int64
	trailer *trailer // what follows the body; nil if nothing was announced
}

// Headers that name the owner that a bucket must have, for what is asked to be done: its instance, which
// lists show as its owner, or the account of that, which is what the header means to clients of AWS. A
// bucket of that name that somebody else has made meanwhile is then refused, whatever its owner allows.
const (
	headerOwner       = "X-Amz-Expected-Bucket-Owner"
	headerSourceOwner = "X-Amz-Source-Expected-Bucket-Owner"
)

// requestOf returns what find has made of a call.
func requestOf(c *httpface.Call) *request {
	q, _ := c.Found.(*request)
	return q
}

// header returns a header of the request, or "". The name is in canonical form.
func (q *request) header(name string) string { return q.R.Header.Get(name) }

// resource is what errors call the thing that was asked for.
func (q *request) resource() string {
	if q.bucket == "" {
		return "/"
	}
	return "/" + q.bucket + "/" + q.key
}
