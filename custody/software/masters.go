package software

import (
	"crypto/rand"
	"fmt"
	"slices"

	"strongroom/custody"
)

const (
	masterSize     = 32
	generationSize = 2*masterSize + custody.RecoveryKeySize // wrap master ‖ seal master ‖ recovery key, which is zero if there is none
	maxGenerations = 256                                    // a module holds one or two; more only if nothing is ever moved
)

// masters holds the masters of all generations of a module, the oldest first, in locked memory. It
// does not change once the module has it: a change is a copy that takes its place.
type masters struct {
	generations []generation
	memory      []byte // generationSize bytes for each
}

// generation describes the masters of one generation, in the module and in the master file.
type generation struct {
	Number   uint32 `json:"number"`             // from 1
	Recovery string `json:"recovery,omitempty"` // names the recovery key; empty if there is none
}

// newMasters returns masters for these generations that are all zero.
func newMasters(generations []generation) (*masters, error) {
	memory, err := lockedMemory(generationSize * len(generations))
	if err != nil {
		return nil, fmt.Errorf("reserving memory for the masters: %w", err)
	}
	return &masters{generations, memory}, nil
}

// drawn returns a copy with one generation more, whose masters go from the system's source of
// randomness to locked memory without a detour.
func (m *masters) drawn(g generation, recovery []byte) (*masters, error) {
	next, err := newMasters(append(slices.Clone(m.generations), g))
	if err != nil {
		return nil, err
	}
	copy(next.memory, m.all())
	last := next.at(len(m.generations))
	_, _ = rand.Read(last.wrap()) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(last.seal())
	copy(last.memory[2*masterSize:], recovery)
	return next, nil
}

// without returns a copy that lacks the generation at i.
func (m *masters) without(i int) (*masters, error) {
	next, err := newMasters(slices.Delete(slices.Clone(m.generations), i, i+1))
	if err != nil {
		return nil, err
	}
	n := copy(next.memory, m.all()[:generationSize*i])
	copy(next.memory[n:], m.all()[generationSize*(i+1):])
	return next, nil
}

// all returns what the master file seals.
func (m *masters) all() []byte { return m.memory[:generationSize*len(m.generations)] }

// at returns the keys of the generation at i.
func (m *masters) at(i int) generationKeys {
	return generationKeys{m.generations[i], m.memory[generationSize*i:][:generationSize]}
}

// find returns the place of a generation, or -1.
func (m *masters) find(number uint32) int {
	return slices.IndexFunc(m.generations, func(g generation) bool { return g.Number == number })
}

// recoveryKey returns the recovery key of that name, which came in with a generation that is held,
// or nil.
func (m *masters) recoveryKey(set string) []byte {
	i := slices.IndexFunc(m.generations, func(g generation) bool { return g.Recovery == set })
	if set == "" || i < 0 {
		return nil
	}
	return m.at(i).recovery()
}

// newest describes the newest generation. It is zero when there is none.
func (m *masters) newest() generation {
	if len(m.generations) == 0 {
		return generation{}
	}
	return m.generations[len(m.generations)-1]
}

// free wipes the masters and returns their memory.
func (m *masters) free() error {
	clear(m.memory)
	return freeMemory(m.memory)
}

// generationKeys are the keys of one generation, where they lie in locked memory.
type generationKeys struct {
	generation
	memory []byte
}

func (k generationKeys) wrap() []byte { return k.memory[:masterSize] }
func (k generationKeys) seal() []byte { return k.memory[masterSize : 2*masterSize] }

// recovery returns the recovery key, or nil if there is none.
func (k generationKeys) recovery() []byte {
	if k.Recovery == "" {
		return nil
	}
	return k.memory[2*masterSize:]
}
