package resourcecontroller

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"strongroom/iam"
	"strongroom/resource"
)

// maxPage is the length of a page, and what it is if the client does not say.
const maxPage = 100

// list is the form of every paged list. All three members are always there.
type list[T any] struct {
	RowsCount int     `json:"rows_count"`
	NextURL   *string `json:"next_url"`
	Resources []T     `json:"resources"`
}

// page reads limit and start.
func page(c *call, longest, usual int) (resource.Page, error) {
	p := resource.Page{Limit: usual}
	if text, ok := c.Query("limit"); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > longest {
			return p, errQuery.On("limit", "needs a number from 1 to "+strconv.Itoa(longest))
		}
		p.Limit = n
	}
	if start, ok := c.Query("start"); ok && start != "" {
		if len(start) != 36 || uuid.Validate(start) != nil {
			return p, errQuery.On("start", "is not one that an earlier answer gave")
		}
		p.After = start
	}
	return p, nil
}

// paged renders a page. The address of the next one keeps the filters, because
// some clients follow it as it is.
func paged[T any, R any](c *call, p resource.Page, rows []T, more bool, id func(T) string, render func(T) R) list[R] {
	l := list[R]{RowsCount: len(rows), Resources: make([]R, 0, len(rows))}
	for _, row := range rows {
		l.Resources = append(l.Resources, render(row))
	}
	if more {
		query := c.R.URL.Query()
		query.Set("limit", strconv.Itoa(p.Limit))
		query.Set("start", id(rows[len(rows)-1]))
		next := (&url.URL{Path: c.R.URL.Path, RawPath: c.R.URL.RawPath, RawQuery: query.Encode()}).String()
		l.NextURL = &next
	}
	return l
}

// when reads a time in the query, as RFC 3339 or a date.
func when(c *call, name string) (time.Time, error) {
	text, ok := c.Query(name)
	if !ok || text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errQuery.On(name, "needs a time as RFC 3339 has it")
}

// flag reads a boolean of the query; nil if it is not there.
func flag(c *call, name string) (*bool, error) {
	text, ok := c.Query(name)
	if !ok {
		return nil, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return nil, errQuery.On(name, "needs true or false")
	}
	return &b, nil
}

// value reads a text of the query; "" if it is not there.
func value(c *call, name string) string {
	text, _ := c.Query(name)
	return text
}

// foreign reports whether the query asks for another account than the caller's.
// Of those a list knows nothing.
func foreign(c *call, who iam.Caller) bool {
	account := value(c, "account_id")
	return account != "" && iam.AccountID(account) != who.Account
}

// refuseList refuses a list that was asked for wrongly.
func (s *server) refuseList(ctx context.Context, who iam.Caller, c *call, err error) (answer, error) {
	return answer{}, s.resources.RefuseList(ctx, who, iam.Action(c.Action), err)
}
