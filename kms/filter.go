package kms

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filter narrows a list to keys with certain properties. All parts must hold.
type Filter struct {
	States      []State // nil if the filter does not say
	Extractable *bool   // nil if the filter does not say
	Dates       []DateTerm
}

// DateTerm compares a date of a key. A key that lacks the date matches no comparison.
type DateTerm struct {
	By      Property // one of the dates
	Missing bool     // the key must lack the date; From and Before are not looked at
	// From and Before bound the date: at or after From, and before Before. Zero is no bound.
	From, Before time.Time
}

const (
	maxFilter      = 4096 // bytes
	maxFilterTerms = 3    // of one property
)

// ParseFilter reads a filter in the grammar of Key Protect: terms of the form property=value or
// property=operator:value, separated by spaces. The dates of keys are told in whole seconds, and so
// a bound in whole seconds means all of its second; any other is taken as the instant that it is.
func ParseFilter(text string) (Filter, error) {
	var f Filter
	if len(text) > maxFilter {
		return Filter{}, ErrParameter.On("filter", "at most 4096 bytes")
	}
	seen := map[string]int{}
	for term := range strings.SplitSeq(text, " ") {
		if term == "" {
			continue
		}
		name, value, ok := strings.Cut(term, "=")
		if !ok {
			return Filter{}, errFilterTerm
		}
		if seen[name]++; seen[name] > maxFilterTerms {
			return Filter{}, ErrParameter.On("filter", "a valid filter query with at most 3 terms for each property")
		}
		if err := f.add(name, value); err != nil {
			return Filter{}, err
		}
	}
	return f, nil
}

var (
	errFilterTerm     = ErrParameter.On("filter", `a valid filter query of terms in the form property=value, separated by spaces`)
	errFilterProperty = ErrParameter.On("filter", "a valid filter query with properties that keys can be filtered by")
	errFilterOperator = ErrParameter.On("filter", `a valid filter query with a valid operator for a property specified after an "=" symbol`)
	errFilterDate     = ErrParameter.On("filter", "a valid filter query with dates in the form of RFC 3339, in double quotes")
	errFilterState    = ErrParameter.On("filter", "a valid filter query with states from 0, 1, 2, 3 and 5, separated by commas")
	errFilterFlag     = ErrParameter.On("filter", "a valid filter query with true or false for extractable")
)

func (f *Filter) add(name, value string) error {
	switch p := Property(name); p {
	case ByState:
		return f.addStates(value)
	case ByExtractable:
		return f.addExtractable(value)
	case ByCreated, ByDeleted, ByExpires, ByRotated, ByUpdated:
		term, err := parseDateTerm(p, value)
		f.Dates = append(f.Dates, term)
		return err
	}
	return errFilterProperty
}

// addStates adds a list of states. Those of several terms must all hold.
func (f *Filter) addStates(value string) error {
	states, err := ParseStates(value)
	if err != nil {
		return errFilterState
	}
	if f.States != nil {
		states = slices.DeleteFunc(states, func(s State) bool { return !slices.Contains(f.States, s) })
	}
	f.States = states
	return nil
}

func (f *Filter) addExtractable(value string) error {
	want := strings.EqualFold(value, "true")
	if !want && !strings.EqualFold(value, "false") {
		return errFilterFlag
	}
	if f.Extractable != nil && *f.Extractable != want {
		f.States = []State{} // nothing is both
	}
	f.Extractable = &want
	return nil
}

// ParseStates reads a list of states, separated by commas. No key is ever in state 0, which clients
// may name. The list is never nil.
func ParseStates(text string) ([]State, error) {
	states := []State{}
	for part := range strings.SplitSeq(text, ",") {
		switch part {
		case "0":
		case "1", "2", "3", "5":
			if s := State(part[0] - '0'); !slices.Contains(states, s) {
				states = append(states, s)
			}
		default:
			return nil, ErrParameter.On("state", "a list of the states 0, 1, 2, 3 and 5, separated by commas")
		}
	}
	return states, nil
}

func parseDateTerm(p Property, value string) (DateTerm, error) {
	if strings.EqualFold(value, "none") {
		return DateTerm{By: p, Missing: true}, nil
	}
	operator, date := "", value
	if !strings.HasPrefix(value, `"`) {
		var ok bool
		if operator, date, ok = strings.Cut(value, ":"); !ok || !slices.Contains([]string{"lt", "lte", "gt", "gte"}, operator) {
			return DateTerm{}, errFilterOperator
		}
	}
	text, err := strconv.Unquote(date)
	if err != nil || !strings.HasPrefix(date, `"`) {
		return DateTerm{}, errFilterDate
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return DateTerm{}, errFilterDate
	}
	after := at.Add(time.Microsecond) // dates are kept in microseconds
	if at.Nanosecond() == 0 {
		after = at.Add(time.Second)
	}
	term := DateTerm{By: p}
	switch operator {
	case "lt":
		term.Before = at
	case "lte":
		term.Before = after
	case "gt":
		term.From = after
	case "gte":
		term.From = at
	default:
		term.From, term.Before = at, after
	}
	return term, nil
}
