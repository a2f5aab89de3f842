package server

import (
	"context"
	"fmt"

	"strongroom/activity"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/dispersal"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
	"strongroom/resource"
)

// house holds the services on their core.
type house struct {
	*core
	fixed      fixed
	identities *iam.Identities
	access     *iam.Access
	resources  *resource.Service
	keys       *kms.Service
	activity   *activity.Activity
	masters    *masters.Custodian
	cluster    *dispersal.Cluster
	objects    *objects.Service
	storage    *objects.Storage
	remote     *rootkeyhttp.Client // nil without a key service elsewhere
}

// fixed is what the first start decides for good.
type fixed struct {
	region string
	issuer string
}

// Settings that are fixed at the first start, and what the bootstrap remembers.
const (
	settingRegion   = "region"
	settingIssuer   = "issuer"
	settingOperator = "operator-account"
	settingKMS      = "bootstrap-kms-instance"
	settingCOS      = "bootstrap-cos-instance"
	settingKey      = "bootstrap-api-key"
	settingNodes    = "bootstrap-storage-nodes"
)

// ibmIssuer is the issuer of IBM's own tokens.
const ibmIssuer = "https://iam.cloud.ibm.com/identity"

// build makes the services and wires each to what it needs. url is how clients
// reach the control APIs now.
func build(ctx context.Context, c *core, url string) (*house, error) {
	h := &house{core: c}
	if err := h.fix(ctx, url); err != nil {
		return nil, err
	}
	pepper, _, err := c.db.Secrets().Obtain(ctx, c.vault, "pepper", "1", func() (custody.Secret, []byte, error) {
		return custody.RandomSecret(32), nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("opening the pepper: %w", err)
	}
	h.access = iam.NewAccess(iam.AccessConfig{
		Store: c.db.Access(), Hub: c.hub, Recorder: c.audit, Now: c.now, ResourceGroup: h.resourceGroup,
	})
	h.identities = iam.NewIdentities(iam.IdentitiesConfig{
		Store: c.db.Identities(), Vault: c.vault, Pepper: pepper, Hub: c.hub, Decider: h.access, Recorder: c.audit,
		Issuer: h.fixed.issuer, Now: c.now, Log: c.log,
	})
	h.keys = kms.New(kms.Config{
		Store: c.db.Keys(), Instances: instances{h}, Module: c.rack, Hub: c.hub,
		Decider: h.access, Viewer: h.access, Log: c.audit, Now: c.now,
		RotationWait: c.config.Keys.RotationWait, EnableWait: c.config.Keys.EnableWait, RestoreWait: c.config.Keys.RestoreWait,
		PurgeWait: c.config.Keys.PurgeWait, SyncWait: c.config.Keys.SyncWait, GroupName: h.groupName,
	})
	h.resources = resource.New(resource.Config{
		Store: c.db.Resources(), Decider: h.access, Log: c.audit, Hub: c.hub, Vault: c.vault,
		Credentials: h.identities, Grants: h.access, Owners: map[string]resource.Owner{crn.KeyProtect: owner{h.keys}, crn.ObjectStorage: objectOwner{h}},
		Region: h.fixed.region, Now: c.now, Logger: c.log,
	})
	if err := h.openObjects(ctx); err != nil {
		return nil, err
	}
	return h, h.resources.Reconcile(ctx)
}

// fix settles region and issuer at the first start, and later refuses a
// configuration that wants another region, which is part of every name given
// out, or IBM's issuer where it is not the one.
func (h *house) fix(ctx context.Context, url string) error {
	issuer := url + "/identity"
	if h.config.IBMIssuer {
		issuer = ibmIssuer
	}
	region, err := h.db.FixSetting(ctx, settingRegion, h.config.Region)
	if err != nil {
		return fmt.Errorf("fixing the region: %w", err)
	}
	if region != h.config.Region {
		return fmt.Errorf("region: this data folder belongs to region %s, which cannot change to %s", region, h.config.Region)
	}
	if issuer, err = h.db.FixSetting(ctx, settingIssuer, issuer); err != nil {
		return fmt.Errorf("fixing the issuer: %w", err)
	}
	if h.config.IBMIssuer && issuer != ibmIssuer {
		return fmt.Errorf("ibm_issuer: the tokens of this data folder name %s, which was fixed at its first start", issuer)
	}
	h.fixed = fixed{region: region, issuer: issuer}
	return nil
}

// resourceGroup tells policies the resource group of an instance.
func (h *house) resourceGroup(ctx context.Context, instance crn.CRN) (string, error) {
	i, err := h.resources.Lookup(ctx, resource.InstanceID(instance.Instance))
	if fault.KindOf(err) == fault.NotFound {
		return "", nil
	}
	return string(i.ResourceGroup), err
}

// groupName tells metrics the name of a resource group.
func (h *house) groupName(ctx context.Context, id string) (string, error) {
	return h.resources.GroupName(ctx, resource.GroupID(id))
}

// instances tells the key service of its instances.
type instances struct{ h *house }

// Instance implements kms.Instances.
func (a instances) Instance(ctx context.Context, id kms.InstanceID) (kms.Instance, error) {
	i, err := a.h.resources.Lookup(ctx, resource.InstanceID(id))
	if err != nil {
		return kms.Instance{}, err
	}
	if i.Service != crn.KeyProtect {
		return kms.Instance{}, errNotOurs
	}
	return kmsInstance(i), nil
}

// errNotOurs is for an instance of another service.
var errNotOurs = fault.New(fault.NotFound, "no such instance")

func kmsInstance(i resource.Instance) kms.Instance {
	return kms.Instance{
		ID: kms.InstanceID(i.ID), Account: i.Account, CRN: i.CRN(), Name: i.Name,
		ResourceGroup: string(i.ResourceGroup), Region: i.Region, Revision: i.Revision,
	}
}

// owner is the key service, as the owner of its instances.
type owner struct{ keys *kms.Service }

// Prepare implements resource.Owner.
func (o owner) Prepare(ctx context.Context, i resource.Instance) error {
	return o.keys.PrepareInstance(ctx, kmsInstance(i))
}

// RefuseDelete implements resource.Owner.
func (o owner) RefuseDelete(ctx context.Context, i resource.Instance) error {
	return o.keys.RefuseDelete(ctx, kmsInstance(i))
}

// Destroy implements resource.Owner.
func (o owner) Destroy(ctx context.Context, i resource.Instance) error {
	return o.keys.DestroyInstance(ctx, kmsInstance(i))
}

// serveOperator opens the doors that are the operator's, once that is known.
func (h *house) serveOperator(operator iam.AccountID) {
	h.masters = h.custodian(operator)
	h.openStorage(operator)
	h.activity = activity.New(activity.Config{
		Log: h.audit, Verify: h.verifyAudit, Decide: h.access, Operator: operator, Now: h.now,
	})
}

// job is something that the server does by itself.
type job struct {
	name string
	run  func(ctx context.Context) error
}
