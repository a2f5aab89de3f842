package keyprotect

import (
	"crypto/sha256"
	"hash"
	"io"

	"strongroom/kms"
)

// repeatable reads along with the body of a request that has an Idempotency-Key, so that another
// request with the same key is known for another one.
type repeatable struct {
	key  string
	sum  hash.Hash
	body io.ReadCloser
}

// repeatOf returns nil unless the request is repeatable. It is called before the body is read.
func repeatOf(c *call) *repeatable {
	keys := c.R.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return nil
	}
	r := &repeatable{key: keys[0], sum: sha256.New(), body: c.R.Body}
	if len(keys) > 1 {
		r.key = "" // which one counts cannot be said: refused like one that is empty
	}
	r.sum.Write([]byte(c.R.URL.RawQuery + "\n"))
	if c.R.Body != nil {
		c.R.Body = r
	}
	return r
}

// Read implements io.Reader for the body.
func (r *repeatable) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.sum.Write(p[:n])
	return n, err
}

// Close implements io.Closer.
func (r *repeatable) Close() error { return r.body.Close() }

// request says which request it is, once the body was read.
func (r *repeatable) request() *kms.Repeat {
	if r == nil {
		return nil
	}
	return &kms.Repeat{Key: r.key, Body: [sha256.Size]byte(r.sum.Sum(nil))}
}
