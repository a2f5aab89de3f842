package resourcecontroller

import (
	"context"
	"encoding/json"
	"strconv"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

type instanceBody struct {
	ID                  string             `json:"id"`
	GUID                string             `json:"guid"`
	URL                 string             `json:"url"`
	CreatedAt           *string            `json:"created_at"`
	UpdatedAt           *string            `json:"updated_at"`
	DeletedAt           *string            `json:"deleted_at"`
	CreatedBy           string             `json:"created_by"`
	UpdatedBy           string             `json:"updated_by"`
	DeletedBy           string             `json:"deleted_by"`
	ScheduledReclaimAt  *string            `json:"scheduled_reclaim_at"`
	RestoredAt          *string            `json:"restored_at"`
	ScheduledReclaimBy  string             `json:"scheduled_reclaim_by"`
	RestoredBy          string             `json:"restored_by"`
	Name                string             `json:"name"`
	RegionID            string             `json:"region_id"`
	AccountID           string             `json:"account_id"`
	ResellerChannelID   string             `json:"reseller_channel_id"`
	ResourcePlanID      string             `json:"resource_plan_id"`
	ResourceGroupID     string             `json:"resource_group_id"`
	ResourceGroupCRN    string             `json:"resource_group_crn"`
	TargetCRN           string             `json:"target_crn"`
	OnetimeCredentials  bool               `json:"onetime_credentials"`
	Parameters          json.RawMessage    `json:"parameters"`
	AllowCleanup        bool               `json:"allow_cleanup"`
	Locked              bool               `json:"locked"`
	CRN                 string             `json:"crn"`
	State               string             `json:"state"`
	Type                string             `json:"type"`
	SubType             string             `json:"sub_type"`
	ResourceID          string             `json:"resource_id"`
	DashboardURL        *string            `json:"dashboard_url"`
	LastOperation       operationBody      `json:"last_operation"`
	ResourceAliasesURL  string             `json:"resource_aliases_url"`
	ResourceBindingsURL string             `json:"resource_bindings_url"`
	ResourceKeysURL     string             `json:"resource_keys_url"`
	PlanHistory         []planBody         `json:"plan_history"`
	Migrated            bool               `json:"migrated"`
	ControlledBy        string             `json:"controlled_by"`
	Extensions          instanceExtensions `json:"extensions"`
}

type operationBody struct {
	Type        string  `json:"type"`
	State       string  `json:"state"`
	SubType     *string `json:"sub_type"`
	Async       bool    `json:"async"`
	Description string  `json:"description"`
	ReasonCode  *string `json:"reason_code"`
	PollAfter   *int    `json:"poll_after"`
	Cancelable  bool    `json:"cancelable"`
	Poll        bool    `json:"poll"`
}

type planBody struct {
	ResourcePlanID string  `json:"resource_plan_id"`
	StartDate      *string `json:"start_date"`
	RequestorID    string  `json:"requestor_id"`
}

// instanceExtensions: Terraform reads both endpoints without looking whether
// they are there.
type instanceExtensions struct {
	Endpoints struct {
		Public  string `json:"public"`
		Private string `json:"private"`
	} `json:"endpoints"`
	VirtualPrivateEndpoints struct{} `json:"virtual_private_endpoints"`
}

// typeInstance is the only type of instance that there is.
const typeInstance = "service_instance"

func (s *server) instance(i resource.Instance) instanceBody {
	name, url := i.CRN().String(), "/v2/resource_instances/"+string(i.ID)
	offering, _ := resource.OfferingOf(i.Service)
	b := instanceBody{
		ID: name, GUID: string(i.ID), URL: url, CRN: name,
		CreatedAt: instant(i.Created.At), CreatedBy: string(i.Created.By),
		UpdatedAt: instant(i.Updated.At), UpdatedBy: string(i.Updated.By),
		DeletedAt: instant(i.Deleted.At), DeletedBy: string(i.Deleted.By),
		RestoredAt: instant(i.Restored.At), RestoredBy: string(i.Restored.By),
		ScheduledReclaimAt: instant(i.Reclaim.At), ScheduledReclaimBy: string(i.Reclaim.By),
		Name: i.Name, RegionID: i.Region, AccountID: string(i.Account), ResourcePlanID: i.Plan,
		ResourceGroupID: string(i.ResourceGroup), ResourceGroupCRN: i.ResourceGroup.CRN(i.Account).String(),
		TargetCRN:          resource.DeploymentCRN(i.Plan, i.Region).String(),
		OnetimeCredentials: i.Onetime, Parameters: i.Parameters, AllowCleanup: i.AllowCleanup, Locked: i.Locked,
		State: state(i.State), Type: typeInstance, SubType: i.Service, ResourceID: offering.ID,
		LastOperation: operationBody{
			Type: i.LastOperation, State: "succeeded", Description: "Completed " + i.LastOperation + " instance operation",
		},
		ResourceAliasesURL: url + "/resource_aliases", ResourceBindingsURL: url + "/resource_bindings",
		ResourceKeysURL: url + "/resource_keys",
		PlanHistory:     make([]planBody, 0, len(i.Plans)),
	}
	for _, p := range i.Plans {
		b.PlanHistory = append(b.PlanHistory, planBody{p.Plan, instant(p.At), string(p.By)})
	}
	endpoint := s.public
	if i.Service == crn.ObjectStorage {
		endpoint = s.s3
	}
	b.Extensions.Endpoints.Public, b.Extensions.Endpoints.Private = endpoint, endpoint
	return b
}

// state is a state as clients know it: two of ours are details of others.
func state(s resource.State) string {
	switch s {
	case resource.StateClosing:
		s = resource.StateActive
	case resource.StateReclaiming:
		s = resource.StatePending
	}
	return string(s)
}

type createInstanceBody struct {
	Name           string          `json:"name"`
	Target         string          `json:"target"`
	ResourceGroup  string          `json:"resource_group"`
	ResourcePlanID string          `json:"resource_plan_id"`
	Tags           []string        `json:"tags"`
	AllowCleanup   bool            `json:"allow_cleanup"`
	Parameters     json.RawMessage `json:"parameters"`
}

func (s *server) createInstance(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in createInstanceBody
	err := c.JSON(&in, httpface.AnyFields)
	locked := false
	if text := c.R.Header.Get("Entity-Lock"); err == nil && text != "" {
		if locked, err = strconv.ParseBool(text); err != nil {
			err = resource.ErrInvalid.On("Entity-Lock", "needs true or false")
		}
	}
	if err != nil {
		return answer{}, s.resources.Refuse(ctx, who, resource.ActionInstanceCreate, err)
	}
	i, err := s.resources.CreateInstance(ctx, who, resource.NewInstance{
		Name: in.Name, Target: in.Target, ResourceGroup: resource.GroupID(in.ResourceGroup), Plan: in.ResourcePlanID,
		Tags: in.Tags, AllowCleanup: in.AllowCleanup, Locked: locked, Parameters: in.Parameters,
	})
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.instance(i)}, nil
}

