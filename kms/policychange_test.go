package kms_test

import (
	"net/netip"
	"testing"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
)

func ptr[T any](v T) *T { return &v }

func months(n int) *kms.RotationChange { return &kms.RotationChange{Months: &n} }

func days(n int) *kms.RotationChange { return &kms.RotationChange{Days: &n} }

func TestRotationPolicy(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	set := func(c kms.RotationChange) (kms.Key, error) {
		return h.SetPolicies(t.Context(), h.owner, ref, kms.PolicyChange{Rotation: &c})
	}
	for _, c := range []kms.RotationChange{
		{},
		{Enabled: ptr(false)},
		{Months: ptr(0)},
		{Months: ptr(13)},
		{Months: ptr(-1)},
		{Days: ptr(0)},
		{Days: ptr(361)},
		{Months: ptr(2), Days: ptr(30)},
	} {
		_, err := set(c)
		wantError(t, err, kms.ErrField)
	}
	if k := h.look(t, ref); k.Rotation != nil || k.Revision != 1 {
		t.Errorf("%+v", k)
	}
	k, err := set(kms.RotationChange{Days: ptr(14)})
	wantError(t, err, nil)
	first := *k.Rotation
	if !first.Enabled || first.Interval != (kms.Interval{Days: 14}) || first.Interval.InMonths() != 1 || first.CreatedBy != h.owner.Identity ||
		!k.NextRotation().Equal(h.Clock.Now().Add(14*day)) {
		t.Errorf("%+v", first)
	}
	h.Clock.Advance(time.Hour)
	k, err = set(kms.RotationChange{Enabled: ptr(false)}) // keeps the interval
	wantError(t, err, nil)
	if p := k.Rotation; p.Enabled || p.Interval != first.Interval || p.ID != first.ID || !p.Created.Equal(first.Created) ||
		!p.Updated.Equal(h.Clock.Now()) || !k.NextRotation().IsZero() {
		t.Errorf("%+v", p)
	}
	k, err = set(kms.RotationChange{Months: ptr(2), Days: ptr(31)})
	wantError(t, err, nil)
	if p := h.look(t, ref).Rotation; !p.Enabled || p.Interval != (kms.Interval{Days: 31}) || *p != *k.Rotation {
		t.Errorf("%+v", p)
	}
	for n, want := range map[kms.Ref]error{
		h.create(t, kms.NewKey{Extractable: true}):                   kms.ErrNotRoot,
		h.create(t, kms.NewKey{Payload: secret("0123456789abcdef")}): kms.ErrField,
	} {
		_, err := h.SetPolicies(t.Context(), h.owner, n, kms.PolicyChange{Rotation: months(1)})
		wantError(t, err, want)
	}
}

