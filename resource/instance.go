package resource

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// InstanceID is the GUID of a service instance: a UUID in lower case.
type InstanceID string

// State is where an instance is in its life.
type State string

const (
	StateProvisioning State = "provisioning"        // being made; nobody sees it
	StateActive       State = "active"              //
	StateClosing      State = "closing"             // in use, but nothing new may be made in it
	StatePending      State = "pending_reclamation" // deleted; can be restored
	StateReclaiming   State = "reclaiming"          // being destroyed
	StateRemoved      State = "removed"             // destroyed; only the record is left
)

// Stamp says when something happened and who did it. The zero value: never.
type Stamp struct {
	At time.Time
	By iam.IdentityID
}

// PlanChange says since when an instance has which plan.
type PlanChange struct {
	Plan string         `json:"plan"`
	At   time.Time      `json:"at"`
	By   iam.IdentityID `json:"by"`
}

// Instance is a service instance.
type Instance struct {
	ID            InstanceID
	Account       iam.AccountID
	Service       string // "kms" or "cloud-object-storage"
	Plan          string // ID in the catalog
	Region        string // or "global"
	ResourceGroup GroupID
	Name          string
	State         State
	Locked        bool // refuses updates and deletion
	AllowCleanup  bool // kept for clients; means nothing here
	// Onetime shows the secrets of resource keys only in the answer that made them.
	Onetime       bool
	Parameters    json.RawMessage // the JSON object that the client gave
	Plans         []PlanChange    // oldest first, never empty
	LastOperation string          // "create", "update", "lock", "unlock", "delete", "restore"
	Created       Stamp
	Updated       Stamp
	Deleted       Stamp
	Restored      Stamp
	Reclaim       Stamp // when it is due for reclamation, and who deleted it
	Revision      int64
}

// CRN is the name of the instance.
func (i Instance) CRN() crn.CRN {
	return crn.Of(i.Service, i.Region, string(i.Account), string(i.ID), "", "")
}

// Usable reports whether what is in the instance may be used.
func (i Instance) Usable() bool { return i.State == StateActive || i.State == StateClosing }

// object is what decisions about the instance are made on.
func (i Instance) object() iam.Object {
	return iam.Object{
		Account: i.Account, Service: i.Service, Instance: string(i.ID),
		Region: i.Region, ResourceGroup: string(i.ResourceGroup),
	}
}

func (i Instance) target() audit.Target {
	return audit.Target{
		ID: i.CRN().String(), Name: i.Name, TypeURI: "resource-controller/instance",
		ResourceGroupID: i.ResourceGroup.CRN(i.Account).String(),
	}
}

// event begins the record of what somebody who is no longer there began.
func (i Instance) event(action iam.Action, by Stamp) *audit.Event {
	return leftover(action, by, i.Account, i.target(), i.CRN())
}

func leftover(action iam.Action, by Stamp, account iam.AccountID, target audit.Target, source crn.CRN) *audit.Event {
	who := iam.Caller{Identity: by.By, Kind: iam.KindOf(by.By), Account: account}
	ev := who.Event(action, target)
	ev.LogSourceCRN = source.String()
	ev.Message = "Resource Controller: " + string(action) + " " + target.Name
	return ev
}

// stamp is now and the caller.
func (s *Service) stamp(who iam.Caller) Stamp { return Stamp{At: s.now().UTC(), By: who.Identity} }

// located is what a client's name of an instance led to.
type located struct {
	instance Instance
	object   iam.Object
	target   audit.Target
	err      error // why there is no instance
}

// locate finds the instance before the decision, which needs its attributes. A
// foreign instance, and one that is not finished yet, is as good as none.
func (s *Service) locate(ctx context.Context, who iam.Caller, name string) located {
	r := parseRef(name)
	l := located{object: r.object(who), target: audit.Target{ID: r.name.String(), TypeURI: "resource-controller/instance"}, err: ErrNoInstance}
	if r.name == (crn.CRN{}) {
		l.target.ID = r.guid
	}
	if r.guid == "" {
		return l
	}
	i, err := s.store.Instance(ctx, InstanceID(r.guid))
	switch {
	case isAbsent(err):
	case err != nil:
		l.err = err
	case i.Account != who.Account || i.State == StateProvisioning || !r.names(i.CRN()):
	default:
		return located{instance: i, object: i.object(), target: i.target()}
	}
	return l
}

// event begins the record of what the caller does to what was located.
func (l located) event(who iam.Caller, action iam.Action) *audit.Event {
	ev := who.Event(action, l.target)
	if l.err == nil {
		ev.LogSourceCRN = l.instance.CRN().String()
	}
	return ev
}

