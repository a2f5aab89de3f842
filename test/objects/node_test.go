package objects_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"strongroom/dispersal"
)

// mode is what a node does instead of its work.
type mode string

const (
	works   mode = ""
	gone    mode = "gone"    // its folder is not there
	hung    mode = "hung"    // never answers, whatever the context says
	slow    mode = "slow"    // takes a second for everything
	full    mode = "full"    // refuses to write
	corrupt mode = "corrupt" // bytes of every file are others
)

var errMended = errors.New("the node hung until it was mended")

// node is a storage node that can be broken.
type node struct {
	dispersal.SliceStore
	folder string

	mu     sync.Mutex
	mode   mode
	mended chan struct{} // closed when the mode changes
}

func (n *node) set(m mode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mode = m
	close(n.mended)
	n.mended = make(chan struct{})
}

// fault does what the node does instead of its work.
func (n *node) fault(write bool) error {
	n.mu.Lock()
	m, mended := n.mode, n.mended
	n.mu.Unlock()
	switch m {
	case hung:
		<-mended
		return errMended
	case slow:
		select {
		case <-mended:
		case <-time.After(time.Second):
		}
	case full:
		if write {
			return &os.PathError{Op: "write", Path: n.folder, Err: syscall.ENOSPC}
		}
	}
	return nil
}

// Check implements dispersal.SliceStore.
func (n *node) Check(ctx context.Context) error {
	if err := n.fault(false); err != nil {
		return err
	}
	return n.SliceStore.Check(ctx)
}

// Create implements dispersal.SliceStore.
func (n *node) Create(ctx context.Context, name dispersal.SliceName) (dispersal.SliceWriter, error) {
	if err := n.fault(true); err != nil {
		return nil, err
	}
	w, err := n.SliceStore.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return &nodeWriter{w, n}, nil
}

// nodeWriter is a file that is being written on a node.
type nodeWriter struct {
	dispersal.SliceWriter
	n *node
}

// Write implements dispersal.SliceWriter.
func (w *nodeWriter) Write(p []byte) (int, error) {
	if err := w.n.fault(true); err != nil {
		return 0, err
	}
	return w.SliceWriter.Write(p)
}

// ReadAt implements dispersal.SliceStore.
func (n *node) ReadAt(ctx context.Context, name dispersal.SliceName, p []byte, off int64) error {
	if err := n.fault(false); err != nil {
		return err
	}
	return n.SliceStore.ReadAt(ctx, name, p, off)
}

// Space implements dispersal.SliceStore.
func (n *node) Space(ctx context.Context) (int64, int64, error) {
	if err := n.fault(false); err != nil {
		return 0, 0, err
	}
	return n.SliceStore.Space(ctx)
}

// away is where the folder of a node that is gone is.
func (n *node) away() string { return n.folder + ".away" }

// lose breaks nodes. Those with damaged files come back together: none is rebuilt from the others.
func (s *store) lose(t *testing.T, names []string, m mode) {
	t.Helper()
	for _, n := range s.named(names) {
		switch m {
		case gone:
			n.leave(t)
		case corrupt:
			n.leave(t)
			n.spoil(t)
		default:
			n.set(m)
		}
	}
	if m == corrupt {
		for _, n := range s.named(names) {
			n.comeBack(t)
		}
	}
}

func (s *store) named(names []string) (found []*node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		found = append(found, s.nodes[name])
	}
	return found
}

// leave puts the folder of a node away.
func (n *node) leave(t *testing.T) {
	t.Helper()
	if err := os.Rename(n.folder, n.away()); err != nil {
		t.Fatal(err)
	}
}

// comeBack puts the folder of a node back, if it is away.
func (n *node) comeBack(t *testing.T) {
	t.Helper()
	if err := os.Rename(n.away(), n.folder); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// spoil changes bytes near the begin and in the middle of every file of a node that is away.
func (n *node) spoil(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(n.away(), "slices", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		data[20]++ // which makes nothing good again that was spoiled before
		data[len(data)/2]++
		if err := os.WriteFile(f, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// mend brings all nodes back, with the files that they have.
func (s *store) mend(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		n.set(works)
		n.comeBack(t)
	}
}
