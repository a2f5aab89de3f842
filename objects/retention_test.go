package objects_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/objects"
)

const day = 24 * 60 * 60 // seconds

func seconds(n int64) *int64 { return &n }

// TestRetentionOfNewObject says which retention an object begins with.
func TestRetentionOfNewObject(t *testing.T) {
	policy := &objects.Protection{Minimum: 1, Default: 10, Maximum: 365_243}
	permanent := &objects.Protection{Minimum: 1, Default: 10, Maximum: 20, Permanent: true}
	farthest := time.Unix(noon.Unix()+365_243*day, 0).UTC()
	for _, c := range []struct {
		name   string
		policy *objects.Protection
		asked  objects.RetentionRequest
		want   *objects.Retention
		err    error
	}{
		{name: "no policy"},
		{name: "asked without a policy", asked: objects.RetentionRequest{Seconds: seconds(day)}, err: objects.ErrRequest},
		{name: "default", policy: policy, want: &objects.Retention{Seconds: 10 * day, Until: noon.AddDate(0, 0, 10)}},
		{
			name: "period", policy: policy, asked: objects.RetentionRequest{Seconds: seconds(day)},
			want: &objects.Retention{Seconds: day, Until: noon.AddDate(0, 0, 1)},
		},
		{
			name: "the longest, of a thousand years", policy: policy, asked: objects.RetentionRequest{Until: farthest},
			want: &objects.Retention{Seconds: 365_243 * day, Until: farthest},
		},
		{
			name: "date", policy: policy, asked: objects.RetentionRequest{Until: noon.Add(25 * time.Hour)},
			want: &objects.Retention{Seconds: 25 * 3600, Until: noon.Add(25 * time.Hour)},
		},
		{
			name: "indefinite, with a hold", policy: policy, asked: objects.RetentionRequest{Seconds: seconds(-1), Hold: "court"},
			want: &objects.Retention{Seconds: -1, Holds: []objects.Hold{{ID: "court", Since: noon}}},
		},
		{name: "permanent where allowed", policy: permanent, asked: objects.RetentionRequest{Seconds: seconds(-2)}, want: &objects.Retention{Seconds: -2}},
		{name: "permanent where not", policy: policy, asked: objects.RetentionRequest{Seconds: seconds(-2)}, err: objects.ErrArgument},
		{name: "negative", policy: policy, asked: objects.RetentionRequest{Seconds: seconds(-3)}, err: objects.ErrArgument},
		{name: "below the minimum", policy: policy, asked: objects.RetentionRequest{Seconds: seconds(day - 1)}, err: objects.ErrArgument},
		{name: "above the maximum", policy: permanent, asked: objects.RetentionRequest{Seconds: seconds(20*day + 1)}, err: objects.ErrArgument},
		{name: "date in the past", policy: policy, asked: objects.RetentionRequest{Until: noon.Add(-time.Second)}, err: objects.ErrArgument},
		{name: "both", policy: policy, asked: objects.RetentionRequest{Seconds: seconds(day), Until: farthest}, err: objects.ErrRequest},
		{name: "a hold that is none", policy: policy, asked: objects.RetentionRequest{Hold: "a b"}, err: objects.ErrArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := objects.RetentionFor(c.policy, c.asked, noon)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if c.want != nil {
				c.want.Created = noon
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRetentionProtects(t *testing.T) {
	var none *objects.Retention
	held := []objects.Hold{{ID: "x"}}
	for _, c := range []struct {
		name string
		r    *objects.Retention
		want bool
	}{
		{"none", none, false},
		{"running", &objects.Retention{Until: noon.Add(1)}, true},
		{"over", &objects.Retention{Until: noon}, false},
		{"over, but held", &objects.Retention{Until: noon, Holds: held}, true},
		{"indefinite", &objects.Retention{Seconds: objects.Indefinite}, true},
		{"permanent", &objects.Retention{Seconds: objects.Permanent}, true},
	} {
		if got := c.r.Protects(noon); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLegalHoldsOfRetention(t *testing.T) {
	r := objects.Retention{Created: noon, Until: noon}
	for _, id := range []string{"", strings.Repeat("x", 65), "a/b", "é", "a b"} {
		if _, err := r.AddHold(id, noon); !errors.Is(err, objects.ErrArgument) {
			t.Errorf("hold %q: got %v, want ErrArgument", id, err)
		}
		if _, err := r.RemoveHold(id); !errors.Is(err, objects.ErrArgument) {
			t.Errorf("release of %q: got %v, want ErrArgument", id, err)
		}
	}
	var err error
	for i := range objects.MaxHolds {
		if r, err = r.AddHold("Az09!_.*()-'"+strings.Repeat("x", i%50)+string(rune('a'+i/50)), noon); err != nil {
			t.Fatalf("hold %d: %v", i, err)
		}
	}
	if _, err := r.AddHold("one-more", noon); !errors.Is(err, objects.ErrArgument) {
		t.Errorf("hold 101: got %v, want ErrArgument", err)
	}
	first := r.Holds[0].ID
	if _, err := r.AddHold(first, noon); !errors.Is(err, objects.ErrHolds) {
		t.Errorf("the same again: got %v, want ErrHolds", err)
	}
	less, err := r.RemoveHold(first)
	if err != nil || len(less.Holds) != objects.MaxHolds-1 || len(r.Holds) != objects.MaxHolds || r.Holds[0].ID != first {
		t.Errorf("release: %v, %d holds left; the original has %d", err, len(less.Holds), len(r.Holds))
	}
	if again, err := less.RemoveHold(first); err != nil || len(again.Holds) != len(less.Holds) {
		t.Errorf("release again: %v, %d holds", err, len(again.Holds))
	}
}

// TestExtendRetention covers each way to make a retention longer, an hour after the object was made.
func TestExtendRetention(t *testing.T) {
	policy := objects.Protection{Minimum: 1, Default: 2, Maximum: 30}
	allows := objects.Protection{Minimum: 1, Default: 2, Maximum: 30, Permanent: true}
	now := noon.Add(time.Hour)
	at := func(s int64) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	finite := objects.Retention{Created: noon, Seconds: 2 * day, Until: at(2 * day)}
	over := objects.Retention{Created: noon, Seconds: 60, Until: at(60)}
	indefinite := objects.Retention{Created: noon, Seconds: -1}
	permanent := objects.Retention{Created: noon, Seconds: -2}
	for _, c := range []struct {
		name   string
		r      objects.Retention
		policy objects.Protection
		e      objects.Extension
		want   int64 // seconds since creation, or one of the values that are none
		err    error
	}{
		{"more", finite, policy, objects.Extension{Add: seconds(5)}, 2*day + 5, nil},
		{"nothing more", finite, policy, objects.Extension{Add: seconds(0)}, 0, objects.ErrArgument},
		{"less", finite, policy, objects.Extension{Add: seconds(-5)}, 0, objects.ErrArgument},
		{"more than can be", finite, policy, objects.Extension{Add: seconds(1 << 62)}, 0, objects.ErrArgument},
		{"more after the end, in the past", over, policy, objects.Extension{Add: seconds(5)}, 0, objects.ErrArgument},
		{"more of the indefinite", indefinite, policy, objects.Extension{Add: seconds(5)}, 0, objects.ErrArgument},
		{"from now", finite, policy, objects.Extension{FromNow: seconds(3 * day)}, 3*day + 3600, nil},
		{"from now, but sooner", finite, policy, objects.Extension{FromNow: seconds(day)}, 0, objects.ErrArgument},
		{"from now, the longest", finite, policy, objects.Extension{FromNow: seconds(30 * day)}, 30*day + 3600, nil},
		{"from now, too long", finite, policy, objects.Extension{FromNow: seconds(30*day + 1)}, 0, objects.ErrArgument},
		{"date", finite, policy, objects.Extension{Until: at(4 * day)}, 4 * day, nil},
		{"same date", finite, policy, objects.Extension{Until: at(2 * day)}, 0, objects.ErrArgument},
		{"date of the indefinite", indefinite, policy, objects.Extension{Until: at(4 * day)}, 4 * day, nil},
		{"past date of the indefinite", indefinite, policy, objects.Extension{Until: at(5)}, 0, objects.ErrArgument},
		{"period", finite, policy, objects.Extension{Period: seconds(4 * day)}, 4 * day, nil},
		{"period after the end", over, policy, objects.Extension{Period: seconds(day)}, day, nil},
		{"shorter period", finite, policy, objects.Extension{Period: seconds(day)}, 0, objects.ErrArgument},
		{"indefinite period", finite, policy, objects.Extension{Period: seconds(-1)}, -1, nil},
		{"indefinite again", indefinite, policy, objects.Extension{Period: seconds(-1)}, 0, objects.ErrArgument},
		{"permanent", finite, allows, objects.Extension{Period: seconds(-2)}, -2, nil},
		{"permanent where not allowed", finite, policy, objects.Extension{Period: seconds(-2)}, 0, objects.ErrArgument},
		{"no period", finite, policy, objects.Extension{Period: seconds(-7)}, 0, objects.ErrArgument},
		{"end of the permanent", permanent, allows, objects.Extension{Period: seconds(20 * day)}, 0, objects.ErrArgument},
		{"permanent to indefinite", permanent, allows, objects.Extension{Period: seconds(-1)}, 0, objects.ErrArgument},
		{"no way", finite, policy, objects.Extension{}, 0, objects.ErrRequest},
		{"two ways", finite, policy, objects.Extension{Add: seconds(5), Period: seconds(9 * day)}, 0, objects.ErrRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Holds = []objects.Hold{{ID: "kept"}}
			got, err := c.r.Extend(c.e, c.policy, now)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			want := objects.Retention{Created: noon, Seconds: c.want, Holds: c.r.Holds}
			if c.want >= 0 {
				want.Until = at(c.want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