// changeInstance passes the door with one instance.
func (s *Service) changeInstance(ctx context.Context, who iam.Caller, action iam.Action, name string,
	do func(Instance, *audit.Event) error,
) error {
	l := s.locate(ctx, who, name)
	ev := l.event(who, action)
	return s.door.Change(ctx, who, action, l.object, ev, func() error {
		if l.err != nil {
			return l.err
		}
		return do(l.instance, ev)
	})
}

// Lookup returns an instance that may be used, from leased memory where that is
// allowed. Every other is ErrNoInstance, also one that is deleted.
func (s *Service) Lookup(ctx context.Context, id InstanceID) (Instance, error) {
	i, err := s.cache.Get(ctx, id, func(ctx context.Context) (Instance, error) {
		i, err := s.store.Instance(ctx, id)
		if err == nil && !i.Usable() {
			err = ErrNoInstance
		}
		return i, err
	})
	if isAbsent(err) {
		err = ErrNoInstance
	}
	return i, err
}

// Instance returns an instance by GUID or CRN, also a deleted one.
func (s *Service) Instance(ctx context.Context, who iam.Caller, name string) (Instance, error) {
	l := s.locate(ctx, who, name)
	err := s.door.Read(ctx, who, ActionInstanceRetrieve, l.object, l.event(who, ActionInstanceRetrieve), func() error { return l.err })
	if err != nil {
		return Instance{}, err
	}
	return l.instance, nil
}

// RefuseInstance is Refuse for a request about one instance.
func (s *Service) RefuseInstance(ctx context.Context, who iam.Caller, action iam.Action, name string, cause error) error {
	l := s.locate(ctx, who, name)
	return s.door.Refuse(ctx, who, action, l.object, l.event(who, action), cause)
}

// InstanceFilter chooses instances. Empty fields choose all; of states, empty
// chooses those that are in use.
type InstanceFilter struct {
	ID            InstanceID
	Name          string
	ResourceGroup GroupID
	Service       string
	Plan          string
	State         State
	Tag           string
	UpdatedFrom   time.Time // inclusive
	UpdatedTo     time.Time // inclusive
}

