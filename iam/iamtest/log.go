package iamtest

import (
	"context"
	"errors"
	"sync"

	"strongroom/audit"
	"strongroom/iam"
)

// ErrBroken is the failure of what a test has broken.
var ErrBroken = errors.New("broken by the test")

// Log keeps events in memory. Of those that are committed with a change it hears only what a test gives
// to Keep: the others are in the outbox of the database. The zero value is empty; safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	events []*audit.Event // guarded by mu
	broken bool           // guarded by mu
}

var _ interface {
	iam.Recorder
	iam.RefusalRecorder
} = (*Log)(nil)

// Append implements iam.Recorder.
func (l *Log) Append(_ context.Context, events ...*audit.Event) error {
	if err := l.Healthy(); err != nil {
		return err
	}
	l.Keep(events...)
	return nil
}

// Refused implements iam.RefusalRecorder.
func (l *Log) Refused(ctx context.Context, _ string, ev *audit.Event) error { return l.Append(ctx, ev) }

// Healthy implements iam.Recorder.
func (l *Log) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return ErrBroken
	}
	return nil
}

// Keep keeps copies of events, even while the log is broken: who hands an event over may go on with it.
func (l *Log) Keep(events ...*audit.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range events {
		kept := *ev
		l.events = append(l.events, &kept)
	}
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

// Len returns how many events were kept since Take was called last.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// Take returns the events since it was called last, and keeps them no longer.
func (l *Log) Take() []*audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.events
	l.events = nil
	return taken
}
