package kms_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/kms"
)

func TestCreatedKeyIsFoundByIDAndAlias(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{
		Name: "payments", Description: "for payments", Aliases: []string{"pay", "pay-2"}, Tags: []string{"team a"},
	})
	for _, name := range []string{ref.Key, strings.ToUpper(ref.Key), "pay", "pay-2"} {
		k, err := h.Metadata(t.Context(), h.owner, h.ref(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(k.ID) != ref.Key || k.Name != "payments" || k.Description != "for payments" ||
			!slices.Equal(k.Aliases, []string{"pay", "pay-2"}) || !slices.Equal(k.Tags, []string{"team a"}) ||
			k.Ring != kms.DefaultRing || k.CreatedBy != h.owner.Identity || !k.Created.Equal(h.Clock.Now()) ||
			k.Extractable || k.Imported || string(k.Newest.ID) != ref.Key || k.Newest.Size != 32 {
			t.Errorf("%s: %+v", name, k)
		}
	}
	for _, name := range []string{"pay-3", "Pay", "00000000-0000-4000-8000-000000000000", "a", strings.Repeat("x", 1000), "a/b"} {
		_, err := h.Metadata(t.Context(), h.owner, h.ref(name))
		wantError(t, err, kms.ErrKeyNotFound)
	}
	elsewhere := ref
	elsewhere.Ring = "other"
	_, err := h.Metadata(t.Context(), h.owner, elsewhere)
	wantError(t, err, kms.ErrKeyNotFound)
}

func TestStandardKeyIsReadBack(t *testing.T) {
	h := newHouse(t)
	imported := strings.Repeat("s", 7500)
	for _, payload := range []string{"", "x", imported} {
		out, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "std", Extractable: true, Payload: secret(payload)})
		if err != nil {
			t.Fatal(err)
		}
		if payload == "" && out.Material.Len() != 32 || payload != "" && string(out.Material.Reveal()) != payload {
			t.Errorf("created with %d bytes, want those of %d", out.Material.Len(), len(payload))
		}
		k, material, err := h.Get(t.Context(), h.owner, h.ref(string(out.Key.ID)))
		if err != nil || !material.Equal(out.Material) || k.Imported != (payload != "") || k.Newest.Size != material.Len() {
			t.Errorf("read %d bytes, %v, %+v", material.Len(), err, k)
		}
		if _, err := h.Delete(t.Context(), h.owner, h.ref(string(k.ID))); err != nil {
			t.Fatal(err)
		}
		if _, material, err = h.Get(t.Context(), h.owner, h.ref(string(k.ID))); err != nil || material.Len() != 0 {
			t.Errorf("deleted: read %d bytes, %v", material.Len(), err)
		}
	}
}

