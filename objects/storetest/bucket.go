package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"strongroom/fault"
	"strongroom/objects"
)

func testBuckets(t *testing.T, g Ground) {
	b, k := aBucket("a-bucket")
	b.State = objects.BucketCreating
	days := 3
	b.Config = objects.Config{
		Versioning: objects.VersioningEnabled, ACL: objects.ACLPublicRead, Quota: 5,
		Lock:      &objects.LockConfig{Mode: objects.Governance, Days: 3},
		CORS:      []objects.CORSRule{{Origins: []string{"*"}, Methods: []string{"GET"}}},
		Lifecycle: []objects.LifecycleRule{{ID: "rule", Enabled: true, ExpireDate: start(), TransitionDays: &days}},
		Firewall:  &objects.Firewall{AllowedIP: []string{"10.0.0.0/8"}},
	}
	ok(t, g.CreateBucket(t.Context(), b, k, event("create")))
	b.Revision, k.Revision = 1, 1
	wantSame(t, "by name", must[objects.Bucket](t)(g.Bucket(t.Context(), b.Name)), b)
	wantSame(t, "by ID", must[objects.Bucket](t)(g.BucketByID(t.Context(), b.ID)), b)
	wantSame(t, "its key", must[objects.BucketKey](t)(g.BucketKey(t.Context(), b.ID, k.ID)), k)

	again, key := aBucket(b.Name)
	wantErr(t, "the same name", g.CreateBucket(t.Context(), again, key, event("yours")), objects.ErrBucketYours)
	again.Instance = "instance-2"
	wantErr(t, "another's name", g.CreateBucket(t.Context(), again, key, event("taken")), objects.ErrBucketTaken)

	b.State, b.OpaqueETags, b.Config, b.Updated = objects.BucketActive, true, objects.Config{}, start().Add(time.Second)
	ok(t, g.UpdateBucket(t.Context(), b, event("update")))
	wantKind(t, "an old revision", g.UpdateBucket(t.Context(), b, event("stale")), fault.Stale)
	b.Revision = 2
	wantSame(t, "updated", must[objects.Bucket](t)(g.Bucket(t.Context(), b.Name)), b)
	wantSame(t, "announced", g.Announced(), []string{"a-bucket a-bucket", "a-bucket a-bucket"})

	other, _ := aBucket("no-bucket")
	other.Revision = 1
	_, err := g.Bucket(t.Context(), other.Name)
	wantKind(t, "reading no bucket", err, fault.NotFound)
	_, err = g.BucketByID(t.Context(), other.ID)
	wantKind(t, "reading no bucket by ID", err, fault.NotFound)
	wantKind(t, "updating no bucket", g.UpdateBucket(t.Context(), other, nil), fault.NotFound)
	wantKind(t, "removing no bucket", g.RemoveBucket(t.Context(), other, nil), fault.NotFound)
	_, err = g.Usage(t.Context(), other.ID)
	wantKind(t, "the usage of no bucket", err, fault.NotFound)
	wantEvents(t, g, "create", "update")
}

func testBucketPages(t *testing.T, g Ground) {
	var want []string
	for i := range 7 {
		b, _ := newBucket(t, g, fmt.Sprintf("b-%d", i))
		want = append(want, b.Name)
	}
	pending, k := aBucket("b-5-creating")
	pending.State = objects.BucketCreating
	ok(t, g.CreateBucket(t.Context(), pending, k, nil))
	other, k := aBucket("b-3-other")
	other.Instance = "instance-2"
	ok(t, g.CreateBucket(t.Context(), other, k, nil))

	names := func(l objects.ListBuckets) (names []string) {
		l.Instance = "instance-1"
		for _, b := range must[[]objects.Bucket](t)(g.Buckets(t.Context(), l)) {
			names = append(names, b.Name)
		}
		return names
	}
	wantSame(t, "all", names(objects.ListBuckets{}), want)
	wantSame(t, "a page", names(objects.ListBuckets{After: "b-2", Limit: 2}), []string{"b-3", "b-4"})
	wantSame(t, "a prefix", names(objects.ListBuckets{Prefix: "b-6"}), []string{"b-6"})
	wantSame(t, "a prefix of none", names(objects.ListBuckets{Prefix: "c"}), []string(nil))
	if n := must[int](t)(g.CountBuckets(t.Context(), "instance-1")); n != 8 {
		t.Errorf("%d buckets, want 8", n)
	}

	seen := map[string]bool{}
	for after := objects.BucketID(""); ; {
		page := must[[]objects.Bucket](t)(g.BucketsAfter(t.Context(), after, 2))
		if len(page) == 0 {
			break
		}
		for _, b := range page {
			if b.ID <= after || seen[b.Name] {
				t.Errorf("bucket %s is out of order or came twice", b.Name)
			}
			after, seen[b.Name] = b.ID, true
		}
	}
	if len(seen) != 9 {
		t.Errorf("a walk found %d buckets, want 9", len(seen))
	}
}

