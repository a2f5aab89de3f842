package sqlstore

import (
	"context"

	"strongroom/kms"
)

// SetRosters sets how many keys an instance has at least that gets a roster, and how many keys all
// rosters hold together, and forgets all there are.
func (db *DB) SetRosters(from, limit int) {
	db.rosters.clear()
	db.rosters.mu.Lock()
	defer db.rosters.mu.Unlock()
	db.rosters.from, db.rosters.limit = from, limit
}

// SetRosterSample sets of how many keys new rosters guess where a page is.
func (db *DB) SetRosterSample(n int) {
	db.rosters.mu.Lock()
	defer db.rosters.mu.Unlock()
	db.rosters.sample = n
}

// AwaitRoster has the roster of an instance read, waits for it, and says whether there is one.
func (db *DB) AwaitRoster(ctx context.Context, in kms.InstanceID) bool {
	if _, err := db.rosters.get(ctx, in); err != nil {
		return false
	}
	db.rosters.mu.Lock()
	r := db.rosters.of[string(in)]
	db.rosters.mu.Unlock()
	if r == nil {
		return false
	}
	<-r.settled
	return r.ready.Load()
}

// RosterSizes returns how many keys the rosters hold, by instance.
func (db *DB) RosterSizes() map[string]int {
	db.rosters.mu.Lock()
	defer db.rosters.mu.Unlock()
	sizes := map[string]int{}
	for in, r := range db.rosters.of {
		sizes[in] = r.size
	}
	return sizes
}
