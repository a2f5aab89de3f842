package iampolicy

import (
	"context"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// builtInRole is a role that everybody has.
type builtInRole struct {
	CRN         string       `json:"crn"`
	DisplayName string       `json:"display_name"`
	Description string       `json:"description"`
	Actions     []iam.Action `json:"actions"`
}

// customRole is a role of an account.
type customRole struct {
	ID          string       `json:"id"`
	DisplayName string       `json:"display_name"`
	Description string       `json:"description"`
	Actions     []iam.Action `json:"actions"`
	CRN         string       `json:"crn"`
	Name        string       `json:"name"`
	Account     string       `json:"account_id"`
	Service     string       `json:"service_name"`
	CreatedAt   string       `json:"created_at"`
	CreatedBy   string       `json:"created_by_id"`
	ModifiedAt  string       `json:"last_modified_at"`
	ModifiedBy  string       `json:"last_modified_by_id"`
	Href        string       `json:"href"`
}

// roleList has all three members in every answer: clients go through them
// without looking.
type roleList struct {
	Custom   []customRole  `json:"custom_roles"`
	Service  []builtInRole `json:"service_roles"`
	Platform []builtInRole `json:"system_roles"`
}

func (s *server) customRole(r *iam.CustomRole) customRole {
	return customRole{
		ID: string(r.ID), DisplayName: r.DisplayName, Description: r.Description, Actions: r.Actions, CRN: r.CRN(), Name: r.Name,
		Account: string(r.Account), Service: r.Service, CreatedAt: instant(r.CreatedAt), CreatedBy: string(r.CreatedBy),
		ModifiedAt: instant(r.ModifiedAt), ModifiedBy: string(r.ModifiedBy), Href: s.public + "/v2/roles/" + string(r.ID),
	}
}

func builtIn(list []*iam.Role, service string) []builtInRole {
	if service == iam.AnyService {
		service = ""
	}
	all := []builtInRole{}
	for _, r := range list {
		all = append(all, builtInRole{r.CRN, r.DisplayName, r.Description, r.Actions(service)})
	}
	return all
}

func (s *server) roles(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	q := c.R.URL.Query()
	kind := q.Get("policy_type")
	if kind != "" && kind != "access" && kind != "authorization" {
		return answer{}, s.access.RefuseRole(ctx, who, "iam-am.role.list", errQuery.On("policy_type", "it can be access or authorization"))
	}
	query := iam.RoleQuery{
		Account: iam.AccountID(q.Get("account_id")), Service: q.Get("service_name"),
		Authorization: kind == "authorization" || q.Get("source_service_name") != "",
	}
	list, err := s.access.Roles(ctx, who, query)
	if err != nil {
		return answer{}, err
	}
	out := roleList{
		Custom: []customRole{}, Service: builtIn(list.Service, query.Service), Platform: builtIn(list.Platform, query.Service),
	}
	for i := range list.Custom {
		out.Custom = append(out.Custom, s.customRole(&list.Custom[i]))
	}
	return answer{Body: out}, nil
}

// oldRole is a role as clients of the first version read it.
type oldRole struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
}

type oldRoleList struct {
	Supported []oldRole `json:"supportedRoles"`
	Platform  struct {
		Supported []oldRole `json:"supportedRoles"`
	} `json:"platformExtensions"`
}

func (s *server) oldRoles(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	q := c.R.URL.Query()
	list, err := s.access.Roles(ctx, who, iam.RoleQuery{
		Service: q.Get("serviceName"), Authorization: q.Get("policyType") == "authorization",
	})
	if err != nil {
		return answer{}, err
	}
	old := func(roles []*iam.Role) []oldRole {
		all := []oldRole{}
		for _, r := range roles {
			all = append(all, oldRole{r.CRN, r.DisplayName, r.Description})
		}
		return all
	}
	out := oldRoleList{Supported: old(list.Service)}
	out.Platform.Supported = old(list.Platform)
	return answer{Body: out}, nil
}

func (s *server) createRole(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		Name        string       `json:"name"`
		DisplayName string       `json:"display_name"`
		Description string       `json:"description"`
		Account     string       `json:"account_id"`
		Service     string       `json:"service_name"`
		Actions     []iam.Action `json:"actions"`
	}
	err := c.JSON(&in, httpface.AnyFields)
	if err == nil && (in.Account == "" || in.Service == "") {
		err = iam.ErrRole.On("account_id", "account_id and service_name are needed")
	}
	if err != nil {
		return answer{}, s.access.RefuseRole(ctx, who, "iam-am.role.create", err)
	}
	r, err := s.access.CreateRole(ctx, who, iam.CustomRole{
		Account: iam.AccountID(in.Account), Service: in.Service, Name: in.Name, DisplayName: in.DisplayName,
		Description: in.Description, Actions: in.Actions,
	})
	if err != nil {
		return answer{}, err
	}
	return tagged(r.ETag(), s.customRole(&r)), nil
}

func (s *server) getRole(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	r, err := s.access.Role(ctx, who, iam.RoleID(c.Path("id")))
	if err != nil {
		return answer{}, err
	}
	return tagged(r.ETag(), s.customRole(&r)), nil
}

func (s *server) replaceRole(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in struct {
		DisplayName string       `json:"display_name"`
		Description string       `json:"description"`
		Actions     []iam.Action `json:"actions"`
	}
	match, err := ifMatch(c)
	if err == nil {
		err = c.JSON(&in, httpface.AnyFields)
	}
	if err != nil {
		return answer{}, s.access.RefuseRole(ctx, who, "iam-am.role.update", err)
	}
	to := iam.CustomRole{DisplayName: in.DisplayName, Description: in.Description, Actions: in.Actions}
	r, err := s.access.ReplaceRole(ctx, who, iam.RoleID(c.Path("id")), match, to)
	if err != nil {
		return answer{}, err
	}
	return tagged(r.ETag(), s.customRole(&r)), nil
}

func (s *server) deleteRole(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	return answer{}, s.access.DeleteRole(ctx, who, iam.RoleID(c.Path("id")))
}
