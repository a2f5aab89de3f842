package resource

import (
	"net/url"
	"slices"
	"strings"

	"strongroom/crn"
)

// Global is the location of services that are everywhere at once.
const Global = "global"

// Offering is a service of which instances can be made. Identifiers are those of
// IBM's catalog, because clients carry them as constants.
type Offering struct {
	ID          string // of the service in the catalog, "resource_id" on the wire
	Service     string // "kms", the service part of CRNs
	Kind        string // catalog kind: "service", or "iaas" for the object store
	DisplayName string
	Description string
	Global      bool // instances live in no region
	Plans       []Plan
}

// Plan is a way in which an offering is sold; it changes nothing here.
type Plan struct {
	ID   string
	Name string
}

// Offerings lists what this program offers.
func Offerings() []Offering {
	return []Offering{
		{
			ID: "ee41347f-b18e-4ca6-bf80-b5467c63f9a6", Service: crn.KeyProtect, Kind: "service",
			DisplayName: "Key Protect", Description: "Keys for data at rest, kept in a crypto module.",
			Plans: []Plan{{"eedd3585-90c6-4c8f-be3d-062069e99fc3", "tiered-pricing"}},
		},
		{
			ID: "dff97f5c-bc5e-4455-b470-411c3edbe49c", Service: crn.ObjectStorage, Kind: "iaas",
			DisplayName: "Cloud Object Storage", Description: "Objects, encrypted and dispersed.", Global: true,
			Plans: []Plan{
				{"744bfc56-d12c-4866-88d5-dac9139e0e5d", "standard"},
				{"2fdf0c08-2d32-4f46-84b5-32e0c92fffd8", "lite"},
				{"1e4e33e4-cfa6-4f12-9016-be594a6d5f87", "cos-one-rate-plan"},
			},
		},
	}
}

// OfferingOf returns the offering that makes instances of a service.
func OfferingOf(service string) (Offering, bool) {
	return find(func(o Offering) bool { return o.Service == service })
}

// offeringOfPlan returns the offering that a plan belongs to.
func offeringOfPlan(plan string) (Offering, bool) {
	return find(func(o Offering) bool { return o.has(plan) })
}

func find(is func(Offering) bool) (Offering, bool) {
	all := Offerings()
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	return Offering{}, false
}

func (o Offering) has(plan string) bool {
	return slices.ContainsFunc(o.Plans, func(p Plan) bool { return p.ID == plan })
}

// Location is where instances of the offering live when the house is in region.
func (o Offering) Location(region string) string {
	if o.Global {
		return Global
	}
	return region
}

// DeploymentCRN names a plan at a location, as the catalog does. The colon
// inside the last part is escaped.
func DeploymentCRN(plan, location string) crn.CRN {
	return crn.CRN{
		CName: "bluemix", CType: "public", Service: crn.Catalog,
		Type: "deployment", Resource: plan + "%3A" + location,
	}
}

// target is where an instance is wanted: a location, and the plan if the
// client named a deployment of the catalog.
type target struct{ plan, location string }

// parseTarget reads a catalog deployment's or environment's CRN, or a plain
// location.
func parseTarget(s string) (target, bool) {
	if !strings.HasPrefix(s, "crn:") {
		return target{location: s}, s != ""
	}
	c, err := crn.Parse(s)
	if err != nil || c.Service != crn.Catalog {
		return target{}, false
	}
	name, err := url.PathUnescape(c.Resource)
	if err != nil {
		return target{}, false
	}
	switch c.Type {
	case "environment":
		return target{location: name}, name != ""
	case "deployment":
		plan, location, ok := strings.Cut(name, ":")
		return target{plan, location}, ok && plan != "" && location != ""
	}
	return target{}, false
}
