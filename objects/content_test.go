package objects_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
)

const segment = 1 << 20

// contentOf is a content of a size that repeats nowhere within a segment.
func contentOf(size int) []byte {
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	_, _ = source.Read(b)
	return b
}

func eachSeal(t *testing.T, do func(t *testing.T, allOrNothing bool)) {
	for _, allOrNothing := range []bool{false, true} {
		t.Run(fmt.Sprintf("allOrNothing=%t", allOrNothing), func(t *testing.T) { do(t, allOrNothing) })
	}
}

func TestContentComesBackWholeAndInEveryRange(t *testing.T) {
	eachSeal(t, func(t *testing.T, allOrNothing bool) {
		s := newStand(t, allOrNothing)
		for _, size := range []int{0, 1, 15, 16, 17, 1024, 1025, segment - 1, segment, segment + 1, 5*segment - 1, 5 * segment, 5*segment + 1} {
			content := contentOf(size)
			s.put(t, "key", content)
			got, c, err := s.get(t, objects.Read{Key: "key"})
			if err != nil || !bytes.Equal(got, content) || c.Length != int64(size) || c.Size != int64(size) || c.Partial {
				t.Fatalf("%d bytes came back as %d: %v", size, len(got), err)
			}
			if size != 1025 && size != segment && size != 5*segment+1 {
				continue
			}
			var ranges [][2]int
			edges := []int{0, 1, size / 2, segment - 1, segment, segment + 1, 2*segment - 1, 2 * segment, size - segment, size - 1, size}
			for _, first := range edges {
				for _, last := range edges {
					ranges = append(ranges, [2]int{first, last})
				}
			}
			for _, r := range sample(t, 12, ranges) {
				s.checkRange(t, content, int64(r[0]), int64(r[1]))
			}
		}
	})
}

func TestRandomRangesComeBack(t *testing.T) {
	s := newStand(t, false)
	content := contentOf(3*segment + 12345)
	s.put(t, "key", content)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ranges := make([][2]int64, 1000)
	for i := range ranges {
		first := random.Int64N(int64(len(content)))
		ranges[i] = [2]int64{first, first + random.Int64N(1<<random.IntN(18))}
	}
	for _, r := range sample(t, 100, ranges) {
		s.checkRange(t, content, r[0], r[1])
	}
}

// checkRange reads first to last inclusive, and compares with what RFC 9110 says of it.
func (s *stand) checkRange(t *testing.T, content []byte, first, last int64) {
	t.Helper()
	if first < 0 || last < first {
		return
	}
	s.Blobs.Fetched()
	got, c, err := s.get(t, objects.Read{Key: "key", Range: &objects.Range{First: first, Last: last}})
	if size := int64(len(content)); first >= size {
		if !errors.Is(err, objects.ErrRange) || c.Size != size {
			t.Fatalf("range %d-%d of %d: %v, want %v", first, last, size, err, objects.ErrRange)
		}
		return
	}
	end := min(last+1, int64(len(content)))
	if err != nil || !bytes.Equal(got, content[first:end]) || c.Offset != first || c.Length != end-first || !c.Partial {
		t.Fatalf("range %d-%d of %d: %d bytes, %v", first, last, len(content), len(got), err)
	}
	if read, need := int64(len(s.Blobs.Fetched())), (end-1)/segment-first/segment+1; read > need {
		t.Fatalf("range %d-%d of %d: %d segments were read, %d are needed", first, last, len(content), read, need)
	}
}

