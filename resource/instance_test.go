package resource_test

import (
	"errors"
	"testing"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

func TestLookupReadsOnceAndHearsOfChanges(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	i := h.NewInstance(t, s, resourcetest.KeysPlan, "one")
	if _, err := s.Lookup(t.Context(), i.ID); err != nil {
		t.Fatal(err)
	}
	before := h.DB.Statements()
	for range 10 {
		if got, err := s.Lookup(t.Context(), i.ID); err != nil || got.Name != "one" {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	if sent := h.DB.Statements() - before; sent != 0 {
		t.Errorf("%d statements for what is in memory", sent)
	}
	name := "two"
	if _, err := s.UpdateInstance(t.Context(), resourcetest.Admin(), string(i.ID), resource.InstancePatch{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Lookup(t.Context(), i.ID); err != nil || got.Name != "two" || got.Revision != i.Revision+1 {
		t.Errorf("after a change: %q, revision %d, %v", got.Name, got.Revision, err)
	}
	if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(t.Context(), i.ID); !errors.Is(err, resource.ErrNoInstance) {
		t.Errorf("after deletion: %v", err)
	}
}

func TestNothingIsMadeInAnInstanceThatIsBeingDeleted(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	i := h.NewInstance(t, s, resourcetest.KeysPlan, "one")
	h.Owner.Refusal = fault.New(fault.Conflict, "it holds keys")
	asked := false
	h.Owner.Asked = func(resource.Instance) {
		asked = true
		_, err := s.CreateKey(t.Context(), resourcetest.Admin(), resource.NewKey{Name: "k", Source: string(i.ID)})
		if !errors.Is(err, resource.ErrBusy) {
			t.Errorf("making a resource key meanwhile: %v", err)
		}
		if got, err := s.Lookup(t.Context(), i.ID); err != nil || got.State == resource.StateActive {
			t.Errorf("meanwhile it can be used as %s, %v; want in use, and admitting nothing", got.State, err)
		}
	}
	if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), true); !errors.Is(err, h.Owner.Refusal) || !asked {
		t.Errorf("deleting: %v, asked %v", err, asked)
	}
	if _, err := s.CreateKey(t.Context(), resourcetest.Admin(), resource.NewKey{Name: "k", Source: string(i.ID)}); err != nil {
		t.Errorf("after the refusal: %v", err)
	}
}

func TestKeyOfAnInstanceThatIsDeletedMeanwhileIsUndone(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	i := h.NewInstance(t, s, resourcetest.StorePlan, "store")
	h.Credentials.Asked = func() {
		if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
			t.Errorf("deleting: %v", err)
		}
	}
	_, err := s.CreateKey(t.Context(), resourcetest.Admin(), resource.NewKey{Name: "k", Source: string(i.ID), Role: "Reader"})
	if !errors.Is(err, resource.ErrBusy) {
		t.Errorf("making the key: %v", err)
	}
	if len(h.Credentials.Issued)+len(h.Credentials.Granted) != 0 || len(keys(t, h)) != 0 {
		t.Error("a credential of a deleted instance is left")
	}
}

// TestKeyGivesNoMoreThanItsMakerMayGive: a resource key comes with a policy, so
// making one must not be a way around the rules for policies.
func TestKeyGivesNoMoreThanItsMakerMayGive(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	i := h.NewInstance(t, s, resourcetest.StorePlan, "store")
	h.Credentials.Withheld = "crn:v1:bluemix:public:iam::::serviceRole:Manager"
	for _, tc := range []struct {
		role string
		want error
	}{{"Reader", nil}, {"Manager", iam.ErrForbidden}, {h.Credentials.Withheld, iam.ErrForbidden}} {
		_, err := s.CreateKey(t.Context(), resourcetest.Admin(), resource.NewKey{Name: "k", Source: string(i.ID), Role: tc.role})
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.role, err, tc.want)
		}
	}
	if n := len(h.Credentials.Issued); n != 1 {
		t.Errorf("%d credentials were issued", n)
	}
}

func TestDeletedInstanceIsReclaimedAfterSevenDays(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	i := h.NewInstance(t, s, resourcetest.KeysPlan, "one")
	if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		wait time.Duration
		want resource.State
	}{
		{7*24*time.Hour - time.Second, resource.StatePending},
		{time.Second, resource.StateRemoved},
	} {
		h.Clock.Advance(step.wait)
		if err := s.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Instance(t.Context(), resourcetest.Admin(), string(i.ID)); err != nil || got.State != step.want {
			t.Errorf("state is %s (%v), want %s", got.State, err, step.want)
		}
	}
}

func TestLateOwnerDoesNotHoldUpTheOthers(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	keys, store := h.NewInstance(t, s, resourcetest.KeysPlan, "keys"), h.NewInstance(t, s, resourcetest.StorePlan, "store")
	for _, i := range []resource.Instance{keys, store} {
		if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
			t.Fatal(err)
		}
	}
	h.Clock.Advance(resource.Retention)
	h.Owner.DestroyFailure = fault.New(fault.Unavailable, "the module is sealed")
	if err := s.Reconcile(t.Context()); !errors.Is(err, h.Owner.DestroyFailure) {
		t.Errorf("got %v", err)
	}
	states := func() (list [2]resource.State) {
		for n, i := range []resource.Instance{keys, store} {
			got, err := s.Instance(t.Context(), resourcetest.Admin(), string(i.ID))
			if err != nil {
				t.Fatal(err)
			}
			list[n] = got.State
		}
		return list
	}
	if got, want := states(), [2]resource.State{resource.StateReclaiming, resource.StateRemoved}; got != want {
		t.Errorf("states are %v, want %v", got, want)
	}
	h.Owner.DestroyFailure = nil
	if err := s.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := states(), [2]resource.State{resource.StateRemoved, resource.StateRemoved}; got != want {
		t.Errorf("states are %v, want %v", got, want)
	}
}

func TestForgedRowIsAnErrorAndNoAbsence(t *testing.T) {
	for column, value := range map[string]string{
		"account": "fedcba9876543210fedcba9876543210", "state": "active", "resource_group": "other", "service": "other", "region": "other",
	} {
		t.Run(column, func(t *testing.T) {
			h := resourcetest.New(t)
			s := h.Service()
			i := h.NewInstance(t, s, resourcetest.KeysPlan, "one")
			if _, err := s.DeleteInstance(t.Context(), resourcetest.Admin(), string(i.ID), false); err != nil {
				t.Fatal(err)
			}
			h.Exec(t, `UPDATE instances SET `+column+` = $1`, value)
			if _, err := h.Service().Lookup(t.Context(), i.ID); err == nil || fault.KindOf(err) != fault.Internal {
				t.Errorf("got %v, want an internal error", err)
			}
		})
	}
}

func TestUnrecordableChangeIsRefused(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	if err := h.Log.Log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := s.CreateInstance(t.Context(), resourcetest.Admin(), h.Wanted(resourcetest.KeysPlan, "one"))
	if fault.KindOf(err) != fault.Unavailable || len(h.Owner.Prepared) != 0 {
		t.Errorf("got %v, and %d instances prepared", err, len(h.Owner.Prepared))
	}
}
