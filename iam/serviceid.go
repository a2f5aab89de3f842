package iam

import (
	"context"
	"slices"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
)

// ServiceIdentity is a service ID: an identity of a program, which belongs to
// one account.
type ServiceIdentity struct {
	ID          ServiceID
	Account     AccountID
	Name        string
	Description string
	Instances   []string // CRNs of instances that it is for; information only
	Locked      bool     // can be neither changed nor deleted
	MadeFor     APIKeyID // of the service credential that brought it; empty if made by itself
	Created     time.Time
	CreatedBy   IdentityID
	Modified    time.Time
	Revision    int64
}

// Identity is its IAM ID.
func (v ServiceIdentity) Identity() IdentityID { return IdentityID("iam-" + string(v.ID)) }

// CRN is its cloud resource name.
func (v ServiceIdentity) CRN() crn.CRN {
	return crn.Of(crn.Identity, "", string(v.Account), "", "serviceid", string(v.ID))
}

// EntityTag names this revision, for If-Match.
func (v ServiceIdentity) EntityTag() string { return EntityTag(string(v.ID), v.Revision) }

// serviceOf is the service ID of its IAM ID.
func serviceOf(id IdentityID) ServiceID {
	return ServiceID(strings.TrimPrefix(string(id), "iam-"))
}

// ServiceIDStore keeps service IDs.
type ServiceIDStore interface {
	// CreateServiceID stores a service ID with its first API key, if key is not
	// nil, and refuses more than limit of an account.
	CreateServiceID(ctx context.Context, v ServiceIdentity, key *APIKey, limit int, ev *audit.Event) error
	ServiceID(ctx context.Context, account AccountID, id ServiceID) (ServiceIdentity, error)
	// ServiceIDs lists those of an account; a name that is not empty selects.
	ServiceIDs(ctx context.Context, account AccountID, name string, r IdentityRange) ([]ServiceIdentity, error)
	UpdateServiceID(ctx context.Context, v ServiceIdentity, ev *audit.Event) error
	// DeleteServiceID removes it with its API keys, HMAC credentials, policies
	// and group memberships.
	DeleteServiceID(ctx context.Context, v ServiceIdentity, ev *audit.Event) error
}

// Actions on service IDs.
const (
	actionServiceIDCreate Action = "iam-identity.serviceid.create"
	actionServiceIDGet    Action = "iam-identity.serviceid.get"
	actionServiceIDList   Action = "iam-identity.serviceid.list"
	actionServiceIDUpdate Action = "iam-identity.serviceid.update"
	actionServiceIDDelete Action = "iam-identity.serviceid.delete"
	actionServiceIDLock   Action = "iam-identity.serviceid.lock"
	actionServiceIDUnlock Action = "iam-identity.serviceid.unlock"
)

// NewServiceID is what is needed to make a service ID.
type NewServiceID struct {
	Account     AccountID
	Name        string
	Description string
	Instances   []string
	Locked      bool
	Key         *NewAPIKey // also make this API key; its Identity is ignored
}

// ServiceIDChange says what to change; nil leaves a field as it is.
type ServiceIDChange struct {
	Name, Description *string
	Instances         *[]string
}

func aboutServiceIDs(account AccountID) matter {
	return matter{account: account, kind: "serviceid", target: target(account, "serviceid", "", "service IDs")}
}

func aboutServiceID(account AccountID, id ServiceID, name string) matter {
	return aboutIdentity(account, IdentityID("iam-"+string(id)), target(account, "serviceid", string(id), name))
}

// CreateServiceID makes a service ID and, if asked to, an API key for it, whose
// value is returned this once.
func (s *Identities) CreateServiceID(ctx context.Context, who Caller, n NewServiceID) (ServiceIdentity, *APIKey, custody.Secret, error) {
	var (
		v     ServiceIdentity
		key   *APIKey
		value custody.Secret
	)
	m := aboutServiceIDs(n.Account)
	ev := who.Event(actionServiceIDCreate, m.target)
	err := s.change(ctx, who, actionServiceIDCreate, m, ev, func() error {
		now := s.now().UTC()
		v = ServiceIdentity{
			ID: newServiceID(), Account: n.Account, Name: n.Name, Description: n.Description,
			Instances: n.Instances, Locked: n.Locked,
			Created: now, CreatedBy: who.Identity, Modified: now, Revision: 1,
		}
		if err := v.check(); err != nil {
			return err
		}
		if n.Key != nil {
			// To hold a key of an identity is to be able to act as it.
			if err := s.decider.Allow(ctx, who, actionAPIKeyCreate, aboutServiceID(n.Account, v.ID, v.Name).object()); err != nil {
				return err
			}
			k, secret, err := s.makeKey(n.Account, v.Identity(), *n.Key, who.Identity)
			if err != nil {
				return err
			}
			key, value = &k, secret
			note(&ev.ResponseData, "apiKeyId", string(k.ID))
		}
		ev.Target = target(v.Account, "serviceid", string(v.ID), v.Name)
		return s.store.CreateServiceID(ctx, v, key, maxServiceIDs, ev)
	})
	if err != nil {
		return ServiceIdentity{}, nil, custody.Secret{}, err
	}
	return v, key, value, nil
}

