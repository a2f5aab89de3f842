package sqlstore

import (
	"context"
	"slices"

	"strongroom/kms"
)

// stretch is a part of a sorted list: the keys that are alike in what the list is sorted by first,
// as far as there are few values of it. No index has its keys both by such a value and, within it,
// by ID in the other direction; and each stretch is found in an index without the rows before it.
type stretch struct {
	kms.Query
	also string // a condition without arguments, begun with AND
}

// stretches returns the parts of the list that q asks for, in its order.
func stretches(q kms.Query) []stretch { return split(stretch{Query: q}) }

func split(part stretch) []stretch {
	if len(part.Sort) == 0 {
		return []stretch{part}
	}
	by, rest := part.Sort[0], part.Sort[1:]
	column, missing := columnOf(by.By)
	var parts []stretch
	switch {
	case missing:
		has, lacks := part, part
		has.also += " AND " + column + " IS NOT NULL"
		lacks.also += " AND +" + column + " IS NULL"
		lacks.Sort = rest
		if by.By == kms.ByDeleted && !slices.Contains(part.States, kms.Destroyed) {
			return split(lacks) // only deleted keys have been deleted
		}
		return append([]stretch{has}, split(lacks)...)
	case by.By == kms.ByState:
		for _, state := range slices.Sorted(slices.Values(part.States)) {
			one := part
			one.States = []kms.State{state}
			parts = append(parts, one)
		}
	case by.By == kms.ByExtractable:
		for _, value := range []bool{false, true} {
			if part.Extractable == nil || *part.Extractable == value {
				one := part
				one.Extractable = &value
				parts = append(parts, one)
			}
		}
	case by.By == kms.ByImported:
		for _, value := range []string{"FALSE", "TRUE"} {
			one := part
			one.also += " AND " + column + " = " + value
			parts = append(parts, one)
		}
	default:
		return []stretch{part}
	}
	if by.Descending {
		slices.Reverse(parts)
	}
	var all []stretch
	for _, one := range parts {
		one.Sort = rest
		all = append(all, split(one)...)
	}
	return all
}

// dates returns the conditions for the dates of keys. The plus sign keeps SQLite from looking keys
// up by a date, which it would do whatever their number is; narrow is the one by which it shall.
func (c *conditions) dates(q kms.Query, narrow kms.Property) []string {
	var all []string
	for _, d := range q.Dates {
		column, _ := columnOf(d.By)
		sortedBy := len(q.Sort) > 0 && q.Sort[0].By == d.By
		switch {
		case d.Missing:
			all = append(all, "+"+column+" IS NULL")
			continue
		case d.By != narrow && !sortedBy:
			column = "+" + column
		}
		all = append(all, c.between(column, d))
	}
	return all
}

// between is the condition that a date lies within the bounds of a term.
func (c *conditions) between(column string, d kms.DateTerm) string {
	text := column + " IS NOT NULL"
	if !d.From.IsZero() {
		text += " AND " + column + " >= " + c.arg(micros(d.From))
	}
	if !d.Before.IsZero() {
		text += " AND " + column + " < " + c.arg(micros(d.Before))
	}
	return text
}

// fewKeys is how many keys are rather all looked up and sorted than met on a walk along an index
// that has them in order.
const fewKeys = 10_000

// narrow returns the date of q that few keys have, and by which they are best found; empty if
// there is none.
func (s *Keys) narrow(ctx context.Context, q kms.Query) (kms.Property, error) {
	for _, d := range q.Dates {
		if d.Missing {
			continue
		}
		column, _ := columnOf(d.By)
		var c conditions
		instance := c.arg(string(q.Instance))
		within := c.between(column, d)
		var n int
		err := s.db.queryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM keys k WHERE k.instance = `+instance+`
			AND `+within+` LIMIT `+c.arg(s.few+1)+`) few`, c.args...).Scan(&n)
		if err != nil {
			return "", err
		}
		if n <= s.few {
			return d.By, nil
		}
	}
	return "", nil
}
