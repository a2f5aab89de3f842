package kms_test

import (
	"fmt"
	"slices"
	"testing"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

// storage is a service instance that protects its buckets with keys.
func storage(h *house) iam.Caller {
	name := crn.Of(crn.ObjectStorage, "global", string(account), "5b1f3c9e-6f0e-4c3f-9d8f-2d3b1a1c0001", "", "")
	who := iam.Caller{
		Identity: iam.InstanceIdentity(name), Kind: iam.KindInstance, Account: account, Instance: name,
		Trail: &audit.Trail{CorrelationID: "c", URI: "/test"},
	}
	h.Access.Grant(kmstest.Grant{Identity: who.Identity, Account: account, Instance: h.ID, Actions: []iam.Action{
		kms.ActionRegistrationList, kms.ActionRegistrationCreate, kms.ActionRegistrationWrite,
		kms.ActionRegistrationReplace, kms.ActionRegistrationDelete,
	}})
	return who
}

func bucket(who iam.Caller, name string) string { return who.Instance.Child("bucket", name).String() }

func register(t testing.TB, h *house, who iam.Caller, ref kms.Ref, name string, retained bool) {
	t.Helper()
	_, err := h.Register(t.Context(), who, ref, bucket(who, name), kms.RegistrationFields{Retained: &retained})
	wantError(t, err, nil)
}

// resources lists what q asks for of ref's key, or of all keys.
func resources(t testing.TB, h *house, who iam.Caller, ref kms.Ref, q kms.RegistrationQuery) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	q.Total = true
	list, total, err := h.Registrations(t.Context(), who, ref, q)
	wantError(t, err, nil)
	if q.Limit == 100 && q.Offset == 0 && total != len(list) {
		t.Errorf("%d registrations are listed of %d", len(list), total)
	}
	var all []string
	for _, r := range list {
		name, err := crn.Parse(r.Resource)
		wantError(t, err, nil)
		all = append(all, name.Resource)
	}
	return all
}

func TestKeyThatProtectsIsDeletedByForceOnly(t *testing.T) {
	h := newHouse(t)
	who := storage(h)
	ref := h.create(t, kms.NewKey{})
	register(t, h, who, ref, "one", false)
	register(t, h, who, ref, "two", true)

	_, err := h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, kms.ErrRetained)
	_, err = h.ForceDelete(t.Context(), h.owner, ref)
	wantError(t, err, kms.ErrRetained)
	_, err = h.UpdateRegistration(t.Context(), who, ref, bucket(who, "two"), kms.RegistrationFields{Retained: ptr(false)})
	wantError(t, err, nil)
	_, err = h.Delete(t.Context(), h.owner, ref)
	wantError(t, err, kms.ErrProtecting)
	if k, err := h.Metadata(t.Context(), h.owner, ref); err != nil || k.State != kms.Active {
		t.Errorf("a refused deletion left state %d, %v", k.State, err)
	}
	_, err = h.ForceDelete(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	if got := resources(t, h, h.owner, ref, kms.RegistrationQuery{}); got != nil {
		t.Errorf("left after a forced deletion: %v", got)
	}
	_, err = h.Register(t.Context(), who, ref, bucket(who, "one"), kms.RegistrationFields{})
	wantError(t, err, kms.ErrDeleted)
}

func TestOnlyTheOwnerOfAResourceRegistersIt(t *testing.T) {
	h := newHouse(t)
	who := storage(h)
	ref := h.create(t, kms.NewKey{})
	other := crn.Of(crn.ObjectStorage, "global", string(account), "other", "bucket", "b").String()
	foreign := crn.Of(crn.ObjectStorage, "global", "f00", who.Instance.Instance, "bucket", "b").String()
	for _, c := range []struct {
		who      iam.Caller
		resource string
		want     error
	}{
		{h.owner, bucket(who, "b"), kms.ErrServiceOnly},
		{who, other, kms.ErrNotOwner},
		{who, foreign, kms.ErrNotOwner},
		{who, "crn:v1:bluemix", kms.ErrField},
		{who, crn.Of(crn.ObjectStorage, "global", string(account), "", "bucket", "b").String(), kms.ErrField},
		{who, bucket(who, "b"), nil},
		{who, bucket(who, "b"), kms.ErrRegistered},
	} {
		_, err := h.Register(t.Context(), c.who, ref, c.resource, kms.RegistrationFields{})
		wantError(t, err, c.want)
	}
	nobody := who
	nobody.Identity = "crn-nobody"
	_, err := h.Register(t.Context(), nobody, ref, bucket(who, "c"), kms.RegistrationFields{})
	wantError(t, err, iam.ErrForbidden)
}

