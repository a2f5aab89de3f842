package sqlstore

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/google/uuid"

	"strongroom/kms"
)

// pickRoster is ListKeys by a roster. found are the IDs that a search has found, sorted, and are not
// looked at if there is none.
func (s *Keys) pickRoster(ctx context.Context, r *roster, q kms.Query, found []uuid.UUID) ([]kms.Key, error) {
	if q.Limit == 0 {
		return nil, nil
	}
	end, err := s.db.rosters.turn(ctx)
	if err != nil {
		return nil, err
	}
	page := r.page(q, found)
	end()
	return s.keysAt(ctx, q, texts(page))
}

// countRoster is CountKeys by a roster.
func (s *Keys) countRoster(ctx context.Context, r *roster, q kms.Query, found []uuid.UUID) (n int, err error) {
	end, err := s.db.rosters.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.matcherLocked(q)
	r.eachLocked(candidatesOf(q, found), false, func(_ uint32, k *rosterKey) bool {
		if m.match(k) {
			n++
		}
		return true
	})
	return n, nil
}

// turn waits until a list may be picked, and returns what ends that.
func (all *rosters) turn(ctx context.Context) (end func(), err error) {
	select {
	case all.turns <- struct{}{}:
		return func() { <-all.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// page returns the IDs of the keys that q asks for, in its order.
func (r *roster) page(q kms.Query, found []uuid.UUID) []uuid.UUID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.matcherLocked(q)
	if len(q.Sort) == 0 || q.Sort[0].By == kms.ByID {
		return r.byIDLocked(q, found, m)
	}
	c := candidatesOf(q, found)
	f := newFront(r, q)
	if !c.some {
		f.guessLocked(&m)
	}
	page, ok := f.fillLocked(c, &m)
	if !ok { // the guess was wrong
		page, _ = newFront(r, q).fillLocked(c, &m)
	}
	return page
}

// byIDLocked is page for the order of IDs, which is that of the roster.
func (r *roster) byIDLocked(q kms.Query, found []uuid.UUID, m rosterMatcher) []uuid.UUID {
	var page []uuid.UUID
	skip := q.Offset
	backwards := len(q.Sort) > 0 && q.Sort[0].Descending
	r.eachLocked(candidatesOf(q, found), backwards, func(_ uint32, k *rosterKey) bool {
		switch {
		case !m.match(k):
		case skip > 0:
			skip--
		default:
			page = append(page, k.id)
		}
		return len(page) < q.Limit
	})
	return page
}

// Places in a roster: the part, and the index in it. Their order is that of IDs.
const placeBits = 24

// candidates are the keys among which those are that a query asks for.
type candidates struct {
	some bool        // only those with the IDs, else all
	ids  []uuid.UUID // sorted
}

// candidatesOf returns what a search has found, or the keys that are all that the caller may see.
func candidatesOf(q kms.Query, found []uuid.UUID) candidates {
	switch {
	case q.Search != nil:
		return candidates{some: true, ids: found}
	case q.Scope.All || !q.Scope.Exact() || len(q.Scope.Rings) > 0:
		return candidates{}
	}
	c := candidates{some: true}
	for _, text := range q.Scope.Keys { // sorted
		if id, err := uuid.Parse(text); err == nil && id.String() == text {
			c.ids = append(c.ids, id)
		}
	}
	c.ids = slices.Compact(c.ids)
	return c
}

// eachLocked calls do with all candidates in the order of their IDs, or backwards, until it returns
// false.
func (r *roster) eachLocked(c candidates, backwards bool, do func(at uint32, k *rosterKey) bool) {
	if c.some {
		r.eachOfLocked(c.ids, backwards, do)
		return
	}
	for i := range r.parts {
		if backwards {
			i = len(r.parts) - 1 - i
		}
		part := r.parts[i]
		for j := range part {
			if backwards {
				j = len(part) - 1 - j
			}
			if !do(uint32(i)<<placeBits|uint32(j), &part[j]) {
				return
			}
		}
	}
}

// eachOfLocked is eachLocked for some IDs. Each is looked for; but if they are many, the next one is
// likely to be the next key.
func (r *roster) eachOfLocked(ids []uuid.UUID, backwards bool, do func(at uint32, k *rosterKey) bool) {
	next := -1 // index in its part of the key after the last one
	for i := range ids {
		if backwards {
			i = len(ids) - 1 - i
		}
		part, at, there := r.parts[ids[i][0]], next, false
		for range 4 {
			if there = at >= 0 && at < len(part) && part[at].id == ids[i]; there {
				break
			}
			at++
		}
		if !there {
			at, there = r.findLocked(ids[i])
		}
		next = at + 1
		if there && !do(uint32(ids[i][0])<<placeBits|uint32(at), &part[at]) {
			return
		}
	}
}

func (r *roster) atLocked(place uint32) *rosterKey {
	return &r.parts[place>>placeBits][place&(1<<placeBits-1)]
}

// rosterMatcher decides which keys of a roster a query asks for, but for its search.
type rosterMatcher struct {
	kinds [32]bool // those that match; see kindOf
	clock bool     // whether the state of active keys depends on the time
	late  bool     // whether those match whose time is over; the others do if this is false
	now   int64
	dates []dateBounds
	scope func(*rosterKey) bool // nil for all
}

// dateBounds are those that a date has to be within.
type dateBounds struct {
	date         int
	missing      bool
	from, before int64
}

// rosterDate returns where a roster has a date.
func rosterDate(by kms.Property) int {
	switch by {
	case kms.ByUpdated:
		return rosterUpdated
	case kms.ByRotated:
		return rosterRotated
	case kms.ByDeleted:
		return rosterDeleted
	case kms.ByExpires:
		return rosterExpires
	}
	return rosterCreated
}

func (r *roster) matcherLocked(q kms.Query) rosterMatcher {
	m := rosterMatcher{now: micros(q.Now)}
	active, deactivated := slices.Contains(q.States, kms.Active), slices.Contains(q.States, kms.Deactivated)
	m.clock, m.late = active != deactivated, deactivated
	for _, state := range q.States {
		m.allow(q, state)
	}
	if m.clock {
		m.allow(q, kms.Active)
	}
	for _, d := range q.Dates {
		b := dateBounds{date: rosterDate(d.By), missing: d.Missing, from: math.MinInt64, before: math.MaxInt64}
		if !d.From.IsZero() {
			b.from = micros(d.From)
		}
		if !d.Before.IsZero() {
			b.before = micros(d.Before)
		}
		m.dates = append(m.dates, b)
	}
	m.scope = r.scopeLocked(q)
	return m
}

// allow lets keys in a state match, of the kind that q asks for.
func (m *rosterMatcher) allow(q kms.Query, state kms.State) {
	for _, imported := range []bool{false, true} {
		for _, extractable := range []bool{false, true} {
			if q.Extractable == nil || *q.Extractable == extractable {
				m.kinds[kindOf(state, extractable, imported)] = true
			}
		}
	}
}

// scopeLocked returns what the ring of a query and the scope of its caller ask of a key.
func (r *roster) scopeLocked(q kms.Query) func(*rosterKey) bool {
	if q.Scope.All && q.Ring == "" {
		return nil
	}
	asked, whole := make([]bool, len(r.rings)), make([]bool, len(r.rings))
	for i, ring := range r.rings {
		asked[i] = q.Ring == "" || string(q.Ring) == ring
		whole[i] = asked[i] && q.Scope.AllowsRing(ring)
	}
	single := make(map[uuid.UUID]bool, len(q.Scope.Keys))
	var near [1 << 16]bool // by the first two bytes of IDs: few other keys need to be looked for
	for _, text := range q.Scope.Keys {
		if id, err := uuid.Parse(text); err == nil && id.String() == text {
			single[id], near[uint16(id[0])<<8|uint16(id[1])] = true, true
		}
	}
	exact := q.Scope.Exact()
	return func(k *rosterKey) bool {
		switch {
		case whole[k.ring]:
			return true
		case !asked[k.ring]:
			return false
		case exact:
			return near[uint16(k.id[0])<<8|uint16(k.id[1])] && single[k.id]
		}
		return q.Scope.Allows(r.rings[k.ring], k.id.String())
	}
}

func (m *rosterMatcher) match(k *rosterKey) bool {
	if !m.kinds[k.kind&31] {
		return false
	}
	if m.clock && k.state() == kms.Active {
		if k.expired(m.now) != m.late {
			return false
		}
	}
	for i := range m.dates {
		b := &m.dates[i]
		switch at := k.dates[b.date]; {
		case b.missing || at == 0:
			if !b.missing || at != 0 {
				return false
			}
		case at < b.from || at >= b.before:
			return false
		}
	}
	return m.scope == nil || m.scope(k)
}

// place is where a key is in a roster, and in a sorted list as far as its numbers say, the first of
// them before the second.
type place struct {
	first, second int64
	at            uint32
}

// front gathers the keys at the front of a sorted list, up to the end of a page: somewhat more than
// those are held at a time.
type front struct {
	roster *roster
	steps  []step // of the sort, up to the ID, which ends it
	back   bool   // whether those that are otherwise equal are in the order of IDs backwards
	single bool   // whether the first number of a place says all that the steps do
	both   bool   // whether both say it
	from   int    // of the page
	until  int
	places []place
	most   int   // places that are gathered before those after the page are dropped
	last   place // of a full front: what comes after it is not on the page
	full   bool

	// Bounds between which the page is guessed to be, nil for none, and what is not between them.
	low, high *place
	below     int
	above     bool // whether there is anything
}

// step is a property that a list is sorted by: a date, or some bits of the kind of a key.
type step struct {
	date         int  // -1 for none
	shift, width uint // of the bits
	descending   bool
	now          int64 // of the state: an active key whose time is over counts as deactivated
}

func stepOf(o kms.Order, now int64) step {
	switch o.By {
	case kms.ByState:
		return step{date: -1, shift: 0, width: 3, descending: o.Descending, now: now}
	case kms.ByExtractable:
		return step{date: -1, shift: 3, width: 1, descending: o.Descending}
	case kms.ByImported:
		return step{date: -1, shift: 4, width: 1, descending: o.Descending}
	}
	return step{date: rosterDate(o.By), width: dateWidth, descending: o.Descending}
}

const dateWidth = 58 // bits of a date, good for nine millennia; five are left for the rest

// number returns a number of as many bits as the step has, which is smaller for keys that come first.
// Those that lack a date come last.
func (s step) number(k *rosterKey) int64 {
	last := int64(1)<<s.width - 1
	if s.date < 0 {
		kind := k.kind
		if s.now != 0 && k.state() == kms.Active && k.expired(s.now) {
			kind = kind&^7 | uint8(kms.Deactivated)
		}
		value := int64(kind>>s.shift) & last
		if s.descending {
			return last - value
		}
		return value
	}
	at := k.dates[s.date]
	switch {
	case at == 0:
		return last
	case s.descending:
		return last - 1 - max(0, min(at, last-1))
	}
	return max(0, min(at, last-1))
}

func newFront(r *roster, q kms.Query) *front {
	f := &front{roster: r, from: q.Offset, until: q.Offset + q.Limit}
	numbers, closed := 0, true // a date closes a number
	for _, o := range q.Sort {
		if o.By == kms.ByID {
			f.back = o.Descending
			break
		}
		s := stepOf(o, micros(q.Now))
		f.steps = append(f.steps, s)
		if closed {
			numbers++
		}
		closed = s.date >= 0
	}
	f.single, f.both = numbers == 1, numbers <= 2
	return f
}

// fillLocked goes through the candidates and returns the IDs of those on the page, in order. It fails
// if the page is not between the bounds that were guessed.
func (f *front) fillLocked(c candidates, m *rosterMatcher) (page []uuid.UUID, ok bool) {
	room := 2*f.until + 1000
	if f.most = room; f.low != nil || f.high != nil {
		f.most, room = math.MaxInt, f.roster.count/8
	}
	f.places = make([]place, 0, min(f.roster.count, room))
	f.roster.eachLocked(c, false, func(at uint32, k *rosterKey) bool {
		if m.match(k) {
			f.add(f.place(at, k))
		}
		return true
	})
	if f.below > f.from || f.above && f.below+len(f.places) < f.until {
		return nil, false
	}
	f.from, f.until = f.from-f.below, f.until-f.below
	return f.page(), true
}

// guessLocked finds bounds for a page that is far down, by where it would be in a sample of the keys
// (R. W. Floyd and R. L. Rivest, Expected time bounds for selection, 1975). They are four standard
// deviations away from it.
func (f *front) guessLocked(m *rosterMatcher) {
	stride := f.roster.count / f.roster.sample
	if f.until < 2*f.roster.sample || stride < 2 {
		return
	}
	sample := make([]place, 0, f.roster.sample+1)
	next := stride / 2
	for i, part := range f.roster.parts {
		for ; next < len(part); next += stride {
			if k := &part[next]; m.match(k) {
				sample = append(sample, f.place(uint32(i)<<placeBits|uint32(next), k))
			}
		}
		next -= len(part)
	}
	slices.SortFunc(sample, f.compare)
	margin := 1 + 2*int(math.Sqrt(float64(len(sample))))
	if at := min(f.from/stride-margin, len(sample)-1); at >= 0 {
		f.low = &sample[at]
	}
	if at := f.until/stride + margin; at < len(sample) {
		f.high = &sample[at]
	}
}

// place returns the place of a key. A number has the properties with few values up to a date, and
// that; the second one is the place among IDs if no property is left for it.
func (f *front) place(at uint32, k *rosterKey) place {
	p := place{at: at}
	to := &p.first
	for _, s := range f.steps {
		*to = *to<<s.width | s.number(k)
		if s.date < 0 {
			continue
		}
		if to == &p.second {
			break
		}
		to = &p.second
	}
	switch {
	case f.single && f.back:
		p.second = -int64(at)
	case f.single:
		p.second = int64(at)
	}
	return p
}

// before says whether a place comes before another. It is the inner loop of lists that begin far
// down.
func (f *front) before(a, b place) bool {
	if a.first != b.first {
		return a.first < b.first
	}
	if a.second != b.second {
		return a.second < b.second
	}
	return f.tie(a, b) < 0
}

// tie orders two places with the same numbers.
func (f *front) tie(a, b place) int {
	if !f.both {
		x, y := f.roster.atLocked(a.at), f.roster.atLocked(b.at)
		for _, s := range f.steps {
			if by := cmp.Compare(s.number(x), s.number(y)); by != 0 {
				return by
			}
		}
	}
	if f.back {
		a, b = b, a
	}
	return cmp.Compare(a.at, b.at)
}

func (f *front) compare(a, b place) int {
	switch {
	case f.before(a, b):
		return -1
	case f.before(b, a):
		return 1
	}
	return 0
}

func (f *front) add(p place) {
	switch {
	case f.low != nil && f.before(p, *f.low):
		f.below++
		return
	case f.high != nil && f.before(*f.high, p):
		f.above = true
		return
	case f.full && f.before(f.last, p):
		return
	}
	if f.places = append(f.places, p); len(f.places) >= f.most {
		f.cut()
	}
}

// cut drops the places after the page.
func (f *front) cut() {
	f.nth(f.until - 1)
	f.places = f.places[:f.until]
	f.last, f.full = f.places[f.until-1], true
}

// page returns the IDs of the keys on the page, in order.
func (f *front) page() []uuid.UUID {
	if len(f.places) > f.until {
		f.cut()
	}
	if len(f.places) <= f.from {
		return nil
	}
	if f.from > 0 {
		f.nth(f.from)
	}
	on := f.places[f.from:]
	slices.SortFunc(on, f.compare)
	page := make([]uuid.UUID, len(on))
	for i, p := range on {
		page[i] = f.roster.atLocked(p.at).id
	}
	return page
}

// nth moves places so that the one that belongs at n is there, and those that come before it are
// before it (C. A. R. Hoare, Algorithm 65: Find).
func (f *front) nth(n int) {
	places := f.places
	low, high := 0, len(places)-1
	for low < high {
		pivot := f.median(places[low], places[low+(high-low)/2], places[high])
		i, j := low, high
		for i <= j {
			for f.before(places[i], pivot) {
				i++
			}
			for f.before(pivot, places[j]) {
				j--
			}
			if i <= j {
				places[i], places[j] = places[j], places[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			high = j
		case n >= i:
			low = i
		default:
			return
		}
	}
}

func (f *front) median(a, b, c place) place {
	if f.before(b, a) {
		a, b = b, a
	}
	if f.before(c, b) {
		b = c
	}
	if f.before(b, a) {
		return a
	}
	return b
}
