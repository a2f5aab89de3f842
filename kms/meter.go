package kms

import (
	"sync"
	"sync/atomic"
	"time"

	"strongroom/iam"
)

// MetricsWindow is the time that the metrics of an instance look back on.
const MetricsWindow = time.Minute

const (
	// turnLength is the time that one slot of a meter counts: the precision of the window.
	turnLength = 5 * time.Second
	slots      = int64(MetricsWindow / turnLength)

	defaultMeters = 20_000
	// accountShare is the part of all meters that one account can have: 1 in so many.
	accountShare = 10
)

// meterKey names a kind of request: to an instance, for an action, with an answer.
type meterKey struct {
	instance InstanceID
	action   iam.Action
	status   int // HTTP status
}

// meters count requests by their kind, a bounded number of kinds. A kind that is not asked for any
// more loses its meter, which is how instances are forgotten that are deleted, or measured no more.
type meters struct {
	began     time.Time
	max       int
	uncounted atomic.Int64 // requests for which no meter was left

	mu     sync.RWMutex
	kinds  map[meterKey]*meter   // guarded by mu
	held   map[iam.AccountID]int // guarded by mu: meters of each account
	swept  int64                 // guarded by mu: turn of the last sweep
	shared int                   // meters that one account can have
}

func newMeters(limit int, now time.Time) *meters {
	return &meters{
		began: now, max: limit, shared: max(1, limit/accountShare),
		kinds: map[meterKey]*meter{}, held: map[iam.AccountID]int{},
	}
}

// turn numbers the spans of time that slots count, from 1 on. It follows the clock that only goes
// forward, where the time has its reading.
func (m *meters) turn(now time.Time) int64 {
	return 1 + max(0, int64(now.Sub(m.began)/turnLength))
}

// find returns the meter of a kind, or nil.
func (m *meters) find(key meterKey) *meter {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.kinds[key]
}

// add returns the meter of a kind, which it makes unless there is one. It is nil when the account,
// or all of them together, have too many.
func (m *meters) add(key meterKey, account iam.AccountID, turn int64) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.kinds[key]; found != nil {
		return found
	}
	if m.fullLocked(account) && m.swept < turn {
		m.sweepLocked(turn) // once a turn: what fails in a flood must not cost a walk each
	}
	if m.fullLocked(account) {
		return nil
	}
	made := &meter{account: account}
	m.kinds[key] = made
	m.held[account]++
	return made
}

func (m *meters) fullLocked(account iam.AccountID) bool {
	return len(m.kinds) >= m.max || m.held[account] >= m.shared
}

// sweep forgets the kinds that nobody has asked for within the window.
func (m *meters) sweep(turn int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweepLocked(turn)
}

func (m *meters) sweepLocked(turn int64) {
	m.swept = turn
	for key, kind := range m.kinds {
		if requests, _ := kind.sum(turn); requests > 0 {
			continue
		}
		delete(m.kinds, key)
		if m.held[kind.account]--; m.held[kind.account] == 0 {
			delete(m.held, kind.account)
		}
	}
}

// of returns what was counted for the instances of an account, without what is idle.
func (m *meters) of(account iam.AccountID, turn int64) map[InstanceID][]RequestMetrics {
	found := map[InstanceID][]RequestMetrics{}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for key, kind := range m.kinds {
		if kind.account != account {
			continue
		}
		if requests, took := kind.sum(turn); requests > 0 {
			found[key.instance] = append(found[key.instance], RequestMetrics{
				Action: key.action, Status: key.status, Requests: requests, Mean: took / time.Duration(requests),
			})
		}
	}
	return found
}

// meter counts one kind of request. A request costs two additions.
type meter struct {
	account iam.AccountID

	mu    sync.Mutex // held to begin a turn
	slots [slots]slot
}

// slot is what was counted in one turn. A request that comes while its turn begins elsewhere may be
// missed, or counted to the turn beside.
type slot struct {
	turn     atomic.Int64 // zero before the first
	requests atomic.Int64
	took     atomic.Int64 // nanoseconds, of all requests together
}

func (m *meter) count(turn int64, took time.Duration) {
	s := &m.slots[turn%slots]
	if s.turn.Load() < turn {
		m.begin(s, turn)
	}
	s.requests.Add(1)
	s.took.Add(int64(took))
}

// begin empties a slot for a new turn.
func (m *meter) begin(s *slot, turn int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.turn.Load() >= turn {
		return
	}
	s.requests.Store(0)
	s.took.Store(0)
	s.turn.Store(turn)
}

// sum adds up the slots of the window that ends with a turn.
func (m *meter) sum(turn int64) (requests int64, took time.Duration) {
	for i := range m.slots {
		s := &m.slots[i]
		if at := s.turn.Load(); at > turn-slots && at <= turn {
			requests += s.requests.Load()
			took += time.Duration(s.took.Load())
		}
	}
	return requests, took
}
