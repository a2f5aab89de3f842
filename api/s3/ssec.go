package s3

import (
	"encoding/base64"
	"net/http"

	"strongroom/custody"
	"strongroom/objects"
)

// Names of the headers of a key that the caller brings (cos-api.md, section 21).
const (
	customerAlgorithm = "X-Amz-Server-Side-Encryption-Customer-Algorithm"
	customerKey       = "X-Amz-Server-Side-Encryption-Customer-Key"
	customerKeyMD5    = "X-Amz-Server-Side-Encryption-Customer-Key-Md5"
	ofCopySource      = "X-Amz-Copy-Source-" // before the rest of the name, for the source of a copy
	afterAmz          = len("X-Amz-")
)

// customer reads the caller's own key, or returns nil.
func (q *request) customer() (*objects.CustomerKey, error) {
	return q.customerKey(customerAlgorithm, customerKey, customerKeyMD5)
}

// sourceCustomer is customer for the source of a copy.
func (q *request) sourceCustomer() (*objects.CustomerKey, error) {
	return q.customerKey(ofCopySource+customerAlgorithm[afterAmz:], ofCopySource+customerKey[afterAmz:],
		ofCopySource+customerKeyMD5[afterAmz:])
}

func (q *request) customerKey(algorithm, key, md5 string) (*objects.CustomerKey, error) {
	h := q.R.Header
	if h.Get(algorithm) == "" && h.Get(key) == "" && h.Get(md5) == "" {
		return nil, nil
	}
	if q.R.TLS == nil {
		return nil, errInsecure
	}
	if h.Get(algorithm) != "AES256" {
		return nil, errSecretKey.On(algorithm, "the algorithm is AES256")
	}
	raw, err := base64.StdEncoding.DecodeString(h.Get(key))
	if err != nil || len(raw) != 32 {
		return nil, errSecretKey.On(key, "it is not base64 of 32 bytes")
	}
	if base64.StdEncoding.EncodeToString(sumOf(objects.NewMD5(), raw)) != h.Get(md5) {
		return nil, errSecretKey.On(md5, "it is not the MD5 of the key")
	}
	return &objects.CustomerKey{Key: custody.NewSecret(raw), MD5: h.Get(md5)}, nil
}

// showCustomer repeats what an answer says of the caller's own key.
func showCustomer(h http.Header, md5 string) {
	if md5 != "" {
		h.Set(customerAlgorithm, "AES256")
		h.Set(customerKeyMD5, md5)
	}
}