// Instances lists the instances of the caller's account that it may retrieve,
// oldest first. more says that there are more after the page.
func (s *Service) Instances(ctx context.Context, who iam.Caller, f InstanceFilter, p Page) (list []Instance, more bool, err error) {
	ev := who.Event(ActionInstanceList, audit.Target{TypeURI: "resource-controller/instance"})
	err = s.lists.Read(ctx, who, ActionInstanceList, iam.Object{Account: who.Account}, ev, func() error {
		list, more, err = s.visibleInstances(ctx, who, f, p)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

func (s *Service) visibleInstances(ctx context.Context, who iam.Caller, f InstanceFilter, p Page) ([]Instance, bool, error) {
	return visible(ctx, p,
		func(ctx context.Context, p Page) ([]Instance, error) {
			return s.store.Instances(ctx, who.Account, f, p)
		},
		func(i Instance) string { return string(i.ID) },
		func(i Instance) (bool, error) { return s.may(ctx, who, ActionInstanceRetrieve, i.object()) })
}

// NewInstance is what a caller says of the instance that it wants.
type NewInstance struct {
	Name          string
	Target        string // CRN of a deployment in the catalog, or a location
	ResourceGroup GroupID
	Plan          string
	Tags          []string
	AllowCleanup  bool
	Locked        bool
	Parameters    json.RawMessage // a JSON object, or nil
}

// CreateInstance makes an instance and returns when it can be used. An owner's
// failure undoes it.
func (s *Service) CreateInstance(ctx context.Context, who iam.Caller, in NewInstance) (Instance, error) {
	offering, _ := offeringOfPlan(in.Plan)
	by := s.stamp(who)
	i := Instance{
		ID: InstanceID(uuid.NewString()), Account: who.Account, Service: offering.Service, Plan: in.Plan,
		Region: offering.Location(s.region), ResourceGroup: in.ResourceGroup, Name: in.Name, State: StateProvisioning,
		Locked: in.Locked, AllowCleanup: in.AllowCleanup, Parameters: in.Parameters,
		Plans: []PlanChange{{Plan: in.Plan, At: by.At, By: by.By}}, LastOperation: "create",
		Created: by, Updated: Stamp{At: by.At}, Revision: 1,
	}
	object := i.object()
	object.Instance = "" // a grant on single instances does not reach one that does not exist yet
	ev := who.Event(ActionInstanceCreate, i.target())
	ev.LogSourceCRN = i.CRN().String()
	err := s.door.Change(ctx, who, ActionInstanceCreate, object, ev, func() error {
		tags, err := s.check(&i, in, offering)
		if err != nil {
			return err
		}
		act, err := newAct(actCreateInstance, string(i.ID), struct{}{}, by.At)
		if err != nil {
			return err
		}
		release, _ := s.acts.hold(act.ID)
		defer release()
		if err := s.store.CreateInstance(ctx, i, tags, act); err != nil {
			return err
		}
		return s.acts.run(ctx, act, s.instanceCreation(i, ev, nil))
	})
	if err != nil {
		return Instance{}, err
	}
	i.State, i.Revision = StateActive, i.Revision+1
	return i, nil
}

// check refuses what an instance cannot be, and completes it.
func (s *Service) check(i *Instance, in NewInstance, offering Offering) (tags []string, err error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	if offering.ID == "" {
		return nil, ErrInvalid.On("resource_plan_id", "names no plan of the catalog")
	}
	at, ok := parseTarget(in.Target)
	if !ok {
		return nil, ErrInvalid.On("target", "needs the CRN of a deployment in the catalog, or a location")
	}
	if at.plan != "" && at.plan != in.Plan {
		return nil, ErrInvalid.On("target", "is a deployment of another plan than resource_plan_id")
	}
	if at.location != i.Region {
		return nil, ErrInvalid.On("target", "instances of "+offering.Service+" can only be made in "+i.Region)
	}
	if in.ResourceGroup == "" {
		return nil, ErrInvalid.On("resource_group", "is missing")
	}
	if err := i.setParameters(in.Parameters); err != nil {
		return nil, err
	}
	return cleanTags(in.Tags)
}

// maxParameters bounds the parameters of an instance, in bytes.
const maxParameters = 64 << 10

// parameters are the members of an instance's parameters that mean something
// here; others are kept and returned as they came.
type parameters struct {
	Onetime        *bool  `json:"onetime_credentials"`
	AllowedNetwork string `json:"allowed_network"`
	Endpoints      string `json:"service-endpoints"`
}

// setParameters checks and keeps parameters; nil stands for none.
func (i *Instance) setParameters(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		i.Parameters = json.RawMessage("{}")
		return nil
	}
	if len(raw) > maxParameters {
		return ErrInvalid.On("parameters", "may not be longer than 64 KiB")
	}
	var p parameters
	if err := json.Unmarshal(raw, &p); err != nil || raw[0] != '{' {
		return ErrInvalid.On("parameters", "needs a JSON object with members of the documented types")
	}
	if !slices.Contains([]string{"", "public-and-private", "private-only"}, p.AllowedNetwork) {
		return ErrInvalid.On("parameters.allowed_network", "knows public-and-private and private-only")
	}
	if !slices.Contains([]string{"", "public", "private", "public-and-private"}, p.Endpoints) {
		return ErrInvalid.On("parameters.service-endpoints", "knows public, private and public-and-private")
	}
	if p.Onetime != nil {
		i.Onetime = *p.Onetime
	}
	i.Parameters = raw
	return nil
}

// instanceCreation makes the instance: ev is committed when it is done, undone
// when it had to be undone.
func (s *Service) instanceCreation(i Instance, ev, undone *audit.Event) script {
	return script{
		steps: []step{{
			do:   func(ctx context.Context) error { return s.owner(i).Prepare(ctx, i) },
			undo: func(ctx context.Context) error { return s.owner(i).Destroy(ctx, i) },
		}},
		finish: func(ctx context.Context, act Act) error {
			done := i
			done.State = StateActive
			return s.store.FinishInstance(ctx, done, act, ev)
		},
		abandon: func(ctx context.Context, act Act) error {
			return s.store.AbandonInstance(ctx, i, act, undone)
		},
	}
}

// InstancePatch says what to change; nil leaves as it is.
type InstancePatch struct {
	Name         *string
	Plan         *string
	AllowCleanup *bool
	Parameters   json.RawMessage
}

// UpdateInstance changes an instance. It refuses a locked one.
func (s *Service) UpdateInstance(ctx context.Context, who iam.Caller, name string, p InstancePatch) (Instance, error) {
	return s.alter(ctx, who, ActionInstanceUpdate, name, "update", func(i *Instance) error {
		if i.Locked {
			return ErrLocked
		}
		was := *i
		if err := i.apply(p); err != nil {
			return err
		}
		if i.Plan != was.Plan {
			if err := s.decide.Allow(ctx, who, ActionInstanceUpdatePlan, i.object()); err != nil {
				return err
			}
		}
		if was.Onetime && !i.Onetime {
			return s.decide.Allow(ctx, who, ActionOnetimeOff, i.object())
		}
		return nil
	})
}

func (i *Instance) apply(p InstancePatch) error {
	if p.Name != nil {
		if err := checkName(*p.Name); err != nil {
			return err
		}
		i.Name = *p.Name
	}
	if p.Plan != nil && *p.Plan != i.Plan {
		offering, _ := OfferingOf(i.Service)
		if !offering.has(*p.Plan) {
			return ErrInvalid.On("resource_plan_id", "names no plan of "+i.Service)
		}
		i.Plan = *p.Plan
		i.Plans = append(i.Plans, PlanChange{Plan: *p.Plan})
	}
	if p.AllowCleanup != nil {
		i.AllowCleanup = *p.AllowCleanup
	}
	if p.Parameters != nil {
		return i.setParameters(p.Parameters)
	}
	return nil
}

// Lock makes an instance refuse updates and deletion until it is unlocked.
func (s *Service) Lock(ctx context.Context, who iam.Caller, name string) (Instance, error) {
	return s.alter(ctx, who, ActionInstanceLock, name, "lock", func(i *Instance) error {
		i.Locked = true
		return nil
	})
}

// Unlock takes the lock away.
func (s *Service) Unlock(ctx context.Context, who iam.Caller, name string) (Instance, error) {
	return s.alter(ctx, who, ActionInstanceUnlock, name, "unlock", func(i *Instance) error {
		i.Locked = false
		return nil
	})
}

// alter changes the record of an instance that is in use.
func (s *Service) alter(ctx context.Context, who iam.Caller, action iam.Action, name, operation string,
	change func(*Instance) error,
) (Instance, error) {
	var altered Instance
	err := s.changeInstance(ctx, who, action, name, func(i Instance, ev *audit.Event) error {
		if err := i.inUse(); err != nil {
			return err
		}
		plans := len(i.Plans)
		if err := change(&i); err != nil {
			return err
		}
		i.Updated, i.LastOperation = s.stamp(who), operation
		for n := plans; n < len(i.Plans); n++ {
			i.Plans[n].At, i.Plans[n].By = i.Updated.At, i.Updated.By
		}
		ev.Target.Name = i.Name
		altered = i
		altered.Revision++
		return s.store.UpdateInstance(ctx, i, ev)
	})
	if err != nil {
		return Instance{}, err
	}
	return altered, nil
}

// inUse says why an instance cannot be changed, or nil.
func (i Instance) inUse() error {
	switch i.State {
	case StateActive:
		return nil
	case StateClosing:
		return ErrBusy
	default:
		return ErrDeleted
	}
}

// deletion is what the act of deleting an instance works with.
type deletion struct {
	instance  Instance // as it was when the act began, with state closing
	rec       Reclamation
	recursive bool
	ev        *audit.Event
	removals  []Act // begun by the deletion: one for each resource key
}

// DeleteInstance deletes an instance, to be reclaimed after seven days. Its
// owner may refuse; resource keys are deleted with it if recursive, and make it
// refuse if not. A locked instance refuses. done says that its resource keys are
// withdrawn, too.
func (s *Service) DeleteInstance(ctx context.Context, who iam.Caller, name string, recursive bool) (done bool, err error) {
	var d deletion
	err = s.changeInstance(ctx, who, ActionInstanceDelete, name, func(i Instance, ev *audit.Event) error {
		if err := i.inUse(); err != nil {
			return err
		}
		if i.Locked {
			return ErrLocked
		}
		by := s.stamp(who)
		act, err := newAct(actDeleteInstance, string(i.ID), struct{}{}, by.At)
		if err != nil {
			return err
		}
		i.State = StateClosing
		release, _ := s.acts.hold(act.ID)
		defer release()
		if err := s.store.CloseInstance(ctx, i, act); err != nil {
			return err
		}
		i.Revision++
		d = deletion{instance: i, rec: newReclamation(i, by), recursive: recursive, ev: ev}
		return s.acts.run(ctx, act, s.instanceDeletion(&d))
	})
	if err != nil {
		return false, err
	}
	done = true
	for _, act := range d.removals {
		done = s.proceed(ctx, act) && done
	}
	return done, nil
}

// instanceDeletion asks the owner while the instance is closed to new things,
// so that nothing can be made between the question and the deletion.
func (s *Service) instanceDeletion(d *deletion) script {
	return script{
		steps: []step{{
			do: func(ctx context.Context) error { return s.owner(d.instance).RefuseDelete(ctx, d.instance) },
		}},
		finish: func(ctx context.Context, act Act) (err error) {
			i, by := d.instance, d.rec.Created
			i.State, i.LastOperation = StatePending, "delete"
			i.Deleted, i.Updated = by, by
			i.Reclaim = Stamp{At: d.rec.Target, By: by.By}
			d.removals, err = s.store.DeleteInstance(ctx, i, d.rec, d.recursive, act, d.ev)
			return err
		},
		abandon: func(ctx context.Context, act Act) error {
			i := d.instance
			i.State = StateActive
			return s.store.ReopenInstance(ctx, i, act)
		},
	}
}

// isAbsent reports whether the store has said that there is no such thing.
func isAbsent(err error) bool { return fault.KindOf(err) == fault.NotFound }
