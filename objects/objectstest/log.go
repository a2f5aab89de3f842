package objectstest

import (
	"context"
	"errors"
	"sync"

	"strongroom/audit"
)

// ErrBroken is the failure of what a test has broken.
var ErrBroken = errors.New("broken by the test")

// Log keeps events: those that are appended to it, and those that are committed with a change.
type Log struct {
	mu     sync.Mutex
	events []*audit.Event // guarded by mu
	broken bool           // guarded by mu
}

// Append implements iam.Recorder.
func (l *Log) Append(_ context.Context, events ...*audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return ErrBroken
	}
	l.keepLocked(events...)
	return nil
}

// keepLocked keeps copies: who hands an event over may go on with it.
func (l *Log) keepLocked(events ...*audit.Event) {
	for _, ev := range events {
		kept := *ev
		l.events = append(l.events, &kept)
	}
}

// committed keeps the event of a change, nil for one without.
func (l *Log) committed(ev *audit.Event) {
	if ev == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keepLocked(ev)
}

// Healthy implements iam.Recorder.
func (l *Log) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return ErrBroken
	}
	return nil
}

// Break makes the log refuse, or work again.
func (l *Log) Break(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

// Last returns the newest event, or nil.
func (l *Log) Last() *audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return nil
	}
	return l.events[len(l.events)-1]
}

// Take returns the events since it was called last.
func (l *Log) Take() []*audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.events
	l.events = nil
	return taken
}
