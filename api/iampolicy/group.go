package iampolicy

import (
	"context"
	"net/url"
	"strconv"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

type group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Account     string `json:"account_id"`
	CreatedAt   string `json:"created_at"`
	CreatedBy   string `json:"created_by_id"`
	ModifiedAt  string `json:"last_modified_at"`
	ModifiedBy  string `json:"last_modified_by_id"`
	Href        string `json:"href"`
	Federated   bool   `json:"is_federated"`
	CRN         string `json:"crn"`
}

func (s *server) group(g *iam.Group) group {
	return group{
		ID: string(g.ID), Name: g.Name, Description: g.Description, Account: string(g.Account),
		CreatedAt: instant(g.CreatedAt), CreatedBy: string(g.CreatedBy), ModifiedAt: instant(g.ModifiedAt), ModifiedBy: string(g.ModifiedBy),
		Href: s.public + "/v2/groups/" + string(g.ID), CRN: g.CRN().String(),
	}
}

// place is the address of a page.
type place struct {
	Href string `json:"href"`
}

// paging is what lists say of themselves.
type paging struct {
	Limit    int    `json:"limit"`
	Offset   int    `json:"offset"`
	Total    int    `json:"total_count"`
	First    place  `json:"first"`
	Previous *place `json:"previous,omitempty"`
	Next     *place `json:"next,omitempty"`
	Last     place  `json:"last"`
}

// pages describes the list that c asks for, of total things. The limit is at
// least 1.
func (s *server) pages(c *call, limit, offset, total int) paging {
	at := func(offset int) place {
		q := c.R.URL.Query()
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(offset))
		return place{s.public + c.R.URL.EscapedPath() + "?" + q.Encode()}
	}
	last := 0
	if total > 0 {
		last = (total - 1) / limit * limit
	}
	p := paging{Limit: limit, Offset: offset, Total: total, First: at(0), Last: at(last)}
	if offset > 0 {
		before := at(max(0, offset-limit))
		p.Previous = &before
	}
	if offset < total-limit {
		next := at(offset + limit)
		p.Next = &next
	}
	return p
}

// span reads which page is wanted.
func span(q url.Values) (limit, offset int, err error) {
	const usual = 50
	if limit, err = number(q, "limit", usual); err != nil {
		return 0, 0, err
	}
	if limit < 1 || limit > iam.MaxGroupPage {
		return 0, 0, errQuery.On("limit", "it must be 1 to 100")
	}
	offset, err = number(q, "offset", 0)
	return limit, offset, err
}

func (s *server) createGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	account, err := accountOf(c.R.URL.Query())
	if err == nil {
		err = c.JSON(&in, httpface.AnyFields)
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.group.create", err)
	}
	g, err := s.access.CreateGroup(ctx, who, account, in.Name, in.Description)
	if err != nil {
		return answer{}, err
	}
	return tagged(g.ETag(), s.group(&g)), nil
}

func (s *server) listGroups(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	q := c.R.URL.Query()
	account, r, err := groupQuery(q)
	var none bool
	if err == nil {
		none, err = byRulesAlone(q)
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.group.list", err)
	}
	list, total, err := s.access.Groups(ctx, who, account, r)
	if err != nil {
		return answer{}, err
	}
	if none {
		list, total = nil, 0
	}
	out := struct {
		paging
		Groups []group `json:"groups"`
	}{s.pages(c, r.Limit, r.Offset, total), make([]group, len(list))}
	for i := range list {
		out.Groups[i] = s.group(&list[i])
	}
	return answer{Body: out}, nil
}

func groupQuery(q url.Values) (account iam.AccountID, r iam.GroupRange, err error) {
	if account, err = accountOf(q); err != nil {
		return "", r, err
	}
	if r.Limit, r.Offset, err = span(q); err != nil {
		return "", r, err
	}
	r.Member, r.Search = iam.IdentityID(q.Get("iam_id")), q.Get("search")
	if len(r.Search) > 100 {
		return "", r, errQuery.On("search", "it is longer than 100 bytes")
	}
	sort := q.Get("sort")
	if sort != "" && sort[0] == '-' {
		sort, r.Descending = sort[1:], true
	}
	switch r.Sort = iam.GroupSort(sort); r.Sort {
	case "", iam.GroupByName, iam.GroupByID, iam.GroupByCreated, iam.GroupByModified:
		return account, r, nil
	}
	return "", r, errQuery.On("sort", "it can be id, name, created_at or last_modified_at")
}

func (s *server) getGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	g, err := s.access.Group(ctx, who, iam.GroupID(c.Path("id")))
	if err != nil {
		return answer{}, err
	}
	return tagged(g.ETag(), s.group(&g)), nil
}

func (s *server) updateGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		Name        *string `json:"name"`
		Description *string `json:"description"`
	}
	match, err := ifMatch(c)
	if err == nil {
		err = c.JSON(&in, httpface.AnyFields)
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.group.update", err)
	}
	g, err := s.access.UpdateGroup(ctx, who, iam.GroupID(c.Path("id")), match, iam.GroupChange{Name: in.Name, Description: in.Description})
	if err != nil {
		return answer{}, err
	}
	return tagged(g.ETag(), s.group(&g)), nil
}

func (s *server) deleteGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	force, _ := c.Query("force")
	return answer{}, s.access.DeleteGroup(ctx, who, iam.GroupID(c.Path("id")), force == "true")
}

// listRules answers that a group has no dynamic rules: they look at claims of
// identity providers, and nobody signs in through one.
func (s *server) listRules(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	if _, err := s.access.Group(ctx, who, iam.GroupID(c.Path("id"))); err != nil {
		return answer{}, err
	}
	return answer{Body: map[string]any{"rules": []any{}}}, nil
}

func (s *server) groupSettings(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	account, err := accountOf(c.R.URL.Query())
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.settings.get", err)
	}
	if err := s.access.GroupSettings(ctx, who, account); err != nil {
		return answer{}, err
	}
	return answer{Body: map[string]any{"account_id": string(account), "public_access_enabled": true}}, nil
}
