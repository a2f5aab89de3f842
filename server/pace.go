package server

import (
	"io"
	"net/http"
	"time"
)

// paced keeps a client that sends or takes its time from holding a connection
// for ever: a body has to have come whole within body, and each piece of an
// answer has to be taken within answer. How long the work between the two takes
// is not limited, which http.Server's own timeouts would do.
func paced(next http.Handler, body, answer time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), answer: answer}
		p.rest()
		if r.Body != nil && r.Body != http.NoBody {
			// A deadline that cannot be set is that of a connection that is gone, or none.
			_ = p.control.SetReadDeadline(time.Now().Add(body))
			r.Body = &pacedBody{r.Body, p.control}
		}
		next.ServeHTTP(p, r)
		p.hurry() // for what is still buffered
	})
}

// pacedBody lifts the deadline when the body has come whole: the server goes on
// reading to notice that the client leaves.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

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