func TestLastBytesAreARange(t *testing.T) {
	s := newStand(t, false)
	content := contentOf(100)
	s.put(t, "key", content)
	for _, c := range []struct {
		r    objects.Range
		want []byte
		err  error
	}{
		{objects.Range{First: -1, Last: 10}, content[90:], nil},
		{objects.Range{First: -1, Last: 1000}, content, nil},
		{objects.Range{First: -1, Last: 0}, nil, objects.ErrRange},
		{objects.Range{First: 40, Last: -1}, content[40:], nil},
		{objects.Range{First: 50, Last: 40}, nil, objects.ErrRange},
	} {
		got, _, err := s.get(t, objects.Read{Key: "key", Range: &c.r})
		if !errors.Is(err, c.err) || !bytes.Equal(got, c.want) {
			t.Errorf("%+v: %d bytes, %v; want %d, %v", c.r, len(got), err, len(c.want), c.err)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	eachSeal(t, func(t *testing.T, allOrNothing bool) {
		s := newStand(t, allOrNothing)
		for what, size := range map[string]int{"embedded": 100, "dispersed": 1100} {
			s.put(t, "key", contentOf(size))
			if what == "dispersed" {
				id := s.Blobs.IDs()[0]
				sound := s.Blobs.Stored(id)
				for _, i := range sample(t, 100, places(sound)) {
					s.Blobs.Store(id, flipped(sound, i))
					s.checkDamaged(t, fmt.Sprintf("%s byte %d", what, i))
				}
				s.Blobs.Store(id, sound)
			} else {
				s.checkFlips(t, "blob_content", "content")
			}
			s.checkFlips(t, "objects", "data_key")
			s.checkFlips(t, "objects", "record")
			if _, _, err := s.get(t, objects.Read{Key: "key"}); err != nil {
				t.Errorf("%s and whole again: %v", what, err)
			}
		}
	})
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x10
	return b
}

// places are the positions of the bytes of b.
func places(b []byte) []int {
	all := make([]int, len(b))
	for i := range all {
		all[i] = i
	}
	return all
}

// checkFlips flips the bytes of the one value of a column, each by itself.
func (s *stand) checkFlips(t *testing.T, table, column string) {
	t.Helper()
	db := s.Outside(t)
	var sound []byte
	if err := db.QueryRowContext(t.Context(), "SELECT "+column+" FROM "+table).Scan(&sound); err != nil {
		t.Fatal(err)
	}
	set := func(value []byte) {
		if _, err := db.ExecContext(t.Context(), "UPDATE "+table+" SET "+column+" = $1", value); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range sample(t, 40, places(sound)) {
		set(flipped(sound, i))
		s.checkDamaged(t, fmt.Sprintf("%s.%s byte %d of %d", table, column, i, len(sound)))
	}
	set(sound)
}

// checkDamaged fails unless the object is refused as a defect of ours, with no byte of it.
func (s *stand) checkDamaged(t *testing.T, what string) {
	t.Helper()
	got, _, err := s.get(t, objects.Read{Key: "key"})
	if len(got) > 0 || err == nil {
		t.Fatalf("%s flipped: %d bytes, %v", what, len(got), err)
	}
}

func TestSwappedBlobsSegmentsAndRowsAreFound(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "other", contentOf(2*segment+100))
	other := s.Blobs.IDs()[0]
	s.put(t, "key", contentOf(2*segment+100))
	mine := s.Blobs.IDs()[0]
	if mine == other {
		mine = s.Blobs.IDs()[1]
	}
	sound := s.Blobs.Stored(mine)
	const sealed = segment + 28
	for what, stream := range map[string][]byte{
		"the blob of another object": s.Blobs.Stored(other),
		"segments in another order":  bytes.Join([][]byte{sound[sealed : 2*sealed], sound[:sealed], sound[2*sealed:]}, nil),
		"a segment twice":            bytes.Join([][]byte{sound[:sealed], sound[:sealed], sound[2*sealed:]}, nil),
		"no last segment":            sound[:2*sealed],
	} {
		s.Blobs.Store(mine, stream)
		if got, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, objects.ErrDamaged) || len(got) > 2*segment {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
	}
	s.Blobs.Store(mine, sound)
	for _, change := range []string{
		"UPDATE objects SET record = (SELECT record FROM objects WHERE key = CAST('other' AS BLOB)) WHERE key = CAST('key' AS BLOB)",
		"UPDATE object_parts SET blob = (SELECT p.blob FROM object_parts p JOIN objects o ON p.object = o.seq WHERE o.key = CAST('other' AS BLOB))",
	} {
		s.Exec(t, change)
		if got, _, err := s.get(t, objects.Read{Key: "key"}); err == nil {
			t.Errorf("%s: read %d bytes", change, len(got))
		}
	}
}

func TestReadStopsWhenTheRootKeyIsDisabled(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "key", contentOf(6*segment))
	c, err := s.Get(t.Context(), s.who, objects.Read{Bucket: s.bucket.Name, Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, segment)
	if _, err := c.Read(buf); err != nil {
		t.Fatal(err)
	}
	s.RootKeys.Fail(s.root, objects.ErrRootDisabled)
	n := 0
	for err == nil {
		var m int
		m, err = c.Read(buf)
		n += m
	}
	if !errors.Is(err, objects.ErrRootDisabled) || n > segment {
		t.Errorf("%d more bytes, then %v", n, err)
	}
	if err := c.Close(); !errors.Is(err, objects.ErrRootDisabled) {
		t.Errorf("closing: %v", err)
	}
	if ev := s.Log.Last(); ev.Reason.Code != 403 || ev.Outcome != "failure" {
		t.Errorf("recorded %s with %d", ev.Outcome, ev.Reason.Code)
	}
}

func TestRootKeyStates(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "key", contentOf(100))
	s.put(t, "gone", contentOf(100))
	for _, failure := range []error{objects.ErrRootDisabled, objects.ErrRootDeleted, objects.ErrUnauthorized} {
		s.RootKeys.Fail(s.root, failure)
		if _, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, failure) {
			t.Errorf("get: %v, want %v", err, failure)
		}
		if _, err := s.Put(t.Context(), s.who, s.write("new"), bytes.NewReader(nil)); !errors.Is(err, failure) {
			t.Errorf("put: %v, want %v", err, failure)
		}
		c, err := s.Head(t.Context(), s.who, objects.Read{Bucket: s.bucket.Name, Key: "key"})
		if err != nil || !c.Sealed || len(c.ETag) != 32 || c.Size != 100 {
			t.Errorf("head while %v: %+v, %v", failure, c, err)
		}
		s.RootKeys.Fail(s.root, nil)
		if got, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || len(got) != 100 {
			t.Errorf("get after %v: %v", failure, err)
		}
	}
	s.RootKeys.Down(true)
	if _, _, err := s.get(t, objects.Read{Key: "key"}); err != nil {
		t.Errorf("get with an opened key while the key service is down: %v", err)
	}
	s.Restart()
	if _, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, objects.ErrRootService) {
		t.Errorf("get without: %v", err)
	}
}

