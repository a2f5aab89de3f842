// Package slicestest is the suite that every dispersal.SliceStore passes.
package slicestest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"strongroom/dispersal"
	"strongroom/objects"
)

// Node is whom the stores of the suite belong to.
const Node objects.NodeID = "0000c0de"

// Run tests stores of Node that open makes, each without a mark and empty.
func Run(t *testing.T, open func(t *testing.T) dispersal.SliceStore) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, dispersal.SliceStore){
		"what is committed is read":      committed,
		"what is aborted is not there":   aborted,
		"a file is replaced whole":       replaced,
		"what ends early says so":        endsEarly,
		"what is removed is gone":        removed,
		"files are listed":               listed,
		"many use it at once":            concurrent,
		"an empty and a large file":      sizes,
		"a cancelled write leaves none":  cancelled,
		"the mark of another is refused": foreign,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if err := s.Mark(t.Context(), Node); err != nil {
				t.Fatal(err)
			}
			test(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("without a mark it is away", func(t *testing.T) { unmarked(t, open(t)) })
}

func name(index int) dispersal.SliceName {
	return dispersal.SliceName{Blob: objects.NewBlobID(), Index: index}
}

func write(t *testing.T, s dispersal.SliceStore, n dispersal.SliceName, pieces ...[]byte) {
	t.Helper()
	w, err := s.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, s dispersal.SliceStore, n dispersal.SliceName, off int64, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if err := s.ReadAt(t.Context(), n, got, off); err != nil || !bytes.Equal(got, want) {
		t.Errorf("reading %d bytes at %d: %.20q, %v", len(want), off, got, err)
	}
}

func wantAbsent(t *testing.T, s dispersal.SliceStore, n dispersal.SliceName) {
	t.Helper()
	if err := s.ReadAt(t.Context(), n, make([]byte, 1), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what is absent: got %v, want %v", err, fs.ErrNotExist)
	}
}

func committed(t *testing.T, s dispersal.SliceStore) {
	n := name(3)
	write(t, s, n, []byte("some "), []byte("content"))
	wantContent(t, s, n, 0, []byte("some content"))
	wantContent(t, s, n, 5, []byte("con"))
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func aborted(t *testing.T, s dispersal.SliceStore) {
	n := name(0)
	w, err := s.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, n)
	w.Abort()
	w.Abort()
	wantAbsent(t, s, n)
	if err := w.Commit(); err == nil {
		t.Error("a file was committed after it was given up")
	}
}

func replaced(t *testing.T, s dispersal.SliceStore) {
	n := name(0)
	write(t, s, n, []byte("the old content"))
	write(t, s, n, []byte("the new"))
	wantContent(t, s, n, 0, []byte("the new"))
	if err := s.ReadAt(t.Context(), n, make([]byte, 8), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the old content is left behind the new: %v", err)
	}
}

func endsEarly(t *testing.T, s dispersal.SliceStore) {
	n := name(0)
	write(t, s, n, []byte("0123456789"))
	for _, off := range []int64{1, 9, 10, 11, 1 << 40} {
		if err := s.ReadAt(t.Context(), n, make([]byte, 10), off); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("10 bytes at %d of 10: got %v, want %v", off, err, io.ErrUnexpectedEOF)
		}
	}
}

func removed(t *testing.T, s dispersal.SliceStore) {
	n, other := name(0), name(1)
	write(t, s, n, []byte("content"))
	write(t, s, other, []byte("content"))
	for range 2 {
		if err := s.Remove(t.Context(), n); err != nil {
			t.Error(err)
		}
		wantAbsent(t, s, n)
	}
	wantContent(t, s, other, 0, []byte("content"))
}

func listed(t *testing.T, s dispersal.SliceStore) {
	want := map[dispersal.SliceName]int64{}
	for i := range 5 {
		n := name(i)
		write(t, s, n, make([]byte, i+1))
		want[n] = int64(i + 1)
	}
	err := s.List(t.Context(), func(f dispersal.SliceInfo) error {
		if size, ok := want[f.Name]; !ok || size != f.Size || f.Modified.IsZero() {
			t.Errorf("listed %+v, size %d", f, size)
		}
		delete(want, f.Name)
		return nil
	})
	if err != nil || len(want) > 0 {
		t.Errorf("not listed: %v, %v", want, err)
	}
	stop := errors.New("stop")
	if err := s.List(t.Context(), func(dispersal.SliceInfo) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("listing: got %v, want %v", err, stop)
	}
}

func concurrent(t *testing.T, s dispersal.SliceStore) {
	blob := objects.NewBlobID()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			n := dispersal.SliceName{Blob: blob, Index: i}
			content := bytes.Repeat([]byte{byte(i)}, 1000)
			w, err := s.Create(t.Context(), n)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Abort()
			if _, err := w.Write(content); err != nil {
				t.Error(err)
			}
			if err := w.Commit(); err != nil {
				t.Error(err)
			}
			wantContent(t, s, n, 0, content)
		})
	}
	all.Wait()
}

func sizes(t *testing.T, s dispersal.SliceStore) {
	empty, large := name(0), name(1)
	write(t, s, empty)
	if err := s.ReadAt(t.Context(), empty, make([]byte, 1), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading an empty file: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	piece := bytes.Repeat([]byte("0123456789abcde\n"), 1<<14)
	write(t, s, large, slices.Repeat([][]byte{piece}, 48)...) // 12 MiB
	wantContent(t, s, large, 12<<20-16, []byte("0123456789abcde\n"))
	wantContent(t, s, large, 5<<20-8, []byte("89abcde\n01234567"))
}

func cancelled(t *testing.T, s dispersal.SliceStore) {
	ctx, cancel := context.WithCancel(t.Context())
	n := name(0)
	w, err := s.Create(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("content"))
	cancel()
	w.Abort()
	wantAbsent(t, s, n)
}

func foreign(t *testing.T, s dispersal.SliceStore) {
	n := name(0)
	write(t, s, n, []byte("content"))
	if err := s.Mark(t.Context(), "0000beef"); err != nil {
		t.Fatal(err)
	}
	if owner, err := s.Owner(t.Context()); owner != "0000beef" || err != nil {
		t.Errorf("the owner is %q, %v", owner, err)
	}
	wantAway(t, s)
}

func unmarked(t *testing.T, s dispersal.SliceStore) {
	if owner, err := s.Owner(t.Context()); owner != "" || err != nil {
		t.Errorf("the owner is %q, %v", owner, err)
	}
	wantAway(t, s)
}

// wantAway checks that nothing is concluded from a store that is not the node's.
func wantAway(t *testing.T, s dispersal.SliceStore) {
	t.Helper()
	err := s.ReadAt(t.Context(), name(0), make([]byte, 1), 0)
	for what, err := range map[string]error{
		"checking": s.Check(t.Context()),
		"reading":  err,
		"listing":  s.List(t.Context(), func(dispersal.SliceInfo) error { return nil }),
	} {
		if !errors.Is(err, dispersal.ErrAway) {
			t.Errorf("%s: got %v, want %v", what, err, dispersal.ErrAway)
		}
	}
	if _, _, err := s.Space(t.Context()); !errors.Is(err, dispersal.ErrAway) {
		t.Errorf("measuring: got %v, want %v", err, dispersal.ErrAway)
	}
}
