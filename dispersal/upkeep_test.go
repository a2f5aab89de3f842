package dispersal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/objects"
)

// setState changes the state of a node, as its operator does.
func (r *rig) setState(i int, s objects.NodeState) {
	r.t.Helper()
	nodes, _ := r.catalog.Nodes(r.t.Context())
	n := nodes[slices.IndexFunc(nodes, func(n objects.Node) bool { return n.ID == nodeID(i) })]
	n.State = s
	if err := r.catalog.UpdateNode(r.t.Context(), n, nil); err != nil {
		r.t.Fatal(err)
	}
	r.reload()
}

func (r *rig) reload() {
	r.t.Helper()
	if err := r.cluster.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) state(i int) objects.NodeState {
	nodes, _ := r.catalog.Nodes(r.t.Context())
	return nodes[slices.IndexFunc(nodes, func(n objects.Node) bool { return n.ID == nodeID(i) })].State
}

func TestDrainedNodeIsEmptiedAndRetired(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 4)
		var blobs []objects.Blob
		for i := range 20 {
			blobs = append(blobs, r.write(twoOfThree, content(uint64(i), segment+i)))
		}
		r.setState(1, objects.NodeDraining)
		r.upkeep(2 * time.Minute)
		if got := r.state(1); got != objects.NodeRemoved {
			t.Errorf("the node is %s", got)
		}
		left, err := filepath.Glob(filepath.Join(r.folder(1), "slices", "*", "*"))
		if err != nil || len(left) != 0 {
			t.Errorf("slices are left on the node: %v, %v", left, err)
		}
		for i, b := range blobs {
			r.wantWhole(b.ID)
			r.wantRead(b.ID, content(uint64(i), segment+i))
		}
	})
}

func TestDrainWaitsForRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		data := content(1, segment)
		b := r.write(twoOfThree, data)
		r.setState(1, objects.NodeDraining)
		r.upkeep(2 * time.Minute)
		if got := r.state(1); got != objects.NodeDraining {
			t.Errorf("with nowhere to go, the node is %s", got)
		}
		during := r.write(twoOfThree, data)
		if during.Missing != 1<<2 || during.Nodes[2] != "" {
			t.Errorf("with two active nodes, a blob is %+v", during)
		}
		r.add(3)
		r.reload()
		r.upkeep(2 * time.Minute)
		if got := r.state(1); got != objects.NodeRemoved {
			t.Errorf("with a new node, the node is %s", got)
		}
		for _, id := range []objects.BlobID{b.ID, during.ID} {
			r.wantWhole(id)
			r.wantRead(id, data)
		}
	})
}

func TestLostNodeIsRebuiltElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 6)
		data := content(1, 3*segment)
		b := r.write(fourOfSix, data)
		if err := os.RemoveAll(r.folder(2)); err != nil {
			t.Fatal(err)
		}
		r.wantRead(b.ID, data)
		r.add(6)
		r.setState(2, objects.NodeLost)
		r.upkeep(2 * time.Minute)
		r.wantWhole(b.ID)
		now, _ := r.catalog.Blob(t.Context(), b.ID)
		if slices.Contains(now.Nodes, nodeID(2)) || !slices.Contains(now.Nodes, nodeID(6)) {
			t.Errorf("the slices are on %v", now.Nodes)
		}
	})
}

// TestSliceOnARemovedNodeIsRebuilt: a write may be acknowledged when a node that it has chosen before is
// found empty and retired.
func TestSliceOnARemovedNodeIsRebuilt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 4)
		data := content(1, 3*segment)
		b := r.write(twoOfThree, data)
		on := slices.IndexFunc([]int{0, 1, 2, 3}, func(i int) bool { return slices.Contains(b.Nodes, nodeID(i)) })
		r.setState(on, objects.NodeRemoved)
		r.upkeep(2 * time.Minute)
		r.wantWhole(b.ID)
		if now, _ := r.catalog.Blob(t.Context(), b.ID); slices.Contains(now.Nodes, nodeID(on)) {
			t.Errorf("the slices are on %v", now.Nodes)
		}
	})
}

func TestFolderWithoutItsDiskIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		data := content(1, 3*segment)
		b := r.write(twoOfThree, data)
		disk := r.folder(0) + ".disk"
		if err := errors.Join(os.Rename(r.folder(0), disk), os.Mkdir(r.folder(0), 0o700)); err != nil {
			t.Fatal(err)
		}
		r.wantRead(b.ID, data)
		second := r.write(twoOfThree, data)
		r.upkeep(2 * time.Minute)
		if now, _ := r.catalog.Blob(t.Context(), b.ID); now.Missing != 0 {
			t.Errorf("slices of a disk that is not mounted are missing: %b", now.Missing)
		}
		entries, err := os.ReadDir(r.folder(0))
		if err != nil || len(entries) != 0 {
			t.Errorf("something was written where the disk should be: %v, %v", entries, err)
		}
		if err := errors.Join(os.Remove(r.folder(0)), os.Rename(disk, r.folder(0))); err != nil {
			t.Fatal(err)
		}
		r.upkeep(2 * time.Minute)
		r.wantWhole(b.ID)
		r.wantWhole(second.ID)
	})
}

func TestDeadBlobsAreCollected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		kept := r.write(twoOfThree, content(1, segment))
		gone := r.write(twoOfThree, content(2, segment))
		r.catalog.kill(gone.ID)
		r.stores[nodeID(1)].set(dead)
		r.upkeep(2 * time.Minute)
		if n := r.catalog.count(); n != 2 {
			t.Errorf("%d blobs are recorded while a node has a slice of the dead one", n)
		}
		r.mend()
		r.upkeep(2 * time.Minute)
		if n := r.catalog.count(); n != 1 {
			t.Errorf("%d blobs are recorded", n)
		}
		if n := r.sliceFiles(); n != 3 {
			t.Errorf("%d slices are left of one blob", n)
		}
		r.wantWhole(kept.ID)
	})
}

func TestBlobStaysWhileItIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		data := content(1, segment)
		b := r.write(twoOfThree, data)
		reader, err := r.cluster.Read(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		r.catalog.kill(b.ID)
		r.cluster.Wake()
		r.upkeep(2 * time.Minute)
		if got, err := reader.Segment(t.Context(), 0, nil); err != nil || !bytes.Equal(got, data) {
			t.Errorf("a reader of a dead blob: %v", err)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		r.upkeep(2 * time.Minute)
		if n := r.sliceFiles(); n != 0 {
			t.Errorf("%d slices are left", n)
		}
	})
}

func TestOrphansAreRemovedWhenTheyAreOld(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		b := r.write(twoOfThree, content(1, segment))
		young, old := b, b
		young.ID, old.ID = objects.NewBlobID(), objects.NewBlobID()
		moved := b
		moved.Nodes = []objects.NodeID{b.Nodes[1], b.Nodes[2], b.Nodes[0]}
		for _, o := range []objects.Blob{young, old, moved} {
			if err := os.MkdirAll(filepath.Dir(r.slice(o, 0)), 0o700); err != nil {
				t.Fatal(err)
			}
			r.writeSlice(o, 0, []byte("nobody's"))
		}
		unfinished := filepath.Join(r.folder(0), "unfinished", ".tmp-1")
		if err := os.WriteFile(unfinished, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		// The bubble's clock is not that of the file system.
		ages := map[string]time.Duration{r.slice(young, 0): 23 * time.Hour, r.slice(old, 0): 25 * time.Hour, r.slice(moved, 0): 25 * time.Hour, unfinished: 25 * time.Hour}
		for i := range b.Nodes {
			ages[r.slice(b, i)] = 100 * time.Hour
		}
		for path, age := range ages {
			if err := os.Chtimes(path, time.Now(), time.Now().Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
		r.upkeep(time.Minute)
		for path, want := range map[string]bool{r.slice(young, 0): true, r.slice(old, 0): false, r.slice(moved, 0): false, unfinished: false} {
			if _, err := os.Stat(path); (err == nil) != want {
				t.Errorf("%s: %v", filepath.Base(path), err)
			}
		}
		r.wantWhole(b.ID)
	})
}

func TestUnfinishedBlobsAreGivenUpAtTheNextStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		w, err := r.cluster.Write(t.Context(), objects.NewBlobID(), twoOfThree, segment)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Segment(t.Context(), content(1, segment)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.upkeep(time.Minute)
		if n, files := r.catalog.count(), r.sliceFiles(); n != 0 || files != 0 {
			t.Errorf("%d blobs and %d slices are left", n, files)
		}
	})
}

