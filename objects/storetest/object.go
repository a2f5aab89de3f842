package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"strongroom/fault"
	"strongroom/objects"
)

func testVersions(t *testing.T, g Ground) {
	b, k := newBucket(t, g, "a-bucket")
	_, err := g.Latest(t.Context(), b.ID, "key")
	wantKind(t, "no object", err, fault.NotFound)

	p := version(b, "key", objects.NullVersion, 10)
	p.Row.ACL, p.Row.Customer = objects.ACLPublicRead, true
	p.Row.Lock = objects.Lock{Mode: objects.Compliance, Until: start().Add(time.Hour), Hold: true}
	p.Row.Retain = &objects.Retention{Created: start(), Seconds: 60, Holds: []objects.Hold{{ID: "hold", Since: start()}}}
	p.Row.Archive = objects.Archive{Storage: "GLACIER", At: start()}
	p.Event = event("put")
	null := put(t, g, p)
	want := p.Row
	want.Seq, want.Latest, want.Revision = null.Seq, true, 1
	wantSame(t, "what a put returns", null, want)
	wantSame(t, "the newest", must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key")), want)
	wantSame(t, "by ID", must[objects.Row](t)(g.Version(t.Context(), b.ID, "key", objects.NullVersion)), want)
	wantParts(t, g, null, p.Parts)

	first := put(t, g, version(b, "key", versionID(1), 20))
	gone := put(t, g, marker(b, "key", versionID(2)))
	if !(null.Seq < first.Seq && first.Seq < gone.Seq) {
		t.Errorf("versions are numbered %d, %d, %d", null.Seq, first.Seq, gone.Seq)
	}
	gone.DataKey, gone.Record = []byte{}, []byte{}
	wantSame(t, "the newest is a marker", must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key")), gone, cmpopts.EquateEmpty())
	if old := must[objects.Row](t)(g.Version(t.Context(), b.ID, "key", first.Version)); old.Latest {
		t.Error("an older version says that it is the newest")
	}
	wantSame(t, "usage", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{
		Objects: 2, Bytes: 30, NoncurrentObjects: 2, NoncurrentBytes: 30, DeleteMarkers: 1,
	})
	if n, bytes, err := g.KeyUsage(t.Context(), b.ID, k.ID); err != nil || n != 2 || bytes != 30 {
		t.Errorf("the key seals %d versions with %d bytes, %v", n, bytes, err)
	}

	ok(t, g.RemoveVersion(t.Context(), gone, event("remove")))
	if r := must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key")); r.Version != first.Version || !r.Latest {
		t.Errorf("the newest is %s, latest %t", r.Version, r.Latest)
	}
	again := put(t, g, version(b, "key", objects.NullVersion, 5))
	wantSame(t, "usage after another null version", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{
		Objects: 2, Bytes: 25, NoncurrentObjects: 1, NoncurrentBytes: 20,
	})
	wantKind(t, "removing the null version that was replaced", g.RemoveVersion(t.Context(), null, event("gone")), fault.NotFound)
	wantKind(t, "updating it", g.UpdateVersion(t.Context(), null, event("gone")), fault.NotFound)
	wantParts(t, g, null, nil)
	ok(t, g.RemoveVersion(t.Context(), first, nil))
	ok(t, g.RemoveVersion(t.Context(), again, nil))
	wantSame(t, "usage at the end", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{})
	wantEvents(t, g, "put", "remove")
}

func wantParts(t *testing.T, g Ground, r objects.Row, want []objects.PartRow) {
	t.Helper()
	got := must[[]objects.PartRow](t)(g.PartsOf(t.Context(), r))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("parts of %s (-want +got):\n%s", r.Version, diff)
	}
}

// testConditions: what a caller has judged must still be so when it is acted upon.
func testConditions(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	try := func(expected *objects.Row, absent bool) error {
		p := version(b, "key", objects.NullVersion, 1)
		p.Expected, p.Absent, p.Event = expected, absent, event("put")
		_, err := g.PutVersion(t.Context(), p)
		return err
	}
	ok(t, try(nil, true))
	wantKind(t, "absent, but it is there", try(nil, true), fault.Stale)
	first := must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key"))
	ok(t, try(&first, false))
	wantKind(t, "replaced since", try(&first, false), fault.Stale)
	second := must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key"))
	second.Lock.Hold = true
	ok(t, g.UpdateVersion(t.Context(), second, nil))
	wantKind(t, "locked since", try(&second, false), fault.Stale)
	second.Revision++
	ok(t, g.RemoveVersion(t.Context(), second, nil))
	wantKind(t, "removed since", try(&second, false), fault.Stale)
	ok(t, try(nil, true))
	put(t, g, marker(b, "key", versionID(1)))
	wantKind(t, "absent, but a marker is there", try(nil, true), fault.Stale)
	wantEvents(t, g, "put", "put", "put")
}

