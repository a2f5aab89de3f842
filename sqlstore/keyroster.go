package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"strongroom/internal/lease"
	"strongroom/kms"
)

const (
	// rosterFrom is how many keys an instance has for which a roster is worth its memory: with fewer
	// the database answers any list in a moment.
	rosterFrom = 2_000
	// rosterLimit is how many keys all rosters together hold, with 64 bytes for each and an eighth
	// more as room to grow: 144 MB.
	rosterLimit = 2_000_000
	// rosterChanges is how many keys of a roster may have changed since it was last looked at. With
	// more it is forgotten, and read again when somebody asks for a list.
	rosterChanges = 20_000
	// rosterSample is of how many keys it is guessed where a page far down a list is.
	rosterSample = 4_096
	// rosterTurns is how many lists are picked at a time, each with up to 24 bytes a key.
	rosterTurns = 4
)

// rosters are the rosters of the instances whose keys were listed lately: a bounded number of keys.
type rosters struct {
	db     *DB
	from   int           // rosterFrom, but in tests
	limit  int           // rosterLimit, but in tests
	sample int           // rosterSample, but in tests
	turns  chan struct{} // holds one for each list that is being picked

	mu    sync.Mutex // guards the following
	of    map[string]*roster
	held  int    // keys in all of them, those that are being read included
	clock uint64 // counts the questions
}

// roster knows of every key of an instance what lists tell keys apart by. No set of indexes finds
// every list that can be asked for without walking past keys that are not on it; here a walk past a
// million keys takes a few milliseconds.
//
// A roster is a cache under the lease: a change marks its key, and who asks next reads the marked
// keys again first.
type roster struct {
	instance string
	sample   int           // keys of a guess
	size     int           // how many keys, as last reckoned; guarded by rosters.mu
	used     uint64        // the last question, guarded by rosters.mu
	ready    atomic.Bool   // whether all keys have been read
	settled  chan struct{} // closed when they have been, or could not be

	marks    sync.Mutex // guards the following two
	changed  map[uuid.UUID]mark
	overflow bool // more changed than are remembered

	reading sync.Mutex        // held from reading keys until the roster has them
	ringOf  map[string]uint32 // index in rings; guarded by reading

	mu    sync.RWMutex // guards the following, once the roster is ready
	parts [256][]rosterKey
	rings []string
	count int
}

// mark says that a key has changed.
type mark struct {
	times   int // how often
	pending int // commits that are still to come
}

// rosterKey is a key in a roster, in the part of the first byte of its ID and there in the order of
// IDs. It has 64 bytes.
type rosterKey struct {
	id    uuid.UUID
	dates [rosterDates]int64 // microseconds; 0 where the key lacks the date
	ring  uint32             // index in rings
	kind  uint8              // see kindOf
}

// The dates of a key in a roster.
const (
	rosterCreated = iota
	rosterUpdated
	rosterRotated
	rosterDeleted
	rosterExpires
	rosterDates
)

// kindOf packs the state of a key into three bits, and above them whether it is extractable and
// whether imported.
func kindOf(state kms.State, extractable, imported bool) uint8 {
	kind := uint8(state) & 7
	if extractable {
		kind |= 8
	}
	if imported {
		kind |= 16
	}
	return kind
}

func (k *rosterKey) state() kms.State { return kms.State(k.kind & 7) }

// expired reports whether the time of the key is over.
func (k *rosterKey) expired(now int64) bool {
	expires := k.dates[rosterExpires]
	return expires != 0 && expires <= now
}

func newRosters(db *DB) *rosters {
	all := &rosters{
		db: db, from: rosterFrom, limit: rosterLimit, sample: rosterSample,
		turns: make(chan struct{}, rosterTurns), of: map[string]*roster{},
	}
	hub := db.hub
	hub.OnDrop(all.clear)
	hub.Watch(all.heed, kms.ChangeKey)
	hub.Watch(func(c lease.Change) { all.drop(c.Scope) }, kms.ChangeInstance)
	return all
}

// heed marks a key that changes.
func (all *rosters) heed(c lease.Change) {
	all.mu.Lock()
	r := all.of[c.Scope]
	all.mu.Unlock()
	if r == nil {
		return
	}
	id, err := uuid.Parse(c.ID)
	if err != nil || !r.mark(id, c.Pending) {
		all.forget(r)
	}
}

