package resourcecontroller

import (
	"context"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

type reclamationBody struct {
	ID                 string   `json:"id"`
	EntityID           string   `json:"entity_id"`
	EntityTypeID       string   `json:"entity_type_id"`
	EntityCRN          string   `json:"entity_crn"`
	ResourceInstanceID string   `json:"resource_instance_id"`
	ResourceGroupID    string   `json:"resource_group_id"`
	AccountID          string   `json:"account_id"`
	PolicyID           string   `json:"policy_id"`
	State              string   `json:"state"`
	TargetTime         *string  `json:"target_time"`
	CustomProperties   struct{} `json:"custom_properties"`
	CreatedAt          *string  `json:"created_at"`
	CreatedBy          string   `json:"created_by"`
	UpdatedAt          *string  `json:"updated_at"`
	UpdatedBy          string   `json:"updated_by"`
}

func reclamation(r resource.Reclamation) reclamationBody {
	offering, _ := resource.OfferingOf(r.Instance.Service)
	return reclamationBody{
		ID: string(r.ID), EntityID: string(r.Instance.ID), EntityTypeID: offering.ID, EntityCRN: r.Instance.CRN().String(),
		ResourceInstanceID: string(r.Instance.ID), ResourceGroupID: string(r.Instance.ResourceGroup),
		AccountID: string(r.Instance.Account), State: string(r.State), TargetTime: instant(r.Target),
		CreatedAt: instant(r.Created.At), CreatedBy: string(r.Created.By),
		UpdatedAt: instant(r.Updated.At), UpdatedBy: string(r.Updated.By),
	}
}

type reclamationsBody struct {
	Resources []reclamationBody `json:"resources"`
}

func (s *server) listReclamations(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	f := resource.ReclamationFilter{
		Instance:      resource.InstanceID(resource.GUID(value(c, "resource_instance_id"))),
		ResourceGroup: resource.GroupID(value(c, "resource_group_id")),
	}
	if foreign(c, who) || f.Instance == "" && value(c, "resource_instance_id") != "" {
		f.Instance = nothing
	}
	rows, err := s.resources.Reclamations(ctx, who, f)
	if err != nil {
		return answer{}, err
	}
	body := reclamationsBody{Resources: make([]reclamationBody, 0, len(rows))}
	for _, r := range rows {
		body.Resources = append(body.Resources, reclamation(r))
	}
	return answer{Body: body}, nil
}

// reclaimBody is what clients say of a reclamation. Who requests it is the
// caller, whatever request_by says.
type reclaimBody struct {
	Comment string `json:"comment"`
}

func (s *server) reclaim(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	return s.actOnReclamation(ctx, who, c, s.resources.Reclaim)
}

func (s *server) restore(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	return s.actOnReclamation(ctx, who, c, s.resources.Restore)
}

func (s *server) actOnReclamation(ctx context.Context, who iam.Caller, c *call,
	act func(context.Context, iam.Caller, resource.ReclamationID, string) (resource.Reclamation, error),
) (answer, error) {
	id := resource.ReclamationID(c.Path("id"))
	var in reclaimBody
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return answer{}, s.resources.RefuseReclamation(ctx, who, iam.Action(c.Action), id, err)
	}
	r, err := act(ctx, who, id, in.Comment)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: reclamation(r)}, nil
}