func TestRegistrationNeedsAnActiveRootKey(t *testing.T) {
	h := newHouse(t)
	who := storage(h)
	standard := h.create(t, kms.NewKey{Extractable: true})
	_, err := h.Register(t.Context(), who, standard, bucket(who, "b"), kms.RegistrationFields{})
	wantError(t, err, kms.ErrRegisterNotRoot)
	expired := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)})
	h.Clock.Advance(2 * day)
	_, err = h.Register(t.Context(), who, expired, bucket(who, "b"), kms.RegistrationFields{})
	wantError(t, err, kms.ErrRegisterState)
	for _, ref := range []kms.Ref{standard, expired} {
		if got := resources(t, h, h.owner, ref, kms.RegistrationQuery{}); got != nil {
			t.Errorf("%v", got)
		}
	}
}

func TestRegistrationFollowsItsKeyVersion(t *testing.T) {
	h := newHouse(t)
	who := storage(h)
	ref := h.create(t, kms.NewKey{})
	register(t, h, who, ref, "b", false)
	first := kms.VersionID(ref.Key)
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	k, err := h.Metadata(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	for _, old := range []kms.VersionID{first, "", "00000000-0000-4000-8000-000000000000"} {
		_, err = h.UpdateRegistration(t.Context(), who, ref, bucket(who, "b"), kms.RegistrationFields{Version: &old})
		wantError(t, err, kms.ErrOldVersion)
	}
	r, err := h.UpdateRegistration(t.Context(), who, ref, bucket(who, "b"), kms.RegistrationFields{Version: &k.Newest.ID, Metadata: ptr("m")})
	if err != nil || r.Version.ID != k.Newest.ID || r.Metadata != "m" || r.KeyName != "key" {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = h.ReplaceRegistration(t.Context(), who, ref, bucket(who, "c"), kms.RegistrationFields{})
	wantError(t, err, kms.ErrRegistrationNotFound)
	_, err = h.Unregister(t.Context(), who, ref, bucket(who, "b"))
	wantError(t, err, nil)
	_, err = h.Unregister(t.Context(), who, ref, bucket(who, "b"))
	wantError(t, err, kms.ErrRegistrationNotFound)
}

func TestRegistrationsAreListedAsAskedFor(t *testing.T) {
	h := newHouse(t)
	who := storage(h)
	h.newRing(t, "team-a")
	one, two := h.create(t, kms.NewKey{}), h.ringKey(t, "team-a", "two")
	if one.Key > two.Key {
		one, two = two, one
	}
	for i := range 3 {
		register(t, h, who, one, fmt.Sprintf("a%d", i), i == 1)
	}
	register(t, h, who, two, "b0", false)
	pattern := func(resource string) *kms.CRNPattern {
		p, err := kms.ParseCRNPattern(bucket(who, resource))
		wantError(t, err, nil)
		return &p
	}
	for name, c := range map[string]struct {
		ref  kms.Ref
		q    kms.RegistrationQuery
		want []string
	}{
		"all":         {h.ref(""), kms.RegistrationQuery{}, []string{"a0", "a1", "a2", "b0"}},
		"one":         {one, kms.RegistrationQuery{}, []string{"a0", "a1", "a2"}},
		"two":         {two, kms.RegistrationQuery{}, []string{"b0"}},
		"page":        {h.ref(""), kms.RegistrationQuery{Limit: 2, Offset: 1}, []string{"a1", "a2"}},
		"retained":    {h.ref(""), kms.RegistrationQuery{Retained: ptr(true)}, []string{"a1"}},
		"free":        {h.ref(""), kms.RegistrationQuery{Retained: ptr(false)}, []string{"a0", "a2", "b0"}},
		"prefix":      {h.ref(""), kms.RegistrationQuery{Pattern: pattern("a*")}, []string{"a0", "a1", "a2"}},
		"prefix page": {h.ref(""), kms.RegistrationQuery{Pattern: pattern("a*"), Limit: 1, Offset: 2}, []string{"a2"}},
		"any":         {h.ref(""), kms.RegistrationQuery{Pattern: pattern("*")}, []string{"a0", "a1", "a2", "b0"}},
		"exact":       {h.ref(""), kms.RegistrationQuery{Pattern: pattern("b0")}, []string{"b0"}},
		"none":        {h.ref(""), kms.RegistrationQuery{Pattern: pattern("b")}, nil},
	} {
		if got := resources(t, h, h.owner, c.ref, c.q); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	open, err := kms.ParseCRNPattern("crn:v1:bluemix:public:cloud-object-storage:*:*:*:*:*")
	wantError(t, err, nil)
	_, _, err = h.Registrations(t.Context(), h.owner, h.ref(""), kms.RegistrationQuery{Pattern: &open, Limit: 10})
	wantError(t, err, kms.ErrParameter)
	if got := resources(t, h, h.owner, two, kms.RegistrationQuery{Pattern: &open}); !slices.Equal(got, []string{"b0"}) {
		t.Errorf("got %v", got)
	}

	member := iamtest.Caller(account, "member")
	h.Access.Grant(kmstest.Grant{
		Identity: member.Identity, Account: account, Instance: h.ID, Ring: "team-a", Actions: []iam.Action{kms.ActionRegistrationList},
	})
	if got := resources(t, h, member, h.ref(""), kms.RegistrationQuery{}); len(got) != 1 && len(got) != 3 {
		t.Errorf("the member of a ring sees %v", got)
	}
	_, _, err = h.Registrations(t.Context(), iamtest.Caller(account, "nobody"), h.ref(""), kms.RegistrationQuery{Limit: 10})
	wantError(t, err, iam.ErrForbidden)
}

func TestCRNPatterns(t *testing.T) {
	const name = "crn:v1:bluemix:public:cloud-object-storage:global:a/f00:guid:bucket:my:bucket"
	for text, want := range map[string]bool{
		name: true,
		"crn:v1:bluemix:public:cloud-object-storage:global:a/f00:guid:bucket:my:*":      true,
		"crn:v1:bluemix:public:cloud-object-storage:global:a/f00:guid:bucket:*":         true,
		"crn:v1:bluemix:public:*:global:a/f00:guid:*:*":                                 true,
		"crn%3Av1%3Abluemix%3Apublic%3A*%3Aglobal%3Aa%2Ff00%3Aguid%3A*%3A*":             true,
		"crn%253Av1%253Abluemix%253Apublic%253A*%253Aglobal%253A*%253Aguid%253A*%253A*": true,
		"crn:v1:bluemix:public:*:global:a/f00:guid:*:your*":                             false,
		"crn:v1:bluemix:public:*:*:*:*:object:*":                                        false,
	} {
		p, err := kms.ParseCRNPattern(text)
		if err != nil || p.Match(name) != want {
			t.Errorf("%s: %v, %v", text, p.Match(name), err)
		}
	}
	for _, text := range []string{"", "*", "crn:v1", "crn:v1:bluemix:public:cl*:global:a/f00:guid:bucket:x", "crn:v1:a:b:c:d:e:f:g:a*b", "%zz"} {
		if _, err := kms.ParseCRNPattern(text); err == nil {
			t.Errorf("%q is taken for a pattern", text)
		}
	}
}

func FuzzCRNPattern(f *testing.F) {
	f.Add("crn:v1:bluemix:public:*:global:a/f00:guid:*:x*", "crn:v1:bluemix:public:s:global:a/f00:guid:b:xy")
	f.Add("crn%3Av1%3A*", "")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := kms.ParseCRNPattern(text)
		if err != nil {
			return
		}
		if p.Match(name) && len(p.Prefix()) > 0 && name[:min(len(name), len(p.Prefix()))] != p.Prefix() {
			t.Errorf("%q matches %q, which does not begin with %q", text, name, p.Prefix())
		}
	})
}