func TestRulesOfNewKeys(t *testing.T) {
	h := newHouse(t)
	now := h.Clock.Now()
	for _, c := range []struct {
		key  kms.NewKey
		want string // field at fault; empty if none
	}{
		{kms.NewKey{Name: "ab"}, ""},
		{kms.NewKey{Name: strings.Repeat("ü", 90)}, ""},
		{kms.NewKey{Name: "a"}, "name"},
		{kms.NewKey{Name: "a\x1b[2J"}, "name"},
		{kms.NewKey{Name: "two\nlines"}, "name"},
		{kms.NewKey{Name: "c1 \u009b2J"}, "name"},
		{kms.NewKey{Name: "key", Description: "two\nlines and\ta tab"}, ""},
		{kms.NewKey{Name: "key", Description: "bell\a"}, "description"},
		{kms.NewKey{Name: "key", Tags: []string{"tag\t"}}, "tags"},
		{kms.NewKey{Name: strings.Repeat("ü", 91)}, "name"},
		{kms.NewKey{Name: "ab", Description: "a"}, "description"},
		{kms.NewKey{Name: "ab", Description: strings.Repeat("d", 241)}, "description"},
		{kms.NewKey{Name: "ab", Tags: make([]string, 30)}, ""},
		{kms.NewKey{Name: "ab", Tags: make([]string, 31)}, "tags"},
		{kms.NewKey{Name: "ab", Tags: []string{"with space"}}, ""},
		{kms.NewKey{Name: "ab", Tags: []string{"a:b"}}, "tags"},
		{kms.NewKey{Name: "ab", Tags: []string{strings.Repeat("t", 31)}}, "tags"},
		{kms.NewKey{Name: "ab", Aliases: []string{"a"}}, "aliases"},
		{kms.NewKey{Name: "ab", Aliases: []string{"with space"}}, "aliases"},
		{kms.NewKey{Name: "ab", Aliases: []string{"policies"}}, "aliases"},
		{kms.NewKey{Name: "ab", Aliases: []string{"00000000-0000-4000-8000-000000000000"}}, "aliases"},
		{kms.NewKey{Name: "ab", Aliases: []string{"twice", "twice"}}, "aliases"},
		{kms.NewKey{Name: "ab", Expires: now}, "expirationDate"},
		{kms.NewKey{Name: "ab", Expires: now.Add(time.Second)}, ""},
		{kms.NewKey{Name: "ab", Payload: custody.RandomSecret(15)}, "payload"},
		{kms.NewKey{Name: "ab", Payload: custody.RandomSecret(33)}, "payload"},
		{kms.NewKey{Name: "ab", Extractable: true, Payload: custody.RandomSecret(7501)}, "payload"},
	} {
		_, err := h.Create(t.Context(), h.owner, h.ref(""), c.key)
		var d *fault.Detail
		if c.want == "" {
			wantError(t, err, nil)
		} else if wantError(t, err, kms.ErrField); errors.As(err, &d) && d.Target != c.want {
			t.Errorf("%+v: field %s at fault, want %s", c.key, d.Target, c.want)
		}
	}
	_, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "ab", Aliases: []string{"a1", "a2", "a3", "a4", "a5", "a6"}})
	wantError(t, err, kms.ErrAliasQuota)
	_, err = h.Create(t.Context(), h.owner, kms.Ref{Instance: h.ID, Ring: "team-a"}, kms.NewKey{Name: "ab"})
	wantError(t, err, kms.ErrRingNotFound)
}

func TestAliasIsUniqueAmongLiveKeys(t *testing.T) {
	h := newHouse(t)
	first := h.create(t, kms.NewKey{Aliases: []string{"mine"}})
	before, err := h.Count(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState})
	wantError(t, err, nil)
	_, err = h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "second", Aliases: []string{"free", "mine"}})
	wantError(t, err, kms.ErrAliasTaken)
	if after, err := h.Count(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState}); err != nil || after != before {
		t.Errorf("the refused creation left something behind: %d keys, were %d, %v", after, before, err)
	}
	wantFound := func(want kms.Ref) {
		t.Helper()
		if k, err := h.Metadata(t.Context(), h.owner, h.ref("mine")); err != nil || string(k.ID) != want.Key {
			t.Errorf("the alias means %s (%v), want %s", k.ID, err, want.Key)
		}
	}
	wantFound(first)
	_, err = h.Delete(t.Context(), h.owner, h.ref("mine"))
	wantError(t, err, nil)
	wantFound(first) // still, as long as nobody else has it
	second := h.create(t, kms.NewKey{Aliases: []string{"mine"}})
	wantFound(second)
}

func TestNoKeyInAnInstanceThatIsGone(t *testing.T) {
	h := newHouse(t)
	h.Exec(t, `UPDATE instances SET revision = 2, state = 'pending_reclamation' WHERE guid = $1`, string(h.ID))
	_, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "late"})
	wantError(t, err, kms.ErrUnavailable) // the fake keeps saying that the instance is active
	if n, err := h.DB.Keys().CountLive(t.Context(), h.ID); n != 0 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}
