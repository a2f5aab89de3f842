package kms_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

func TestSearchGrammar(t *testing.T) {
	for query, want := range map[string]kms.Search{
		"foo":                    {Text: "foo", Folded: "foo", Names: true, Aliases: true},
		"Foo,":                   {Text: "Foo", Folded: "foo", Names: true, Aliases: true},
		"not:foo":                {Text: "foo", Folded: "foo", Names: true, Aliases: true, Not: true},
		"exact:alias:foo":        {Text: "foo", Folded: "foo", Aliases: true, Exact: true},
		"name:alias:foo":         {Text: "foo", Folded: "foo", Names: true, Aliases: true},
		"escape:not:foo":         {Text: "not:foo", Folded: "not:foo", Names: true, Aliases: true},
		"name:escape:name:foo":   {Text: "name:foo", Folded: "name:foo", Names: true},
		"name:name:foo":          {Text: "name:foo", Folded: "name:foo", Names: true},
		"a:b":                    {Text: "a:b", Folded: "a:b", Names: true, Aliases: true},
		"not:exact:name:alias:":  {},
		"":                       {},
		",":                      {},
		strings.Repeat("x", 257): {},
		"\xff":                   {},
	} {
		got, err := kms.ParseSearch(query)
		if want.Text == "" {
			wantError(t, err, kms.ErrParameter)
			continue
		}
		if err != nil || *got != want {
			t.Errorf("%q: got %+v, %v", query, got, err)
		}
	}
}

func TestFilterGrammar(t *testing.T) {
	at := time.Date(2022, 2, 15, 0, 0, 0, 0, time.UTC)
	root := false
	for text, want := range map[string]kms.Filter{
		"":                                       {},
		`  state=1,2 state=2,5`:                  {States: []kms.State{2}},
		"state=0":                                {States: []kms.State{}},
		"extractable=FALSE":                      {Extractable: &root},
		`creationDate="2022-02-15T00:00:00Z"`:    {Dates: []kms.DateTerm{{By: kms.ByCreated, From: at, Before: at.Add(time.Second)}}},
		`creationDate=gt:"2022-02-15T00:00:00Z"`: {Dates: []kms.DateTerm{{By: kms.ByCreated, From: at.Add(time.Second)}}},
		`creationDate=gte:"2022-02-15T02:00:00+02:00"`: {Dates: []kms.DateTerm{{By: kms.ByCreated, From: at}}},
		`creationDate=lte:"2022-02-15T00:00:00Z"`:      {Dates: []kms.DateTerm{{By: kms.ByCreated, Before: at.Add(time.Second)}}},
		`deletionDate=lt:"2022-02-15T00:00:00Z" lastRotateDate=None`: {Dates: []kms.DateTerm{
			{By: kms.ByDeleted, Before: at}, {By: kms.ByRotated, Missing: true},
		}},
		`lastUpdateDate=gt:"2022-02-15T00:00:00.123456Z"`: {Dates: []kms.DateTerm{{By: kms.ByUpdated, From: at.Add(123457 * time.Microsecond)}}},
	} {
		got, err := kms.ParseFilter(text)
		if diff := gocmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{
		"state", "state=", "state=4", "state=1,", "name=x", "extractable=yes", "creationDate=2022-02-15T00:00:00Z",
		`creationDate=ne:"2022-02-15T00:00:00Z"`, `creationDate=lt:2022-02-15T00:00:00Z`, `creationDate="yesterday"`,
		`creationDate=lt:none`, "state=1 state=1 state=1 state=1", "state=1\tstate=2", strings.Repeat(" ", 5000),
	} {
		_, err := kms.ParseFilter(text)
		wantError(t, err, kms.ErrParameter)
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`state=1,2 creationDate=gt:"2022-02-15T00:00:00Z" lastRotateDate=none`)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := kms.ParseFilter(text)
		if err == nil && len(filter.Dates) > 15 {
			t.Errorf("%d terms in %q", len(filter.Dates), text)
		}
	})
}