func testBucketKeys(t *testing.T, g Ground) {
	b, k := newBucket(t, g, "a-bucket")
	second := aKey(b)
	second.Root.Resource, second.Alias, second.Fresh, second.Created = "other:root", "alias", true, start().Add(time.Hour)
	ok(t, g.AddBucketKey(t.Context(), second, event("add")))
	wantKind(t, "adding a key again", g.AddBucketKey(t.Context(), second, event("again")), fault.Conflict)
	second.Revision = 1
	wantSame(t, "keys", must[[]objects.BucketKey](t)(g.BucketKeys(t.Context(), b.ID)), []objects.BucketKey{k, second})

	other, of := newBucket(t, g, "other-bucket")
	first, last := min(b.ID, other.ID), max(b.ID, other.ID)
	byKey := cmpopts.SortSlices(func(a, b objects.BucketKey) bool { return a.ID < b.ID })
	wantSame(t, "keys of two buckets", must[[]objects.BucketKey](t)(g.KeysOfBuckets(t.Context(), first, last)),
		[]objects.BucketKey{k, second, of}, byKey)
	wantSame(t, "keys of one of them", must[[]objects.BucketKey](t)(g.KeysOfBuckets(t.Context(), other.ID, other.ID)),
		[]objects.BucketKey{of})

	second.Wrapped = objects.WrappedKey{Ciphertext: "again", Version: "version-2"}
	ok(t, g.UpdateBucketKey(t.Context(), second, event("update")))
	wantKind(t, "an old revision", g.UpdateBucketKey(t.Context(), second, event("stale")), fault.Stale)
	wantKind(t, "removing an old revision", g.RemoveBucketKey(t.Context(), second, event("stale")), fault.Stale)
	second.Revision = 2
	wantSame(t, "updated", must[objects.BucketKey](t)(g.BucketKey(t.Context(), b.ID, second.ID)), second)

	wantErr(t, "removing the key of new objects", g.RemoveBucketKey(t.Context(), k, nil), objects.ErrBusy)
	p := version(b, "key", objects.NullVersion, 10)
	p.Row.SealedBy = second.ID
	r := put(t, g, p)
	wantErr(t, "removing the key of an object", g.RemoveBucketKey(t.Context(), second, nil), objects.ErrBusy)
	ok(t, g.RemoveVersion(t.Context(), r, nil))
	u := anUpload(b, "key")
	u.SealedBy = second.ID
	ok(t, g.CreateUpload(t.Context(), u, nil))
	u.Revision = 1
	wantErr(t, "removing the key of an upload", g.RemoveBucketKey(t.Context(), second, nil), objects.ErrBusy)
	ok(t, g.RemoveUpload(t.Context(), u, nil))

	ok(t, g.RemoveBucketKey(t.Context(), second, event("remove")))
	_, err := g.BucketKey(t.Context(), b.ID, second.ID)
	wantKind(t, "reading no key", err, fault.NotFound)
	wantKind(t, "updating no key", g.UpdateBucketKey(t.Context(), second, nil), fault.NotFound)
	wantKind(t, "removing no key", g.RemoveBucketKey(t.Context(), second, nil), fault.NotFound)
	second.Bucket = "no-bucket"
	wantKind(t, "adding to no bucket", g.AddBucketKey(t.Context(), second, nil), fault.NotFound)
	_, err = g.PutVersion(t.Context(), p)
	wantErr(t, "sealing by a key that is gone", err, objects.ErrBusy)
	wantErr(t, "an upload by a key that is gone", g.CreateUpload(t.Context(), u, nil), objects.ErrBusy)
	wantEvents(t, g, "add", "update", "remove")
	if n := len(g.Announced()); n != 5 {
		t.Errorf("%d changes were announced, want 5: %v", n, g.Announced())
	}
}

func testRemoveBucket(t *testing.T, g Ground) {
	b, k := newBucket(t, g, "a-bucket")
	full := func(what string) {
		t.Helper()
		wantErr(t, what, g.RemoveBucket(t.Context(), b, event("full")), objects.ErrNotEmpty)
	}
	r := put(t, g, version(b, "key", versionID(1), 1))
	full("with an object")
	m := put(t, g, marker(b, "key", versionID(2)))
	ok(t, g.RemoveVersion(t.Context(), r, nil))
	full("with a marker")
	ok(t, g.RemoveVersion(t.Context(), m, nil))
	u := anUpload(b, "key")
	ok(t, g.CreateUpload(t.Context(), u, nil))
	u.Revision = 1
	full("with an upload")
	ok(t, g.RemoveUpload(t.Context(), u, nil))
	done := aJob(b, objects.JobVerify)
	done.State = objects.JobDone
	ok(t, g.CreateJob(t.Context(), done, nil))

	stale := b
	stale.Revision = 7
	wantKind(t, "an old revision", g.RemoveBucket(t.Context(), stale, nil), fault.Stale)
	ok(t, g.RemoveBucket(t.Context(), b, event("remove")))
	_, err := g.BucketKey(t.Context(), b.ID, k.ID)
	wantKind(t, "its key", err, fault.NotFound)
	_, err = g.Job(t.Context(), done.ID)
	wantKind(t, "its job", err, fault.NotFound)
	again, _ := newBucket(t, g, b.Name)
	wantSame(t, "the next of that name", must[objects.Usage](t)(g.Usage(t.Context(), again.ID)), objects.Usage{})
	wantEvents(t, g, "remove")
}

// testNotActive: nothing is added to a bucket that is being made or deleted, or is gone.
func testNotActive(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	u := anUpload(b, "key")
	ok(t, g.CreateUpload(t.Context(), u, nil))
	for _, state := range []objects.BucketState{objects.BucketDeleting, objects.BucketCreating} {
		b.State = state
		ok(t, g.UpdateBucket(t.Context(), b, nil))
		b.Revision++
		_, err := g.PutVersion(t.Context(), version(b, "key", objects.NullVersion, 1))
		wantErr(t, "an object", err, objects.ErrNoBucket)
		_, err = g.PutVersion(t.Context(), marker(b, "key", versionID(1)))
		wantErr(t, "a marker", err, objects.ErrNoBucket)
		wantErr(t, "an upload", g.CreateUpload(t.Context(), anUpload(b, "key"), nil), objects.ErrNoBucket)
		wantErr(t, "a part", g.PutPart(t.Context(), u, embedded(1, 1), 0, nil), objects.ErrNoBucket)
	}
	_, err := g.Latest(t.Context(), b.ID, "key")
	wantKind(t, "the object", err, fault.NotFound)
}
