package objects_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
)

// modelEntry is a version as the model remembers it.
type modelEntry struct {
	Key     string
	Version objects.VersionID
	Marker  bool
}

// model is a bucket in the plainest form: all versions of each key, the newest first.
type model map[string][]modelEntry

// list says in one go what all pages of a list have to show together.
func (m model) list(l objects.List) (entries []modelEntry, prefixes []string) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		versions := m[k]
		if !strings.HasPrefix(k, l.Prefix) || !l.Versions && versions[0].Marker {
			continue
		}
		if i := strings.Index(k[len(l.Prefix):], l.Delimiter); l.Delimiter != "" && i >= 0 {
			common := k[:len(l.Prefix)+i+len(l.Delimiter)]
			if !slices.Contains(prefixes, common) {
				prefixes = append(prefixes, common)
			}
			continue
		}
		if !l.Versions {
			versions = versions[:1]
		}
		entries = append(entries, versions...)
	}
	return entries, prefixes
}

// TestListShowsWhatIsThere fills a bucket at random, and reads lists of every shape page by page.
func TestListShowsWhatIsThere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.configure(t, "bucket", objects.SetVersioning(objects.VersioningEnabled))
	alphabet := []string{"a", "b", "/", "é", "\x01", "\U0010ffff", "z"}
	m := model{}
	for range 200 {
		var key strings.Builder
		for range 1 + rnd.IntN(4) {
			key.WriteString(alphabet[rnd.IntN(len(alphabet))])
		}
		k := key.String()
		if rnd.IntN(5) == 0 {
			done, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "bucket", Key: k})
			if err != nil {
				t.Fatal(err)
			}
			m[k] = slices.Insert(m[k], 0, modelEntry{k, done.Version, true})
			continue
		}
		m[k] = slices.Insert(m[k], 0, modelEntry{k, s.put(t, "bucket", k).Version, false})
	}
	var shapes []objects.List
	for _, versions := range []bool{false, true} {
		for _, prefix := range []string{"", "a", "b/", "\U0010ffff", "none"} {
			for _, delimiter := range []string{"", "/", "a", "/b"} {
				for _, limit := range []int{1, 2, 7, 1000} {
					shapes = append(shapes, objects.List{Bucket: "bucket", Prefix: prefix, Delimiter: delimiter, Versions: versions, Limit: limit})
				}
			}
		}
	}
	for _, l := range sample(t, 16, shapes) {
		wantEntries, wantPrefixes := m.list(l)
		entries, prefixes := s.listAll(t, l)
		if diff := cmp.Diff(wantEntries, entries); diff != "" {
			t.Fatalf("%+v (-want +got):\n%s", l, diff)
		}
		if diff := cmp.Diff(wantPrefixes, prefixes); diff != "" {
			t.Fatalf("%+v: prefixes (-want +got):\n%s", l, diff)
		}
	}
}

// listAll reads a list to its end. No page is longer than its limit, or empty with more to come.
func (s *stage) listAll(t testing.TB, l objects.List) (entries []modelEntry, prefixes []string) {
	t.Helper()
	for {
		page, err := s.List(t.Context(), s.who, l)
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		n := len(page.Objects) + len(page.Prefixes)
		if n > l.Limit || page.Truncated && n < l.Limit {
			t.Fatalf("%+v: %d entries, truncated %v", l, n, page.Truncated)
		}
		for _, o := range page.Objects {
			entries = append(entries, modelEntry{o.Key, o.Version, o.Marker})
		}
		prefixes = append(prefixes, page.Prefixes...)
		if !page.Truncated {
			return entries, prefixes
		}
		l.After, l.Version = page.Next, page.NextVersion
		if !l.Versions {
			l.Version = ""
		}
	}
}

