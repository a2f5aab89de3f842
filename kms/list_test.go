package kms_test

import (
	"slices"
	"testing"
	"time"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

var anyState = []kms.State{kms.Active, kms.Suspended, kms.Deactivated, kms.Destroyed}

func names(keys []kms.Key) []string {
	all := []string{}
	for _, k := range keys {
		all = append(all, k.Name)
	}
	return all
}

func TestListOrdersFiltersAndPages(t *testing.T) {
	h := newHouse(t)
	var refs []kms.Ref
	for _, n := range []kms.NewKey{
		{Name: "k0", Expires: h.Clock.Now().Add(time.Hour)},
		{Name: "k1", Extractable: true},
		{Name: "k2", Payload: secret("0123456789abcdef")},
		{Name: "k3", Expires: h.Clock.Now().Add(2 * day)},
		{Name: "k4"},
	} {
		h.Clock.Advance(time.Minute)
		refs = append(refs, h.create(t, n))
	}
	_, err := h.Delete(t.Context(), h.owner, refs[4])
	wantError(t, err, nil)
	h.Clock.Advance(time.Hour)

	by := func(o ...kms.Order) []kms.Order { return append(o, kms.Order{By: kms.ByCreated}) }
	created := by()
	standard, root := true, false
	live := []kms.State{kms.Active, kms.Suspended, kms.Deactivated}
	for _, c := range []struct {
		req  kms.ListRequest
		want []string
	}{
		{kms.ListRequest{States: live, Sort: created}, []string{"k0", "k1", "k2", "k3"}},
		{kms.ListRequest{States: anyState, Sort: created}, []string{"k0", "k1", "k2", "k3", "k4"}},
		{kms.ListRequest{States: []kms.State{kms.Active}, Sort: created}, []string{"k1", "k2", "k3"}},
		{kms.ListRequest{States: []kms.State{kms.Deactivated}, Sort: created}, []string{"k0"}},
		{kms.ListRequest{States: []kms.State{kms.Destroyed}, Sort: created}, []string{"k4"}},
		{kms.ListRequest{Sort: created}, []string{}},
		{kms.ListRequest{States: live, Sort: created, Extractable: &standard}, []string{"k1"}},
		{kms.ListRequest{States: live, Sort: created, Extractable: &root}, []string{"k0", "k2", "k3"}},
		{kms.ListRequest{States: live, Sort: []kms.Order{{By: kms.ByCreated, Descending: true}}}, []string{"k3", "k2", "k1", "k0"}},
		{kms.ListRequest{States: live, Sort: by(kms.Order{By: kms.ByState})}, []string{"k1", "k2", "k3", "k0"}},
		{kms.ListRequest{States: live, Sort: by(kms.Order{By: kms.ByState, Descending: true})}, []string{"k0", "k1", "k2", "k3"}},
		{kms.ListRequest{States: live, Sort: by(kms.Order{By: kms.ByExpires})}, []string{"k0", "k3", "k1", "k2"}},
		{kms.ListRequest{States: live, Sort: by(kms.Order{By: kms.ByExpires, Descending: true})}, []string{"k3", "k0", "k1", "k2"}},
		{kms.ListRequest{States: live, Sort: by(kms.Order{By: kms.ByImported, Descending: true})}, []string{"k2", "k0", "k1", "k3"}},
		{kms.ListRequest{States: live, Sort: created, Limit: 2, Offset: 1}, []string{"k1", "k2"}},
		{kms.ListRequest{States: live, Sort: created, Limit: 2, Offset: 9}, []string{}},
	} {
		if c.req.Limit == 0 {
			c.req.Limit = 100
		}
		c.req.Total = true
		keys, total, err := h.List(t.Context(), h.owner, h.ref(""), c.req)
		if err != nil || !slices.Equal(names(keys), c.want) {
			t.Errorf("%+v: got %v, %v, want %v", c.req, names(keys), err, c.want)
		}
		count, err := h.Count(t.Context(), h.owner, h.ref(""), c.req)
		if err != nil || count != total || c.req.Offset == 0 && c.req.Limit == 100 && count != len(c.want) {
			t.Errorf("%+v: counted %d, %d by the list, %v", c.req, count, total, err)
		}
	}
	ids, _, err := h.List(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState, Limit: 100})
	if err != nil || !slices.IsSortedFunc(ids, func(a, b kms.Key) int { return compare(string(a.ID), string(b.ID)) }) {
		t.Errorf("%v: not sorted by ID: %v", err, ids)
	}
	elsewhere := kms.Ref{Instance: h.ID, Ring: "team-a"}
	if keys, _, err := h.List(t.Context(), h.owner, elsewhere, kms.ListRequest{States: anyState, Limit: 100}); err != nil || len(keys) != 0 {
		t.Errorf("%v: a ring that does not exist holds %v", err, names(keys))
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestEverySortIsUnderstood(t *testing.T) {
	h := newHouse(t)
	h.create(t, kms.NewKey{})
	for _, p := range kms.Properties() {
		for _, descending := range []bool{false, true} {
			keys, _, err := h.List(t.Context(), h.owner, h.ref(""), kms.ListRequest{
				States: anyState, Sort: []kms.Order{{By: p, Descending: descending}}, Limit: 10,
			})
			if err != nil || len(keys) != 1 {
				t.Errorf("by %s: %d keys, %v", p, len(keys), err)
			}
		}
	}
}

// TestDeepPagesAreThoseOfTheWholeList goes where the store skips ahead by its counts.
func TestDeepPagesAreThoseOfTheWholeList(t *testing.T) {
	h := newHouse(t)
	for i := range 320 {
		ref := h.create(t, kms.NewKey{Extractable: i%3 == 0})
		if i%5 == 0 {
			_, err := h.Delete(t.Context(), h.owner, ref)
			wantError(t, err, nil)
		}
	}
	root := false
	ring := h.ref("")
	ring.Ring = kms.DefaultRing
	for _, ref := range []kms.Ref{h.ref(""), ring} {
		for _, req := range []kms.ListRequest{
			{States: anyState},
			{States: anyState[:3]},
			{States: anyState, Extractable: &root},
			{States: anyState[:1]},
			{States: anyState, Sort: []kms.Order{{By: kms.ByID, Descending: true}}},
		} {
			req.Limit = 5000
			all, _, err := h.List(t.Context(), h.owner, ref, req)
			wantError(t, err, nil)
			if n, err := h.Count(t.Context(), h.owner, ref, req); err != nil || n != len(all) {
				t.Errorf("%+v: counted %d of %d, %v", req, n, len(all), err)
			}
			req.Limit = 40
			for _, req.Offset = range []int{0, 199, 200, 211, len(all) - 1, len(all), 319, 320, 10_000} {
				page, _, err := h.List(t.Context(), h.owner, ref, req)
				from := min(req.Offset, len(all))
				want := all[from:min(from+40, len(all))]
				if err != nil || !slices.EqualFunc(page, want, func(a, b kms.Key) bool { return a.ID == b.ID }) {
					t.Errorf("%+v: a page of %d, want %d, %v", req, len(page), len(want), err)
				}
			}
		}
	}
}

func TestListShowsWhatTheCallerMaySee(t *testing.T) {
	h := newHouse(t)
	mine, other := h.create(t, kms.NewKey{Name: "mine"}), h.create(t, kms.NewKey{Name: "other"})
	all := kms.ListRequest{States: anyState, Limit: 100}
	list := func(who iam.Caller) ([]string, error) {
		keys, _, err := h.List(t.Context(), who, h.ref(""), all)
		n, cerr := h.Count(t.Context(), who, h.ref(""), all)
		if err == nil && (cerr != nil || n != len(keys)) {
			t.Errorf("%s: counted %d, %v", who.Name, n, cerr)
		}
		return names(keys), err
	}
	grant := kmstest.Grant{Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionList, kms.ActionHead}}

	nobody := iamtest.Caller(account, "nobody")
	_, err := list(nobody)
	wantError(t, err, iam.ErrForbidden)

	for name, c := range map[string]struct {
		ring, key string
		want      []string
	}{
		"key":         {key: mine.Key, want: []string{"mine"}},
		"unknown key": {key: "gone", want: []string{}},
		"ring":        {ring: "default", want: []string{"mine", "other"}},
		"other ring":  {ring: "team-a", want: []string{}},
		"all":         {want: []string{"mine", "other"}},
	} {
		who := iamtest.Caller(account, name)
		g := grant
		g.Identity, g.Ring, g.Key = who.Identity, c.ring, c.key
		h.Access.Grant(g)
		got, err := list(who)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	_ = other
}
