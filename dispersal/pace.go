package dispersal

import (
	"context"
	"sync"
	"time"
)

// pace limits work to a rate in bytes a second, on average: who asks for more than is due waits until it
// is. Work after a rest is not made up for.
type pace struct {
	rate int64
	now  func() time.Time

	mu  sync.Mutex
	due time.Time // when the next work may begin
}

// wait waits until n bytes may be worked on.
func (p *pace) wait(ctx context.Context, n int64) error {
	p.mu.Lock()
	now := p.now()
	if p.due.Before(now) {
		p.due = now
	}
	rest := p.due.Sub(now)
	p.due = p.due.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	p.mu.Unlock()
	return pause(ctx, rest)
}

// pause waits, or returns the context's error if it ends before.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits until it is woken or d has passed, and returns false when ctx ends.
func await(ctx context.Context, woken <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-woken:
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
