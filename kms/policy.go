package kms

import (
	"context"
	"time"

	"github.com/google/uuid"

	"strongroom/iam"
)

// PolicyID is the UUID of a policy of a key.
type PolicyID string

// PolicyStamp says who made a policy and who changed it last.
type PolicyStamp struct {
	ID        PolicyID
	Created   time.Time
	CreatedBy iam.IdentityID
	Updated   time.Time
	UpdatedBy iam.IdentityID
}

// newStamp is the stamp of a policy that is made.
func newStamp(by iam.IdentityID, now time.Time) PolicyStamp {
	return PolicyStamp{ID: PolicyID(uuid.NewString()), Created: now, CreatedBy: by, Updated: now, UpdatedBy: by}
}

// changed returns the stamp after a change.
func (s PolicyStamp) changed(by iam.IdentityID, now time.Time) PolicyStamp {
	s.Updated, s.UpdatedBy = now, by
	return s
}

// PolicyChange says which policies of a key to set. What is nil stays as it is.
type PolicyChange struct {
	Rotation *RotationChange
	DualAuth *bool // whether two people are needed to delete the key; cannot be taken back
}

// check holds the rules of a change that do not depend on the key.
func (c PolicyChange) check() error {
	if c.Rotation == nil {
		return nil
	}
	_, err := c.Rotation.Interval()
	return err
}

// apply returns k with the policies changed.
func (c PolicyChange) apply(k Key, by iam.IdentityID, now time.Time) (Key, error) {
	if c.Rotation != nil {
		p, err := c.Rotation.apply(&k, by, now)
		if err != nil {
			return Key{}, err
		}
		k.Rotation = p
	}
	if c.DualAuth != nil {
		p, err := k.DualAuth.change(*c.DualAuth, by, now)
		if err != nil {
			return Key{}, err
		}
		k.DualAuth = p
	}
	return k, nil
}

// SetPolicies sets policies of a key that is not deleted, and returns the key.
func (s *Service) SetPolicies(ctx context.Context, who iam.Caller, ref Ref, c PolicyChange) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{
		action: ActionPolicyWrite, change: true, check: c.check,
		act: func(v *visit) (err error) {
			v.tell(&v.record.Key, nil)
			v.tellPolicies(c)
			key, err = s.update(ctx, v, func(k Key) (Key, *Version, error) {
				if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
					return Key{}, nil, err
				}
				k, err := c.apply(k, who.Identity, v.now)
				k.Updated = v.now
				return k, nil, err
			})
			return err
		},
	})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// tellPolicies adds to the event what is to become of the policies of the key.
func (v *visit) tellPolicies(c PolicyChange) {
	was := &v.record.Key
	if c.DualAuth != nil {
		v.event.RequestData["initialValue.dualAuthDeleteEnabled"] = was.DualAuth.needed()
		v.event.RequestData["newValue.dualAuthDeleteEnabled"] = *c.DualAuth
	}
	if c.Rotation != nil {
		v.event.RequestData["initialValue.rotation"] = was.Rotation.describe()
		v.event.RequestData["newValue.rotation"] = c.Rotation.describe()
	}
}

// Policies returns a key in any state, for its policies.
func (s *Service) Policies(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionPolicyRead, act: func(v *visit) error {
		key = v.record.Key
		v.tell(&key, nil)
		return nil
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}
