package kms_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/kms"
)

func TestOperatorUnlocksAnInstance(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, []kms.InstanceRule{
		{Type: kms.InstanceIP, Enabled: true, Sources: prefixes("192.0.2.0/24")},
		{Type: kms.InstanceNetwork, Enabled: true, Network: kms.PrivateOnly},
		{Type: kms.InstanceDualAuth, Enabled: true},
	}), nil)
	_, err := h.Metadata(t.Context(), h.owner, ref)
	wantError(t, err, iam.ErrForbidden)

	off, err := h.UnlockNetwork(t.Context(), h.ID, "root")
	wantError(t, err, nil)
	if diff := cmp.Diff([]kms.InstancePolicyType{kms.InstanceNetwork, kms.InstanceIP}, off); diff != "" {
		t.Error(diff)
	}
	_, err = h.Metadata(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	list, err := h.InstancePolicies(t.Context(), h.owner, h.ID)
	wantError(t, err, nil)
	for _, p := range list {
		if p.Enabled != (p.Type == kms.InstanceDualAuth) {
			t.Errorf("%s is enabled: %v", p.Type, p.Enabled)
		}
	}

	events := committed(t, h)
	ev := events[len(events)-1]
	if ev.Action != string(kms.ActionInstancePolicyWrite) || ev.Outcome != audit.Success || ev.Account != string(account) ||
		ev.Initiator.ID != "strongroom" || ev.Initiator.TypeURI != "service/security" ||
		ev.RequestData["operatingSystemUser"] != "root" || ev.RequestData["initialValue.policyAllowedIPAttribute"] != "192.0.2.0/24" {
		t.Errorf("%+v", ev)
	}
}

func TestNothingToUnlock(t *testing.T) {
	h := newHouse(t)
	_, err := h.UnlockNetwork(t.Context(), h.ID, "root")
	wantError(t, err, kms.ErrNotRestricted)
	if ev := h.Log.Last(); ev.Outcome != audit.Failure || ev.Initiator.ID != "strongroom" {
		t.Errorf("%+v", ev)
	}
	if _, err := h.UnlockNetwork(t.Context(), "nowhere", "root"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}
