package chaos_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// content is what an object holds: bytes that follow from a seed. The zero content is no object.
type content struct {
	seed uint64
	size int
}

func newContent(r *rand.Rand, most int) content { return content{r.Uint64() | 1, 1 + r.IntN(most)} }

// bytes returns the content.
func (c content) bytes() []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(c.seed >> (8 * i))
	}
	b := make([]byte, c.size)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func (c content) is(b []byte) bool {
	return c.size == len(b) && sha256.Sum256(c.bytes()) == sha256.Sum256(b)
}

func (c content) String() string { return fmt.Sprintf("%d bytes of seed %d", c.size, c.seed) }

// shelf is what the server has acknowledged of the objects of one worker, which alone writes them.
type shelf struct {
	path string // of a key, without its number
	// may lists, for each key, what it may hold: what was acknowledged, and what was asked for since then
	// and not answered.
	may   map[int][]content
	ready *prepared // nil if there is none
}

// prepared is an upload whose parts are all there.
type prepared struct {
	key     int
	content content
	upload  upload
}

// objectLedger is the shelves of all workers.
type objectLedger struct {
	shelves []*shelf

	mu                       sync.Mutex
	puts, uploads, deletions int // that were acknowledged; guarded by mu
	doubts                   int // guarded by mu
}

const keysOnShelf = 12

func newObjectLedger(workers int, bucket func(int) string) *objectLedger {
	l := &objectLedger{}
	for i := range workers {
		l.shelves = append(l.shelves, &shelf{path: fmt.Sprintf("/%s/worker-%d/object-", bucket(i), i), may: map[int][]content{}})
	}
	return l
}

// key is the path of a key on the shelf.
func (s *shelf) key(i int) string { return s.path + fmt.Sprint(i) }

// begin says that a change was sent. End must be called when it was answered.
func (s *shelf) begin(i int, to content) {
	if len(s.may[i]) == 0 {
		s.may[i] = []content{{}}
	}
	s.may[i] = append(s.may[i], to)
}

// done says that the last change was acknowledged: nothing else may be found any more.
func (s *shelf) done(i int) { s.may[i] = s.may[i][len(s.may[i])-1:] }

// found says what the key holds now. It is an error if that cannot be.
func (s *shelf) found(i int, b []byte, exists bool) error {
	for _, c := range s.may[i] {
		if exists == (c != content{}) && (!exists || c.is(b)) {
			s.may[i] = []content{c}
			return nil
		}
	}
	return fmt.Errorf("%s holds %d bytes (exists: %v), and may hold %v", s.key(i), len(b), exists, s.may[i])
}

// written lists the keys that were ever written.
func (s *shelf) written() []int {
	var all []int
	for i := range keysOnShelf {
		if len(s.may[i]) > 0 {
			all = append(all, i)
		}
	}
	return slices.Clip(all)
}

// await waits until so many more changes were acknowledged.
func (l *objectLedger) await(t *testing.T, more int) {
	t.Helper()
	from := l.acknowledged()
	for deadline := time.Now().Add(5 * time.Minute); l.acknowledged() < from+more; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) || t.Failed() {
			t.Errorf("%d changes were acknowledged, and then only %d more", from, l.acknowledged()-from)
			return
		}
	}
}

func (l *objectLedger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.puts + l.uploads + l.deletions
}

// count adds one to a counter.
func (l *objectLedger) count(counter *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*counter++
}

func (l *objectLedger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d objects put, %d uploaded in parts, %d deleted, %d left in doubt", l.puts, l.uploads, l.deletions, l.doubts)
}