func TestStatusTellsHowSafeBlobsAre(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		for i := range 5 {
			r.write(twoOfThree, content(uint64(i), segment))
		}
		for _, step := range []struct {
			dead []int
			want objects.Health
		}{
			{nil, objects.Health{Whole: 5}},
			{[]int{0}, objects.Health{AtRisk: 5}},
			{[]int{0, 2}, objects.Health{Lost: 5}},
		} {
			r.lose(dead, step.dead)
			time.Sleep(11 * time.Second) // of the bubble's clock
			nodes, got, err := r.cluster.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Whole != step.want.Whole || got.AtRisk != step.want.AtRisk || got.Lost != step.want.Lost || got.Blobs != 5 || got.Bytes != 5*segment {
				t.Errorf("with %v dead: %+v", step.dead, got)
			}
			for i, n := range nodes {
				if want := !slices.Contains(step.dead, i); n.Reachable != want || n.Slices != 5 || want && (n.Capacity == 0 || n.Failure != "") {
					t.Errorf("with %v dead: %+v", step.dead, n)
				}
			}
		}
	})
}

func TestProbeMarksANodeAndRefusesThatOfAnother(t *testing.T) {
	r := newRig(t, 1, func(c *dispersal.Config) { c.Open = nil })
	n := objects.Node{ID: "000000ff", Name: "new", URL: "file://" + filepath.Join(r.root, "new")}
	for range 2 {
		if err := r.cluster.Probe(t.Context(), n); err != nil {
			t.Errorf("a new folder: %v", err)
		}
	}
	// A node that was never added, or removed, does not keep its folder.
	n.ID = "000000fe"
	if err := r.cluster.Probe(t.Context(), n); err != nil {
		t.Errorf("the folder of a node that nobody knows: %v", err)
	}
	n.URL = "file://" + r.folder(0)
	if err := r.cluster.Probe(t.Context(), n); !errors.Is(err, dispersal.ErrAway) {
		t.Errorf("the folder of another node: %v", err)
	}
	r.write(objects.Profile{Name: "1 of 1", Data: 1, Total: 1, Write: 1}, content(1, segment))
	r.setState(0, objects.NodeRemoved)
	if err := r.cluster.Probe(t.Context(), n); err == nil {
		t.Error("a folder with slices of a removed node was taken")
	}
	n.URL = "file://" + filepath.Join(r.root, "absent", "new")
	if err := r.cluster.Probe(t.Context(), n); err == nil {
		t.Error("a folder in no folder was taken")
	}
	for _, url := range []string{"", "new", "file://host/new", "file:///a/../b", "gs://bucket", "s3://", "s3://key:secret@bucket", "s3://b?endpoint=ftp://h", "s3://b?x=y"} {
		n.URL = url
		if err := r.cluster.Probe(t.Context(), n); !errors.Is(err, objects.ErrNode) {
			t.Errorf("%q: got %v, want %v", url, err, objects.ErrNode)
		}
	}
}

func TestRebuildSurvivesAChangeMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 7)
		data := content(1, 3*segment)
		b := r.write(fourOfSix, data)
		// While slice 0 is rebuilt, slice 5 is found to be bad.
		marked := false
		r.catalog.beforeMove = func() {
			if !marked {
				marked = true
				_ = r.catalog.MarkMissing(context.Background(), b.ID, map[int]objects.NodeID{5: b.Nodes[5]})
			}
		}
		if err := os.Remove(r.slice(b, 0)); err != nil {
			t.Fatal(err)
		}
		r.upkeep(3 * time.Minute)
		if !marked {
			t.Error("nothing was rebuilt")
		}
		r.wantWhole(b.ID)
	})
}

func TestBlobThatDiesWhileItIsRebuiltLeavesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 4)
		b := r.write(twoOfThree, content(1, segment))
		i := slices.IndexFunc(b.Nodes, func(id objects.NodeID) bool { return id != nodeID(3) })
		var node int
		for n := range 4 {
			if nodeID(n) == b.Nodes[i] {
				node = n
			}
		}
		r.catalog.beforeMove = func() { r.catalog.kill(b.ID) }
		r.setState(node, objects.NodeDraining)
		r.upkeep(3 * time.Minute)
		if n, files := r.catalog.count(), r.sliceFiles(); n != 0 || files != 0 {
			t.Errorf("%d blobs and %d slices are left", n, files)
		}
	})
}
