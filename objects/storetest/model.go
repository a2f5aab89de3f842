package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"strongroom/objects"
)

// model is what a bucket holds, kept as plainly as can be.
type model struct {
	versions map[string][]*stored // newest first
	made     int
}

type stored struct {
	objects.Row
	parts []objects.PartRow
}

func newModel() *model { return &model{versions: map[string][]*stored{}} }

// pick returns a random version.
func (m *model) pick(random *rand.Rand) *stored {
	all := m.all()
	if len(all) == 0 {
		return nil
	}
	return all[random.IntN(len(all))]
}

// all returns all versions in the order of a list.
func (m *model) all() (all []*stored) {
	for _, key := range slices.Sorted(maps.Keys(m.versions)) {
		all = append(all, m.versions[key]...)
	}
	return all
}

func (m *model) put(r objects.Row, parts []objects.PartRow) {
	if r.Version == objects.NullVersion {
		m.remove(r.Key, r.Version)
	}
	m.versions[r.Key] = slices.Insert(m.versions[r.Key], 0, &stored{r, parts})
	m.settle(r.Key)
}

func (m *model) remove(key string, id objects.VersionID) {
	m.versions[key] = slices.DeleteFunc(m.versions[key], func(v *stored) bool { return v.Version == id })
	m.settle(key)
}

// settle says which version of a key is the newest.
func (m *model) settle(key string) {
	if len(m.versions[key]) == 0 {
		delete(m.versions, key)
	}
	for i, v := range m.versions[key] {
		v.Latest = i == 0
	}
}

func (m *model) usage() (u objects.Usage) {
	for _, v := range m.all() {
		switch {
		case v.Marker:
			u.DeleteMarkers++
			continue
		case !v.Latest:
			u.NoncurrentObjects++
			u.NoncurrentBytes += v.Size
		}
		u.Objects++
		u.Bytes += v.Size
	}
	return u
}

// list is the rule of lists: an entry is a version, or the common prefix of keys with the delimiter
// behind the prefix; those that are not after l.After in binary order are left out.
func (m *model) list(l objects.List) (rows []objects.Row, prefixes []string) {
	after := false // l.Version within l.After
	for _, v := range m.all() {
		if len(rows)+len(prefixes) > l.Limit {
			break
		}
		if !strings.HasPrefix(v.Key, l.Prefix) || !l.Versions && (!v.Latest || v.Marker) {
			continue
		}
		if l.Delimiter != "" {
			if i := strings.Index(v.Key[len(l.Prefix):], l.Delimiter); i >= 0 {
				common := v.Key[:len(l.Prefix)+i+len(l.Delimiter)]
				if common > l.After && !slices.Contains(prefixes, common) {
					prefixes = append(prefixes, common)
				}
				continue
			}
		}
		switch {
		case v.Key < l.After || v.Key == l.After && l.Version == "" && l.After != "":
			continue
		case v.Key == l.After && l.After != "" && !after:
			after = v.Version == l.Version
			continue
		}
		rows = append(rows, v.Row)
	}
	return rows, prefixes
}

// randomKey returns keys that are often alike, with every sort of byte in them.
func randomKey(random *rand.Rand) string {
	pieces := []string{"a", "b", "/", "/", "//", "é", "\xff", "\x00", "z", ".", "%2F", "A", "\xff\xff"}
	var key strings.Builder
	for range 1 + random.IntN(5) {
		key.WriteString(pieces[random.IntN(len(pieces))])
	}
	return key.String()
}

// change makes a random change of a bucket and of its model.
func (m *model) change(t *testing.T, g Ground, b objects.Bucket, keys []objects.BucketKeyID, random *rand.Rand) {
	t.Helper()
	m.made++
	seal := keys[random.IntN(len(keys))]
	v, n := m.pick(random), random.IntN(12)
	switch {
	case n < 6 || v == nil:
		key, id := randomKey(random), versionID(m.made)
		if v != nil && random.IntN(2) == 0 {
			key = v.Key
		}
		if random.IntN(2) == 0 {
			id = objects.NullVersion
		}
		p := version(b, key, id, int64(random.IntN(100)))
		p.Row.SealedBy = seal
		if random.IntN(4) == 0 {
			p = marker(b, key, id)
		}
		m.put(put(t, g, p), p.Parts)
	case n < 9:
		ok(t, g.RemoveVersion(t.Context(), v.Row, nil))
		m.remove(v.Key, v.Version)
	case n < 11 && !v.Marker:
		v.SealedBy, v.Record = seal, fmt.Appendf(nil, "record %d", m.made)
		ok(t, g.UpdateVersion(t.Context(), v.Row, nil))
		v.Revision++
	case !v.Marker:
		v.parts = []objects.PartRow{embedded(1, v.Size), embedded(2, 0)}
		v.Row.Parts = 2
		ok(t, g.ReplaceContent(t.Context(), v.Row, v.parts))
		v.Revision++
	}
}