func FuzzParseSearch(f *testing.F) {
	f.Add("not:exact:alias:escape:foo,")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := kms.ParseSearch(text); err == nil && (s.Text == "" || !strings.Contains(text, s.Text)) {
			t.Errorf("%q is understood as %q", text, s.Text)
		}
	})
}

// library is a house with many different keys, which a test knows.
type library struct {
	*house
	keys []kms.Key
}

func newLibrary(t testing.TB, many int) *library {
	t.Helper()
	h := newHouse(t)
	l := &library{house: h}
	h.newRing(t, "team-a")
	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"Alpha", "beta", "gamma", "Ärger", "x"}
	var refs []kms.Ref
	for i := range many {
		h.Clock.Advance(time.Duration(random.IntN(3)) * 700 * time.Millisecond)
		n := kms.NewKey{Name: fmt.Sprint(words[random.IntN(5)], " ", words[random.IntN(5)]), Extractable: random.IntN(4) == 0}
		for j := range random.IntN(3) {
			n.Aliases = append(n.Aliases, fmt.Sprintf("%s-%d-%d", []string{"pay", "Bill", "beta"}[random.IntN(3)], i, j))
		}
		if random.IntN(4) == 0 {
			n.Expires = h.Clock.Now().Add(time.Duration(1+random.IntN(100)) * time.Second)
		}
		if random.IntN(5) == 0 {
			n.Payload = secret("0123456789abcdef")
		}
		ref := h.ref("")
		if random.IntN(3) == 0 {
			ref.Ring = "team-a"
		}
		out, err := h.Create(t.Context(), h.owner, ref, n)
		wantError(t, err, nil)
		refs = append(refs, h.ref(string(out.Key.ID)))
		if !n.Extractable && n.Payload.Len() == 0 && random.IntN(4) == 0 {
			h.Clock.Advance(300 * time.Millisecond)
			wantError(t, h.Rotate(t.Context(), h.owner, refs[i], kms.NewVersion{}), nil)
		}
		switch random.IntN(8) {
		case 0:
			_, err = h.Delete(t.Context(), h.owner, refs[i])
			wantError(t, err, nil)
		case 1:
			_, err = h.MoveKey(t.Context(), h.owner, refs[i], "default")
			wantError(t, err, nil)
		case 2:
			_, err = h.AddAlias(t.Context(), h.owner, refs[i], fmt.Sprintf("late-%d", i))
			wantError(t, err, nil)
		}
	}
	h.Clock.Advance(30 * time.Second)
	for _, ref := range refs {
		k, err := h.Metadata(t.Context(), h.owner, ref)
		wantError(t, err, nil)
		l.keys = append(l.keys, k)
	}
	return l
}

// date returns a date of a key.
func dateOf(k *kms.Key, p kms.Property) time.Time {
	return map[kms.Property]time.Time{
		kms.ByCreated: k.Created, kms.ByUpdated: k.Updated, kms.ByRotated: k.Rotated, kms.ByDeleted: k.Deleted, kms.ByExpires: k.Expires,
	}[p]
}

