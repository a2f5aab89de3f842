package dispersal_test

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"strongroom/dispersal"
	"strongroom/internal/durable"
)

// mode is what a node does instead of its work.
type mode string

const (
	works mode = ""
	dead  mode = "dead" // refuses
	hung  mode = "hung" // never answers, whatever the context says
	slow  mode = "slow" // answers after a second
	full  mode = "full" // refuses to write
)

var modes = []mode{dead, hung, slow, full}

var errKilled = errors.New("the node was killed")

// faulty is a SliceStore whose node can be broken.
type faulty struct {
	dispersal.SliceStore
	mu     sync.Mutex
	mode   mode
	mended chan struct{} // closed when the mode changes
	reads  int
}

func (f *faulty) set(m mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = m
	close(f.mended)
	f.mended = make(chan struct{})
}

func (f *faulty) fault(write bool) error {
	f.mu.Lock()
	m, mended := f.mode, f.mended
	f.mu.Unlock()
	switch m {
	case dead:
		return errKilled
	case hung:
		<-mended
		return errKilled
	case slow:
		time.Sleep(time.Second) // of the bubble's clock
	case full:
		if write {
			return &errFull
		}
	}
	return nil
}

var errFull = errorFull{}

// errorFull is what a full file system says.
type errorFull struct{}

func (*errorFull) Error() string { return "full" }
func (*errorFull) Unwrap() error { return syscall.ENOSPC }

func (f *faulty) Check(ctx context.Context) error {
	if err := f.fault(false); err != nil {
		return err
	}
	return f.SliceStore.Check(ctx)
}

func (f *faulty) Create(ctx context.Context, name dispersal.SliceName) (dispersal.SliceWriter, error) {
	if err := f.fault(true); err != nil {
		return nil, err
	}
	w, err := f.SliceStore.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return &faultyWriter{w, f}, nil
}

type faultyWriter struct {
	dispersal.SliceWriter
	f *faulty
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	if err := w.f.fault(true); err != nil {
		return 0, err
	}
	return w.SliceWriter.Write(p)
}

func (w *faultyWriter) Commit() error {
	if err := w.f.fault(true); err != nil {
		return err
	}
	return w.SliceWriter.Commit()
}

func (f *faulty) ReadAt(ctx context.Context, name dispersal.SliceName, p []byte, off int64) error {
	f.mu.Lock()
	f.reads++
	f.mu.Unlock()
	if err := f.fault(false); err != nil {
		return err
	}
	return f.SliceStore.ReadAt(ctx, name, p, off)
}

func (f *faulty) Remove(ctx context.Context, name dispersal.SliceName) error {
	if err := f.fault(false); err != nil {
		return err
	}
	return f.SliceStore.Remove(ctx, name)
}

func (f *faulty) List(ctx context.Context, each func(dispersal.SliceInfo) error) error {
	if err := f.fault(false); err != nil {
		return err
	}
	return f.SliceStore.List(ctx, each)
}

func (f *faulty) Space(ctx context.Context) (int64, int64, error) {
	if err := f.fault(false); err != nil {
		return 0, 0, err
	}
	return f.SliceStore.Space(ctx)
}

// unsynced is the machine's file system without its syncs, which tests that lose no power can do without.
type unsynced struct{ dispersal.Disk }

func (unsynced) SyncFolder(string) error { return nil }

func (u unsynced) CreateTemp(folder, prefix string) (durable.Temp, error) {
	f, err := u.Disk.CreateTemp(folder, prefix)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

type unsyncedFile struct{ durable.Temp }

func (unsyncedFile) Sync() error { return nil }
