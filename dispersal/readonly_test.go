package dispersal_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/objects"
)

// TestNodesThatAreOnlyReadStayAsTheyAre: to a catalog that was restored from a backup, what has been stored
// since belongs to nothing, what was being written then is given up, and what was removed is dead.
func TestNodesThatAreOnlyReadStayAsTheyAre(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, 3)
		data := content(1, 3*segment)
		kept := r.write(twoOfThree, data)
		dead := r.write(twoOfThree, data)
		unknown := r.write(twoOfThree, data)
		writing, err := r.cluster.Write(t.Context(), objects.NewBlobID(), twoOfThree, segment)
		if err != nil {
			t.Fatal(err)
		}
		if err := writing.Segment(t.Context(), data[:segment]); err != nil {
			t.Fatal(err)
		}
		lives, err := writing.Finish(t.Context()) // by the catalog that the nodes are filled by
		if err != nil {
			t.Fatal(err)
		}
		r.catalog.kill(dead.ID)
		r.catalog.kill(unknown.ID)
		if err := r.catalog.DropBlob(t.Context(), unknown.ID); err != nil {
			t.Fatal(err)
		}
		before := r.sliceFiles()
		for i := range unknown.Nodes {
			old := time.Now().Add(-30 * 24 * time.Hour) // by the clock of the bubble
			if err := os.Chtimes(r.slice(unknown, i), old, old); err != nil {
				t.Fatal(err)
			}
		}
		r.start(func(c *dispersal.Config) { c.ReadOnly = true })
		r.upkeep(24 * time.Hour)
		if after := r.sliceFiles(); after != before || before != 12 {
			t.Errorf("of %d slices %d are left", before, after)
		}
		if b, err := r.catalog.Blob(t.Context(), lives.ID); err != nil || b.State != objects.BlobWriting {
			t.Errorf("what was being written is %v, %v", b.State, err)
		}
		r.wantRead(kept.ID, data)
		if _, err := r.tryWrite(twoOfThree, data); !errors.Is(err, objects.ErrNodesKept) {
			t.Errorf("writing: %v", err)
		}
		r.start()
		r.upkeep(24 * time.Hour)
		if after := r.sliceFiles(); after != 3 {
			t.Errorf("%d slices are left when the nodes were taken over, of one blob", after)
		}
		r.wantRead(kept.ID, data)
	})
}