func TestTwoPeopleDeleteAKey(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	second := h.owner
	second.Identity, second.Name = "IBMid-second", "second"
	del := func(who iam.Caller) error { _, err := h.Delete(t.Context(), who, ref); return err }
	authorize := func() { wantError(t, h.Authorize(t.Context(), h.owner, ref), nil) }
	dualAuth := func(on bool) error {
		_, err := h.SetPolicies(t.Context(), h.owner, ref, kms.PolicyChange{DualAuth: &on})
		return err
	}

	wantError(t, h.Authorize(t.Context(), h.owner, ref), kms.ErrNotDualAuth)
	wantError(t, dualAuth(false), nil) // may be said before it was ever true
	wantError(t, h.Unauthorize(t.Context(), h.owner, ref), kms.ErrNotDualAuth)
	wantError(t, dualAuth(true), nil)
	wantError(t, dualAuth(false), kms.ErrState)
	wantError(t, del(h.owner), kms.ErrNotAuthorized)
	authorize()
	wantError(t, del(h.owner), kms.ErrNotAuthorized) // the same person
	h.Clock.Advance(7*day - 1)
	if a := h.look(t, ref).AuthorizedAt(h.Clock.Now()); a == nil || a.By != h.owner.Identity {
		t.Errorf("%+v", a)
	}
	h.Clock.Advance(1)
	if a := h.look(t, ref).AuthorizedAt(h.Clock.Now()); a != nil {
		t.Errorf("%+v", a)
	}
	wantError(t, del(second), kms.ErrNotAuthorized) // too late
	authorize()
	wantError(t, h.Unauthorize(t.Context(), second, ref), nil) // by whomever
	wantError(t, del(second), kms.ErrNotAuthorized)
	authorize()
	h.Clock.Advance(6 * day)
	authorize() // again: the time begins anew
	h.Clock.Advance(6 * day)
	wantError(t, del(second), nil)

	_, err := h.Restore(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	wantError(t, del(second), kms.ErrNotAuthorized) // what was authorized has happened
	var told []string
	for _, ev := range committed(t, h) {
		if ev.Action == string(kms.ActionAuthorize) || ev.Action == string(kms.ActionUnauthorize) {
			told = append(told, ev.ResponseData["initialValue.authID"].(string)+">"+ev.ResponseData["newValue.authID"].(string))
		}
	}
	owner := string(h.owner.Identity)
	want := []string{">" + owner, ">" + owner, owner + ">", ">" + owner, owner + ">" + owner}
	if len(told) != len(want) {
		t.Fatalf("%q", told)
	}
	for i := range want {
		if told[i] != want[i] {
			t.Errorf("event %d tells %q, want %q", i, told[i], want[i])
		}
	}
}

func TestPoliciesOfNewKeys(t *testing.T) {
	h := newHouse(t)
	set := func(rules ...kms.InstanceRule) {
		t.Helper()
		wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, rules), nil)
	}
	material := func(size int) string { return string(make([]byte, size)) }
	set(
		kms.InstanceRule{Type: kms.InstanceDualAuth, Enabled: true},
		kms.InstanceRule{Type: kms.InstanceRotation, Enabled: true, Interval: kms.Interval{Days: 10}},
	)
	for name, c := range map[string]struct {
		key                kms.NewKey
		rotation, dualAuth bool
	}{
		"generated root": {kms.NewKey{}, true, true},
		"imported root":  {kms.NewKey{Payload: secret(material(32))}, false, true},
		"standard":       {kms.NewKey{Extractable: true}, false, true},
		"no policies":    {kms.NewKey{Policies: &kms.PolicyChange{}}, false, false},
		"other policies": {kms.NewKey{Policies: &kms.PolicyChange{Rotation: months(12)}}, true, false},
	} {
		k := h.look(t, h.create(t, c.key))
		if (k.Rotation != nil) != c.rotation || (k.DualAuth != nil && k.DualAuth.Enabled) != c.dualAuth {
			t.Errorf("%s: %+v", name, k)
		}
	}
	_, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "std", Extractable: true, Policies: &kms.PolicyChange{Rotation: months(1)}})
	wantError(t, err, kms.ErrNotRoot)
	set(kms.InstanceRule{Type: kms.InstanceRotation}, kms.InstanceRule{Type: kms.InstanceDualAuth})
	if k := h.look(t, h.create(t, kms.NewKey{})); k.Rotation != nil || k.DualAuth != nil {
		t.Errorf("%+v", k)
	}
}

func TestWhichKeysMayBeMade(t *testing.T) {
	h := newHouse(t)
	imported := h.create(t, kms.NewKey{Payload: secret("0123456789abcdef")})
	set := func(a kms.MaterialAccess, enabled bool) {
		t.Helper()
		rule := kms.InstanceRule{Type: kms.InstanceMaterial, Enabled: enabled, Material: a}
		wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, []kms.InstanceRule{rule}), nil)
	}
	create := func(extractable, brought bool) error {
		n := kms.NewKey{Name: "key", Extractable: extractable}
		if brought {
			n.Payload = secret("0123456789abcdef")
		}
		_, err := h.Create(t.Context(), h.owner, h.ref(""), n)
		return err
	}
	for _, a := range []kms.MaterialAccess{
		{CreateRoot: true}, {CreateStandard: true}, {ImportRoot: true}, {ImportStandard: true},
	} {
		set(a, true)
		for _, c := range []struct{ extractable, brought, allowed bool }{
			{false, false, a.CreateRoot}, {true, false, a.CreateStandard}, {false, true, a.ImportRoot}, {true, true, a.ImportStandard},
		} {
			want := error(kms.ErrMaterialAccess)
			if c.allowed {
				want = nil
			}
			wantError(t, create(c.extractable, c.brought), want)
		}
	}
	a := kms.OpenMaterialAccess()
	a.EnforceToken = true
	set(a, true)
	wantError(t, create(false, false), nil)
	wantError(t, create(false, true), kms.ErrMaterialAccess)
	wantError(t, create(true, true), kms.ErrMaterialAccess)
	rotate := func() error {
		return h.Rotate(t.Context(), h.owner, imported, kms.NewVersion{Payload: secret("fedcba9876543210")})
	}
	wantError(t, rotate(), kms.ErrMaterialAccess)
	set(kms.MaterialAccess{}, false)
	wantError(t, create(true, true), nil)
	wantError(t, rotate(), nil)
}