func (s *server) getInstance(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	i, err := s.resources.Instance(ctx, who, c.Path("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.instance(i)}, nil
}

// nothing matches no row: it stands for filters that name what does not exist.
const nothing = "-"

func instanceFilter(c *call) (f resource.InstanceFilter, err error) {
	f = resource.InstanceFilter{
		ID: resource.InstanceID(value(c, "guid")), Name: value(c, "name"),
		ResourceGroup: resource.GroupID(value(c, "resource_group_id")), Plan: value(c, "resource_plan_id"),
		Service: value(c, "sub_type"),
	}
	if t := value(c, "type"); t != "" && t != typeInstance {
		f.Service = nothing
	}
	if id := value(c, "resource_id"); id != "" {
		f.Service = both(f.Service, serviceOf(id))
	}
	switch f.State = resource.State(value(c, "state")); f.State {
	case "", resource.StateActive, resource.StateProvisioning, resource.StatePending, resource.StateRemoved:
	default:
		return f, errQuery.On("state", "knows active, provisioning, pending_reclamation and removed")
	}
	if f.UpdatedFrom, err = when(c, "updated_from"); err != nil {
		return f, err
	}
	f.UpdatedTo, err = when(c, "updated_to")
	return f, err
}

// serviceOf is the service with an ID of the catalog.
func serviceOf(id string) string {
	for _, o := range resource.Offerings() {
		if o.ID == id {
			return o.Service
		}
	}
	return nothing
}

// both is what satisfies two filters on one attribute.
func both(a, b string) string {
	if a == "" || a == b {
		return b
	}
	return nothing
}

func (s *server) listInstances(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	p, err := page(c, maxPage, maxPage)
	if err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	f, err := instanceFilter(c)
	if err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	rows, more, err := s.resources.Instances(ctx, who, f, p)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: paged(c, p, rows, more, func(i resource.Instance) string { return string(i.ID) }, s.instance)}, nil
}

type updateInstanceBody struct {
	Name           *string         `json:"name"`
	ResourcePlanID *string         `json:"resource_plan_id"`
	AllowCleanup   *bool           `json:"allow_cleanup"`
	Parameters     json.RawMessage `json:"parameters"`
}

func (s *server) updateInstance(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in updateInstanceBody
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return answer{}, s.resources.RefuseInstance(ctx, who, resource.ActionInstanceUpdate, c.Path("id"), err)
	}
	i, err := s.resources.UpdateInstance(ctx, who, c.Path("id"), resource.InstancePatch{
		Name: in.Name, Plan: in.ResourcePlanID, AllowCleanup: in.AllowCleanup, Parameters: in.Parameters,
	})
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.instance(i)}, nil
}

func (s *server) deleteInstance(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	recursive, err := flag(c, "recursive")
	if err != nil {
		return answer{}, s.resources.RefuseInstance(ctx, who, resource.ActionInstanceDelete, c.Path("id"), err)
	}
	done, err := s.resources.DeleteInstance(ctx, who, c.Path("id"), recursive != nil && *recursive)
	if err != nil {
		return answer{}, err
	}
	return deleted(done), nil
}

func (s *server) lockInstance(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	i, err := s.resources.Lock(ctx, who, c.Path("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.instance(i)}, nil
}

func (s *server) unlockInstance(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	i, err := s.resources.Unlock(ctx, who, c.Path("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.instance(i)}, nil
}

// listNothing answers for aliases and bindings, which belong to Cloud Foundry
// and do not exist here.
func (s *server) listNothing(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	if _, err := s.resources.Instance(ctx, who, c.Path("id")); err != nil {
		return answer{}, err
	}
	return answer{Body: list[struct{}]{Resources: []struct{}{}}}, nil
}
