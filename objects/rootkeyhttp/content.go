package rootkeyhttp

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// content is the body of a request, with a secret in it. A transport may go on sending it after the request
// was given up, so that it is read and wiped under a lock.
type content struct {
	mu    sync.Mutex
	bytes []byte // guarded by mu; nil once wiped
}

// newContent takes the bytes over.
func newContent(b []byte) *content { return &content{bytes: b} }

// attach makes it the body of a request, which a transport may begin again. Nil is no body.
func (c *content) attach(r *http.Request) {
	if c == nil {
		return
	}
	r.GetBody = func() (io.ReadCloser, error) { return &contentReader{of: c}, nil }
	r.Body = &contentReader{of: c}
	r.ContentLength = int64(len(c.bytes))
}

// wipe overwrites it. Requests that are still sent break off.
func (c *content) wipe() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.bytes)
	c.bytes = nil
}

// errWiped ends the sending of a request that was given up.
var errWiped = errors.New("the request was given up")

// contentReader reads a content from its beginning.
type contentReader struct {
	of *content
	at int
}

func (r *contentReader) Read(p []byte) (int, error) {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	switch {
	case r.of.bytes == nil:
		return 0, errWiped
	case r.at == len(r.of.bytes):
		return 0, io.EOF
	}
	n := copy(p, r.of.bytes[r.at:])
	r.at += n
	return n, nil
}

func (r *contentReader) Close() error { return nil }