func TestCallerWhoGoesAwayIsRecorded(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "key", contentOf(6*segment))
	c, err := s.Get(t.Context(), s.who, objects.Read{Bucket: s.bucket.Name, Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	if ev := s.Log.Last(); ev.Outcome != "pending" {
		t.Errorf("recorded as %s before it was read", ev.Outcome)
	}
	if err := c.Close(); err == nil || s.Log.Last().Outcome != "failure" {
		t.Errorf("closed with %v, recorded as %s", err, s.Log.Last().Outcome)
	}
	if _, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || s.Log.Last().Outcome != "success" {
		t.Errorf("read with %v, recorded as %s", err, s.Log.Last().Outcome)
	}
}

// TestLongReadOutlivesARotation: a root key that is rotated, and a bucket key that is wrapped anew, in
// the middle of a reading change nothing for it.
func TestLongReadOutlivesARotation(t *testing.T) {
	s := newStand(t, false)
	content := contentOf(6 * segment)
	s.put(t, "key", content)
	c, err := s.Get(t.Context(), s.who, objects.Read{Bucket: "bucket", Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, segment)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	s.RootKeys.Rotate(s.root)
	if err := s.FollowRotations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.WorkJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(append(got, rest...), content) {
		t.Errorf("%d bytes after the rotation, %v", len(rest), err)
	}
}

// TestRangeOfAnObjectThatChanged: If-Range gives the range of the object that is meant, and else the whole.
func TestRangeOfAnObjectThatChanged(t *testing.T) {
	s := newStand(t, false)
	content := contentOf(3 * segment)
	o := s.put(t, "key", content)
	for name, c := range map[string]struct {
		v     *objects.Validator
		whole bool
	}{
		"none":         {nil, false},
		"its tag":      {&objects.Validator{ETag: o.ETag}, false},
		"another tag":  {&objects.Validator{ETag: "other"}, true},
		"no tag":       {&objects.Validator{}, true},
		"its date":     {&objects.Validator{Modified: o.Modified.Truncate(time.Second)}, false},
		"a later date": {&objects.Validator{Modified: o.Modified.Truncate(time.Second).Add(time.Second)}, true},
	} {
		want := content[segment+1 : segment+4]
		if c.whole {
			want = content
		}
		got, found, err := s.get(t, objects.Read{Key: "key", Range: &objects.Range{First: segment + 1, Last: segment + 3}, RangeIf: c.v})
		if err != nil || !bytes.Equal(got, want) || found.Partial == c.whole || found.Length != int64(len(want)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestArchivedObjectIsReadWhenItIsRestored, and no longer than that.
func TestArchivedObjectIsReadWhenItIsRestored(t *testing.T) {
	s := newStand(t, false)
	none := 0
	s.configure(t, objects.ActionBucketPutLifecycle, objects.SetLifecycle([]objects.LifecycleRule{
		{Enabled: true, TransitionDays: &none, TransitionStorage: objects.StorageGlacier},
	}))
	s.put(t, "key", []byte("x"))
	restore := func(days int, tier string) error {
		_, err := s.RestoreArchived(t.Context(), s.who, "bucket", "key", "", days, tier)
		return err
	}
	if err := restore(1, ""); !errors.Is(err, objects.ErrNotArchived) {
		t.Errorf("restoring what is not archived: %v", err)
	}
	s.Clock.Advance(24 * time.Hour)
	if err := s.RunLifecycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(want error) {
		t.Helper()
		if _, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, want) {
			t.Errorf("reading: %v, want %v", err, want)
		}
		_, err := s.Copy(t.Context(), s.who, objects.Copy{Write: s.write("copy"), From: objects.Read{Bucket: "bucket", Key: "key"}})
		if !errors.Is(err, want) {
			t.Errorf("copying: %v, want %v", err, want)
		}
	}
	read(objects.ErrArchived)
	if err := restore(0, ""); !errors.Is(err, objects.ErrArgument) {
		t.Errorf("for no days: %v", err)
	}
	if err := restore(2, "Accelerated"); !errors.Is(err, objects.ErrArgument) {
		t.Errorf("by the tier of another class: %v", err)
	}
	if err := restore(2, "Bulk"); err != nil {
		t.Fatal(err)
	}
	read(nil)
	s.Clock.Advance(48 * time.Hour)
	read(objects.ErrArchived)
}

// TestPublicObjectIsReadByAnybody, by its own ACL and not by that of its bucket.
func TestPublicObjectIsReadByAnybody(t *testing.T) {
	s := newStand(t, false)
	w := s.write("open")
	w.ACL = objects.ACLPublicRead
	if _, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	s.put(t, "shut", []byte("x"))
	s.configure(t, objects.ActionBucketPutACL, objects.SetACL(objects.ACLPublicRead))
	user := s.who
	s.who = iamtest.Caller("other", "eve")
	for key, want := range map[string]error{"open": nil, "shut": iam.ErrForbidden, "none": iam.ErrForbidden} {
		if _, _, err := s.get(t, objects.Read{Key: key}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", key, err, want)
		}
	}
	s.who = user
	s.configure(t, objects.ActionBucketPutPublicAccessBlock, objects.SetPublicAccess(&objects.PublicAccessBlock{IgnorePublicACLs: true}))
	s.who = iamtest.Caller("other", "eve")
	if _, _, err := s.get(t, objects.Read{Key: "open"}); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("where public ACLs are ignored: %v", err)
	}
}
