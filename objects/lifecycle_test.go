package objects_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/objects"
	"strongroom/objects/objectstest"
)

// on is a time in July 2026, when the tests begin.
func on(day, hour int) time.Time { return time.Date(2026, 7, day, hour, 0, 0, 0, time.UTC) }

func TestExpiryIsTheFirstMidnightAfterItsDays(t *testing.T) {
	rule := func(change func(*objects.LifecycleRule)) objects.LifecycleRule {
		r := objects.LifecycleRule{ID: "rule", Enabled: true, ExpireDays: 3}
		change(&r)
		return r
	}
	plain := rule(func(*objects.LifecycleRule) {})
	for _, c := range []struct {
		name     string
		rules    []objects.LifecycleRule
		modified time.Time
		want     time.Time
		by       string
	}{
		{"during the day", []objects.LifecycleRule{plain}, on(1, 10), on(5, 0), "rule"},
		{"at midnight", []objects.LifecycleRule{plain}, on(1, 0), on(5, 0), "rule"},
		{"late in another zone", []objects.LifecycleRule{plain}, on(1, 23).In(time.FixedZone("", 7200)), on(5, 0), "rule"},
		{"over the end of a month", []objects.LifecycleRule{plain}, on(30, 10), on(34, 0), "rule"},
		{"on a day", []objects.LifecycleRule{{ID: "d", Enabled: true, ExpireDate: on(9, 0)}}, on(1, 10), on(9, 0), "d"},
		{"the earliest", []objects.LifecycleRule{{ID: "d", Enabled: true, ExpireDate: on(9, 0)}, plain}, on(1, 10), on(5, 0), "rule"},
		{"disabled", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Enabled = false })}, on(1, 10), time.Time{}, ""},
		{"prefix", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Prefix = "logs/" })}, on(1, 10), on(5, 0), "rule"},
		{"other prefix", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Prefix = "log/" })}, on(1, 10), time.Time{}, ""},
		{"tag", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Tags = map[string]string{"a": "1"} })}, on(1, 10), on(5, 0), "rule"},
		{"other tag", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Tags = map[string]string{"a": "1", "b": ""} })}, on(1, 10), time.Time{}, ""},
		{"above", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Above = size(99) })}, on(1, 10), on(5, 0), "rule"},
		{"not above", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Above = size(100) })}, on(1, 10), time.Time{}, ""},
		{"below", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Below = size(101) })}, on(1, 10), on(5, 0), "rule"},
		{"not below", []objects.LifecycleRule{rule(func(r *objects.LifecycleRule) { r.Below = size(100) })}, on(1, 10), time.Time{}, ""},
		{"another action", []objects.LifecycleRule{{ID: "x", Enabled: true, AbortDays: 1}}, on(1, 10), time.Time{}, ""},
	} {
		at, by := objects.ExpiryOf(c.rules, "logs/1", 100, c.modified, map[string]string{"a": "1", "c": "2"})
		if !at.Equal(c.want) || by != c.by {
			t.Errorf("%s: %v by %q, want %v by %q", c.name, at, by, c.want, c.by)
		}
	}
}

func TestOtherDatesOfTheLifecycle(t *testing.T) {
	markers := []objects.LifecycleRule{{ID: "m", Enabled: true, ExpireMarkers: true}}
	expire := []objects.LifecycleRule{{ID: "e", Enabled: true, ExpireDays: 2}}
	sized := []objects.LifecycleRule{{ID: "e", Enabled: true, ExpireDays: 2, Below: size(9)}}
	old := []objects.LifecycleRule{{ID: "n", Enabled: true, NoncurrentDays: 2, NoncurrentKeep: 1}}
	abort := []objects.LifecycleRule{{ID: "a", Enabled: true, AbortDays: 2, Prefix: "k"}}
	for _, c := range []struct {
		name string
		got  func() (time.Time, string)
		want time.Time
	}{
		{"lone marker", func() (time.Time, string) { return objects.MarkerExpiryOf(markers, "k", on(1, 10)) }, on(2, 0)},
		{"lone marker by age", func() (time.Time, string) { return objects.MarkerExpiryOf(expire, "k", on(1, 10)) }, on(4, 0)},
		{"marker where sizes count", func() (time.Time, string) { return objects.MarkerExpiryOf(sized, "k", on(1, 10)) }, time.Time{}},
		{"kept version", func() (time.Time, string) { return objects.NoncurrentExpiryOf(old, "k", 1, nil, on(1, 10), 0) }, time.Time{}},
		{"old version", func() (time.Time, string) { return objects.NoncurrentExpiryOf(old, "k", 1, nil, on(1, 10), 1) }, on(4, 0)},
		{"upload", func() (time.Time, string) { return objects.AbortOf(abort, "key", on(1, 10)) }, on(4, 0)},
		{"upload elsewhere", func() (time.Time, string) { return objects.AbortOf(abort, "other", on(1, 10)) }, time.Time{}},
	} {
		if at, _ := c.got(); !at.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, at, c.want)
		}
	}
	for n, want := range map[int]time.Time{0: on(1, 10), 1: on(3, 0)} {
		rules := []objects.LifecycleRule{{ID: "t", Enabled: true, TransitionDays: days(n), TransitionStorage: objects.StorageGlacier}}
		if a := objects.ArchiveFor(rules, on(1, 10)); !a.Due.Equal(want) || a.Storage != objects.StorageGlacier {
			t.Errorf("transition after %d days: %+v", n, a)
		}
	}
}

