package audit

import (
	"math/bits"
	"time"
)

// notes gathers what the index of a segment will hold, and the IDs of its events.
type notes struct {
	from, to time.Time
	events   int
	actions  map[string]struct{}
	ids      map[eventID]struct{}
	tokens   []token
	end      position // after the newest line
}

func newNotes(begun time.Time) *notes {
	begun = begun.UTC().Truncate(resolution)
	return &notes{
		from: begun, to: begun,
		actions: make(map[string]struct{}),
		ids:     make(map[eventID]struct{}),
	}
}

// note is what the notes keep of one event.
type note struct {
	id     eventID
	time   time.Time
	action string
	tokens [6]token // zeros are empty
}

func (n *notes) add(e *note) {
	if e.time.Before(n.from) {
		n.from = e.time
	}
	if e.time.After(n.to) {
		n.to = e.time
	}
	n.events++
	n.actions[e.action] = struct{}{}
	n.ids[e.id] = struct{}{}
	for _, t := range e.tokens {
		if t != 0 {
			n.tokens = append(n.tokens, t)
		}
	}
}

// noteOf returns what to note of an event.
func noteOf(e *Event, id eventID) note {
	return note{
		id:     id,
		time:   e.Time.UTC().Truncate(resolution),
		action: cut(e.Action, maxString),
		tokens: [6]token{
			newToken('a', e.Account),
			newToken('i', e.Instance()),
			newToken('k', e.Key()),
			newToken('u', e.Initiator.ID),
			newToken('c', e.CorrelationID),
			newToken('e', e.ID),
		},
	}
}

// token is a hash of one attribute of an event, by which an index answers "not in this segment".
type token uint64

// newToken returns the token of a value in the field named by a letter; 0 for the empty value. It
// goes by characters, so that a value and its spelling in the log agree also when it is not UTF-8.
func newToken(field byte, value string) token {
	if value == "" {
		return 0
	}
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := (offset ^ uint64(field)) * prime
	for _, r := range cut(value, maxString) {
		h = (h ^ uint64(r)) * prime
	}
	// FNV leaves the high bits poor, and the index takes its block from them.
	h ^= bits.RotateLeft64(h, 29)
	h *= 0x9e3779b97f4a7c15
	h ^= h >> 32
	return token(max(h, 1))
}