// compare checks everything that a store says of a bucket.
func (m *model) compare(t *testing.T, g Ground, b objects.Bucket, keys []objects.BucketKeyID) {
	t.Helper()
	wantSame(t, "usage", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), m.usage())
	all := m.all()
	for _, key := range keys {
		var n, bytes int64
		for _, v := range all {
			if v.SealedBy == key && !v.Marker {
				n, bytes = n+1, bytes+v.Size
			}
		}
		if gotN, gotBytes, err := g.KeyUsage(t.Context(), b.ID, key); err != nil || gotN != n || gotBytes != bytes {
			t.Errorf("key %s seals %d versions with %d bytes, %v; want %d with %d", key, gotN, gotBytes, err, n, bytes)
		}
	}
	for _, v := range all {
		r := must[objects.Row](t)(g.Version(t.Context(), b.ID, v.Key, v.Version))
		wantSame(t, fmt.Sprintf("version %s of %q", v.Version, v.Key), r, v.Row, cmpopts.EquateEmpty())
		wantParts(t, g, r, v.parts)
		if latest := must[objects.Row](t)(g.Latest(t.Context(), b.ID, v.Key)); latest.Seq != m.versions[v.Key][0].Seq {
			t.Errorf("the newest version of %q is %s", v.Key, latest.Version)
		}
	}
}

// testModel makes random changes and compares everything after some of them.
func testModel(t *testing.T, g Ground) {
	random := randomly(t)
	b, k := newBucket(t, g, "a-bucket")
	second := aKey(b)
	ok(t, g.AddBucketKey(t.Context(), second, nil))
	keys := []objects.BucketKeyID{k.ID, second.ID}
	m := newModel()
	for range 5 {
		for range 40 {
			m.change(t, g, b, keys, random)
		}
		m.compare(t, g, b, keys)
	}
}

// testLists compares random lists, and the pages of others, with the rule.
func testLists(t *testing.T, g Ground) {
	random := randomly(t)
	b, k := newBucket(t, g, "a-bucket")
	m := newModel()
	for range 250 {
		m.change(t, g, b, []objects.BucketKeyID{k.ID}, random)
	}
	delimiters := []string{"", "/", "//", "a", "\xff", "é", "/a", "\xff\xff"}
	for range 600 {
		l := objects.List{
			Limit: random.IntN(12), Versions: random.IntN(2) == 0, Delimiter: delimiters[random.IntN(len(delimiters))],
		}
		if random.IntN(2) == 0 {
			l.Prefix = randomKey(random)[:1]
		}
		if random.IntN(2) == 0 {
			l.After = randomKey(random)
		}
		if v := m.pick(random); v != nil && random.IntN(3) == 0 {
			if l.After = v.Key; l.Versions && random.IntN(2) == 0 {
				l.Version = v.Version
			}
		}
		m.compareList(t, g, b, l)
	}
	for _, versions := range []bool{false, true} {
		for _, delimiter := range delimiters {
			m.comparePages(t, g, b, objects.List{Limit: 1 + random.IntN(7), Versions: versions, Delimiter: delimiter})
		}
	}
}

func (m *model) compareList(t *testing.T, g Ground, b objects.Bucket, l objects.List) ([]objects.Row, []string) {
	t.Helper()
	rows, prefixes, err := g.List(t.Context(), b.ID, l)
	ok(t, err)
	wantRows, wantPrefixes := m.list(l)
	if diff := cmp.Diff(wantRows, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("rows of %#v (-want +got):\n%s", l, diff)
	}
	if diff := cmp.Diff(wantPrefixes, prefixes, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("prefixes of %+v (-want +got):\n%s", l, diff)
	}
	return rows, prefixes
}