// mark notes a change, unless there are too many.
func (r *roster) mark(id uuid.UUID, pending bool) bool {
	r.marks.Lock()
	defer r.marks.Unlock()
	m := r.changed[id]
	switch m.times++; {
	case pending:
		m.pending++
	case m.pending > 0:
		m.pending--
	}
	r.changed[id] = m
	r.overflow = r.overflow || len(r.changed) > rosterChanges
	return !r.overflow
}

func (all *rosters) clear() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, r := range all.of {
		all.forgetLocked(r)
	}
}

// drop forgets the roster of an instance.
func (all *rosters) drop(instance string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if r := all.of[instance]; r != nil {
		all.forgetLocked(r)
	}
}

func (all *rosters) forget(r *roster) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of[r.instance] == r {
		all.forgetLocked(r)
	}
}

func (all *rosters) forgetLocked(r *roster) {
	delete(all.of, r.instance)
	all.held -= r.size
}

// get returns the roster of an instance as it is now, or nil if there is none to be had: then the
// database is asked. The first question has it read, and does not wait for that.
func (all *rosters) get(ctx context.Context, in kms.InstanceID) (*roster, error) {
	if !all.db.hub.Held() {
		return nil, nil
	}
	all.mu.Lock()
	r := all.of[string(in)]
	if r != nil {
		all.clock++
		r.used = all.clock
	}
	all.mu.Unlock()
	switch {
	case r == nil:
		return nil, all.begin(ctx, in)
	case !r.ready.Load():
		return nil, nil
	}
	if err := all.refresh(ctx, r); err != nil {
		return nil, fmt.Errorf("reading the keys that have changed: %w", err)
	}
	return r, nil
}

// begin has the roster of an instance read in the background, if it is worth it and there is room.
// Those that were not asked for the longest time make room.
func (all *rosters) begin(ctx context.Context, in kms.InstanceID) error {
	var n int
	err := all.db.queryRow(ctx, `SELECT COALESCE(SUM(n), 0) FROM key_counts WHERE instance = $1`, string(in)).Scan(&n)
	if err != nil || n < all.from || n > all.limit {
		return err
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of[string(in)] != nil {
		return nil // somebody else was first
	}
	for all.held+n > all.limit {
		var oldest *roster
		for _, r := range all.of {
			if oldest == nil || r.used < oldest.used {
				oldest = r
			}
		}
		all.forgetLocked(oldest)
	}
	all.clock++
	r := &roster{
		instance: string(in), sample: all.sample, size: n, used: all.clock, settled: make(chan struct{}),
		changed: map[uuid.UUID]mark{}, ringOf: map[string]uint32{},
	}
	all.of[r.instance], all.held = r, all.held+n
	all.db.background(func(ctx context.Context) {
		defer close(r.settled)
		if err := r.load(ctx, all.db, n); err != nil {
			all.forget(r)
			if ctx.Err() == nil {
				all.db.log.WarnContext(ctx, "the roster of an instance could not be read", "instance", in, "error", err)
			}
			return
		}
		r.ready.Store(true)
	})
	return nil
}

// rosterColumns are the columns of a key in the order in which scan reads them. They are in one index.
const rosterColumns = `k.id, k.ring, k.state, k.extractable, k.imported,
	k.created_at, k.updated_at, k.rotated_at, k.deleted_at, k.expires_at`

// load reads all keys. What changes meanwhile is marked.
func (r *roster) load(ctx context.Context, db *DB, n int) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	rows, err := db.query(ctx, `SELECT `+rosterColumns+` FROM keys k WHERE k.instance = $1 ORDER BY k.id`, r.instance)
	if err != nil {
		return err
	}
	defer rows.Close()
	for i := range r.parts { // IDs are random: parts are about equal
		r.parts[i] = make([]rosterKey, 0, n/len(r.parts)*9/8+8)
	}
	for rows.Next() {
		k, err := r.scanReading(rows)
		if err != nil {
			return err
		}
		part := &r.parts[k.id[0]]
		*part = append(*part, k)
		r.count++
	}
	return rows.Err()
}

