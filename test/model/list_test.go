package model_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	compare "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/iam"
	"strongroom/kms"
)

// visible returns the keys that a caller sees in lists.
func (m *model) visible(c caller, action iam.Action) (keys []*modelKey, refused *outcome) {
	p := callers()[c.name]
	if !m.admits(c) || !slices.Contains(p.actions, action) {
		return nil, &unauthorized
	}
	for _, k := range m.keys {
		if m.may(c, action, k.ring) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// listing is what a list is asked for.
type listing struct {
	query  url.Values
	ring   string
	wrong  bool                                    // the request breaks a rule
	wanted []func(k *modelKey, now time.Time) bool // all of them
	sort   []order
	search *search
}

type order struct {
	by         string
	descending bool
}

// matches returns the keys of a list, in its order.
func (m *model) matches(l listing, among []*modelKey) []*modelKey {
	var found []*modelKey
	for _, k := range among {
		wanted := !slices.ContainsFunc(l.wanted, func(w func(*modelKey, time.Time) bool) bool { return !w(k, m.now) })
		if wanted && (l.ring == "" || l.ring == k.ring) && (l.search == nil || l.search.match(k)) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b *modelKey) int { return m.before(l.sort, a, b) })
	if l.search != nil && l.search.first {
		named := m.find(l.search.text)
		if i := slices.Index(found, named); i >= 0 {
			found = slices.Insert(slices.Delete(found, i, i+1), 0, named)
		}
	}
	return found
}

// before compares two keys by a sort, which their IDs complete. Those that lack a property are last
// in either direction.
func (m *model) before(sort []order, a, b *modelKey) int {
	for _, o := range sort {
		one, other := m.property(a, o.by), m.property(b, o.by)
		switch {
		case one == other:
			continue
		case one == "":
			return 1
		case other == "":
			return -1
		case o.descending:
			return cmp.Compare(other, one)
		}
		return cmp.Compare(one, other)
	}
	return cmp.Compare(a.id, b.id)
}

// property is a property of a key as a text in which it can be compared; empty if the key lacks it.
func (m *model) property(k *modelKey, name string) string {
	switch name {
	case "id":
		return k.id
	case "state":
		return strconv.Itoa(k.stateAt(m.now))
	case "extractable":
		return strconv.FormatBool(k.extractable)
	case "imported":
		return strconv.FormatBool(k.imported)
	}
	if at := k.date(name); !at.IsZero() {
		return at.UTC().Format("2006-01-02T15:04:05.000000000")
	}
	return ""
}

func (k *modelKey) date(name string) time.Time {
	return map[string]time.Time{
		"creationDate": k.created, "deletionDate": k.deleted, "expirationDate": k.expires,
		"lastRotateDate": k.rotated, "lastUpdateDate": k.updated,
	}[name]
}

// narrow draws which keys are asked for.
func (m *machine) narrow(t *rapid.T) *listing {
	l := &listing{query: url.Values{}}
	states := rapid.SampledFrom([]string{"", "", "1", "2", "3", "5", "0,1,2,3", "1,2,3,5", "1,2,3,5"}).Draw(t, "states")
	extractable := rapid.SampledFrom([]string{"", "", "", "true", "false"}).Draw(t, "extractable")
	where := []string{"parameters", "filter"}
	statesIn, extractableIn := rapid.SampledFrom(where).Draw(t, "states in"), rapid.SampledFrom(where).Draw(t, "extractable in")
	var filter []string
	place := func(name, value, in string) {
		switch {
		case value == "":
		case in == "filter":
			filter = append(filter, name+"="+value)
		default:
			l.query.Set(name, value)
		}
	}
	place("state", states, statesIn)
	place("extractable", extractable, extractableIn)
	if rapid.IntRange(0, 19).Draw(t, "both") == 0 && l.query.Get("state") != "" {
		filter, l.wrong = append(filter, "state=1"), true
	}
	l.wanted = append(l.wanted, func(k *modelKey, now time.Time) bool {
		in := cmp.Or(states, "0,1,2,3")
		return slices.Contains(strings.Split(in, ","), strconv.Itoa(k.stateAt(now))) &&
			(extractable == "" || extractable == strconv.FormatBool(k.extractable))
	})
	terms := map[string]int{}
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 4}).Draw(t, "dates") {
		term := m.someterm(t)
		filter = append(filter, term.String())
		l.wanted = append(l.wanted, func(k *modelKey, _ time.Time) bool { return term.match(k) })
		terms[term.by]++
		l.wrong = l.wrong || terms[term.by] > 3
	}
	if len(filter) > 0 {
		l.query.Set("filter", " "+strings.Join(filter, "  ")) // IBM's Go client begins with a space
	}
	if rapid.IntRange(0, 3).Draw(t, "in a ring") == 0 {
		l.ring = rapid.SampledFrom([]string{"default", sharedRing, "no-such-ring"}).Draw(t, "ring")
	}
	return l
}

// dateTerm compares a date of a key.
type dateTerm struct {
	by, operator string // "" is equality, "none" that the key lacks the date
	at           time.Time
}

// someterm draws a comparison with a moment about which something happened.
func (m *machine) someterm(t *rapid.T) dateTerm {
	moments := []time.Time{m.model.now}
	by := rapid.SampledFrom([]string{"creationDate", "deletionDate", "expirationDate", "lastRotateDate", "lastUpdateDate"}).Draw(t, "date")
	for _, k := range m.model.keys {
		if at := k.date(by); !at.IsZero() {
			moments = append(moments, at)
		}
	}
	term := dateTerm{by: by, at: rapid.SampledFrom(moments).Draw(t, "at")}
	term.operator = rapid.SampledFrom([]string{"", "lt", "lte", "gt", "gte", "none"}).Draw(t, "operator")
	if rapid.Bool().Draw(t, "whole second") {
		term.at = term.at.Truncate(time.Second)
	}
	term.at = term.at.Add(rapid.SampledFrom([]time.Duration{0, 0, time.Second, -time.Second}).Draw(t, "off by"))
	term.at = term.at.In(time.FixedZone("", rapid.SampledFrom([]int{0, 7200, -12600}).Draw(t, "offset")))
	return term
}

