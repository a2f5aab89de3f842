package audit

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

// MemFiles is a folder in memory that knows what was synced. It fails, or loses its power, at a step
// of the test's choice.
type MemFiles struct {
	mu      sync.Mutex
	now     map[string]*memData // what the running system sees
	durable map[string]*memData // the entries of the folder that survive
	steps   int                 // operations that change something, so far
	failAt  func(step int) error
	crashed bool
	left    uint64 // bytes that are left

	careless bool // syncing does nothing
}

// memData is the content of a file.
type memData struct {
	now    []byte
	synced []byte
}

// ErrCrashed is what everything returns after the power went.
var ErrCrashed = errors.New("no power")

// NewMemFiles returns an empty folder.
func NewMemFiles() *MemFiles {
	return &MemFiles{now: map[string]*memData{}, durable: map[string]*memData{}, left: 1 << 40}
}

// FailAt sets what a step, counted from now at 1, returns. ErrCrashed takes the power from then on.
func (m *MemFiles) FailAt(f func(step int) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.steps, m.failAt = 0, f
}

// Steps returns the number of steps since FailAt.
func (m *MemFiles) Steps() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

// AfterPowerLoss returns what a restart may find: everything that was synced, and of the rest
// whatever r chooses.
func (m *MemFiles) AfterPowerLoss(r *rand.Rand) *MemFiles {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMemFiles()
	names := map[string]*memData{}
	maps.Copy(names, m.durable)
	for _, name := range slices.Sorted(maps.Keys(m.now)) {
		if r.IntN(2) == 0 {
			names[name] = m.now[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.durable)) {
		if m.now[name] == nil && r.IntN(2) == 0 {
			delete(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d := names[name]
		data := slices.Clone(d.synced)
		if r.IntN(3) > 0 && len(d.now) > len(d.synced) {
			more := slices.Clone(d.now[len(d.synced) : len(d.synced)+r.IntN(len(d.now)-len(d.synced)+1)])
			if len(more) > 0 && r.IntN(3) == 0 { // a page that did not reach the disk before its neighbours
				clear(more[:r.IntN(len(more)+1)])
			}
			data = append(data, more...)
		}
		after.now[name] = &memData{now: data, synced: slices.Clone(data)}
		after.durable[name] = after.now[name]
	}
	return after
}

// Clone returns a copy of the folder as it is.
func (m *MemFiles) Clone() *MemFiles {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemFiles()
	for name, d := range m.now {
		c.now[name] = &memData{now: slices.Clone(d.now), synced: slices.Clone(d.now)}
		c.durable[name] = c.now[name]
	}
	return c
}

// Names returns the names of the segments, in order.
func (m *MemFiles) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.now {
		if _, ok := parseSegmentName(name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Bytes returns the content of a file, Put replaces it, and Delete removes it.
func (m *MemFiles) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.now[name].now)
}

// Put replaces the content of a file.
func (m *MemFiles) Put(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now[name] = &memData{now: slices.Clone(data), synced: slices.Clone(data)}
	m.durable[name] = m.now[name]
}

// Delete removes a file.
func (m *MemFiles) Delete(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.now, name)
	delete(m.durable, name)
}

// Total returns the size of all files.
func (m *MemFiles) Total() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, d := range m.now {
		n += len(d.now)
	}
	return n
}

// step counts an operation and returns the failure that was asked for.
func (m *MemFiles) step() error {
	if m.crashed {
		return ErrCrashed
	}
	m.steps++
	if m.failAt == nil {
		return nil
	}
	err := m.failAt(m.steps)
	m.crashed = errors.Is(err, ErrCrashed)
	return err
}

func (m *MemFiles) list() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.now)), nil
}

func (m *MemFiles) create(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return nil, err
	}
	if m.now[name] != nil {
		return nil, fs.ErrExist
	}
	d := &memData{}
	m.now[name] = d
	return &memFile{m: m, d: d}, nil
}

func (m *MemFiles) open(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &memFile{m: m, d: m.now[name]}, nil
}

func (m *MemFiles) size(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now[name] == nil {
		return 0, fs.ErrNotExist
	}
	return int64(len(m.now[name].now)), nil
}

func (m *MemFiles) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	if m.now[name] == nil {
		return fs.ErrNotExist
	}
	delete(m.now, name)
	return nil
}

func (m *MemFiles) syncDir() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.durable = maps.Clone(m.now)
	return nil
}

func (m *MemFiles) free() (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left, nil
}

func (m *MemFiles) close() error { return nil }

// memFile is an open file.
type memFile struct {
	m *MemFiles
	d *memData
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if off >= int64(len(f.d.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.d.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	err := f.m.step()
	if err != nil {
		if errors.Is(err, syscall.EIO) { // nothing reached the file
			return 0, err
		}
		p = p[:len(p)/2]
	}
	if grow := int(off) + len(p) - len(f.d.now); grow > 0 {
		f.d.now = append(f.d.now, make([]byte, grow)...)
	}
	copy(f.d.now[off:], p)
	return len(p), err
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.step(); err != nil {
		return err
	}
	f.d.now = slices.Clone(f.d.now[:min(int(size), len(f.d.now))])
	return nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.step(); err != nil {
		return err
	}
	if !f.m.careless {
		f.d.synced = slices.Clone(f.d.now)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.d.now)), nil
}

func (f *memFile) Close() error { return nil }

// SetFree sets the bytes that are left on the disk.
func (m *MemFiles) SetFree(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = n
}

// NewDiscard returns a folder without durability, whose syncs cost nothing: for measuring the rest.
func NewDiscard() *MemFiles {
	m := NewMemFiles()
	m.careless = true
	return m
}
