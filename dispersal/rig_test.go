package dispersal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"strongroom/custody"
	"strongroom/dispersal"
	"strongroom/objects"
)

var (
	fourOfSix  = objects.Profile{Name: "4 of 6", Data: 4, Total: 6, Write: 5}
	twoOfThree = objects.Profile{Name: "2 of 3", Data: 2, Total: 3, Write: 2}
)

// segment is the size of sealed segments in tests, in bytes: small, and no multiple of anything.
const segment = 1021

// inBubble runs a test under a clock of its own, with random numbers from a seed: the FIPS module measures
// its entropy by the time that passes, which is none there.
func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1)
	synctest.Test(t, f)
}

// rig is a cluster over real folders that can be broken.
type rig struct {
	t       testing.TB
	catalog *catalog
	cluster *dispersal.Cluster
	root    string
	stores  map[objects.NodeID]*faulty
	files   dispersal.Files
}

// newRig starts a cluster with count nodes, each a site of its own unless sites says otherwise.
func newRig(t *testing.T, count int, change ...func(*dispersal.Config)) *rig {
	t.Helper()
	r := &rig{t: t, catalog: newCatalog(t), root: t.TempDir(), stores: map[objects.NodeID]*faulty{}, files: unsynced{}}
	for i := range count {
		r.add(i)
	}
	r.start(change...)
	return r
}

// patient waits for nodes as long as it takes, in tests by the clock of a machine that may be busy.
func patient(c *dispersal.Config) {
	c.Timing = dispersal.Timing{Read: time.Hour, Stall: time.Hour, Write: time.Hour, Probe: time.Hour}
}

func nodeID(i int) objects.NodeID { return objects.NodeID(fmt.Sprintf("%08x", 0xa0+i)) }

// add makes a node known, and marks its folder.
func (r *rig) add(i int) {
	r.t.Helper()
	n := objects.Node{
		ID: nodeID(i), Name: fmt.Sprintf("node-%d", i), Site: fmt.Sprintf("site-%d", i),
		URL: "file://" + r.folder(i), State: objects.NodeActive,
	}
	folder := dispersal.NewFolder(r.files, r.folder(i), n.ID)
	if err := folder.Mark(r.t.Context(), n.ID); err != nil {
		r.t.Fatal(err)
	}
	r.stores[n.ID] = &faulty{SliceStore: folder, mended: make(chan struct{})}
	if err := r.catalog.AddNode(r.t.Context(), n, nil); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) folder(i int) string { return filepath.Join(r.root, string(nodeID(i))) }

func (r *rig) start(change ...func(*dispersal.Config)) {
	r.t.Helper()
	c := dispersal.Config{
		Catalog: r.catalog, Nodes: r.catalog, Key: custody.NewSecret(bytes.Repeat([]byte{7}, 32)), Server: "here",
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Open: func(_ context.Context, n objects.Node) (dispersal.SliceStore, error) {
			if s := r.stores[n.ID]; s != nil {
				return s, nil
			}
			return nil, errors.New("no such store")
		},
	}
	for _, f := range change {
		f(&c)
	}
	cluster, err := dispersal.Open(r.t.Context(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.cluster = cluster
	r.t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			r.t.Error(err)
		}
	})
}

// content returns size bytes that look random and depend on seed.
func content(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// tryWrite writes a blob and commits it.
func (r *rig) tryWrite(p objects.Profile, data []byte) (objects.Blob, error) {
	r.t.Helper()
	ctx := r.t.Context()
	w, err := r.cluster.Write(ctx, objects.NewBlobID(), p, segment)
	if err != nil {
		return objects.Blob{}, err
	}
	defer w.Abort()
	for rest := data; len(rest) > 0; {
		n := min(segment, len(rest))
		if err := w.Segment(ctx, rest[:n]); err != nil {
			return objects.Blob{}, err
		}
		rest = rest[n:]
	}
	b, err := w.Finish(ctx)
	if err != nil {
		return objects.Blob{}, err
	}
	return r.catalog.commit(b), nil
}

func (r *rig) write(p objects.Profile, data []byte) objects.Blob {
	r.t.Helper()
	b, err := r.tryWrite(p, data)
	if err != nil {
		r.t.Fatalf("writing: %v", err)
	}
	return b
}

// tryRead reads a whole blob, as the catalog has it.
func (r *rig) tryRead(id objects.BlobID) ([]byte, error) {
	r.t.Helper()
	ctx := r.t.Context()
	b, err := r.catalog.Blob(ctx, id)
	if err != nil {
		return nil, err
	}
	reader, err := r.cluster.Read(ctx, b)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var data []byte
	for i := range b.Segments() {
		if data, err = reader.Segment(ctx, i, data); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (r *rig) wantRead(id objects.BlobID, want []byte) {
	r.t.Helper()
	got, err := r.tryRead(id)
	if err != nil {
		r.t.Fatalf("reading: %v", err)
	}
	if !bytes.Equal(got, want) {
		r.t.Fatal("read other bytes than were written")
	}
}

// slice returns the path of a slice file.
func (r *rig) slice(b objects.Blob, i int) string {
	return filepath.Join(r.root, string(b.Nodes[i]), "slices", b.ID.String()[:2], dispersal.SliceName{Blob: b.ID, Index: i}.String())
}

// sliceFiles returns how many slice files there are on all nodes.
func (r *rig) sliceFiles() int {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.root, "*", "slices", "*", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(found)
}

func (r *rig) readSlice(b objects.Blob, i int) []byte {
	r.t.Helper()
	data, err := os.ReadFile(r.slice(b, i))
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func (r *rig) writeSlice(b objects.Blob, i int, data []byte) {
	r.t.Helper()
	if err := os.WriteFile(r.slice(b, i), data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}
