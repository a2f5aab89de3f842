package storetest

import (
	"testing"

	"strongroom/fault"
	"strongroom/objects"
)

func testBlobs(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	reserved := dispersed(t, g, 1, 10).Blob
	reserved.Revision = 1
	wantSame(t, "reserved", must[objects.Blob](t)(g.Blob(t.Context(), reserved.ID)), reserved)
	wantKind(t, "reserving again", g.ReserveBlob(t.Context(), reserved), fault.Conflict)
	_, err := g.Blob(t.Context(), objects.NewBlobID())
	wantKind(t, "no blob", err, fault.NotFound)

	live := map[objects.BlobID]bool{}
	var bytes int64
	for i := range 5 {
		p := version(b, string(rune('a'+i)), objects.NullVersion, 1)
		p.Parts = []objects.PartRow{dispersed(t, g, 1, 1)}
		put(t, g, p)
		live[p.Parts[0].Blob.ID] = true
		bytes += p.Parts[0].Blob.Size
	}
	put(t, g, version(b, "embedded", objects.NullVersion, 1))
	var after objects.BlobID
	for n := len(live); n > 0; {
		page := must[[]objects.Blob](t)(g.BlobsAfter(t.Context(), objects.BlobLive, after, 2))
		if len(page) == 0 {
			t.Fatalf("%d live blobs were not found", n)
		}
		for _, found := range page {
			if !live[found.ID] || found.ID.String() <= after.String() && n < len(live) {
				t.Errorf("blob %s is not live or not in its place", found.ID)
			}
			after = found.ID
			n--
		}
	}
	if n, sum, err := g.CountBlobs(t.Context()); err != nil || n != 5 || sum != bytes {
		t.Errorf("%d blobs with %d bytes, %v; want 5 with %d", n, sum, err, bytes)
	}

	if n := must[int64](t)(g.AbandonWritten(t.Context(), "another server")); n != 0 {
		t.Errorf("%d blobs were abandoned for a server that wrote none", n)
	}
	if n := must[int64](t)(g.AbandonWritten(t.Context(), "server-1")); n != 1 {
		t.Errorf("%d blobs were abandoned, want 1", n)
	}
	wantState(t, g, reserved.ID, objects.BlobDead)
	ok(t, g.AbandonBlob(t.Context(), after))
	wantState(t, g, after, objects.BlobLive)
	ok(t, g.DropBlob(t.Context(), after))
	wantState(t, g, after, objects.BlobLive)
	ok(t, g.DropBlob(t.Context(), reserved.ID))
	_, err = g.Blob(t.Context(), reserved.ID)
	wantKind(t, "dropped", err, fault.NotFound)
	if dead := must[[]objects.Blob](t)(g.BlobsAfter(t.Context(), objects.BlobDead, objects.BlobID{}, 10)); len(dead) != 0 {
		t.Errorf("dead blobs are left: %v", dead)
	}
}

func testMissing(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	var ids []objects.BlobID
	for _, key := range []string{"a", "b", "c"} {
		p := version(b, key, objects.NullVersion, 1)
		p.Parts = []objects.PartRow{dispersed(t, g, 1, 1)}
		put(t, g, p)
		ids = append(ids, p.Parts[0].Blob.ID)
	}
	before := must[objects.Blob](t)(g.Blob(t.Context(), ids[1]))
	ok(t, g.MarkMissing(t.Context(), ids[1], map[int]objects.NodeID{0: "00000001", 5: "00000006", 3: "another node", 60: "x", -1: "y"}))
	ok(t, g.MarkMissing(t.Context(), ids[2], map[int]objects.NodeID{1: "00000002"}))
	wantKind(t, "slices of no blob", g.MarkMissing(t.Context(), objects.NewBlobID(), nil), fault.NotFound)
	found := must[[]objects.Blob](t)(g.Incomplete(t.Context(), 10))
	if len(found) != 2 || found[0].ID != ids[1] || found[0].Missing != 0b100001 || found[1].Missing != 0b10 {
		t.Fatalf("incomplete: %+v", found)
	}
	if found = must[[]objects.Blob](t)(g.Incomplete(t.Context(), 1)); len(found) != 1 || found[0].ID != ids[1] {
		t.Errorf("the most endangered: %+v", found)
	}

	wantKind(t, "moved on the word of before", g.MoveBlob(t.Context(), before), fault.Stale)
	moved := found[0]
	moved.Nodes[0], moved.Missing = "00000009", 0
	ok(t, g.MoveBlob(t.Context(), moved))
	moved.Revision++
	wantSame(t, "moved", must[objects.Blob](t)(g.Blob(t.Context(), ids[1])), moved)
	ok(t, g.MarkMissing(t.Context(), ids[1], map[int]objects.NodeID{0: "00000001"})) // it is not there any more
	if found = must[[]objects.Blob](t)(g.Incomplete(t.Context(), 10)); len(found) != 1 || found[0].ID != ids[2] {
		t.Errorf("incomplete after a move: %+v", found)
	}
	ok(t, g.RemoveVersion(t.Context(), must[objects.Row](t)(g.Latest(t.Context(), b.ID, "c")), nil))
	if found = must[[]objects.Blob](t)(g.Incomplete(t.Context(), 10)); len(found) != 0 {
		t.Errorf("a dead blob is incomplete: %+v", found)
	}
	dead := must[objects.Blob](t)(g.Blob(t.Context(), ids[2]))
	wantKind(t, "moving a dead blob", g.MoveBlob(t.Context(), dead), fault.Stale)
	wantKind(t, "moving no blob", g.MoveBlob(t.Context(), objects.Blob{ID: objects.NewBlobID()}), fault.NotFound)
	high := must[objects.Blob](t)(g.Blob(t.Context(), ids[0]))
	high.Missing = 1<<63 | 1
	ok(t, g.MoveBlob(t.Context(), high))
	if found := must[objects.Blob](t)(g.Blob(t.Context(), ids[0])); found.Missing != high.Missing {
		t.Errorf("missing %x, want %x", found.Missing, high.Missing)
	}
}
