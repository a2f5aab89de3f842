package kms

import (
	"context"
	"fmt"
	"strings"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// Standing returns nil while the caller may unwrap by a root key, and else the failure that Unwrap
// would have. It is for a service that has had its own key unwrapped and asks before each use of it,
// millions of times for one unwrapping: it answers from leased memory, without a round trip in the
// steady state, and leaves no event, because each use is recorded by the service that makes it.
//
// Of a key that is named by its ID and is not there, who is authorized for that very key hears that
// it does not exist, and not that the authorization is missing.
func (s *Service) Standing(ctx context.Context, who iam.Caller, ref Ref) error {
	_, err := s.standing(ctx, who, ref)
	return err
}

// NewestVersion is Standing that tells which version of the key wraps now, by which a service sees
// that the key was rotated.
func (s *Service) NewestVersion(ctx context.Context, who iam.Caller, ref Ref) (VersionID, error) {
	r, err := s.standing(ctx, who, ref)
	if err != nil {
		return "", err
	}
	return r.Newest.ID, nil
}

// standing is steady for the one question of this file, without a closure.
func (s *Service) standing(ctx context.Context, who iam.Caller, ref Ref) (*Record, error) {
	if s.hub.Held() {
		pass := s.hub.Enter()
		if r, err := s.standingBy(ctx, &who, ref, cached); pass.Good() {
			return r, err
		}
	}
	return s.standingBy(ctx, &who, ref, authoritative)
}

func (s *Service) standingBy(ctx context.Context, who *iam.Caller, ref Ref, from source) (*Record, error) {
	in, err := s.instances.Instance(ctx, ref.Instance)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil, iam.ErrForbidden // unknown and foreign instances look the same
	case err != nil:
		return nil, fmt.Errorf("reading instance %s: %w", ref.Instance, err)
	}
	on := iam.Object{
		Account: in.Account, Service: crn.KeyProtect, Instance: string(in.ID), Region: in.Region,
		ResourceGroup: in.ResourceGroup, Type: "key",
	}
	record, err := s.find(ctx, in.ID, ref, from)
	switch {
	case err == nil:
		on.KeyRing, on.Resource = string(record.Ring), string(record.ID)
	case isID(ref.Key):
		on.Resource = strings.ToLower(ref.Key)
	}
	if denied := s.door.Decide.Allow(ctx, *who, ActionUnwrap, on); denied != nil {
		return nil, denied
	}
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil, ErrKeyNotFound
	case err != nil:
		return nil, unreadable(err, from)
	}
	if who.Kind != iam.KindInstance { // services among themselves come from everywhere
		p, err := s.policiesOf(ctx, in.ID, from)
		if err != nil {
			return nil, unreadable(err, from)
		}
		if !p.admit(*who) {
			return nil, iam.ErrForbidden
		}
	}
	if err := record.needRoot(); err != nil {
		return nil, err
	}
	return record, record.needState(s.now(), Active, Deactivated)
}
