package resource_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

// lateCrashes is up to which step of its own a second process may die.
const lateCrashes = 8

// everyCrash runs do in a process that dies at every one of its steps in turn,
// before and after it, and lets another process reconcile, which dies as well, at
// a step drawn by lot (subtests are named for both), before a third; check sees
// the outcome.
func everyCrash(t *testing.T, prepare func(*testing.T, *resourcetest.House), do func(context.Context, *resourcetest.House, *resource.Service) error,
	check func(*testing.T, *resourcetest.House, error),
) {
	t.Helper()
	t.Parallel()
	run := func(t *testing.T, first, second int, after bool) (died bool) {
		h := resourcetest.New(t)
		prepare(t, h)
		h.Fuse.Set(first, after)
		err := do(t.Context(), h, h.Mortal())
		died = h.Fuse.Burnt()
		h.Fuse.Set(second, after)
		_ = h.Mortal().Reconcile(t.Context())
		h.Fuse.Reset()
		if rerr := h.Service().Reconcile(t.Context()); rerr != nil {
			t.Fatalf("reconciling: %v", rerr)
		}
		acts, aerr := h.DB.Resources().Acts(t.Context(), 10)
		if aerr != nil || len(acts) != 0 {
			t.Fatalf("acts left: %v, %v", acts, aerr)
		}
		check(t, h, err)
		return died
	}
	for _, after := range []bool{false, true} {
		crashes := 0
		for died := true; died && !t.Failed(); crashes++ {
			first, second := crashes+1, 1+rand.IntN(lateCrashes)
			t.Run(fmt.Sprintf("%d/%d/after=%v", first, second, after), func(t *testing.T) { died = run(t, first, second, after) })
		}
		if crashes < 4 {
			t.Errorf("only %d crashes: the fuse is not in the way", crashes)
		}
	}
}

func TestInstanceIsMadeWhollyOrNotAtAll(t *testing.T) {
	everyCrash(t, func(*testing.T, *resourcetest.House) {},
		func(ctx context.Context, h *resourcetest.House, s *resource.Service) error {
			_, err := s.CreateInstance(ctx, resourcetest.Admin(), h.Wanted(resourcetest.KeysPlan, "one"))
			return err
		},
		func(t *testing.T, h *resourcetest.House, err error) {
			list, _, lerr := h.Service().Instances(t.Context(), resourcetest.Admin(), resource.InstanceFilter{}, resource.Page{Limit: 10})
			if lerr != nil {
				t.Fatal(lerr)
			}
			if err == nil && len(list) != 1 {
				t.Errorf("acknowledged, and %d instances", len(list))
			}
			if len(list) != len(h.Owner.Prepared) {
				t.Errorf("%d instances, of which the owner has %d", len(list), len(h.Owner.Prepared))
			}
			if n := count(h.Events(t, resource.ActionInstanceCreate), "success 200"); n != len(list) {
				t.Errorf("%d instances, %d events", len(list), n)
			}
		})
}

func TestKeyIsMadeWhollyOrNotAtAll(t *testing.T) {
	everyCrash(t,
		func(t *testing.T, h *resourcetest.House) {
			h.NewInstance(t, h.Service(), resourcetest.StorePlan, "store")
		},
		func(ctx context.Context, h *resourcetest.House, s *resource.Service) error {
			_, err := s.CreateKey(ctx, resourcetest.Admin(), wantedKey(ctx, h))
			return err
		},
		func(t *testing.T, h *resourcetest.House, err error) {
			list := keys(t, h)
			if err == nil && len(list) != 1 {
				t.Errorf("acknowledged, and %d keys", len(list))
			}
			if len(list) != len(h.Credentials.Issued) || len(list) != len(h.Credentials.Granted) {
				t.Errorf("%d keys, %d credentials, %d policies", len(list), len(h.Credentials.Issued), len(h.Credentials.Granted))
			}
			for _, k := range list {
				if got, want := string(k.Secrets.APIKey.Reveal()), "key-of-"+string(k.APIKey); got != want {
					t.Errorf("API key is %q, want %q", got, want)
				}
			}
			if n := count(h.Events(t, resource.ActionKeyCreate), "success 200"); n != len(list) {
				t.Errorf("%d keys, %d events", len(list), n)
			}
		})
}

func TestKeyIsRemovedWhollyOrNotAtAll(t *testing.T) {
	everyCrash(t, prepareKey,
		func(ctx context.Context, h *resourcetest.House, s *resource.Service) error {
			list, _, err := h.Service().Keys(ctx, resourcetest.Admin(), resource.KeyFilter{}, resource.Page{Limit: 1})
			if err != nil {
				return err
			}
			_, err = s.DeleteKey(ctx, resourcetest.Admin(), string(list[0].ID))
			return err
		},
		func(t *testing.T, h *resourcetest.House, err error) {
			checkRemoval(t, h, err, resource.ActionKeyDelete)
		})
}

func TestInstanceIsDeletedWithItsKeysOrNotAtAll(t *testing.T) {
	everyCrash(t, prepareKey,
		func(ctx context.Context, h *resourcetest.House, s *resource.Service) error {
			_, err := s.DeleteInstance(ctx, resourcetest.Admin(), onlyInstance(ctx, h), true)
			return err
		},
		func(t *testing.T, h *resourcetest.House, err error) {
			checkRemoval(t, h, err, resource.ActionInstanceDelete)
			recs, rerr := h.Service().Reclamations(t.Context(), resourcetest.Admin(), resource.ReclamationFilter{})
			if rerr != nil {
				t.Fatal(rerr)
			}
			if left := len(keys(t, h)); len(recs)+left != 1 {
				t.Errorf("%d reclamations and %d keys, want one of either", len(recs), left)
			}
			if len(recs) == 0 && onlyInstance(t.Context(), h) == "" {
				t.Error("the instance is neither deleted nor in use")
			}
		})
}