func TestLifecycleRulesAreChecked(t *testing.T) {
	many := make([]objects.LifecycleRule, 1001)
	for i := range many {
		many[i] = objects.LifecycleRule{ID: fmt.Sprint(i), Enabled: true, ExpireDays: 1}
	}
	glacier := objects.LifecycleRule{ID: "g", TransitionDays: days(0), TransitionStorage: objects.StorageGlacier}
	for _, c := range []struct {
		name  string
		rules []objects.LifecycleRule
		want  error
	}{
		{"none", nil, nil},
		{"1000", many[:1000], nil},
		{"1001", many, objects.ErrArgument},
		{"without IDs", []objects.LifecycleRule{{ExpireDays: 1}, {ExpireDays: 2}}, nil},
		{"same ID", []objects.LifecycleRule{{ID: "a", ExpireDays: 1}, {ID: "a", ExpireDays: 2}}, objects.ErrArgument},
		{"odd ID", []objects.LifecycleRule{{ID: "a b", ExpireDays: 1}}, objects.ErrArgument},
		{"long ID", []objects.LifecycleRule{{ID: strings.Repeat("a", 256), ExpireDays: 1}}, objects.ErrArgument},
		{"no action", []objects.LifecycleRule{{ID: "a"}}, objects.ErrArgument},
		{"two expirations", []objects.LifecycleRule{{ExpireDays: 1, ExpireDate: on(9, 0)}}, objects.ErrArgument},
		{"days and markers", []objects.LifecycleRule{{ExpireDays: 1, ExpireMarkers: true}}, objects.ErrArgument},
		{"negative days", []objects.LifecycleRule{{ExpireDays: -1}}, objects.ErrArgument},
		{"not midnight", []objects.LifecycleRule{{ExpireDate: on(9, 1)}}, objects.ErrArgument},
		{"midnight in another zone", []objects.LifecycleRule{{ExpireDate: on(9, 0).In(time.FixedZone("", 7200))}}, nil},
		{"markers by tag", []objects.LifecycleRule{{ExpireMarkers: true, Tags: map[string]string{"a": "b"}}}, objects.ErrArgument},
		{"uploads by size", []objects.LifecycleRule{{AbortDays: 1, Above: size(1)}}, objects.ErrArgument},
		{"keep without days", []objects.LifecycleRule{{ExpireDays: 1, NoncurrentKeep: 1}}, objects.ErrArgument},
		{"no size between", []objects.LifecycleRule{{ExpireDays: 1, Above: size(5), Below: size(5)}}, objects.ErrArgument},
		{"bad tag", []objects.LifecycleRule{{ExpireDays: 1, Tags: map[string]string{"ibm:a": ""}}}, objects.ErrTag},
		{"transition", []objects.LifecycleRule{glacier}, nil},
		{"two transitions", []objects.LifecycleRule{glacier, {ID: "h", TransitionDate: on(9, 0), TransitionStorage: "ACCELERATED"}}, objects.ErrArgument},
		{"transition of some", []objects.LifecycleRule{{Prefix: "a", TransitionDays: days(1), TransitionStorage: "GLACIER"}}, objects.ErrArgument},
		{"transition elsewhere", []objects.LifecycleRule{{TransitionDays: days(1), TransitionStorage: "TAPE"}}, objects.ErrArgument},
		{"transition at no time", []objects.LifecycleRule{{TransitionStorage: "GLACIER"}}, objects.ErrArgument},
	} {
		b := objects.Bucket{}
		if err := objects.SetLifecycle(c.rules)(&b, time.Now()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		for _, r := range b.Lifecycle {
			if r.ID == "" {
				t.Errorf("%s: a rule has no ID", c.name)
			}
		}
	}
}

// versions returns what a bucket holds, as "key size" in the order of a list; size is "x" for a marker.
func (s *stage) versions(t testing.TB, bucket string) (all []string) {
	t.Helper()
	l := objects.List{Bucket: bucket, Versions: true, Limit: objects.MaxPage}
	for {
		page, err := s.List(t.Context(), s.who, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			content := fmt.Sprint(o.Size)
			if o.Marker {
				content = "x"
			}
			all = append(all, o.Key+" "+content)
		}
		if !page.Truncated {
			return all
		}
		l.After, l.Version = page.Next, page.NextVersion
	}
}

// putSized stores an object of some bytes.
func (s *stage) putSized(t testing.TB, bucket, key string, bytes int, change ...func(*objects.Write)) {
	t.Helper()
	w := objects.Write{Bucket: bucket, Key: key, Expect: objects.Expect{Size: -1}}
	for _, f := range change {
		f(&w)
	}
	if _, err := s.Put(t.Context(), s.who, w, strings.NewReader(strings.Repeat("x", bytes))); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) lifecycle(t testing.TB, want ...string) {
	t.Helper()
	if err := s.RunLifecycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.versions(t, "bucket")); diff != "" {
		t.Errorf("at %v (-want +got):\n%s", s.Clock.Now(), diff)
	}
}