func TestListTellsWhatIsKnown(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", s.root.String())
	put := s.put(t, "bucket", "a")
	l := objects.List{Bucket: "bucket", Limit: 9}
	page, err := s.List(t.Context(), s.who, l)
	if err != nil || len(page.Objects) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	if o := page.Objects[0]; o.ETag != put.ETag || o.Checksums != put.Checksums || o.Sealed || page.Bucket.Root != s.root {
		t.Errorf("with the key: %+v of a bucket under %v", o, page.Bucket.Root)
	}
	for _, failure := range []error{objects.ErrRootDisabled, objects.ErrRootDeleted, objects.ErrUnauthorized, objects.ErrRootService} {
		s.RootKeys.Fail(s.root, failure)
		page, err := s.List(t.Context(), s.who, l)
		if err != nil || len(page.Objects) != 1 {
			t.Fatalf("%v: %+v, %v", failure, page, err)
		}
		if o := page.Objects[0]; o.ETag == put.ETag || len(o.ETag) != 32 || !o.Sealed || o.Size != 1 || o.Checksums != (objects.Checksums{}) {
			t.Errorf("%v: %+v", failure, o)
		}
	}
}

func TestListThatCannotBeIsRefused(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.put(t, "bucket", "a")
	for _, c := range []struct {
		name string
		list objects.List
		want error
	}{
		{"negative", objects.List{Limit: -1}, objects.ErrArgument},
		{"no version ID", objects.List{Versions: true, After: "a", Version: "x", Limit: 1}, objects.ErrArgument},
		{"version without a key", objects.List{Versions: true, Version: objects.NullVersion, Limit: 1}, objects.ErrArgument},
		{"nothing asked for", objects.List{}, nil},
		{"more than a page", objects.List{Limit: 5000}, nil},
	} {
		c.list.Bucket = "bucket"
		page, err := s.List(t.Context(), s.who, c.list)
		if !errors.Is(err, c.want) || page.Truncated || err == nil && len(page.Objects) > c.list.Limit {
			t.Errorf("%s: %+v, %v", c.name, page, err)
		}
	}
}

// TestListIsDecidedByWhatItNames sees what rules of policies are given to compare.
func TestListIsDecidedByWhatItNames(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.Access.Asked()
	if _, err := s.List(t.Context(), s.who, objects.List{Bucket: "bucket", Prefix: "home/", Delimiter: "/", Limit: 1}); err != nil {
		t.Fatal(err)
	}
	asked := s.Access.Asked()
	if len(asked) != 1 || asked[0].Action != objects.ActionBucketGet || *asked[0].On.Data.Prefix != "home/" || *asked[0].On.Data.Delimiter != "/" {
		t.Errorf("asked %+v", asked)
	}
}

func TestPublicBucketIsListedByAnybody(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.put(t, "bucket", "a")
	eve := iamtest.Caller("other", "eve")
	list := func(versions bool) error {
		_, err := s.List(t.Context(), eve, objects.List{Bucket: "bucket", Versions: versions, Limit: 1})
		return err
	}
	if err := list(false); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("private: %v", err)
	}
	s.configure(t, "bucket", objects.SetACL(objects.ACLPublicRead))
	if err := list(false); err != nil {
		t.Errorf("public: %v", err)
	}
	if err := list(true); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("versions of a public one: %v", err)
	}
	s.configure(t, "bucket", objects.SetPublicAccess(&objects.PublicAccessBlock{IgnorePublicACLs: true}))
	if err := list(false); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("where public ACLs are ignored: %v", err)
	}
}

func BenchmarkListPage(b *testing.B) {
	s := newStage(b)
	s.NewBucket(b, s.who, s.in, "bucket", "")
	for n := range 1000 {
		s.put(b, "bucket", fmt.Sprintf("%04d", n))
	}
	for b.Loop() {
		if page, err := s.List(b.Context(), s.who, objects.List{Bucket: "bucket", Limit: 1000}); err != nil || len(page.Objects) != 1000 {
			b.Fatal(err)
		}
	}
}
