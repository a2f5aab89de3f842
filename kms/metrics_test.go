package kms_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

// figure is what metrics say of one kind of request.
type figure struct {
	Requests int64
	Mean     time.Duration
}

// figures returns what a caller is shown, by instance, action and status.
func figures(t *testing.T, h *house, who iam.Caller) map[string]figure {
	t.Helper()
	list, err := h.Metrics(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]figure{}
	for _, m := range list {
		for _, k := range m.Kinds {
			name := fmt.Sprintf("%s %d", k.Action, k.Status)
			if m.Instance.ID != h.ID {
				name += " elsewhere"
			}
			shown[name] = figure{k.Requests, k.Mean}
		}
	}
	return shown
}

func wantFigures(t *testing.T, h *house, who iam.Caller, want map[string]figure) {
	t.Helper()
	if diff := cmp.Diff(want, figures(t, h, who)); diff != "" {
		t.Errorf("%s is shown (-want +got):\n%s", who.Name, diff)
	}
}

// measure switches metrics of an instance on or off, and uses it once, as every request does that is
// observed.
func measure(t *testing.T, h *house, in kms.InstanceID, on bool) {
	t.Helper()
	rule := []kms.InstanceRule{{Type: kms.InstanceMetrics, Enabled: on}}
	wantError(t, h.SetInstancePolicies(t.Context(), h.owner, in, rule), nil)
	_, err := h.InstancePolicies(t.Context(), h.owner, in)
	wantError(t, err, nil)
}

func TestMetricsFollowThePolicy(t *testing.T) {
	h := newHouse(t)
	wrap := func(status int, took time.Duration) { h.Observe(t.Context(), h.ID, kms.ActionWrap, status, took) }
	nothing := map[string]figure{}

	measure(t, h, h.ID, false)
	wrap(200, time.Second)
	wantFigures(t, h, h.owner, nothing)

	measure(t, h, h.ID, true)
	wrap(200, 10*time.Millisecond)
	wrap(200, 30*time.Millisecond)
	wrap(409, -time.Second) // a clock that was put back
	wantFigures(t, h, h.owner, map[string]figure{
		"kms.secrets.wrap 200": {2, 20 * time.Millisecond}, "kms.secrets.wrap 409": {1, 0},
	})

	measure(t, h, h.ID, false)
	wantFigures(t, h, h.owner, nothing)
}

func TestMetricsLookBackOneMinute(t *testing.T) {
	h := newHouse(t)
	measure(t, h, h.ID, true)
	use := func(took time.Duration) { h.Observe(t.Context(), h.ID, kms.ActionWrap, 200, took) }
	const name = "kms.secrets.wrap 200"

	use(10 * time.Millisecond)
	h.Clock.Advance(30 * time.Second)
	use(20 * time.Millisecond)
	wantFigures(t, h, h.owner, map[string]figure{name: {2, 15 * time.Millisecond}})
	h.Clock.Advance(30 * time.Second)
	wantFigures(t, h, h.owner, map[string]figure{name: {1, 20 * time.Millisecond}})
	use(40 * time.Millisecond) // into the slot that the first request has left
	wantFigures(t, h, h.owner, map[string]figure{name: {2, 30 * time.Millisecond}})
	h.Clock.Advance(time.Minute)
	wantFigures(t, h, h.owner, map[string]figure{})
	h.Clock.Advance(100 * time.Hour)
	use(50 * time.Millisecond)
	wantFigures(t, h, h.owner, map[string]figure{name: {1, 50 * time.Millisecond}})
}

