// Package storetest is the contract of objects.Store, objects.BlobCatalog and objects.NodeStore as
// tests that every implementation passes.
package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/objects"
)

// Ground is an empty store under test.
type Ground struct {
	objects.Store
	Nodes objects.NodeStore
	// Forge changes rows behind the back of the store: a statement in SQL that both databases know.
	Forge func(statement string, args ...any)
	// Recorded returns the actions of the events that were committed, in any order.
	Recorded func() []string
	// Announced returns the scopes and IDs of the changes of kind objects.ChangeBucket that caches
	// were told of, in order.
	Announced func() []string
}

// Run runs the suite; open is called for each part of it and closes what it opens with the test.
func Run(t *testing.T, open func(t *testing.T) Ground) {
	t.Helper()
	for name, part := range map[string]func(*testing.T, Ground){
		"buckets":                 testBuckets,
		"pages of buckets":        testBucketPages,
		"bucket keys":             testBucketKeys,
		"removal of buckets":      testRemoveBucket,
		"versions":                testVersions,
		"conditions":              testConditions,
		"configuration":           testConfiguration,
		"updates of versions":     testUpdateVersion,
		"content":                 testContent,
		"quota":                   testQuota,
		"bucket that is not open": testNotActive,
		"model":                   testModel,
		"lists":                   testLists,
		"walks":                   testWalks,
		"emptying":                testEmptyBucket,
		"uploads":                 testUploads,
		"completing":              testComplete,
		"pages of uploads":        testListUploads,
		"blobs":                   testBlobs,
		"missing slices":          testMissing,
		"jobs":                    testJobs,
		"nodes":                   testNodes,
		"forged rows":             testForged,
		"concurrent writers":      testConcurrent,
	} {
		t.Run(name, func(t *testing.T) { part(t, open(t)) })
	}
}

// start is when the tests begin; stores keep times to the microsecond.
func start() time.Time { return time.Date(2026, 7, 1, 10, 0, 0, 123456000, time.UTC) }

// event makes an event to be committed with a change.
func event(action string) *audit.Event { return &audit.Event{Action: action, Outcome: audit.Success} }

// randomly returns a source of randomness whose seed is in the log of the test.
func randomly(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns a value that comes without an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func wantKind(t *testing.T, what string, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("%s: %v, want kind %d", what, err, want)
	}
}

func wantSame(t *testing.T, what string, got, want any, how ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, how...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantEvents checks which events were committed.
func wantEvents(t *testing.T, g Ground, want ...string) {
	t.Helper()
	got := g.Recorded()
	slices.Sort(got)
	slices.Sort(want)
	wantSame(t, "events", got, want)
}

// newBucket makes an active bucket, whose name begins with a text, and returns it with its key.
func newBucket(t *testing.T, g Ground, name string) (objects.Bucket, objects.BucketKey) {
	t.Helper()
	b, k := aBucket(name)
	ok(t, g.CreateBucket(t.Context(), b, k, nil))
	b.Revision, k.Revision = 1, 1
	return b, k
}

func aBucket(name string) (objects.Bucket, objects.BucketKey) {
	b := objects.Bucket{
		ID: objects.BucketID(uuid.NewString()), Name: name, Instance: "instance-1", Account: "account-1",
		Location: "us-south-standard", Profile: "4of6", State: objects.BucketActive, Created: start(), Updated: start(),
	}
	k := aKey(b)
	b.Key = k.ID
	return b, k
}

func aKey(b objects.Bucket) objects.BucketKey {
	return objects.BucketKey{
		ID: objects.BucketKeyID(uuid.NewString()), Bucket: b.ID, Created: start(),
		Root:    crn.Of(crn.KeyProtect, "us-south", "account-1", "instance-2", "key", "root"),
		Wrapped: objects.WrappedKey{Ciphertext: "wrapped", Version: "version-1"},
	}
}

// version is what a test puts: a new version of a key with one embedded part, unless it is a marker.
func version(b objects.Bucket, key string, id objects.VersionID, size int64) objects.PutVersion {
	write := uuid.NewString()
	return objects.PutVersion{
		Row: objects.Row{
			Bucket: b.ID, Key: key, Version: id, Size: size, Modified: start(), Opaque: write, Write: write,
			SealedBy: b.Key, DataKey: []byte("data key"), Record: []byte("record"), Parts: 1,
		},
		Parts: []objects.PartRow{embedded(1, size)}, BucketRevision: b.Revision,
	}
}

func marker(b objects.Bucket, key string, id objects.VersionID) objects.PutVersion {
	return objects.PutVersion{
		Row:            objects.Row{Bucket: b.ID, Key: key, Version: id, Marker: true, Modified: start()},
		BucketRevision: b.Revision,
	}
}

func embedded(number int, size int64) objects.PartRow {
	id := objects.NewBlobID()
	content := fmt.Appendf(nil, "content of %s", id)
	return objects.PartRow{
		Number: number, Size: size, Write: "write", Modified: start(), Record: []byte{},
		Blob: objects.Blob{
			ID: id, Profile: "4of6", Data: 4, Total: 6, Segment: 1 << 20, Size: int64(len(content)), State: objects.BlobLive,
			Created: start(), Revision: 1, Inline: content,
		},
	}
}

// dispersed makes a part whose blob has been reserved, and is about to be committed.
func dispersed(t *testing.T, g Ground, number int, size int64) objects.PartRow {
	t.Helper()
	p := embedded(number, size)
	p.Blob.Inline, p.Blob.Server, p.Blob.State = nil, "server-1", objects.BlobWriting
	p.Blob.Nodes = []objects.NodeID{"00000001", "00000002", "00000003", "00000004", "00000005", "00000006"}
	p.Blob.AllOrNothing = number%2 == 0
	ok(t, g.ReserveBlob(t.Context(), p.Blob))
	return p
}

// versionID returns IDs in the order of time.
func versionID(n int) objects.VersionID { return objects.VersionID(fmt.Sprintf("%032x", n)) }

func put(t *testing.T, g Ground, p objects.PutVersion) objects.Row {
	t.Helper()
	return must[objects.Row](t)(g.PutVersion(t.Context(), p))
}

// wantState checks in which state a dispersed blob is.
func wantState(t *testing.T, g Ground, id objects.BlobID, want objects.BlobState) {
	t.Helper()
	b, err := g.Blob(t.Context(), id)
	if err != nil || b.State != want {
		t.Errorf("blob %s: state %d, %v; want %d", id, b.State, err, want)
	}
}
