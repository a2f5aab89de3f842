package objects

import (
	"sync"
	"time"

	"strongroom/internal/lease"
)

const (
	// lookEvery is how often the keys of all buckets are looked at, for what no change tells of: an
	// instance that was restored, a rewrap that has failed and may be tried again.
	lookEvery = time.Minute
	// lookAt is how many changed buckets are remembered; after more, all are looked at.
	lookAt = 1000
)

// following knows what may have to be rewrapped since the last look: while no root key has another
// version and no bucket has changed, no bucket is read.
type following struct {
	turn   sync.Mutex         // held for a round
	newest map[rootUse]string // version of each root key in use; empty if it could not be used; guarded by turn

	mu      sync.Mutex
	next    time.Time       // of a look at all buckets; guarded by mu
	changed map[string]bool // names of buckets; guarded by mu
}

func newFollowing(hub *lease.Hub) *following {
	f := &following{newest: map[rootUse]string{}, changed: map[string]bool{}}
	hub.Watch(f.heed, ChangeBucket)
	hub.OnDrop(f.lookAgain)
	return f
}

// heed takes in a change of a bucket or of its keys.
func (f *following) heed(c lease.Change) {
	if !c.Pending {
		f.note(c.ID)
	}
}

// note lets the next round look at a bucket.
func (f *following) note(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed[name] = true; len(f.changed) > lookAt {
		f.next = time.Time{}
		clear(f.changed)
	}
}

// lookAgain lets the next round look at all buckets.
func (f *following) lookAgain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = time.Time{}
}

// take returns which buckets have changed since it was called last, and whether it is time to look at all.
func (f *following) take(now time.Time) (changed map[string]bool, all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, f.changed = f.changed, map[string]bool{}
	return changed, !now.Before(f.next)
}

// looked notes a look at all buckets that began at a time. What has changed since is still to come.
func (f *following) looked(began time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = began.Add(lookEvery)
}