// comparePages goes through a list page by page, as its readers do, and finds each entry once.
func (m *model) comparePages(t *testing.T, g Ground, b objects.Bucket, l objects.List) {
	t.Helper()
	everything := l
	everything.Limit = 100_000
	wantRows, wantPrefixes := m.list(everything)
	var rows []objects.Row
	var prefixes []string
	for {
		page, common := m.compareList(t, g, b, l)
		var names []string
		for _, r := range page {
			names = append(names, r.Key)
		}
		names = append(names, common...)
		slices.Sort(names)
		full := len(names) > l.Limit
		if full { // the last is only there to say that there is more
			last := names[l.Limit]
			if len(page) > 0 && page[len(page)-1].Key == last {
				page = page[:len(page)-1]
			} else {
				common = common[:len(common)-1]
			}
			names = names[:l.Limit]
		}
		rows, prefixes = append(rows, page...), append(prefixes, common...)
		if !full {
			break
		}
		l.After, l.Version = names[len(names)-1], ""
		if l.Versions && len(page) > 0 && page[len(page)-1].Key == l.After {
			l.Version = page[len(page)-1].Version
		}
	}
	if diff := cmp.Diff(wantRows, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("pages of %+v (-want +got):\n%s", everything, diff)
	}
	wantSame(t, "prefixes of all pages", prefixes, wantPrefixes, cmpopts.EquateEmpty())
}

// testWalks goes through all versions of a bucket, or those that one key has sealed, while some of
// them are sealed again.
func testWalks(t *testing.T, g Ground) {
	random := randomly(t)
	b, k := newBucket(t, g, "a-bucket")
	second := aKey(b)
	ok(t, g.AddBucketKey(t.Context(), second, nil))
	m := newModel()
	for range 120 {
		m.change(t, g, b, []objects.BucketKeyID{k.ID, second.ID}, random)
	}
	for _, by := range []objects.BucketKeyID{"", k.ID, "no-key"} {
		var want, got []int64
		for _, key := range slices.Sorted(maps.Keys(m.versions)) {
			for _, v := range slices.Backward(m.versions[key]) {
				if by == "" || v.SealedBy == by {
					want = append(want, v.Seq)
				}
			}
		}
		for cursor := ""; ; {
			rows, next, err := g.VersionsAfter(t.Context(), b.ID, by, cursor, 7)
			ok(t, err)
			for _, r := range rows {
				got = append(got, r.Seq)
				if by == k.ID {
					r.SealedBy = second.ID
					ok(t, g.UpdateVersion(t.Context(), r, nil))
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		wantSame(t, fmt.Sprintf("all versions by %q", by), got, want)
	}
	if n, _, err := g.KeyUsage(t.Context(), b.ID, k.ID); err != nil || n != 0 {
		t.Errorf("the old key still seals %d versions, %v", n, err)
	}
}

func testEmptyBucket(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	other, _ := newBucket(t, g, "another")
	kept := put(t, g, version(other, "key", objects.NullVersion, 1))
	var blobs []objects.BlobID
	for i := range 7 {
		p := version(b, fmt.Sprint(i/2), versionID(i), 1)
		p.Row.Lock = objects.Lock{Mode: objects.Compliance, Until: start().AddDate(1, 0, 0), Hold: true}
		p.Parts = []objects.PartRow{dispersed(t, g, 1, 1)}
		blobs = append(blobs, p.Parts[0].Blob.ID)
		put(t, g, p)
		u := anUpload(b, fmt.Sprint(i))
		ok(t, g.CreateUpload(t.Context(), u, nil))
		ok(t, g.PutPart(t.Context(), u, embedded(1, 1), 0, nil))
	}
	put(t, g, marker(b, "0", versionID(9)))
	for range 20 {
		if !must[bool](t)(g.EmptyBucket(t.Context(), b.ID, 4)) {
			break
		}
	}
	wantSame(t, "usage", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{})
	for _, id := range blobs {
		wantState(t, g, id, objects.BlobDead)
	}
	ok(t, g.RemoveBucket(t.Context(), b, nil))
	wantSame(t, "another bucket", must[objects.Row](t)(g.Latest(t.Context(), other.ID, "key")), kept)
}