// testConfiguration: what a version is decided by is the configuration of its bucket when it is stored, and a
// bucket that has to be empty for a change of it is so in the transaction of the change.
func testConfiguration(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	before := b
	b.Quota = 7
	ok(t, g.UpdateEmptyBucket(t.Context(), b, event("first")))
	b.Revision++
	p, m := version(before, "key", objects.NullVersion, 1), marker(before, "key", versionID(1))
	p.Event, m.Event = event("put"), event("put")
	for _, late := range []objects.PutVersion{p, m} {
		_, err := g.PutVersion(t.Context(), late)
		wantKind(t, "put by a configuration that was", err, fault.Stale)
	}
	_, err := g.Latest(t.Context(), b.ID, "key")
	wantKind(t, "the object", err, fault.NotFound)

	full := func(what string) {
		t.Helper()
		wantErr(t, what, g.UpdateEmptyBucket(t.Context(), b, event("full")), objects.ErrNotEmpty)
		wantSame(t, what, must[objects.Bucket](t)(g.BucketByID(t.Context(), b.ID)), b)
	}
	r := put(t, g, marker(b, "key", versionID(1)))
	full("with a marker")
	ok(t, g.RemoveVersion(t.Context(), r, nil))
	u := anUpload(b, "key")
	ok(t, g.CreateUpload(t.Context(), u, nil))
	full("with an upload")
	u.Revision = 1
	ok(t, g.RemoveUpload(t.Context(), u, nil))
	ok(t, g.UpdateEmptyBucket(t.Context(), b, event("second")))
	wantKind(t, "an old revision", g.UpdateEmptyBucket(t.Context(), b, event("stale")), fault.Stale)
	wantEvents(t, g, "first", "second")
}

