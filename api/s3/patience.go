package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"strongroom/fault"
	"strongroom/internal/httpface"
)

// outcome is an answer that may come later.
type outcome struct {
	answer httpface.Answer
	err    error
	early  bool          // it is there already
	ready  chan struct{} // closed when answer and err are set
}

// patiently begins some work, and waits for it for as long as clients wait for a first byte. The work
// goes on after that; who has the outcome must wait for it.
func (f *face) patiently(ctx context.Context, work func() (httpface.Answer, error)) *outcome {
	o := &outcome{ready: make(chan struct{})}
	go func() {
		defer close(o.ready)
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		o.answer, o.err = work()
	}()
	timer := time.NewTimer(f.Patience)
	defer timer.Stop()
	select {
	case <-o.ready:
		o.early = true
	case <-timer.C:
	}
	return o
}

// keepAlive sends white space until the outcome is there, and then its document. Its declaration goes
// first, as nothing may stand before it.
func (f *face) keepAlive(q *request, o *outcome, w io.Writer) error {
	flush := http.NewResponseController(responseOf(w)).Flush
	if _, err := io.WriteString(w, xmlDeclaration); err != nil {
		return f.abandon(o, err)
	}
	ticker := time.NewTicker(f.Patience)
	defer ticker.Stop()
	for {
		select {
		case <-o.ready:
			return f.conclude(q, o, w)
		case <-ticker.C:
			if _, err := io.WriteString(w, " "); err != nil {
				return f.abandon(o, err)
			}
			_ = flush() // a writer that cannot is one that sends by itself
		}
	}
}

// abandon waits for the work when there is nobody left to tell.
func (f *face) abandon(o *outcome, err error) error {
	<-o.ready
	return err
}

// conclude writes the document of an outcome, or of its failure.
func (f *face) conclude(q *request, o *outcome, w io.Writer) error {
	answer := o.answer
	if fault.KindOf(o.err) == fault.Internal && o.err != nil {
		f.Logger.ErrorContext(q.R.Context(), "request failed after its answer was begun", "face", "s3", "action", q.Action,
			"correlation", q.Trail.CorrelationID, "error", o.err)
	}
	if o.err != nil {
		answer = f.fail(q.Call, o.err)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(string(answer.Bytes), xmlDeclaration))
	return err
}

// responseOf is the writer of an answer as net/http knows it.
func responseOf(w io.Writer) http.ResponseWriter {
	r, _ := w.(http.ResponseWriter)
	return r
}