// expect returns the IDs of the keys that a request asks for, found the plain way.
func (l *library) expect(ref kms.Ref, req kms.ListRequest) []kms.KeyID {
	var hits []kms.Key
	for _, k := range l.keys {
		ok := slices.Contains(req.States, k.StateAt(l.Clock.Now())) && (ref.Ring == "" || ref.Ring == k.Ring) &&
			(req.Extractable == nil || *req.Extractable == k.Extractable)
		for _, d := range req.Dates {
			at := dateOf(&k, d.By)
			switch {
			case d.Missing:
				ok = ok && at.IsZero()
			default:
				ok = ok && !at.IsZero() && (d.From.IsZero() || !at.Before(d.From)) && (d.Before.IsZero() || at.Before(d.Before))
			}
		}
		if ok && (req.Search == nil || matches(&k, req.Search)) {
			hits = append(hits, k)
		}
	}
	slices.SortFunc(hits, func(a, b kms.Key) int {
		for _, o := range req.Sort {
			if c := compareBy(&a, &b, o, l.Clock.Now()); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	ids := []kms.KeyID{}
	for _, k := range hits {
		ids = append(ids, k.ID)
	}
	return ids
}

func matches(k *kms.Key, s *kms.Search) bool {
	fits := func(name string) bool {
		name = strings.ToLower(name)
		return s.Exact && name == s.Folded || !s.Exact && strings.Contains(name, s.Folded)
	}
	found := s.Names && fits(k.Name) || s.Aliases && slices.ContainsFunc(k.Aliases, fits) || s.Folded == string(k.ID)
	return found != s.Not
}

func compareBy(a, b *kms.Key, o kms.Order, now time.Time) int {
	number := func(k *kms.Key) int64 {
		switch o.By {
		case kms.ByState:
			return int64(k.StateAt(now))
		case kms.ByExtractable, kms.ByImported:
			if o.By == kms.ByExtractable && k.Extractable || o.By == kms.ByImported && k.Imported {
				return 1
			}
			return 0
		}
		return dateOf(k, o.By).UnixMicro()
	}
	c := cmp.Compare(a.ID, b.ID)
	if o.By != kms.ByID {
		c = cmp.Compare(number(a), number(b))
		lacksA, lacksB := number(a) < 0, number(b) < 0
		if lacksA != lacksB {
			if lacksA {
				return 1
			}
			return -1
		}
	}
	if o.Descending {
		return -c
	}
	return c
}

// TestListsAreThoseOfThePlainWay compares lists, counts and pages with what a loop over all keys
// finds, for requests that are drawn by lot.
func TestListsAreThoseOfThePlainWay(t *testing.T) {
	l := newLibrary(t, 120)
	random := rand.New(rand.NewPCG(3, 4))
	dates := []kms.Property{kms.ByCreated, kms.ByUpdated, kms.ByRotated, kms.ByDeleted, kms.ByExpires}
	for range 1500 {
		req := kms.ListRequest{States: anyState, Limit: 5000}
		if random.IntN(2) == 0 {
			req.States = [][]kms.State{{1}, {1, 2, 3}, {3}, {5}, {}, {3, 5}}[random.IntN(6)]
		}
		if random.IntN(4) == 0 {
			req.Extractable = ptr(random.IntN(2) == 0)
		}
		for range random.IntN(4) {
			by := kms.Properties()[random.IntN(len(kms.Properties()))]
			if !slices.ContainsFunc(req.Sort, func(o kms.Order) bool { return o.By == by }) {
				req.Sort = append(req.Sort, kms.Order{By: by, Descending: random.IntN(2) == 0})
			}
		}
		for range random.IntN(3) {
			d := kms.DateTerm{By: dates[random.IntN(5)], Missing: random.IntN(4) == 0}
			if k := l.keys[random.IntN(len(l.keys))]; !d.Missing && random.IntN(2) == 0 {
				d.From = dateOf(&k, d.By)
			} else if !d.Missing {
				d.Before = dateOf(&k, d.By)
			}
			req.Dates = append(req.Dates, d)
		}
		if random.IntN(2) == 0 {
			text := []string{"a", "ALPHA beta", "pay", "ärger", "-1", "zzz", "bill-3-0", "x"}[random.IntN(8)]
			for _, option := range []string{"not:", "exact:", "name:", "alias:"} {
				if random.IntN(4) == 0 {
					text = option + text
				}
			}
			var err error
			req.Search, err = kms.ParseSearch(text)
			wantError(t, err, nil)
		}
		ref := l.ref("")
		ref.Ring = []kms.RingID{"", "", "team-a", "none"}[random.IntN(4)]
		all := l.expect(ref, req)
		if n, err := l.Count(t.Context(), l.owner, ref, req); err != nil || n != len(all) {
			t.Fatalf("%+v: counted %d, want %d, %v", req, n, len(all), err)
		}
		if req.Search != nil && req.Search.Text == "bill-3-0" {
			continue // a key that is named in full comes first: another test
		}
		req.Limit, req.Offset = 1+random.IntN(40), random.IntN(40)
		if random.IntN(2) == 0 {
			req.Offset = 0
		}
		from := min(req.Offset, len(all))
		want := all[from:min(from+req.Limit, len(all))]
		page, _, err := l.List(t.Context(), l.owner, ref, req)
		got := []kms.KeyID{}
		for _, k := range page {
			got = append(got, k.ID)
		}
		if diff := gocmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%+v %+v: %v (-want +got)\n%s", ref, req, err, diff)
		}
	}
}

func TestKeyThatIsNamedInFullComesFirst(t *testing.T) {
	h := newHouse(t)
	var last kms.KeyID
	for i := range 20 {
		ref := h.create(t, kms.NewKey{Name: "the pay-1 key", Aliases: []string{fmt.Sprintf("pay-%d", i)}})
		last = max(last, kms.KeyID(ref.Key))
	}
	_, err := h.AddAlias(t.Context(), h.owner, h.ref(string(last)), "pay-1-")
	wantError(t, err, nil)
	for _, sort := range [][]kms.Order{nil, {{By: kms.ByCreated}}} {
		search, err := kms.ParseSearch("pay-1-,")
		wantError(t, err, nil)
		search.Folded = "pay-1"
		req := kms.ListRequest{States: anyState, Search: search, Limit: 5, Sort: sort}
		seen := map[kms.KeyID]bool{}
		for req.Offset = 0; ; req.Offset += 5 {
			keys, _, err := h.List(t.Context(), h.owner, h.ref(""), req)
			wantError(t, err, nil)
			if len(keys) == 0 {
				break
			}
			if req.Offset == 0 && keys[0].ID != last {
				t.Errorf("the key whose alias it is comes after %s", keys[0].ID)
			}
			for _, k := range keys {
				if seen[k.ID] {
					t.Errorf("%s is listed twice", k.ID)
				}
				seen[k.ID] = true
			}
		}
		if len(seen) != 20 {
			t.Errorf("%d keys are listed of 20", len(seen))
		}
	}
	byID, err := kms.ParseSearch(strings.ToUpper(string(last)))
	wantError(t, err, nil)
	keys, _, err := h.List(t.Context(), h.owner, h.ref(""), kms.ListRequest{States: anyState, Search: byID, Limit: 5})
	if err != nil || len(keys) != 1 || keys[0].ID != last {
		t.Errorf("%d keys are found by an ID, %v", len(keys), err)
	}
}

// TestSearchFindsOnlyWhatTheCallerMaySee also where the whole name is known.
func TestSearchFindsOnlyWhatTheCallerMaySee(t *testing.T) {
	h := newHouse(t)
	h.newRing(t, "team-a")
	mine, other := h.ringKey(t, "team-a", "secret one"), h.create(t, kms.NewKey{Name: "secret two", Aliases: []string{"two"}})
	for name, g := range map[string]kmstest.Grant{"ring": {Ring: "team-a"}, "key": {Key: mine.Key}} {
		who := iamtest.Caller(account, name)
		g.Identity, g.Account, g.Instance, g.Actions = who.Identity, account, h.ID, []iam.Action{kms.ActionList, kms.ActionHead}
		h.Access.Grant(g)
		for _, text := range []string{"secret", "two", other.Key, "not:three"} {
			search, err := kms.ParseSearch(text)
			wantError(t, err, nil)
			for _, sort := range [][]kms.Order{nil, {{By: kms.ByUpdated}}} {
				keys, _, err := h.List(t.Context(), who, h.ref(""), kms.ListRequest{States: anyState, Search: search, Limit: 5, Sort: sort})
				if err != nil || slices.ContainsFunc(keys, func(k kms.Key) bool { return string(k.ID) == other.Key }) {
					t.Errorf("%s: %v, %v", text, names(keys), err)
				}
			}
			n, err := h.Count(t.Context(), who, h.ref(""), kms.ListRequest{States: anyState, Search: search})
			if err != nil || n > 1 {
				t.Errorf("%s: counted %d, %v", text, n, err)
			}
		}
	}
}
