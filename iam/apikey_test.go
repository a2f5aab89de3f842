package iam_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/iam"
)

func TestAPIKeyValueIsShownOnceAndStoredNowhere(t *testing.T) {
	r := newRig(t)
	k, value, err := r.CreateAPIKey(t.Context(), r.owner, iam.NewAPIKey{Name: "key"})
	must(t, err)
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{44}$`).Match(value.Reveal()) {
		t.Errorf("value of %d characters is not 44 of [A-Za-z0-9_-]", value.Len())
	}
	found, err := r.APIKeyByValue(t.Context(), r.owner, string(value.Reveal()))
	if err != nil || found.ID != k.ID {
		t.Errorf("by its value: %s (%v)", found.ID, err)
	}
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(r.path + suffix)
		must(t, err)
		if bytes.Contains(raw, value.Reveal()) {
			t.Error("the value is in the database file" + suffix)
		}
	}
}

// TestValueOfARemovedAPIKeyCanBeGivenAgain: what is remembered of the value must
// not outlive the key that it led to.
func TestValueOfARemovedAPIKeyCanBeGivenAgain(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	const value = "a-value-of-my-own-with-32-characters-or-more"
	for range 2 {
		k, _, err := r.CreateAPIKey(ctx, r.owner, iam.NewAPIKey{Name: "own", Value: custody.NewSecret([]byte(value))})
		must(t, err)
		_, err = r.TokenForAPIKey(ctx, iam.ClientNone, value, nil)
		must(t, err)
		must(t, r.DeleteAPIKey(ctx, r.owner, k.ID))
		_, err = r.TokenForAPIKey(ctx, iam.ClientNone, value, nil)
		wants(t, err, iam.ErrUnknownAPIKey)
	}
}

func TestEverybodyLooksAfterItsOwnAPIKeys(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, _, uvalue := r.newUser(t, "ursula@acme.example")
	v, vk, vvalue := r.newService(t, "robot")
	user, robot := r.login(t, uvalue), r.login(t, vvalue)

	k, _, err := r.CreateAPIKey(ctx, user, iam.NewAPIKey{Name: "mine"})
	must(t, err)
	must(t, r.LockAPIKey(ctx, user, k.ID, true))
	wants(t, r.DeleteAPIKey(ctx, user, k.ID), iam.ErrIdentityLocked)
	must(t, r.LockAPIKey(ctx, user, k.ID, false))
	p, err := r.APIKeys(ctx, user, iam.APIKeyFilter{Identity: user.Identity}, iam.IdentityListing{})
	if err != nil || len(p.Items) != 2 {
		t.Errorf("%d own keys (%v)", len(p.Items), err)
	}

	// What is another's is forbidden, as is what does not exist.
	for _, id := range []iam.APIKeyID{vk.ID, r.made.Key.ID, "ApiKey-none"} {
		_, err = r.APIKey(ctx, user, id)
		wants(t, err, iam.ErrForbidden)
		wants(t, r.DeleteAPIKey(ctx, user, id), iam.ErrForbidden)
		wants(t, r.DisableAPIKey(ctx, user, id, true), iam.ErrForbidden)
		wants(t, r.RefuseAPIKey(ctx, user, "iam-identity.apikey.update", id, iam.ErrIdentityInvalid), iam.ErrForbidden)
	}
	_, _, err = r.CreateAPIKey(ctx, user, iam.NewAPIKey{Identity: v.Identity(), Name: "not mine"})
	wants(t, err, iam.ErrForbidden)
	_, _, err = r.CreateAPIKey(ctx, robot, iam.NewAPIKey{Identity: user.Identity, Name: "not mine"})
	wants(t, err, iam.ErrForbidden)
	_, err = r.APIKeys(ctx, user, iam.APIKeyFilter{}, iam.IdentityListing{})
	wants(t, err, iam.ErrForbidden)
	_, err = r.APIKeyByValue(ctx, user, string(vvalue.Reveal()))
	wants(t, err, iam.ErrForbidden)

	// An instance has no keys and makes none.
	instance := iam.Caller{Identity: "crn-crn:v1:x", Kind: iam.KindInstance, Account: user.Account}
	_, _, err = r.CreateAPIKey(ctx, instance, iam.NewAPIKey{Name: "key"})
	wants(t, err, iam.ErrForbidden)
}

func TestNobodyBecomesTheOwner(t *testing.T) {
	r := newRig(t)
	_, _, value := r.newUser(t, "admin@acme.example")
	admin := r.login(t, value)
	r.grants.allow(admin.Identity, "iam-identity.apikey.create")
	u, _, _ := r.newUser(t, "ursula@acme.example")
	_, _, err := r.CreateAPIKey(t.Context(), admin, iam.NewAPIKey{Identity: u.Identity, Name: "key"})
	must(t, err)
	_, _, err = r.CreateAPIKey(t.Context(), admin, iam.NewAPIKey{Identity: r.owner.Identity, Name: "key"})
	wants(t, err, iam.ErrForbidden)
	_, _, err = r.CreateAPIKey(t.Context(), admin, iam.NewAPIKey{Identity: "IBMid-NOBODY", Name: "key"})
	wants(t, err, iam.ErrIdentityNotFound)
}

func TestAccountsDoNotSeeEachOther(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	other, err := r.CreateAccount(ctx, "Other", iam.Person{Email: "root@other.example"})
	must(t, err)
	stranger := r.login(t, other.APIKey)
	u, k, value := r.newUser(t, "ursula@acme.example")
	v, _, _ := r.newService(t, "robot")

	_, err = r.APIKey(ctx, stranger, k.ID)
	wants(t, err, iam.ErrIdentityNotFound) // he owns his account and may hear so
	_, err = r.APIKeyByValue(ctx, stranger, string(value.Reveal()))
	wants(t, err, iam.ErrIdentityNotFound)
	wants(t, r.DeleteAPIKey(ctx, stranger, k.ID), iam.ErrIdentityNotFound)
	_, err = r.ServiceID(ctx, stranger, v.ID)
	wants(t, err, iam.ErrIdentityNotFound)
	wants(t, r.DeleteServiceID(ctx, stranger, v.ID), iam.ErrIdentityNotFound)
	_, _, err = r.CreateAPIKey(ctx, stranger, iam.NewAPIKey{Identity: u.Identity, Name: "key"})
	wants(t, err, iam.ErrIdentityNotFound)
	_, err = r.User(ctx, stranger, r.owner.Account, u.Identity)
	wants(t, err, iam.ErrForbidden)
	_, err = r.Account(ctx, stranger, r.owner.Account)
	wants(t, err, iam.ErrForbidden)
	_, _, err = r.Users(ctx, stranger, r.owner.Account, iam.IdentityListing{})
	wants(t, err, iam.ErrForbidden)

	// The same person in both: one identity, and each account's own key.
	twice, err := r.AddUser(ctx, stranger, stranger.Account, iam.NewUser{Email: "URSULA@acme.example"})
	must(t, err)
	if twice.Identity != u.Identity || twice.FirstName != "" {
		t.Errorf("in the other account: %+v", twice)
	}
	must(t, r.DeleteUser(ctx, stranger, stranger.Account, u.Identity))
	if who := r.login(t, value); who.Account != r.owner.Account {
		t.Errorf("acts in %s", who.Account)
	}
}

func TestAPIKeyBodiesAreChecked(t *testing.T) {
	r := newRig(t)
	strong := strings.Repeat("abcdefgh", 4)
	for name, n := range map[string]iam.NewAPIKey{
		"no name":            {},
		"long name":          {Name: strings.Repeat("x", 256)},
		"control characters": {Name: "a\x1b[2J"},
		"two lines":          {Name: "a\nb"},
		"escaping text":      {Name: "k", Description: "a\x1b[2J"},
		"not UTF-8":          {Name: "\xff"},
		"long description":   {Name: "k", Description: strings.Repeat("x", 1001)},
		"short value":        {Name: "k", Value: custody.NewSecret([]byte(strong[:31]))},
		"poor value":         {Name: "k", Value: custody.NewSecret([]byte(strings.Repeat("a", 44)))},
		"value with space":   {Name: "k", Value: custody.NewSecret([]byte(strong + " "))},
		"expired":            {Name: "k", Expires: r.clock.Now()},
		"unknown leak":       {Name: "k", OnLeak: "explode"},
	} {
		_, _, err := r.CreateAPIKey(t.Context(), r.owner, n)
		t.Log(name)
		wants(t, err, iam.ErrIdentityInvalid)
	}
	_, value, err := r.CreateAPIKey(t.Context(), r.owner, iam.NewAPIKey{Name: "k", Value: custody.NewSecret([]byte(strong))})
	must(t, err)
	if string(value.Reveal()) != strong {
		t.Error("another value than was brought")
	}
	_, _, err = r.CreateAPIKey(t.Context(), r.owner, iam.NewAPIKey{Name: "twin", Value: custody.NewSecret([]byte(strong))})
	wants(t, err, iam.ErrIdentityExists)
}

func TestAPIKeyChangesNeedTheirEntityTag(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	k, _ := r.newKey(t, r.owner.Identity)
	name := "renamed"
	c := iam.APIKeyChange{Name: &name}
	_, err := r.UpdateAPIKey(ctx, r.owner, k.ID, "", c)
	wants(t, err, iam.ErrIdentityInvalid)
	changed, err := r.UpdateAPIKey(ctx, r.owner, k.ID, k.EntityTag(), c)
	must(t, err)
	_, err = r.UpdateAPIKey(ctx, r.owner, k.ID, k.EntityTag(), c)
	wants(t, err, iam.ErrIdentityTag)
	_, err = r.UpdateAPIKey(ctx, r.owner, k.ID, "*", c)
	must(t, err)
	if changed.Name != name || changed.EntityTag() == k.EntityTag() {
		t.Errorf("changed to %q with tag %q", changed.Name, changed.EntityTag())
	}
}

func TestUsesAreCountedWithoutWriting(t *testing.T) {
	r := newRig(t)
	before := r.db.Statements()
	for range 5 {
		r.token(t, r.made.APIKey)
	}
	if n := r.db.Statements() - before; n != 0 {
		t.Errorf("%d statements", n)
	}
	check := func(when string) {
		t.Helper()
		k, err := r.APIKey(t.Context(), r.owner, r.made.Key.ID)
		if err != nil || k.AuthnCount != 6 || !k.LastAuthn.Equal(r.clock.Now()) {
			t.Errorf("%s the flush: used %d times, last %v (%v)", when, k.AuthnCount, k.LastAuthn, err)
		}
	}
	check("before")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, r.Run(ctx)) // flushes at its end
	check("after")
	must(t, r.Flush(t.Context()))
	check("after a second")
}

func TestListsArePaged(t *testing.T) {
	r := newRig(t)
	var names []string
	for i := range 7 {
		r.clock.Advance(time.Second)
		name := fmt.Sprintf("key %d", 9-i)
		_, _, err := r.CreateAPIKey(t.Context(), r.owner, iam.NewAPIKey{Name: name})
		must(t, err)
		names = append(names, name)
	}
	names = append([]string{"owner"}, names...)
	sorted := slices.Sorted(slices.Values(names))
	back := func(s []string) []string { s = slices.Clone(s); slices.Reverse(s); return s }
	for _, c := range []struct {
		order iam.Order
		down  bool
		want  []string
	}{
		{"", false, names},
		{iam.ByCreation, true, back(names)},
		{iam.ByName, false, sorted},
		{iam.ByName, true, back(sorted)},
	} {
		var got []string
		l := iam.IdentityListing{Limit: 3, Order: c.order, Descending: c.down}
		for pages := 0; ; pages++ {
			p, err := r.APIKeys(t.Context(), r.owner, iam.APIKeyFilter{Identity: r.owner.Identity, Kind: iam.KindUser}, l)
			must(t, err)
			for _, k := range p.Items {
				got = append(got, k.Name)
			}
			if l.Token = p.Next; p.Next == "" || pages > 5 {
				break
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("by %q, descending %v: %q", c.order, c.down, got)
		}
	}
	p, err := r.APIKeys(t.Context(), r.owner, iam.APIKeyFilter{}, iam.IdentityListing{Limit: 1})
	must(t, err)
	for name, l := range map[string]iam.IdentityListing{
		"no token": {Token: "x"}, "token of another order": {Token: p.Next, Order: iam.ByName},
		"unknown order": {Order: "digest"}, "too large": {Limit: 101}, "negative": {Limit: -1},
	} {
		_, err := r.APIKeys(t.Context(), r.owner, iam.APIKeyFilter{}, l)
		t.Log(name)
		wants(t, err, iam.ErrIdentityInvalid)
	}
}
