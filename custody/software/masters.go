package software

import (
	"crypto/rand"
	"fmt"
)

const (
	masterSize  = 32
	mastersSize = 2 * masterSize
)

// masters holds the wrap master and, after it, the seal master, in a page of locked memory.
type masters struct {
	page []byte
}

// newMasters returns masters that are all zero.
func newMasters() (*masters, error) {
	page, err := lockedPage()
	if err != nil {
		return nil, fmt.Errorf("reserving memory for the masters: %w", err)
	}
	return &masters{page}, nil
}

// draw fills both with random bytes, which go to locked memory without a detour.
func (m *masters) draw() { _, _ = rand.Read(m.both()) }

func (m *masters) both() []byte { return m.page[:mastersSize] }
func (m *masters) wrap() []byte { return m.page[:masterSize] }
func (m *masters) seal() []byte { return m.page[masterSize:mastersSize] }

// free wipes the masters and returns their memory.
func (m *masters) free() error {
	clear(m.page)
	return freePage(m.page)
}
