// Package lease decides for how long a server may use what it has read.
//
// A [Hub] hears of every committed change and tells the caches. While the
// lease is held, every change that any server has acknowledged has reached the
// hub's caches, so a cached value may be used as if it had just been read. When
// the lease is not held nothing cached may be used: each reader goes to the
// authoritative store, and answers "unavailable" if it cannot.
//
// With one process on one database (SQLite) the committing code applies its own
// changes before it acknowledges them, so the lease is always held. With several
// servers a feed extends the lease from the clock reading taken before each
// confirmation was asked for.
package lease

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kind names what sort of record changed.
type Kind string

// Change names a record that a committed transaction wrote.
type Change struct {
	Kind  Kind
	Scope string // what the ID is unique in: an account or an instance
	ID    string
	// Pending says that the commit is still to come: from now on the record may be
	// either, and who reads must ask the store, until the change comes again and
	// is not pending.
	Pending bool
}

// Hub passes committed changes to caches and knows whether the lease is held.
type Hub struct {
	generation atomic.Uint64 // grows when all caches had to be dropped
	until      atomic.Int64  // end of the lease on clock; forever when no feed is needed
	clock      func() time.Duration

	mu       sync.RWMutex // guards watchers
	watchers map[Kind][]func(Change)
	dropped  []func()
}

const forever = int64(1<<63 - 1)

// Always returns a hub whose lease is always held, for a store that has a
// single process which applies its own changes before acknowledging them.
func Always() *Hub {
	h := &Hub{watchers: map[Kind][]func(Change){}}
	h.until.Store(forever)
	return h
}

// Leased returns a hub whose lease must be extended by a feed. The clock counts
// from any fixed point, includes the time the machine is asleep, and never goes
// backwards (CLOCK_BOOTTIME). The lease is not held until the first Extend.
func Leased(clock func() time.Duration) *Hub {
	return &Hub{watchers: map[Kind][]func(Change){}, clock: clock}
}

// Watch registers f for changes of the kinds. It must not block.
func (h *Hub) Watch(f func(Change), kinds ...Kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range kinds {
		h.watchers[k] = append(h.watchers[k], f)
	}
}

// OnDrop registers f for the moments when everything cached must be forgotten.
func (h *Hub) OnDrop(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dropped = append(h.dropped, f)
}

// Announce tells the caches what is about to be committed. The committing code
// calls it immediately before the commit, so that nobody reads the old value
// from memory after somebody has read the new one from the store.
func (h *Hub) Announce(changes []Change) { h.tell(changes, true) }

// Apply tells the caches what was committed. The committing code calls it
// after the commit and before the acknowledgement.
func (h *Hub) Apply(changes []Change) { h.tell(changes, false) }

func (h *Hub) tell(changes []Change, pending bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range changes {
		c.Pending = pending
		for _, f := range h.watchers[c.Kind] {
			f(c)
		}
	}
}

// DropAll makes every cache forget everything and ends every running Pass: for
// a commit whose fate is unknown, or a feed that went backwards.
func (h *Hub) DropAll() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.generation.Add(1)
	for _, f := range h.dropped {
		f()
	}
}

// Extend prolongs the lease to the given reading of the clock.
func (h *Hub) Extend(until time.Duration) {
	for {
		old := h.until.Load()
		if int64(until) <= old || h.until.CompareAndSwap(old, int64(until)) {
			return
		}
	}
}

// Held reports whether cached values may be used now.
func (h *Hub) Held() bool {
	until := h.until.Load()
	return until == forever || (h.clock != nil && int64(h.clock()) < until)
}

// Pass is the permission of one request to use cached values. Take it before
// the first cached read, and ask Good immediately before the answer leaves.
type Pass struct {
	hub        *Hub
	generation uint64
}

// Enter takes a pass.
func (h *Hub) Enter() Pass { return Pass{hub: h, generation: h.generation.Load()} }

// Good reports whether what was read from caches since Enter still counts.
func (p Pass) Good() bool {
	return p.hub.Held() && p.hub.generation.Load() == p.generation
}
