package kms

import (
	"context"
	"time"

	"strongroom/iam"
)

// AuthorizationTime is for how long the authorization of a first person to delete a key holds.
const AuthorizationTime = 7 * day

// DualAuthPolicy says whether two people are needed to delete a key. Once enabled it stays so.
type DualAuthPolicy struct {
	PolicyStamp
	Enabled bool
}

func (p *DualAuthPolicy) needed() bool { return p != nil && p.Enabled }

// change returns the policy after it was set.
func (p *DualAuthPolicy) change(enabled bool, by iam.IdentityID, now time.Time) (*DualAuthPolicy, error) {
	if p.needed() && !enabled {
		return nil, ErrState.On("", "Dual authorization cannot be withdrawn from a key")
	}
	next := DualAuthPolicy{PolicyStamp: newStamp(by, now), Enabled: enabled}
	if p != nil {
		next.PolicyStamp = p.changed(by, now)
	}
	return &next, nil
}

// DeletionAuthorization is what a first person has said to the deletion of a key.
type DeletionAuthorization struct {
	By      iam.IdentityID
	Expires time.Time
}

// AuthorizedAt returns the authorization to delete the key that holds at a moment, or nil.
func (k *Key) AuthorizedAt(now time.Time) *DeletionAuthorization {
	if !k.DualAuth.needed() || k.Deletion == nil || !now.Before(k.Deletion.Expires) {
		return nil
	}
	return k.Deletion
}

// deletable returns nil if who may delete the key as far as dual authorization goes: somebody else
// has authorized it, and not too long ago.
func (k *Key) deletable(who iam.IdentityID, now time.Time) error {
	if !k.DualAuth.needed() {
		return nil
	}
	if a := k.AuthorizedAt(now); a == nil || a.By == who {
		return ErrNotAuthorized.On("", "1 prior authorization(s) are required for deletion")
	}
	return nil
}

// Authorize is the first of two people's authorization to delete a key, in place of an earlier one.
func (s *Service) Authorize(ctx context.Context, who iam.Caller, ref Ref) error {
	return s.authorize(ctx, who, ref, ActionAuthorize, func(now time.Time) *DeletionAuthorization {
		return &DeletionAuthorization{By: who.Identity, Expires: now.Add(AuthorizationTime)}
	})
}

// Unauthorize withdraws the authorization to delete a key, whoever has given it.
func (s *Service) Unauthorize(ctx context.Context, who iam.Caller, ref Ref) error {
	return s.authorize(ctx, who, ref, ActionUnauthorize, func(time.Time) *DeletionAuthorization { return nil })
}

func (s *Service) authorize(ctx context.Context, who iam.Caller, ref Ref, action iam.Action,
	give func(now time.Time) *DeletionAuthorization,
) error {
	return s.visit(ctx, who, ref, operation{action: action, change: true, act: func(v *visit) error {
		_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
				return Key{}, nil, err
			}
			if !k.DualAuth.needed() {
				return Key{}, nil, ErrNotDualAuth
			}
			was := k.AuthorizedAt(v.now)
			k.Deletion, k.Updated = give(v.now), v.now
			v.tell(&k, map[string]any{
				"initialValue.authID": was.by(), "initialValue.authExpiration": was.until(),
				"newValue.authID": k.Deletion.by(), "newValue.authExpiration": k.Deletion.until(),
			})
			return k, nil, nil
		})
		return err
	}})
}

// by and until tell events of an authorization; both are empty when there is none.
func (a *DeletionAuthorization) by() string {
	if a == nil {
		return ""
	}
	return string(a.By)
}

func (a *DeletionAuthorization) until() string {
	if a == nil {
		return ""
	}
	return a.Expires.UTC().Format(time.RFC3339)
}
