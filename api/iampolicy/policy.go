package iampolicy

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// version is one of the two views of the policies.
type version struct {
	*server
	name string // "v1" or "v2"
}

// decode reads a policy in the words of the version.
func (v *version) decode(c *call) (iam.Policy, error) {
	body, err := c.Body()
	if err != nil {
		return iam.Policy{}, err
	}
	if v.name == "v1" {
		return decodeV1(body)
	}
	return decodeV2(body)
}

// encode writes a policy in the words of the version.
func (v *version) encode(p *iam.Policy, display bool) any {
	if v.name == "v1" {
		return v.encodeV1(p)
	}
	return v.encodeV2(p, display)
}

func (v *version) create(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	p, err := v.decode(c)
	if err != nil {
		return answer{}, v.access.RefusePolicy(ctx, who, "iam-am.policy.create", err)
	}
	if p, err = v.access.CreatePolicy(ctx, who, p); err != nil {
		return answer{}, err
	}
	return tagged(p.ETag(), v.encode(&p, false)), nil
}

func (v *version) get(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	display, err := wantsDisplay(c)
	if err != nil {
		return answer{}, v.access.RefusePolicy(ctx, who, "iam-am.policy.get", err)
	}
	p, err := v.access.Policy(ctx, who, iam.PolicyID(c.Path("id")))
	if err != nil {
		return answer{}, err
	}
	return tagged(p.ETag(), v.encode(&p, display)), nil
}

func (v *version) replace(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	match, err := ifMatch(c)
	if err != nil {
		return answer{}, v.access.RefusePolicy(ctx, who, "iam-am.policy.update", err)
	}
	p, err := v.decode(c)
	if err != nil {
		return answer{}, v.access.RefusePolicy(ctx, who, "iam-am.policy.update", err)
	}
	if p, err = v.access.ReplacePolicy(ctx, who, iam.PolicyID(c.Path("id")), match, p); err != nil {
		return answer{}, err
	}
	return tagged(p.ETag(), v.encode(&p, false)), nil
}

// restore is the only change that PATCH knows: back to the state "active".
func (v *version) restore(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	match, err := ifMatch(c)
	var in struct {
		State iam.PolicyState `json:"state"`
	}
	if err == nil {
		err = c.JSON(&in, httpface.KnownFields)
	}
	if err == nil && in.State != iam.PolicyActive {
		err = iam.ErrPolicy.On("state", `it can be set to "active"`)
	}
	if err != nil {
		return answer{}, v.access.RefusePolicy(ctx, who, "iam-am.policy.restore", err)
	}
	p, err := v.access.RestorePolicy(ctx, who, iam.PolicyID(c.Path("id")), match)
	if err != nil {
		return answer{}, err
	}
	return tagged(p.ETag(), v.encode(&p, false)), nil
}

func (v *version) remove(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	return answer{}, v.access.DeletePolicy(ctx, who, iam.PolicyID(c.Path("id")))
}

// link is a page of a list.
type link struct {
	Href  string `json:"href"`
	Start string `json:"start,omitempty"`
}

type policyList struct {
	Limit    int   `json:"limit,omitempty"`
	First    link  `json:"first"`
	Next     *link `json:"next,omitempty"`
	Policies []any `json:"policies"`
}

func (v *version) list(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	account, f, limit, err := policyQuery(c)
	display := false
	if err == nil {
		display, err = wantsDisplay(c)
	}
	if err != nil {
		return answer{}, v.access.RefusePolicy(ctx, who, "iam-am.policy.list", err)
	}
	start, _ := c.Query("start")
	page, err := v.access.Policies(ctx, who, account, f, limit, start)
	if err != nil {
		return answer{}, err
	}
	out := policyList{Limit: page.Limit, First: link{Href: v.href(c, "")}, Policies: make([]any, len(page.Policies))}
	for i := range page.Policies {
		out.Policies[i] = v.encode(&page.Policies[i], display)
	}
	if page.Next != "" {
		out.Next = &link{Href: v.href(c, page.Next), Start: page.Next}
	}
	return answer{Body: out}, nil
}