func TestMetricsAreShownToWhoManagesTheInstance(t *testing.T) {
	h := newHouse(t)
	second := h.NewInstance(t, account)
	for _, in := range []kms.InstanceID{h.ID, second.ID} {
		measure(t, h, in, true)
		h.Observe(t.Context(), in, kms.ActionRead, 200, time.Millisecond)
	}
	here, elsewhere := "kms.secrets.read 200", "kms.secrets.read 200 elsewhere"
	one := figure{1, time.Millisecond}

	stranger := iamtest.Caller("fedcba9876543210fedcba9876543210", "stranger")
	stranger.Owner = true
	viewer, user := iamtest.Caller(account, "viewer"), iamtest.Caller(account, "user")
	h.Access.Grant(kmstest.Grant{
		Identity: viewer.Identity, Account: account, Instance: second.ID, Actions: []iam.Action{kms.ActionMetrics},
	})
	// Not even who may act in it from outside: the page is that of the caller's account.
	h.Access.Grant(kmstest.Grant{
		Identity: stranger.Identity, Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionMetrics},
	})
	h.Access.Grant(kmstest.Grant{Identity: user.Identity, Account: account, Instance: h.ID, Actions: everything})

	wantFigures(t, h, h.owner, map[string]figure{here: one, elsewhere: one})
	wantFigures(t, h, viewer, map[string]figure{elsewhere: one})
	wantFigures(t, h, user, map[string]figure{})
	wantFigures(t, h, stranger, map[string]figure{})
	_, err := h.Metrics(t.Context(), iam.Caller{})
	wantError(t, err, iam.ErrForbidden)
}

func TestMetricsAreKeptFromAddressesThatMayNotCall(t *testing.T) {
	h := newHouse(t)
	measure(t, h, h.ID, true)
	h.Observe(t.Context(), h.ID, kms.ActionRead, 200, time.Millisecond)
	wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, []kms.InstanceRule{
		{Type: kms.InstanceNetwork, Enabled: true, Network: kms.PrivateOnly},
	}), nil)
	wantFigures(t, h, h.owner, map[string]figure{})
	inside := h.owner
	inside.Trail = &audit.Trail{Address: "10.1.2.3"}
	wantFigures(t, h, inside, map[string]figure{"kms.secrets.read 200": {1, time.Millisecond}})
}

func TestMetricsAreBounded(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.MaxMeters = 30 })
	measure(t, h, h.ID, true)
	for status := 200; status < 210; status++ {
		h.Observe(t.Context(), h.ID, kms.ActionWrap, status, time.Millisecond)
	}
	if n, lost := len(figures(t, h, h.owner)), h.Uncounted(); n != 3 || lost != 7 {
		t.Errorf("%d kinds are counted and %d requests are not, want the tenth of one account and the rest", n, lost)
	}

	h.Clock.Advance(2 * kms.MetricsWindow) // what is idle makes room
	h.Observe(t.Context(), h.ID, kms.ActionWrap, 299, time.Millisecond)
	wantFigures(t, h, h.owner, map[string]figure{"kms.secrets.wrap 299": {1, time.Millisecond}})
}

func TestUnknownInstancesAreNotMeasured(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.MaxMeters = 1 })
	h.Observe(t.Context(), "00000000-0000-4000-8000-000000000000", kms.ActionWrap, 401, time.Millisecond)
	measure(t, h, h.ID, true)
	h.Observe(t.Context(), h.ID, kms.ActionWrap, 200, time.Millisecond)
	wantFigures(t, h, h.owner, map[string]figure{"kms.secrets.wrap 200": {1, time.Millisecond}})
}

func TestNothingIsLostWhenManyAreCountedAtOnce(t *testing.T) {
	h := newHouse(t)
	measure(t, h, h.ID, true)
	const callers, requests = 8, 500
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range requests {
				h.Observe(t.Context(), h.ID, kms.ActionWrap, 200, time.Millisecond)
			}
		})
	}
	all.Wait()
	wantFigures(t, h, h.owner, map[string]figure{"kms.secrets.wrap 200": {callers * requests, time.Millisecond}})
}

func BenchmarkObserve(b *testing.B) {
	for name, on := range map[string]bool{"on": true, "off": false} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b)
			rule := []kms.InstanceRule{{Type: kms.InstanceMetrics, Enabled: on}}
			if err := h.SetInstancePolicies(b.Context(), h.owner, h.ID, rule); err != nil {
				b.Fatal(err)
			}
			if _, err := h.InstancePolicies(b.Context(), h.owner, h.ID); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					h.Observe(b.Context(), h.ID, kms.ActionWrap, 200, time.Millisecond)
				}
			})
		})
	}
}
