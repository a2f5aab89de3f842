package objects

import (
	"context"
	"sync"
)

// acts lets one act at a time work on a bucket in this process: its creation, its deletion, another
// key for it. Other servers are held off by the revision of what an act writes.
type acts struct {
	mu   sync.Mutex
	rows map[string]*turn // by what is worked on; guarded by mu
}

// turn is whose turn it is: the channel holds a token while it is nobody's.
type turn struct {
	token   chan struct{}
	waiting int // including who has it; guarded by acts.mu
}

func newActs() *acts { return &acts{rows: map[string]*turn{}} }

// enter waits for the turn to work on what id names. leave gives it back.
func (a *acts) enter(ctx context.Context, id string) (leave func(), err error) {
	a.mu.Lock()
	t := a.rows[id]
	if t == nil {
		t = &turn{token: make(chan struct{}, 1)}
		t.token <- struct{}{}
		a.rows[id] = t
	}
	t.waiting++
	a.mu.Unlock()
	select {
	case <-t.token:
		return func() { t.token <- struct{}{}; a.done(id, t) }, nil
	case <-ctx.Done():
		a.done(id, t)
		return nil, ctx.Err()
	}
}

func (a *acts) done(id string, t *turn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.waiting--; t.waiting == 0 {
		delete(a.rows, id)
	}
}

// busy reports whether an act works, or is about to work, on what id names.
func (a *acts) busy(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rows[id] != nil
}
