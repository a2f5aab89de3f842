package audit

import (
	"sync/atomic"
	"time"
)

// Trail follows one request from the face to the door that records it. The face makes it, fills the
// fields once, and when the request is answered asks whether a door has recorded it: if none has,
// the face does. A Trail is used by pointer and must not be copied.
type Trail struct {
	CorrelationID string
	Method        string
	URI           string // path and query as requested
	Address       string // of the client, without port
	Agent         string // user agent
	Time          time.Time
	Success       int // HTTP status that the answer has if all goes well; zero means 200

	recorded atomic.Bool
}

// MarkRecorded says that an event of this request is in the log, or committed with its change.
func (t *Trail) MarkRecorded() { t.recorded.Store(true) }

// Recorded reports whether MarkRecorded was called.
func (t *Trail) Recorded() bool { return t.recorded.Load() }