func TestFromWhereRequestsMayCome(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	outside := h.owner
	from := func(address string) error {
		outside.Trail = iamtest.Caller(account, "x").Trail
		outside.Trail.Address = address
		_, err := h.Metadata(t.Context(), outside, ref)
		_, _, lerr := h.List(t.Context(), outside, h.ref(""), kms.ListRequest{States: anyState, Limit: 1})
		if (err == nil) != (lerr == nil) {
			t.Errorf("%s: key %v, list %v", address, err, lerr)
		}
		return err
	}
	set := func(rules ...kms.InstanceRule) {
		t.Helper()
		wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, rules), nil)
	}
	set(kms.InstanceRule{Type: kms.InstanceIP, Enabled: true, Sources: prefixes("192.0.2.0/24", "2001:db8::/32")})
	for address, want := range map[string]error{
		"192.0.2.1": nil, "192.0.2.255": nil, "::ffff:192.0.2.7": nil, "2001:db8::1": nil,
		"192.0.3.1": iam.ErrForbidden, "2001:db9::1": iam.ErrForbidden, "": iam.ErrForbidden, "@": iam.ErrForbidden,
	} {
		wantError(t, from(address), want)
	}
	service := h.owner
	service.Kind, service.Trail = iam.KindInstance, iamtest.Caller(account, "x").Trail
	service.Trail.Address = "203.0.113.1"
	_, err := h.Metadata(t.Context(), service, ref)
	wantError(t, err, nil)

	set(kms.InstanceRule{Type: kms.InstanceIP},
		kms.InstanceRule{Type: kms.InstanceNetwork, Enabled: true, Network: kms.PublicAndPrivate})
	wantError(t, from("203.0.113.1"), nil)
	inside := iamtest.Caller(account, "x")
	inside.Owner, inside.Trail.Address = true, "10.1.2.3"
	set(kms.InstanceRule{Type: kms.InstanceNetwork, Enabled: true, Network: kms.PrivateOnly})
	for address, want := range map[string]error{
		"10.0.0.1": nil, "127.0.0.1": nil, "100.64.0.1": nil, "fd00::1": nil, "fe80::1%eth0": nil, "203.0.113.1": iam.ErrForbidden,
	} {
		wantError(t, from(address), want)
	}
	// Nobody is kept from locking himself out, but who is inside can open again.
	wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, []kms.InstanceRule{{Type: kms.InstanceNetwork}}), iam.ErrForbidden)
	wantError(t, h.SetInstancePolicies(t.Context(), inside, h.ID, []kms.InstanceRule{{Type: kms.InstanceNetwork}}), nil)
	wantError(t, from("203.0.113.1"), nil)
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestForgedPoliciesAreNotBelieved(t *testing.T) {
	h := newHouse(t)
	yes := true
	ref := h.create(t, kms.NewKey{Policies: &kms.PolicyChange{DualAuth: &yes}})
	rule := kms.InstanceRule{Type: kms.InstanceMaterial, Enabled: true}
	wantError(t, h.SetInstancePolicies(t.Context(), h.owner, h.ID, []kms.InstanceRule{rule}), nil)
	for _, statement := range []string{
		`UPDATE keys SET policies = '' WHERE id = $1`,
		`UPDATE keys SET policies = '{"deletion":{"by":"IBMid-x","expires":9999999999999999}}' WHERE id = $1`,
		`UPDATE instance_policies SET policies = '[]' WHERE $1 <> ''`,
	} {
		h.Exec(t, statement, ref.Key)
		h.Hub.DropAll()
		if _, err := h.Delete(t.Context(), h.owner, ref); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if _, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "key"}); err == nil {
		t.Error("a key was made against the policy")
	}
}