func (d dateTerm) String() string {
	switch d.operator {
	case "none":
		return d.by + "=NONE"
	case "":
		return d.by + `="` + d.at.Format(time.RFC3339Nano) + `"`
	}
	return d.by + "=" + d.operator + `:"` + d.at.Format(time.RFC3339Nano) + `"`
}

// match compares instants; but one in whole seconds, as which dates are shown, is all of its second.
func (d dateTerm) match(k *modelKey) bool {
	at := k.date(d.by)
	if d.operator == "none" || at.IsZero() {
		return d.operator == "none" && at.IsZero()
	}
	if d.at.Nanosecond() == 0 {
		at = at.Truncate(time.Second)
	}
	order := at.Compare(d.at)
	switch d.operator {
	case "lt":
		return order < 0
	case "lte":
		return order <= 0
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	}
	return order == 0
}

func (l *listing) drawSort(t *rapid.T) {
	properties := []string{
		"id", "state", "extractable", "imported", "creationDate", "lastUpdateDate", "lastRotateDate", "deletionDate", "expirationDate",
	}
	var names []string
	for range rapid.SampledFrom([]int{0, 1, 1, 2, 3}).Draw(t, "sorted by") {
		o := order{by: rapid.SampledFrom(properties).Draw(t, "property"), descending: rapid.Bool().Draw(t, "descending")}
		l.wrong = l.wrong || slices.ContainsFunc(l.sort, func(earlier order) bool { return earlier.by == o.by })
		l.sort = append(l.sort, o)
		names = append(names, map[bool]string{true: "-"}[o.descending]+o.by)
	}
	if len(names) > 0 {
		l.query.Set("sort", strings.Join(names, ","))
	}
}

// page is the part of a list that is asked for.
type page struct {
	limit, offset int
	total         bool
	wrong         bool
}

func somepage(t *rapid.T, q url.Values) page {
	p := page{limit: 200}
	if rapid.Bool().Draw(t, "limited") {
		p.limit = rapid.SampledFrom([]int{1, 2, 3, 5000, 5000, 5001, 0}).Draw(t, "limit")
		q.Set("limit", strconv.Itoa(p.limit))
		p.wrong = p.limit < 1 || p.limit > 5000
	}
	if rapid.IntRange(0, 2).Draw(t, "not from the start") == 0 {
		p.offset = rapid.IntRange(0, 5).Draw(t, "offset")
		q.Set("offset", strconv.Itoa(p.offset))
	}
	if rapid.Bool().Draw(t, "counted") {
		p.total = true
		q.Set("totalCount", "true")
	}
	return p
}

// cut returns the page of a list.
func cut[T any](p page, list []T) []T {
	from := min(p.offset, len(list))
	return list[from:min(from+p.limit, len(list))]
}

// checkTotal compares the number of all matches, which is told if it is asked for.
func (p page) checkTotal(t *rapid.T, r reply, matches int) {
	t.Helper()
	var got struct{ Metadata struct{ TotalCount *int } }
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	total := got.Metadata.TotalCount
	if (total != nil) != p.total || total != nil && *total != matches {
		t.Fatalf("total %v of %d: %s", total, matches, r.body)
	}
}

func (m *machine) list(t *rapid.T) {
	l := m.narrow(t)
	l.drawSort(t)
	m.compareList(t, l)
}

// compareList asks for a page of a list.
func (m *machine) compareList(t *rapid.T, l *listing) reply {
	t.Helper()
	p := somepage(t, l.query)
	r := request{caller: oneOf(t, "manager", "reader", "ringmate"), method: http.MethodGet, path: "/keys?" + l.query.Encode(), ring: l.ring}
	visible, refused := m.model.visible(r.caller, kms.ActionList)
	switch {
	case refused != nil:
		return m.do(t, r, *refused)
	case p.wrong || l.wrong:
		return m.do(t, r, badParameter)
	}
	matches := m.model.matches(*l, visible)
	expected, listed := []string{}, []string{}
	for _, k := range cut(p, matches) {
		expected = append(expected, k.id)
	}
	got := m.do(t, r, ok)
	for _, k := range got.keys() {
		listed = append(listed, k.ID)
	}
	if diff := compare.Diff(expected, listed); diff != "" {
		t.Fatalf("%s %s: keys (-model +service):\n%s", r.name, r.path, diff)
	}
	p.checkTotal(t, got, len(matches))
	return got
}

// count asks how many keys there are.
func (m *machine) count(t *rapid.T) {
	l := m.narrow(t)
	r := request{caller: someone(t), method: http.MethodHead, path: "/keys?" + l.query.Encode(), ring: l.ring}
	visible, refused := m.model.visible(r.caller, kms.ActionHead)
	switch {
	case refused != nil:
		m.do(t, r, outcome{status: refused.status})
		return
	case l.wrong:
		m.do(t, r, outcome{status: badParameter.status}) // the answer to HEAD has no body to tell why
		return
	}
	if got, n := m.do(t, r, ok).header.Get("Key-Total"), len(m.model.matches(*l, visible)); got != strconv.Itoa(n) {
		t.Fatalf("%s %s: %s keys, want %d", r.name, r.path, got, n)
	}
}
