package server

import (
	"io"
	"net/http"
	"time"
)

// slowest is how many bytes a second a client has to send that takes longer than a body may.
const slowest = 8 << 10

// paced keeps a client that sends or takes its time from holding a connection
// for ever: for a body it is waited no longer than body, and a second more for
// as many bytes as the slowest client sends in one; each piece of an answer has
// to be taken within answer. How long the work takes, between the two or between
// pieces of a body, is not limited, which http.Server's own timeouts would do.
func paced(next http.Handler, body, answer time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), answer: answer}
		p.rest()
		if r.Body != nil && r.Body != http.NoBody {
			b := &pacedBody{ReadCloser: r.Body, control: p.control, patience: body}
			b.hurry(time.Now())
			// A copy has the new body: the server looks at its own request for whether the client
			// still waits to be told to send one, and would wait for it in turn.
			own := *r
			own.Body = b
			r = &own
		}
		next.ServeHTTP(p, r)
		p.hurry() // for what is still buffered
	})
}

// pacedBody has a deadline while the client is waited for, and none when the
// body has come whole: the server goes on reading to notice that the client
// leaves.
type pacedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	patience time.Duration // that is left
}

func (b *pacedBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.hurry(began)
	n, err := b.ReadCloser.Read(p)
	b.patience += time.Duration(n)*time.Second/slowest - time.Since(began)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// hurry sets the deadline. One that cannot be set is that of a connection that is gone, or none.
func (b *pacedBody) hurry(now time.Time) { _ = b.control.SetReadDeadline(now.Add(b.patience)) }

// pacedWriter has a deadline while it writes, and none between.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	answer  time.Duration
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	w.hurry()
	defer w.rest()
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController the writer below.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *pacedWriter) hurry() { _ = w.control.SetWriteDeadline(time.Now().Add(w.answer)) }

func (w *pacedWriter) rest() { _ = w.control.SetWriteDeadline(time.Time{}) }