func TestObjectsExpire(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.configure(t, "bucket", objects.SetLifecycle([]objects.LifecycleRule{
		{ID: "logs", Enabled: true, Prefix: "logs/", ExpireDays: 1},
		{ID: "tagged", Enabled: true, Tags: map[string]string{"for": "now"}, ExpireDate: on(2, 0)},
	}))
	s.putSized(t, "bucket", "logs/1", 1)
	s.putSized(t, "bucket", "data", 2)
	s.putSized(t, "bucket", "tagged", 3, func(w *objects.Write) { w.Tags = map[string]string{"for": "now"} })
	c, err := s.Head(t.Context(), s.who, objects.Read{Bucket: "bucket", Key: "logs/1"})
	if err != nil || !c.Expiry.Equal(on(3, 0)) || c.ExpiryRule != "logs" {
		t.Errorf("head says %v by %q, %v", c.Expiry, c.ExpiryRule, err)
	}
	s.lifecycle(t, "data 2", "logs/1 1", "tagged 3")
	s.Clock.Set(on(2, 1))
	s.Log.Take()
	s.lifecycle(t, "data 2", "logs/1 1")
	var deleted []string
	for _, ev := range s.Log.Take() {
		if ev.Action == "cloud-object-storage.object.delete" {
			deleted = append(deleted, fmt.Sprint(ev.Target.Name, " ", ev.Outcome, " ", ev.RequestData["lifecycleRule"], " ", ev.Initiator.Name))
		}
	}
	if diff := cmp.Diff([]string{"bucket/tagged success tagged strongroom"}, deleted); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	s.putSized(t, "bucket", "tagged", 4, func(w *objects.Write) { w.Tags = map[string]string{"for": "now"} })
	s.lifecycle(t, "data 2", "logs/1 1", "tagged 4") // once a day
	s.Clock.Set(on(3, 0))
	s.lifecycle(t, "data 2")
	b, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if jobs, err := s.Store.Jobs(t.Context(), b.ID, 10); len(jobs) != 3 || jobs[0].State != objects.JobDone || err != nil {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
}

func TestVersionsExpire(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.configure(t, "bucket", objects.SetVersioning(objects.VersioningEnabled))
	s.configure(t, "bucket", objects.SetLifecycle([]objects.LifecycleRule{
		{ID: "all", Enabled: true, ExpireDays: 5, NoncurrentDays: 1, NoncurrentKeep: 1},
	}))
	for n := range 4 {
		s.putSized(t, "bucket", "a", n+1)
		s.putSized(t, "bucket", "b", n+1)
		s.Clock.Advance(time.Hour)
	}
	if _, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "bucket", Key: "b"}); err != nil {
		t.Fatal(err)
	}
	s.lifecycle(t, "a 4", "a 3", "a 2", "a 1", "b x", "b 4", "b 3", "b 2", "b 1")
	s.Clock.Set(on(3, 0))
	s.lifecycle(t, "a 4", "a 3", "b x", "b 4") // one noncurrent version stays
	s.Clock.Set(on(7, 0))
	s.lifecycle(t, "a x", "a 4", "a 3", "b x", "b 4") // the current one expires by a marker
	s.Clock.Set(on(9, 0))
	s.lifecycle(t, "a x", "a 4", "b x", "b 4")
	for _, o := range []string{"a", "b"} { // without versions below them markers go
		page, err := s.List(t.Context(), s.who, objects.List{Bucket: "bucket", Prefix: o, Versions: true, Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Objects {
			if !v.Marker {
				if _, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "bucket", Key: v.Key, Version: v.Version}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	s.Clock.Set(on(10, 0))
	s.lifecycle(t, "a x") // that of a is younger
	s.Clock.Set(on(13, 0))
	s.lifecycle(t)
}

func TestWhatIsProtectedDoesNotExpire(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.configure(t, "bucket", objects.SetProtection(objects.Protection{Minimum: 0, Default: 3, Maximum: 30}))
	s.configure(t, "bucket", objects.SetLifecycle([]objects.LifecycleRule{{ID: "all", Enabled: true, ExpireDays: 1}}))
	s.putSized(t, "bucket", "a", 1)
	s.Clock.Set(on(3, 0))
	s.Log.Take()
	s.lifecycle(t, "a 1")
	for _, ev := range s.Log.Take() {
		if strings.HasSuffix(ev.Action, "object.delete") {
			t.Errorf("recorded as %+v", ev)
		}
	}
	s.Clock.Set(on(5, 0))
	s.lifecycle(t)
}

func TestObjectsGoToTheArchive(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.putSized(t, "bucket", "before", 1)
	s.configure(t, "bucket", objects.SetLifecycle([]objects.LifecycleRule{
		{ID: "archive", Enabled: true, TransitionDays: days(1), TransitionStorage: objects.StorageGlacier},
	}))
	s.putSized(t, "bucket", "after", 1)
	for _, day := range []int{2, 3} {
		s.Clock.Set(on(day, 0))
		s.lifecycle(t, "after 1", "before 1")
		for key, archived := range map[string]bool{"before": false, "after": day == 3} {
			c, err := s.Head(t.Context(), s.who, objects.Read{Bucket: "bucket", Key: key})
			if err != nil || c.Archive.Archived() != archived {
				t.Errorf("%q on day %d: %+v, %v", key, day, c.Archive, err)
			}
		}
	}
}

func TestUploadsAreGivenUp(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.configure(t, "bucket", objects.SetLifecycle([]objects.LifecycleRule{{ID: "all", Enabled: true, AbortDays: 1}}))
	start := func(key string) {
		if _, err := s.StartUpload(t.Context(), s.who, objects.StartUpload{Write: objects.Write{Bucket: "bucket", Key: key}}); err != nil {
			t.Fatal(err)
		}
	}
	start("a")
	start("b")
	s.Clock.Set(on(2, 10))
	start("b")
	for day, want := range [][]string{3: {"b"}, 4: nil} {
		if day < 3 {
			continue
		}
		s.Clock.Set(on(day, 0))
		if err := s.RunLifecycle(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := s.Uploads(t.Context(), s.who, objects.ListUploads{Bucket: "bucket", Limit: 9})
		var keys []string
		for _, u := range page.Uploads {
			keys = append(keys, u.Key)
		}
		if !slices.Equal(keys, want) || err != nil {
			t.Errorf("on day %d uploads of %v are open, %v", day, keys, err)
		}
	}
}

// TestLifecycleGoesOnAfterACrash crashes at steps of a pass over more than a page, and starts again: each
// time what is left is less, and in the end all that was due is gone and nothing else.
func TestLifecycleGoesOnAfterACrash(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.configure(t, "bucket", objects.SetVersioning(objects.VersioningEnabled))
	for n := range 520 {
		s.putSized(t, "bucket", "deep", n%7)
		if n%40 == 0 {
			s.putSized(t, "bucket", fmt.Sprintf("k%03d", n), 1)
			s.putSized(t, "bucket", fmt.Sprintf("k%03d", n), 2)
		}
	}
	s.configure(t, "bucket", objects.SetLifecycle([]objects.LifecycleRule{
		{ID: "old", Enabled: true, NoncurrentDays: 1, NoncurrentKeep: 3, Prefix: "deep"},
		{ID: "older", Enabled: true, NoncurrentDays: 1, Prefix: "k"},
	}))
	s.Clock.Set(on(5, 0))
	for _, n := range []int{0, 1, 40, 200, 0, 130} {
		s.Store.Steps.CrashAt(n, n%2 == 0)
		if err := s.RunLifecycle(t.Context()); !errors.Is(err, objectstest.ErrBroken) {
			t.Fatalf("crash at step %d: %v", n, err)
		}
		s.Store.Steps.Reset()
		s.Restart()
	}
	if err := s.RunLifecycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := map[string]int{}
	for _, v := range s.versions(t, "bucket") {
		key, _, _ := strings.Cut(v, " ")
		left[key]++
	}
	for key, n := range left {
		if want := map[bool]int{true: 4, false: 1}[key == "deep"]; n != want {
			t.Errorf("%q has %d versions, want %d", key, n, want)
		}
	}
	if len(left) != 14 {
		t.Errorf("%d keys are left, want 14", len(left))
	}
}
