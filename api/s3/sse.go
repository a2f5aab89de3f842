package s3

import (
	"net/http"

	"strongroom/crn"
	"strongroom/objects"
)

// The names that AWS has for keys of the service, beside IBM's.
const (
	sseHeader    = "X-Amz-Server-Side-Encryption"
	sseKeyHeader = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	sseContext   = "X-Amz-Server-Side-Encryption-Context"
	sseProvider  = "AES256"  // the keys of the bucket
	sseRootKey   = "aws:kms" // a root key: the one that is named, or that of the bucket
)

// encryption reads which keys an object is to be sealed with.
func (q *request) encryption() (e objects.Encryption, err error) {
	if e.Customer, err = q.customer(); err != nil {
		return e, err
	}
	kind, key := q.header(sseHeader), q.header(sseKeyHeader)
	if e.Customer != nil && (kind != "" || key != "") {
		return e, errContradiction.On(sseHeader, "the request brings a key of its own as well")
	}
	if q.header(sseContext) != "" {
		return e, errNotOffered.On(sseContext, "what keys are bound to is fixed")
	}
	switch kind {
	case "", sseProvider:
		if key != "" {
			return e, errHeader.On(sseKeyHeader, "it needs "+sseHeader+": "+sseRootKey)
		}
	case sseRootKey:
		e.Root = key
	default:
		return e, errHeader.On(sseHeader, "it is neither "+sseProvider+" nor "+sseRootKey)
	}
	return e, nil
}

// echoEncryption repeats the headers of the keys of the service that the request has used, and names
// the root key of the object if it has one of its own.
func (q *request) echoEncryption(h http.Header, root crn.CRN) {
	switch {
	case root != (crn.CRN{}):
		h.Set(sseHeader, sseRootKey)
		h.Set(sseKeyHeader, root.String())
	case q.header(sseHeader) != "":
		h.Set(sseHeader, q.header(sseHeader))
	}
}
