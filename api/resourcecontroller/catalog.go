package resourcecontroller

import (
	"context"
	"strings"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/resource"
)

// The catalog answers every known caller: bluemix-go takes a 403 for a reason
// to wait and try again, for minutes.

type catalogEntryBody struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Kind        string              `json:"kind"`
	CatalogCRN  string              `json:"catalog_crn"`
	URL         string              `json:"url"`
	ChildrenURL string              `json:"children_url,omitempty"`
	ParentID    string              `json:"parent_id,omitempty"`
	Active      bool                `json:"active"`
	Disabled    bool                `json:"disabled"`
	Tags        []string            `json:"tags"`
	OverviewUI  map[string]overview `json:"overview_ui"`
	Provider    provider            `json:"provider"`
	Metadata    catalogMetadata     `json:"metadata"`
}

type overview struct {
	DisplayName     string `json:"display_name"`
	Description     string `json:"description"`
	LongDescription string `json:"long_description"`
}

type provider struct {
	Name string `json:"name"`
}

type catalogMetadata struct {
	RCCompatible  bool               `json:"rc_compatible"`
	IAMCompatible bool               `json:"iam_compatible"`
	Service       *serviceMetadata   `json:"service,omitempty"`
	Deployment    *deploymentDetails `json:"deployment,omitempty"`
}

type serviceMetadata struct {
	RCProvisionable     bool `json:"rc_provisionable"`
	IAMCompatible       bool `json:"iam_compatible"`
	Bindable            bool `json:"bindable"`
	PlanUpdateable      bool `json:"plan_updateable"`
	ServiceKeySupported bool `json:"service_key_supported"`
}

type deploymentDetails struct {
	Location     string `json:"location"`
	TargetCRN    string `json:"target_crn"`
	DeploymentID string `json:"deployment_id"`
}

type catalogList struct {
	Offset        int                `json:"offset"`
	Limit         int                `json:"limit"`
	Count         int                `json:"count"`
	ResourceCount int                `json:"resource_count"`
	First         string             `json:"first"`
	Next          string             `json:"next"`
	Resources     []catalogEntryBody `json:"resources"`
}

// catalogPage is the length of a page; everything there is fits.
const catalogPage = 50

func (s *server) catalogAnswer(entries []catalogEntryBody) answer {
	return answer{Body: catalogList{
		Limit: catalogPage, Count: len(entries), ResourceCount: len(entries),
		First: s.public + "/api/v1/", Resources: append([]catalogEntryBody{}, entries...),
	}}
}

func (s *server) entry(id, name, kind, parent, display, description string) catalogEntryBody {
	return catalogEntryBody{
		ID: id, Name: name, Kind: kind, ParentID: parent, Active: true, Tags: []string{},
		CatalogCRN:  crn.CRN{CName: "bluemix", CType: "public", Service: crn.Catalog, Type: kind, Resource: id}.String(),
		URL:         s.public + "/api/v1/" + id,
		ChildrenURL: s.public + "/api/v1/" + id + "/*",
		OverviewUI:  map[string]overview{"en": {display, description, description}},
		Provider:    provider{"Strongroom"},
		Metadata:    catalogMetadata{RCCompatible: true, IAMCompatible: true},
	}
}

func (s *server) service(o resource.Offering) catalogEntryBody {
	e := s.entry(o.ID, o.Service, o.Kind, "", o.DisplayName, o.Description)
	e.Metadata.Service = &serviceMetadata{
		RCProvisionable: true, IAMCompatible: true, PlanUpdateable: true, ServiceKeySupported: true,
	}
	return e
}

func (s *server) plan(o resource.Offering, p resource.Plan) catalogEntryBody {
	kind := "plan"
	if o.Kind == "iaas" {
		kind = "flavor"
	}
	return s.entry(p.ID, p.Name, kind, o.ID, o.DisplayName+" "+p.Name, o.Description)
}

// deployment is a plan at the one location where this house makes instances of it.
func (s *server) deployment(o resource.Offering, p resource.Plan) catalogEntryBody {
	location := o.Location(s.region)
	e := s.entry(p.ID+":"+location, p.Name+" "+location, "deployment", p.ID, location, o.Description)
	e.CatalogCRN = resource.DeploymentCRN(p.ID, location).String()
	e.ChildrenURL = ""
	e.Metadata.Deployment = &deploymentDetails{
		Location: location, DeploymentID: p.ID + ":" + location,
		TargetCRN: crn.CRN{CName: "bluemix", CType: "public", Service: crn.Catalog, Type: "environment", Resource: location}.String(),
	}
	return e
}

func (s *server) searchCatalog(_ context.Context, _ iam.Caller, c *call) (answer, error) {
	wanted := strings.ToLower(strings.TrimPrefix(value(c, "q"), "name:"))
	var found []catalogEntryBody
	for _, o := range resource.Offerings() {
		if strings.Contains(o.Service, wanted) || strings.Contains(strings.ToLower(o.DisplayName), wanted) {
			found = append(found, s.service(o))
		}
	}
	return s.catalogAnswer(found), nil
}

func (s *server) catalogEntry(_ context.Context, _ iam.Caller, c *call) (answer, error) {
	id := c.Path("id")
	for _, o := range resource.Offerings() {
		if o.ID == id {
			return answer{Body: s.service(o)}, nil
		}
		for _, p := range o.Plans {
			if p.ID == id {
				return answer{Body: s.plan(o, p)}, nil
			}
			if d := s.deployment(o, p); d.ID == id {
				return answer{Body: d}, nil
			}
		}
	}
	return answer{}, errNoEntry
}

// catalogChildren lists the plans of a service and the deployments of a plan. A
// kind that an entry has no children of, such as the literal *, gives an empty
// list: Terraform's data source needs no more, and fails on a 404.
func (s *server) catalogChildren(_ context.Context, _ iam.Caller, c *call) (answer, error) {
	id, kind := c.Path("id"), c.Path("kind")
	for _, o := range resource.Offerings() {
		var children []catalogEntryBody
		for _, p := range o.Plans {
			if p.ID == id {
				if kind == "deployment" {
					children = append(children, s.deployment(o, p))
				}
				return s.catalogAnswer(children), nil
			}
			if kind == "plan" || kind == "flavor" {
				children = append(children, s.plan(o, p))
			}
		}
		if o.ID == id {
			return s.catalogAnswer(children), nil
		}
	}
	return answer{}, errNoEntry
}
