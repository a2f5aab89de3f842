package dispersal

import (
	"math/bits"
	"sync"
	"time"
)

// Bounds of how long a node that failed is avoided: doubled with each failure in a row.
const (
	avoidFirst = time.Second
	avoidMost  = 10 * time.Second
)

// latencyFresh is how long an observed latency is believed: a node that was slow is asked again then.
const latencyFresh = 30 * time.Second

// breaker remembers whether one way of using a node worked lately. A node whose breaker is open is used
// only where others do not suffice.
type breaker struct {
	mu       sync.Mutex
	failures int // in a row
	until    time.Time
}

// fail opens the breaker.
func (b *breaker) fail(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := avoidMost
	if b.failures < 4 {
		wait = min(avoidFirst<<b.failures, avoidMost)
	}
	b.failures++
	b.until = now.Add(wait)
}

// good closes the breaker.
func (b *breaker) good() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.until = 0, time.Time{}
}

// open says whether the node is to be avoided.
func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.until)
}

// latency is a moving average of how long reads take.
type latency struct {
	mu   sync.Mutex
	mean time.Duration
	seen time.Time
}

// add takes a new reading, of which an eighth counts. The first after a long time counts whole.
func (l *latency) add(now time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.seen) > latencyFresh {
		l.mean = took
	} else {
		l.mean += (took - l.mean) / 8
	}
	l.seen = now
}

// atLeast notes that a read that is not finished takes this long already.
func (l *latency) atLeast(now time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mean, l.seen = max(l.mean, took), now
}

// get returns the average, or 0 if it is not known any more.
func (l *latency) get(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.seen) > latencyFresh {
		return 0
	}
	return l.mean
}

// class makes latencies that hardly differ equal: it is the number of binary digits of milliseconds.
func class(d time.Duration) int { return bits.Len64(uint64(d / time.Millisecond)) }