func TestInstanceIsReclaimedWholly(t *testing.T) {
	everyCrash(t,
		func(t *testing.T, h *resourcetest.House) {
			i := h.NewInstance(t, h.Service(), resourcetest.KeysPlan, "one")
			if _, err := h.Service().DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
				t.Fatal(err)
			}
			h.Clock.Advance(resource.Retention)
		},
		func(ctx context.Context, _ *resourcetest.House, s *resource.Service) error { return s.Reconcile(ctx) },
		func(t *testing.T, h *resourcetest.House, _ error) {
			list, _, err := h.Service().Instances(t.Context(), resourcetest.Admin(),
				resource.InstanceFilter{State: resource.StateRemoved}, resource.Page{Limit: 10})
			if err != nil || len(list) != 1 || len(h.Owner.Prepared) != 0 {
				t.Errorf("%d removed instances (%v), the owner has %d", len(list), err, len(h.Owner.Prepared))
			}
			if got := h.Events(t, resource.ActionReclamationReclaim); len(got) != 1 {
				t.Errorf("events %q, want one", got)
			}
		})
}

func prepareKey(t *testing.T, h *resourcetest.House) {
	h.NewInstance(t, h.Service(), resourcetest.StorePlan, "store")
	if _, err := h.Service().CreateKey(t.Context(), resourcetest.Admin(), wantedKey(t.Context(), h)); err != nil {
		t.Fatal(err)
	}
}

// checkRemoval wants the key and all behind it to be there or gone, together.
func checkRemoval(t *testing.T, h *resourcetest.House, err error, action iam.Action) {
	t.Helper()
	left := len(keys(t, h))
	if err == nil && left != 0 {
		t.Errorf("acknowledged, and %d keys left", left)
	}
	if len(h.Credentials.Issued) != left || len(h.Credentials.Granted) != left {
		t.Errorf("%d keys, %d credentials, %d policies", left, len(h.Credentials.Issued), len(h.Credentials.Granted))
	}
	if n := count(h.Events(t, action), "success 200"); n != 1-left {
		t.Errorf("%d keys left and %d events", left, n)
	}
}

func onlyInstance(ctx context.Context, h *resourcetest.House) string {
	list, _, err := h.Service().Instances(ctx, resourcetest.Admin(), resource.InstanceFilter{}, resource.Page{Limit: 1})
	if err != nil || len(list) == 0 {
		return ""
	}
	return string(list[0].ID)
}

func wantedKey(ctx context.Context, h *resourcetest.House) resource.NewKey {
	return resource.NewKey{Name: "cred", Source: onlyInstance(ctx, h), Role: "Writer", HMAC: true}
}

func keys(t *testing.T, h *resourcetest.House) []resource.Revealed {
	t.Helper()
	list, _, err := h.Service().Keys(t.Context(), resourcetest.Admin(), resource.KeyFilter{}, resource.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

func TestFailedStepIsUndoneAtOnce(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	h.Owner.Failure = fault.New(fault.Unavailable, "the module is sealed")
	if _, err := s.CreateInstance(t.Context(), resourcetest.Admin(), h.Wanted(resourcetest.KeysPlan, "one")); !errors.Is(err, h.Owner.Failure) {
		t.Errorf("creating an instance: %v", err)
	}
	if len(h.Owner.Prepared) != 0 || onlyInstance(t.Context(), h) != "" {
		t.Error("half of an instance is left")
	}
	h.NewInstance(t, s, resourcetest.StorePlan, "store")
	h.Credentials.Failure = fault.New(fault.Invalid, "no such role")
	if _, err := s.CreateKey(t.Context(), resourcetest.Admin(), wantedKey(t.Context(), h)); !errors.Is(err, h.Credentials.Failure) {
		t.Errorf("creating a key: %v", err)
	}
	if len(h.Credentials.Issued) != 0 || len(keys(t, h)) != 0 {
		t.Error("half of a key is left")
	}
	acts, err := h.DB.Resources().Acts(t.Context(), 10)
	if err != nil || len(acts) != 0 {
		t.Errorf("acts left: %v, %v", acts, err)
	}
	want := []string{"failure 503", "success 200"}
	if diff := cmp.Diff(want, h.Events(t, resource.ActionInstanceCreate)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestReconcilerLeavesRunningActsAlone(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	i := h.NewInstance(t, s, resourcetest.KeysPlan, "one")
	h.Owner.Asked = func(resource.Instance) {
		if err := s.Reconcile(t.Context()); err != nil {
			t.Errorf("reconciling: %v", err)
		}
	}
	if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
		t.Errorf("deleting while the reconciler runs: %v", err)
	}
}

func TestWhoLostAnActChangesNothing(t *testing.T) {
	h := resourcetest.New(t)
	one, other := h.Service(), h.Service() // two servers
	i := h.NewInstance(t, one, resourcetest.KeysPlan, "one")
	h.Owner.Asked = func(resource.Instance) {
		if err := other.Reconcile(t.Context()); err != nil { // takes the act and undoes it
			t.Errorf("reconciling: %v", err)
		}
	}
	_, err := one.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false)
	if fault.KindOf(err) != fault.Stale {
		t.Errorf("got %v, want a stale failure", err)
	}
	if got, err := one.Lookup(t.Context(), i.ID); err != nil || got.State != resource.StateActive {
		t.Errorf("the instance is %s (%v)", got.State, err)
	}
}