func (r *roster) scanReading(row scanner) (k rosterKey, err error) {
	var (
		id, ring                  sql.RawBytes
		state                     kms.State
		extractable, imported     bool
		created, updated          int64
		rotated, deleted, expires sql.NullInt64
	)
	err = row.Scan(&id, &ring, &state, &extractable, &imported, &created, &updated, &rotated, &deleted, &expires)
	if err != nil {
		return k, err
	}
	if k.id, err = uuid.ParseBytes(id); err != nil {
		return k, fmt.Errorf("ID of a key: %w", err)
	}
	n, ok := r.ringOf[string(ring)]
	if !ok {
		n = uint32(len(r.ringOf))
		r.ringOf[string(ring)] = n
		r.mu.Lock()
		r.rings = append(r.rings, string(ring))
		r.mu.Unlock()
	}
	k.ring, k.kind = n, kindOf(state, extractable, imported)
	k.dates = [rosterDates]int64{
		rosterCreated: created, rosterUpdated: updated, rosterRotated: rotated.Int64,
		rosterDeleted: deleted.Int64, rosterExpires: expires.Int64,
	}
	return k, nil
}

// refresh reads the keys again that have changed. One caller does it at a time, so that what was
// read first does not replace what was read later; the others wait for what they ask for.
func (all *rosters) refresh(ctx context.Context, r *roster) error {
	if len(r.marked()) == 0 {
		return nil
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	marked := r.marked()
	ids := make([]uuid.UUID, 0, len(marked))
	for id := range marked {
		ids = append(ids, id)
	}
	for some := range slices.Chunk(ids, readAtOnce) {
		if err := r.reread(ctx, all.db, some); err != nil {
			return err
		}
	}
	r.unmark(marked)
	all.resize(r)
	return nil
}

// resize reckons with keys that a roster has won or lost. One that has outgrown the limit is
// forgotten.
func (all *rosters) resize(r *roster) {
	r.mu.RLock()
	n := r.count
	r.mu.RUnlock()
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of[r.instance] != r {
		return
	}
	all.held, r.size = all.held+n-r.size, n
	if all.held > all.limit {
		all.forgetLocked(r)
	}
}

// marked returns the marks as they are.
func (r *roster) marked() map[uuid.UUID]mark {
	r.marks.Lock()
	defer r.marks.Unlock()
	if len(r.changed) == 0 {
		return nil
	}
	marked := make(map[uuid.UUID]mark, len(r.changed))
	for id, m := range r.changed {
		marked[id] = m
	}
	return marked
}

// unmark removes the marks of keys that were read after their last change.
func (r *roster) unmark(read map[uuid.UUID]mark) {
	r.marks.Lock()
	defer r.marks.Unlock()
	for id, m := range read {
		if r.changed[id] == m && m.pending == 0 {
			delete(r.changed, id)
		}
	}
}

// reread replaces some keys by what the database has of them.
func (r *roster) reread(ctx context.Context, db *DB, ids []uuid.UUID) error {
	c := conditions{args: []any{r.instance}}
	rows, err := db.query(ctx, `SELECT `+rosterColumns+` FROM keys k WHERE k.instance = $1 AND `+c.among("k.id", texts(ids)), c.args...)
	keys, err := collect(rows, err, r.scanReading)
	if err != nil {
		return err
	}
	now := make(map[uuid.UUID]rosterKey, len(keys))
	for _, k := range keys {
		now[k.id] = k
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		i, there := r.findLocked(id)
		k, exists := now[id]
		part := &r.parts[id[0]]
		switch {
		case there && exists:
			(*part)[i] = k
		case there:
			*part = slices.Delete(*part, i, i+1)
			r.count--
		case exists:
			*part = slices.Insert(*part, i, k)
			r.count++
		}
	}
	return nil
}

// findLocked returns where in its part a key is, or belongs.
func (r *roster) findLocked(id uuid.UUID) (int, bool) {
	return slices.BinarySearchFunc(r.parts[id[0]], id, func(k rosterKey, id uuid.UUID) int {
		return bytes.Compare(k.id[:], id[:])
	})
}
