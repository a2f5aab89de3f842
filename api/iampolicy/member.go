package iampolicy

import (
	"context"
	"net/http"
	"net/url"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// memberTypes are the wire's words for kinds of identities.
var memberTypes = map[iam.Kind]string{iam.KindUser: "user", iam.KindService: "service"}

type member struct {
	IAMID      string `json:"iam_id"`
	Type       string `json:"type"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Membership string `json:"membership_type"`
	Href       string `json:"href"`
	CreatedAt  string `json:"created_at"`
	CreatedBy  string `json:"created_by_id"`
}

func (s *server) listMembers(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	id := iam.GroupID(c.Path("id"))
	q := c.R.URL.Query()
	var r iam.MemberRange
	var err error
	var none bool
	if r.Limit, r.Offset, err = span(q); err == nil {
		r.Kind, err = memberKind(q.Get("type"))
	}
	if err == nil {
		none, err = byRulesAlone(q)
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.member.list", err)
	}
	list, total, err := s.access.Members(ctx, who, id, r)
	if err != nil {
		return answer{}, err
	}
	if none {
		list, total = nil, 0
	}
	out := struct {
		paging
		Members []member `json:"members"`
	}{s.pages(c, r.Limit, r.Offset, total), make([]member, len(list))}
	for i, m := range list {
		out.Members[i] = member{
			IAMID: string(m.Identity), Type: memberTypes[iam.KindOf(m.Identity)], Name: m.Name, Email: m.Email, Membership: "static",
			Href:      s.public + "/v2/groups/" + string(id) + "/members/" + string(m.Identity),
			CreatedAt: instant(m.AddedAt), CreatedBy: string(m.AddedBy),
		}
	}
	return answer{Body: out}, nil
}

// byRulesAlone reads membership_type, and tells whether only members by dynamic
// rules are asked for: no group has rules, so nobody is one.
func byRulesAlone(q url.Values) (bool, error) {
	switch q.Get("membership_type") {
	case "", "static", "all":
		return false, nil
	case "dynamic":
		return true, nil
	}
	return false, errQuery.On("membership_type", "it can be static, dynamic or all")
}

// memberKind reads a kind of members; "" stands for all.
func memberKind(text string) (iam.Kind, error) {
	if text == "" {
		return "", nil
	}
	for kind, word := range memberTypes {
		if word == text {
			return kind, nil
		}
	}
	return "", errQuery.On("type", "it can be user or service")
}

// outcome is how one of several things that were asked for went.
type outcome struct {
	IAMID      string         `json:"iam_id,omitempty"`
	Group      string         `json:"access_group_id,omitempty"`
	Type       string         `json:"type,omitempty"`
	CreatedAt  string         `json:"created_at,omitempty"`
	CreatedBy  string         `json:"created_by_id,omitempty"`
	StatusCode int            `json:"status_code"`
	Trace      string         `json:"trace"`
	Errors     []problemEntry `json:"errors,omitempty"`
}

// conclude writes into an outcome how it went. It returns err where that is not
// the fault of this one thing, so that the whole request fails.
func (o *outcome) conclude(c *call, err error, success int) error {
	o.StatusCode, o.Trace = success, c.Trail.CorrelationID
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Unprocessable, fault.Stale:
		status, entry := explain(err)
		o.StatusCode, o.Errors = status, []problemEntry{entry}
		return nil
	}
	return err
}

func (s *server) addMembers(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		Members []struct {
			IAMID string `json:"iam_id"`
			Type  string `json:"type"`
		} `json:"members"`
	}
	err := c.JSON(&in, httpface.AnyFields)
	if err == nil && (len(in.Members) == 0 || len(in.Members) > iam.MaxMembersPerCall) {
		err = iam.ErrGroup.On("members", "from 1 to 50 are needed")
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.member.add", err)
	}
	group := iam.GroupID(c.Path("id"))
	results := make([]outcome, len(in.Members))
	for i, m := range in.Members {
		results[i].IAMID, results[i].Type = m.IAMID, m.Type
		added, err := s.access.AddMember(ctx, who, group, iam.IdentityID(m.IAMID))
		if err == nil {
			results[i].Type = memberTypes[iam.KindOf(added.Identity)]
			results[i].CreatedAt, results[i].CreatedBy = instant(added.AddedAt), string(added.AddedBy)
		}
		if fault.KindOf(err) == fault.NotFound {
			return answer{}, err // of the group
		}
		if err := results[i].conclude(c, err, http.StatusOK); err != nil {
			return answer{}, err
		}
	}
	return answer{Body: map[string]any{"members": results}}, nil
}

func (s *server) removeMembers(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		Members []string `json:"members"`
	}
	err := c.JSON(&in, httpface.AnyFields)
	if err == nil && (len(in.Members) == 0 || len(in.Members) > iam.MaxMembersPerCall) {
		err = iam.ErrGroup.On("members", "from 1 to 50 are needed")
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.member.remove", err)
	}
	group := iam.GroupID(c.Path("id"))
	results := make([]outcome, len(in.Members))
	for i, id := range in.Members {
		results[i].IAMID = id
		err := s.access.RemoveMember(ctx, who, group, iam.IdentityID(id))
		if err := results[i].conclude(c, err, http.StatusNoContent); err != nil {
			return answer{}, err
		}
	}
	return answer{Body: map[string]any{"access_group_id": string(group), "members": results}}, nil
}

func (s *server) isMember(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	err := s.access.Member(ctx, who, iam.GroupID(c.Path("id")), iam.IdentityID(c.Path("iam_id")))
	return answer{}, err
}

func (s *server) removeMember(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	err := s.access.RemoveMember(ctx, who, iam.GroupID(c.Path("id")), iam.IdentityID(c.Path("iam_id")))
	return answer{}, err
}

// addToGroups makes an identity a member of several groups.
func (s *server) addToGroups(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		Groups []iam.GroupID `json:"groups"`
	}
	_, err := s.ownAccount(who, c)
	if err == nil {
		err = c.JSON(&in, httpface.AnyFields)
	}
	if err == nil && (len(in.Groups) == 0 || len(in.Groups) > iam.MaxGroupsOfIdentity) {
		err = iam.ErrGroup.On("groups", "from 1 to 50 are needed")
	}
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.member.add", err)
	}
	id := iam.IdentityID(c.Path("iam_id"))
	results := make([]outcome, len(in.Groups))
	for i, g := range in.Groups {
		results[i].Group = string(g)
		_, err := s.access.AddMember(ctx, who, g, id)
		if err := results[i].conclude(c, err, http.StatusOK); err != nil {
			return answer{}, err
		}
	}
	return answer{Body: map[string]any{"iam_id": string(id), "groups": results}}, nil
}

// removeFromGroups takes an identity out of all its groups.
func (s *server) removeFromGroups(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	account, err := s.ownAccount(who, c)
	if err != nil {
		return answer{}, s.access.RefuseGroup(ctx, who, "iam-groups.member.remove", err)
	}
	id := iam.IdentityID(c.Path("iam_id"))
	groups, err := s.access.GroupsOf(ctx, who, account, id)
	if err != nil {
		return answer{}, err
	}
	results := make([]outcome, len(groups))
	for i, g := range groups {
		results[i].Group = string(g)
		err := s.access.RemoveMember(ctx, who, g, id)
		if err := results[i].conclude(c, err, http.StatusNoContent); err != nil {
			return answer{}, err
		}
	}
	return answer{Body: map[string]any{"iam_id": string(id), "groups": results}}, nil
}

// ownAccount reads the account and refuses one that the caller does not act in:
// groups are found there only.
func (s *server) ownAccount(who iam.Caller, c *call) (iam.AccountID, error) {
	account, err := accountOf(c.R.URL.Query())
	if err == nil && account != who.Account {
		err = iam.ErrForbidden
	}
	return account, err
}
