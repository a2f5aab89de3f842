package resourcecontroller

import (
	"context"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

type groupBody struct {
	ID                string     `json:"id"`
	CRN               string     `json:"crn"`
	AccountID         string     `json:"account_id"`
	Name              string     `json:"name"`
	State             string     `json:"state"`
	Default           bool       `json:"default"`
	QuotaID           string     `json:"quota_id"`
	QuotaURL          string     `json:"quota_url"`
	PaymentMethodsURL string     `json:"payment_methods_url"`
	ResourceLinkages  []struct{} `json:"resource_linkages"`
	TeamsURL          string     `json:"teams_url"`
	CreatedAt         *string    `json:"created_at"`
	UpdatedAt         *string    `json:"updated_at"`
}

// stateGroup is the only state that a group can be in.
const stateGroup = "ACTIVE"

func group(g resource.Group) groupBody {
	url := "/v2/resource_groups/" + string(g.ID)
	return groupBody{
		ID: string(g.ID), CRN: g.ID.CRN(g.Account).String(), AccountID: string(g.Account), Name: g.Name, State: stateGroup,
		Default: g.Default, QuotaID: quotaID, QuotaURL: "/v2/quota_definitions/" + quotaID,
		PaymentMethodsURL: url + "/payment_methods", ResourceLinkages: []struct{}{}, TeamsURL: url + "/teams",
		CreatedAt: instant(g.Created), UpdatedAt: instant(g.Updated),
	}
}

type groupsBody struct {
	Resources []groupBody `json:"resources"`
}

func (s *server) listGroups(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	def, err := flag(c, "default")
	if err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	rows, err := s.resources.Groups(ctx, who, resource.GroupFilter{Name: value(c, "name"), Default: def})
	if err != nil {
		return answer{}, err
	}
	if foreign(c, who) {
		rows = nil
	}
	body := groupsBody{Resources: make([]groupBody, 0, len(rows))}
	for _, g := range rows {
		body.Resources = append(body.Resources, group(g))
	}
	return answer{Body: body}, nil
}

type createGroupBody struct {
	Name      string `json:"name"`
	AccountID string `json:"account_id"`
}

type createdGroupBody struct {
	ID  string `json:"id"`
	CRN string `json:"crn"`
}

func (s *server) createGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in createGroupBody
	err := c.JSON(&in, httpface.AnyFields)
	if err == nil && in.AccountID != "" && iam.AccountID(in.AccountID) != who.Account {
		err = iam.ErrForbidden
	}
	if err != nil {
		return answer{}, s.resources.Refuse(ctx, who, resource.ActionGroupCreate, err)
	}
	g, err := s.resources.CreateGroup(ctx, who, in.Name)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: createdGroupBody{ID: string(g.ID), CRN: g.ID.CRN(g.Account).String()}}, nil
}

func (s *server) getGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	g, err := s.resources.Group(ctx, who, resource.GroupID(c.Path("id")))
	if err != nil {
		return answer{}, err
	}
	return answer{Body: group(g)}, nil
}

type updateGroupBody struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

func (s *server) updateGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	id := resource.GroupID(c.Path("id"))
	var in updateGroupBody
	err := c.JSON(&in, httpface.AnyFields)
	if err == nil && in.State != "" && in.State != stateGroup {
		err = resource.ErrInvalid.On("state", "knows only ACTIVE")
	}
	if err != nil {
		return answer{}, s.resources.RefuseGroup(ctx, who, resource.ActionGroupUpdate, id, err)
	}
	g, err := s.resources.RenameGroup(ctx, who, id, in.Name)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: group(g)}, nil
}

func (s *server) deleteGroup(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	if err := s.resources.DeleteGroup(ctx, who, resource.GroupID(c.Path("id"))); err != nil {
		return answer{}, err
	}
	return answer{}, nil
}

// quotaID names the one quota definition, which limits nothing.
const quotaID = "a3d7b8d01e261c24677937c29ab33f3c"

type quotaBody struct {
	ID               string     `json:"id"`
	Name             string     `json:"name"`
	Type             string     `json:"type"`
	ServiceInstances int        `json:"number_of_service_instances"`
	ResourceQuotas   []struct{} `json:"resource_quotas"`
}

type quotasBody struct {
	Resources []quotaBody `json:"resources"`
}

func quota() quotaBody {
	return quotaBody{ID: quotaID, Name: "Pay-as-you-go quota", Type: "Pay-Go", ServiceInstances: 100_000, ResourceQuotas: []struct{}{}}
}

func listQuotas(context.Context, iam.Caller, *call) (answer, error) {
	return answer{Body: quotasBody{Resources: []quotaBody{quota()}}}, nil
}

func getQuota(_ context.Context, _ iam.Caller, c *call) (answer, error) {
	if c.Path("id") != quotaID {
		return answer{}, errNoQuota
	}
	return answer{Body: quota()}, nil
}