func testUpdateVersion(t *testing.T, g Ground) {
	b, k := newBucket(t, g, "a-bucket")
	r := put(t, g, version(b, "key", objects.NullVersion, 10))
	second := aKey(b)
	ok(t, g.AddBucketKey(t.Context(), second, nil))

	stale := r
	r.Record, r.DataKey, r.SealedBy, r.ACL = []byte("another"), []byte("box"), second.ID, objects.ACLPublicRead
	r.Lock.Hold = true
	ok(t, g.UpdateVersion(t.Context(), r, event("update")))
	wantKind(t, "an old revision", g.UpdateVersion(t.Context(), stale, event("stale")), fault.Stale)
	wantKind(t, "removing an old revision", g.RemoveVersion(t.Context(), stale, event("stale")), fault.Stale)
	r.Revision++
	wantSame(t, "updated", must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key")), r)
	for key, want := range map[objects.BucketKeyID]int64{k.ID: 0, second.ID: 1} {
		if n, bytes, err := g.KeyUsage(t.Context(), b.ID, key); err != nil || n != want || bytes != want*10 {
			t.Errorf("key %s seals %d versions with %d bytes, %v; want %d", key, n, bytes, err, want)
		}
	}
	// Being replaced as the newest is no change that an update has to know of.
	put(t, g, version(b, "key", versionID(1), 1))
	ok(t, g.UpdateVersion(t.Context(), r, nil))
	if old := must[objects.Row](t)(g.Version(t.Context(), b.ID, "key", r.Version)); old.Latest {
		t.Error("an update made an older version the newest")
	}
	r.Revision++
	r.SealedBy = "no-key"
	wantErr(t, "sealed by no key", g.UpdateVersion(t.Context(), r, nil), objects.ErrBusy)
	wantEvents(t, g, "update")
}

// testContent follows blobs: they live while a part refers to them.
func testContent(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	p := version(b, "key", objects.NullVersion, 30)
	p.Parts = []objects.PartRow{dispersed(t, g, 1, 10), dispersed(t, g, 2, 10), embedded(3, 10)}
	p.Row.Parts = 3
	wantState(t, g, p.Parts[0].Blob.ID, objects.BlobWriting)
	r := put(t, g, p)
	for i := range p.Parts[:2] {
		blob := &p.Parts[i].Blob
		wantState(t, g, blob.ID, objects.BlobLive)
		blob.State, blob.Server, blob.Revision = objects.BlobLive, "", 2
	}
	wantParts(t, g, r, p.Parts)

	other := []objects.PartRow{dispersed(t, g, 1, 20), p.Parts[1], embedded(3, 10)}
	stale := r
	stale.Revision = 9
	wantKind(t, "content of an old revision", g.ReplaceContent(t.Context(), stale, other), fault.Stale)
	wantState(t, g, other[0].Blob.ID, objects.BlobWriting)
	ok(t, g.ReplaceContent(t.Context(), r, other))
	r.Revision++
	wantState(t, g, p.Parts[0].Blob.ID, objects.BlobDead)
	wantState(t, g, p.Parts[1].Blob.ID, objects.BlobLive)
	other[0].Blob.State, other[0].Blob.Server, other[0].Blob.Revision = objects.BlobLive, "", 2
	wantParts(t, g, r, other)

	// A write whose reservation was given up must not become an object.
	late := version(b, "key", objects.NullVersion, 10)
	late.Parts = []objects.PartRow{dispersed(t, g, 1, 10)}
	late.Event = event("late")
	ok(t, g.AbandonBlob(t.Context(), late.Parts[0].Blob.ID))
	_, err := g.PutVersion(t.Context(), late)
	wantKind(t, "an abandoned blob", err, fault.Stale)
	if now := must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key")); now.Seq != r.Seq {
		t.Error("a put that failed has replaced the object")
	}

	next := put(t, g, version(b, "key", objects.NullVersion, 1))
	wantState(t, g, other[0].Blob.ID, objects.BlobDead)
	ok(t, g.RemoveVersion(t.Context(), next, nil))
	wantParts(t, g, next, nil)
	wantEvents(t, g)
}

func testQuota(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	try := func(key string, size int64) error {
		p := version(b, key, objects.NullVersion, size)
		p.Quota, p.Event = 100, event("put")
		_, err := g.PutVersion(t.Context(), p)
		return err
	}
	ok(t, try("a", 60))
	wantErr(t, "more than the quota", try("b", 41), objects.ErrQuota)
	ok(t, try("b", 40))
	ok(t, try("a", 50)) // in place of the one that it replaces
	u := anUpload(b, "c")
	ok(t, g.CreateUpload(t.Context(), u, nil))
	wantErr(t, "a part beyond the quota", g.PutPart(t.Context(), u, embedded(1, 11), 100, event("part")), objects.ErrQuota)
	ok(t, g.PutPart(t.Context(), u, embedded(1, 10), 100, event("part")))
	wantErr(t, "beside parts of uploads", try("d", 1), objects.ErrQuota)
	ok(t, g.PutPart(t.Context(), u, embedded(1, 9), 100, event("part")))
	ok(t, try("d", 1))
	wantEvents(t, g, "put", "put", "put", "part", "part", "put")
}

// testConcurrent has many writers put the same keys, some on the condition of what they have read.
func testConcurrent(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	const writers, puts = 6, 15
	var group sync.WaitGroup
	var stored atomic.Int64
	for w := range writers {
		group.Go(func() {
			for i := range puts {
				p := version(b, fmt.Sprintf("key-%d", i%3), versionID(w*puts+i), 1)
				if i%2 == 0 {
					if r, err := g.Latest(t.Context(), b.ID, p.Row.Key); err == nil {
						p.Expected = &r
					}
				}
				switch _, err := g.PutVersion(t.Context(), p); {
				case err == nil:
					stored.Add(1)
				case fault.KindOf(err) != fault.Stale:
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	n := stored.Load()
	want := objects.Usage{Objects: n, Bytes: n, NoncurrentObjects: n - 3, NoncurrentBytes: n - 3}
	wantSame(t, "usage", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), want)
	rows, _, err := g.List(t.Context(), b.ID, objects.List{Limit: objects.MaxPage})
	if err != nil || len(rows) != 3 {
		t.Errorf("%d objects are on the list, %v", len(rows), err)
	}
}