func (v ServiceIdentity) check() error {
	const maxInstances = 10
	if err := checkName("name", v.Name, maxName, true); err != nil {
		return err
	}
	if err := checkText("description", v.Description, maxDescription, false); err != nil {
		return err
	}
	if len(v.Instances) > maxInstances {
		return ErrIdentityInvalid.On("unique_instance_crns", "has more than 10 entries")
	}
	for _, name := range v.Instances {
		if _, err := crn.Parse(name); err != nil {
			return ErrIdentityInvalid.On("unique_instance_crns", "has an entry that is no CRN")
		}
	}
	return nil
}

// ServiceID returns a service ID of the caller's account.
func (s *Identities) ServiceID(ctx context.Context, who Caller, id ServiceID) (ServiceIdentity, error) {
	var v ServiceIdentity
	m := aboutServiceID(who.Account, id, "")
	ev := who.Event(actionServiceIDGet, m.target)
	err := s.read(ctx, who, actionServiceIDGet, m, ev, func() error {
		var err error
		v, err = s.store.ServiceID(ctx, who.Account, id)
		ev.Target.Name = v.Name
		return known(err)
	})
	return v, err
}

// ServiceIDs lists the service IDs of an account; a name that is not empty
// selects those that are called so.
func (s *Identities) ServiceIDs(ctx context.Context, who Caller, account AccountID, name string, l IdentityListing) (IdentityPage[ServiceIdentity], error) {
	var p IdentityPage[ServiceIdentity]
	m := aboutServiceIDs(account)
	err := s.read(ctx, who, actionServiceIDList, m, who.Event(actionServiceIDList, m.target), func() error {
		r, err := l.span()
		if err != nil {
			return err
		}
		items, err := s.store.ServiceIDs(ctx, account, name, r)
		p = page(items, r, func(v ServiceIdentity) (string, time.Time, string) { return v.Name, v.Created, string(v.ID) })
		return err
	})
	return p, err
}

// UpdateServiceID changes a service ID whose entity tag is match ("*": any).
func (s *Identities) UpdateServiceID(ctx context.Context, who Caller, id ServiceID, match string, c ServiceIDChange) (ServiceIdentity, error) {
	return s.alterServiceID(ctx, who, actionServiceIDUpdate, id, func(v *ServiceIdentity) error {
		if err := checkTag(match, string(id), v.Revision); err != nil {
			return err
		}
		if v.Locked {
			return ErrIdentityLocked.On("", "service ID "+string(id))
		}
		if c.Name != nil {
			v.Name = *c.Name
		}
		if c.Description != nil {
			v.Description = *c.Description
		}
		if c.Instances != nil {
			v.Instances = slices.Clone(*c.Instances)
		}
		return v.check()
	})
}

// LockServiceID locks a service ID, so that it can be neither changed nor
// deleted, or unlocks it.
func (s *Identities) LockServiceID(ctx context.Context, who Caller, id ServiceID, locked bool) error {
	action := actionServiceIDUnlock
	if locked {
		action = actionServiceIDLock
	}
	_, err := s.alterServiceID(ctx, who, action, id, func(v *ServiceIdentity) error {
		v.Locked = locked
		return nil
	})
	return err
}

func (s *Identities) alterServiceID(ctx context.Context, who Caller, action Action, id ServiceID, do func(*ServiceIdentity) error) (ServiceIdentity, error) {
	var v ServiceIdentity
	m := aboutServiceID(who.Account, id, "")
	ev := who.Event(action, m.target)
	err := s.change(ctx, who, action, m, ev, func() error {
		var err error
		if v, err = s.store.ServiceID(ctx, who.Account, id); err != nil {
			return err
		}
		ev.Target.Name = v.Name
		if err := do(&v); err != nil {
			return err
		}
		v.Modified = s.now().UTC()
		v.Revision++
		return s.store.UpdateServiceID(ctx, v, ev)
	})
	return v, err
}

// DeleteServiceID removes a service ID and what hangs on it.
func (s *Identities) DeleteServiceID(ctx context.Context, who Caller, id ServiceID) error {
	m := aboutServiceID(who.Account, id, "")
	ev := who.Event(actionServiceIDDelete, m.target)
	return s.change(ctx, who, actionServiceIDDelete, m, ev, func() error {
		v, err := s.store.ServiceID(ctx, who.Account, id)
		if err != nil {
			return err
		}
		ev.Target.Name = v.Name
		if v.Locked {
			return ErrIdentityLocked.On("", "service ID "+string(id))
		}
		return s.store.DeleteServiceID(ctx, v, ev)
	})
}

// RefuseServiceID records and returns why a request about a service ID, or about
// the list if id is empty, was not understood, or that the caller may not even ask.
func (s *Identities) RefuseServiceID(ctx context.Context, who Caller, action Action, id ServiceID, cause error) error {
	m := aboutServiceIDs(who.Account)
	if id != "" {
		m = aboutServiceID(who.Account, id, "")
	}
	return s.door(m).Refuse(ctx, who, action, m.object(), who.Event(action, m.target), cause)
}

// note adds a fact to the data of an event.
func note(data *map[string]any, name string, value any) {
	if *data == nil {
		*data = map[string]any{}
	}
	(*data)[name] = value
}
