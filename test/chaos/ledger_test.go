package chaos_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// ledger is what the server has acknowledged, and what it left in doubt. It is
// kept outside the server, and compared with it after every start.
type ledger struct {
	mu      sync.Mutex
	keys    map[string]*key
	wrapped []wrapped
	changes []change
	fresh   mark // what was acknowledged since the last comparison
}

// key is a key whose creation was acknowledged.
type key struct {
	id         string
	deleting   bool // a deletion was sent
	deleted    bool // and acknowledged
	rotations  int  // that were acknowledged
	maybe      int  // rotations that were sent and never answered
	comparison int  // number of the comparison that it was made after
}

// wrapped is a data key whose wrapping was acknowledged.
type wrapped struct {
	key                   string
	plaintext, ciphertext string
	aad                   []string
}

// change is a change that was acknowledged, by the request that made it.
type change struct{ action, correlation string }

// mark is a position in the ledger.
type mark struct{ wrapped, comparison int }

func newLedger() *ledger { return &ledger{keys: map[string]*key{}} }

func (l *ledger) created(id, correlation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[id] = &key{id: id, comparison: l.fresh.comparison}
	l.changes = append(l.changes, change{"kms.secrets.create", correlation})
}

func (l *ledger) wrappedKey(w wrapped) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrapped = append(l.wrapped, w)
}

// live picks a key that nobody has tried to delete.
func (l *ledger) live(r *rand.Rand) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id, k := range l.keys {
		if !k.deleting {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", false
	}
	slices.Sort(ids) // so that the seed decides
	return ids[r.IntN(len(ids))], true
}

func (l *ledger) rotating(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[id].maybe++
}

// rotated says how a rotation ended that was begun with rotating.
func (l *ledger) rotated(id, correlation string, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[id].maybe--
	if done {
		l.keys[id].rotations++
		l.changes = append(l.changes, change{"kms.secrets.rotate", correlation})
	}
}

// deleting claims a key for deletion; it is false if another has claimed it.
func (l *ledger) deleting(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	claimed := !l.keys[id].deleting
	l.keys[id].deleting = true
	return claimed
}

func (l *ledger) isDeleting(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[id].deleting
}

func (l *ledger) deleted(id, correlation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[id].deleted = true
	l.changes = append(l.changes, change{"kms.secrets.delete", correlation})
}

// sample returns everything acknowledged since the last sample, and so many
// older keys and data keys drawn at random. A negative number means all.
func (l *ledger) sample(r *rand.Rand, older int) ([]key, []wrapped) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var newKeys, oldKeys []key
	for _, id := range slices.Sorted(maps.Keys(l.keys)) {
		if k := *l.keys[id]; k.comparison == l.fresh.comparison {
			newKeys = append(newKeys, k)
		} else {
			oldKeys = append(oldKeys, k)
		}
	}
	newWrapped, oldWrapped := slices.Clone(l.wrapped[l.fresh.wrapped:]), slices.Clone(l.wrapped[:l.fresh.wrapped])
	l.fresh = mark{wrapped: len(l.wrapped), comparison: l.fresh.comparison + 1}
	return append(newKeys, draw(r, oldKeys, older)...), append(newWrapped, draw(r, oldWrapped, older)...)
}

func draw[T any](r *rand.Rand, from []T, n int) []T {
	if n < 0 || n >= len(from) {
		return from
	}
	r.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return from[:n]
}

// await waits until so many more keys were made and so many more data keys wrapped.
func (l *ledger) await(t *testing.T, more int) {
	t.Helper()
	keys, wrapped := l.acknowledged()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		k, w := l.acknowledged()
		if k >= keys+more && w >= wrapped+more {
			return
		}
		if time.Now().After(deadline) || t.Failed() {
			t.Errorf("only %d more keys were made and %d more data keys wrapped", k-keys, w-wrapped)
			return
		}
	}
}

func (l *ledger) acknowledged() (keys, wrapped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys), len(l.wrapped)
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	deleted, rotations := 0, 0
	for _, k := range l.keys {
		rotations += k.rotations
		if k.deleted {
			deleted++
		}
	}
	return fmt.Sprintf("%d keys made, %d deleted, %d rotations, %d data keys wrapped",
		len(l.keys), deleted, rotations, len(l.wrapped))
}
