// Package fault declares the kinds of failure that a caller may be told about.
//
// A domain package declares its failures as values with [New]; a face renders
// them in its protocol's own shape from one table. An error that wraps no
// [Fault] is internal: it is logged in full and shown as "internal error" with
// a correlation ID, so that nothing leaks by accident.
package fault

import (
	"errors"
	"net/http"
)

// Kind says what went wrong in terms that every protocol has a word for. The
// zero value is Internal, which is never explained to a caller.
type Kind int

const (
	Internal        Kind = iota // a defect or an outage of ours
	Invalid                     // the request breaks a rule of the protocol
	Unauthenticated             // the caller is not known
	Forbidden                   // the caller is known and may not
	NotFound                    // authoritatively not there
	Conflict                    // the state of the resource refuses it
	Stale                       // somebody else changed the resource first (If-Match)
	Gone                        // was there, and is deleted
	Unprocessable               // well-formed, but cannot be acted upon
	TooLarge                    // larger than the documented limit
	TooMany                     // more often than the documented limit
	Unavailable                 // cannot be answered now; try again
)

// status is the HTTP status that a kind has unless its protocol differs.
var status = [...]int{
	Internal:        http.StatusInternalServerError,
	Invalid:         http.StatusBadRequest,
	Unauthenticated: http.StatusUnauthorized,
	Forbidden:       http.StatusForbidden,
	NotFound:        http.StatusNotFound,
	Conflict:        http.StatusConflict,
	Stale:           http.StatusConflict,
	Gone:            http.StatusGone,
	Unprocessable:   http.StatusUnprocessableEntity,
	TooLarge:        http.StatusRequestEntityTooLarge,
	TooMany:         http.StatusTooManyRequests,
	Unavailable:     http.StatusServiceUnavailable,
}

// Status is the usual HTTP status of the kind (RFC 9110).
func (k Kind) Status() int { return status[k] }

// Fault is a failure that a caller may be told about. Compare with errors.Is.
type Fault struct {
	kind Kind
	text string
}

// New declares a failure. The text is for the caller: lower case, no secrets.
func New(kind Kind, text string) *Fault { return &Fault{kind: kind, text: text} }

// Error returns the text for the caller.
func (f *Fault) Error() string { return f.text }

// Kind says how protocols should treat the failure.
func (f *Fault) Kind() Kind { return f.kind }

// Detail is one occurrence of a Fault: what it happened to, and what a caller
// should know beyond the fault's own text.
type Detail struct {
	Fault  *Fault
	Target string // the field, parameter or header at fault; may be empty
	Text   string // for the caller; never with secret bytes
}

// On returns the fault as it happened to target, explained by text.
func (f *Fault) On(target, text string) error {
	return &Detail{Fault: f, Target: target, Text: text}
}

// Error returns the text of the fault with what is known of this occurrence.
func (d *Detail) Error() string {
	switch {
	case d.Target == "" && d.Text == "":
		return d.Fault.text
	case d.Target == "":
		return d.Fault.text + ": " + d.Text
	default:
		return d.Fault.text + ": " + d.Target + ": " + d.Text
	}
}

// Unwrap makes errors.Is find the declared fault.
func (d *Detail) Unwrap() error { return d.Fault }

// KindOf returns the kind of the first Fault that err wraps, or Internal.
func KindOf(err error) Kind {
	var f *Fault
	if errors.As(err, &f) {
		return f.kind
	}
	return Internal
}

// Explain returns what a caller may be told of err: the text of the fault with
// its detail, and nothing of what wraps it. It is false for internal errors.
func Explain(err error) (string, bool) {
	var d *Detail
	if errors.As(err, &d) {
		return d.Error(), true
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.text, f.kind != Internal
	}
	return "", false
}
