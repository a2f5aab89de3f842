package keyprotect

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"strongroom/kms"
)

// query reads the parameters of a request and remembers what is wrong with them first.
type query struct {
	values url.Values
	err    error
}

// queryOf reads the query of a request that knows the given parameters. Others are refused: to
// leave out what would have changed the answer is worse than no answer.
func queryOf(c *call, known ...string) *query {
	values, err := url.ParseQuery(c.R.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.refuse("query", "correctly encoded")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			q.refuse(clip(name), "left out, as this operation does not support it")
		case len(values[name]) > 1:
			q.refuse(name, "given only once")
		}
	}
	return q
}

// fail remembers what is wrong, if it is the first.
func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

// refuse says what a parameter must be.
func (q *query) refuse(name, rule string) {
	if q.err == nil {
		q.err = kms.ErrParameter.On(name, rule)
	}
}

const (
	defaultLimit = 200
	maxLimit     = 5000
)

func (q *query) limit() int { return q.limitOr(defaultLimit) }

// limitOr is limit with another default.
func (q *query) limitOr(otherwise int) int {
	text, ok := q.get("limit")
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		q.refuse("limit", "an integer between 1 and 5000 (inclusive)")
	}
	return n
}

func (q *query) offset() int {
	text, ok := q.get("offset")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		q.refuse("offset", "an integer greater than or equal to 0")
	}
	return n
}

// flag reads a boolean; nil if it is not given.
func (q *query) flag(name string) *bool {
	text, ok := q.get(name)
	if !ok {
		return nil
	}
	value := strings.EqualFold(text, "true")
	if !value && !strings.EqualFold(text, "false") {
		q.refuse(name, "true or false")
	}
	return &value
}

// is reads a boolean that is false unless it is given.
func (q *query) is(name string) bool {
	value := q.flag(name)
	return value != nil && *value
}

// narrowed reads which keys to list or count: all that are not destroyed unless it says otherwise.
func (q *query) narrowed() kms.ListRequest {
	req := kms.ListRequest{Extractable: q.flag("extractable")}
	states, byState := q.get("state")
	if byState {
		var err error
		req.States, err = kms.ParseStates(states)
		q.fail(err)
	}
	if text, ok := q.get("filter"); ok {
		filter, err := kms.ParseFilter(text)
		q.fail(err)
		if byState && filter.States != nil {
			q.refuse("state", "left out when the filter has states")
		}
		if req.Extractable != nil && filter.Extractable != nil {
			q.refuse("extractable", "left out when the filter has it")
		}
		if filter.States != nil {
			req.States = filter.States
		}
		if filter.Extractable != nil {
			req.Extractable = filter.Extractable
		}
		req.Dates = filter.Dates
	}
	if req.States == nil {
		req.States = []kms.State{kms.Active, kms.Suspended, kms.Deactivated}
	}
	return req
}

// search reads what names to look for; nil if it is not given.
func (q *query) search() *kms.Search {
	text, ok := q.get("search")
	if !ok {
		return nil
	}
	search, err := kms.ParseSearch(text)
	q.fail(err)
	return search
}

// sort reads by what to sort.
func (q *query) sort() []kms.Order {
	text, ok := q.get("sort")
	if !ok {
		return nil
	}
	var orders []kms.Order
	for part := range strings.SplitSeq(text, ",") {
		name, descending := strings.CutPrefix(part, "-")
		o := kms.Order{By: kms.Property(name), Descending: descending}
		repeated := slices.ContainsFunc(orders, func(earlier kms.Order) bool { return earlier.By == o.By })
		if repeated || !slices.Contains(kms.Properties(), o.By) {
			q.refuse("sort", "a list of different properties that keys can be sorted by, separated by commas, each with an optional '-' before it")
			return nil
		}
		orders = append(orders, o)
	}
	return orders
}

func (q *query) get(name string) (string, bool) {
	values, ok := q.values[name]
	if !ok {
		return "", false
	}
	return values[0], true
}

func clip(s string) string {
	const longest = 60
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "")
	}
	return s
}