// href is the address of another page of the list that c asks for.
func (v *version) href(c *call, start string) string {
	q := c.R.URL.Query()
	q.Del("start")
	if start != "" {
		q.Set("start", start)
	}
	return v.public + "/" + v.name + "/policies?" + q.Encode()
}

// policyQuery reads which policies are wanted.
func policyQuery(c *call) (account iam.AccountID, f iam.PolicyFilter, limit int, err error) {
	q := c.R.URL.Query()
	if account, err = accountOf(q); err != nil {
		return "", f, 0, err
	}
	f = iam.PolicyFilter{
		Subject: q.Get("iam_id"), Type: iam.PolicyType(q.Get("type")), State: iam.PolicyState(q.Get("state")),
		ServiceType: q.Get("service_type"), Service: q.Get("service_name"), ServiceGroup: q.Get("service_group_id"),
		TagName: q.Get("tag_name"), TagValue: q.Get("tag_value"),
	}
	if group := q.Get("access_group_id"); group != "" {
		if f.Subject != "" {
			return "", f, 0, errQuery.On("access_group_id", "it cannot be used together with iam_id")
		}
		f.Subject = group
	}
	for _, choice := range []struct {
		name, value string
		allowed     []string
	}{
		{"type", string(f.Type), []string{"access", "authorization"}},
		{"state", string(f.State), []string{"active", "deleted"}},
		{"service_type", f.ServiceType, []string{"service", "platform_service"}},
	} {
		if choice.value != "" && !slices.Contains(choice.allowed, choice.value) {
			return "", f, 0, errQuery.On(choice.name, "it has a value that it cannot have")
		}
	}
	if f.Sort, f.Descending, err = policySort(q.Get("sort")); err != nil {
		return "", f, 0, err
	}
	limit, err = number(q, "limit", 0)
	return account, f, limit, err
}

func policySort(text string) (sort iam.PolicySort, descending bool, err error) {
	if text != "" && text[0] == '-' {
		text, descending = text[1:], true
	}
	switch sort = iam.PolicySort(text); sort {
	case "", iam.PolicyByCreated, iam.PolicyByCreator, iam.PolicyByModified, iam.PolicyByModifier,
		iam.PolicyByID, iam.PolicyByType, iam.PolicyByState:
		return sort, descending, nil
	case "href":
		return iam.PolicyByID, descending, nil
	}
	return "", false, errQuery.On("sort", "it names no member that policies can be sorted by")
}

// accountOf reads the account that a list or a new thing belongs to.
func accountOf(q url.Values) (iam.AccountID, error) {
	account := q.Get("account_id")
	if account == "" {
		return "", errParameter.On("account_id", "it is needed")
	}
	return iam.AccountID(account), nil
}

// number reads a parameter that is a number.
func number(q url.Values, name string, otherwise int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errQuery.On(name, "it must be a number")
	}
	return n, nil
}

// wantsDisplay reads how much is to be said of roles.
func wantsDisplay(c *call) (bool, error) {
	switch format, _ := c.Query("format"); format {
	case "", "include_last_permit": // when a policy last permitted something is not kept
		return false, nil
	case "display":
		return true, nil
	}
	return false, errQuery.On("format", "it can be display or include_last_permit")
}

// ifMatch reads which revision of a thing the caller has seen.
func ifMatch(c *call) (string, error) {
	tag := c.R.Header.Get("If-Match")
	if n := len(tag); n > 2 && tag[0] == '"' && tag[n-1] == '"' {
		tag = tag[1 : n-1]
	}
	if tag == "" {
		return "", errParameter.On("If-Match", "this header is needed, with the ETag of what is changed")
	}
	return tag, nil
}
