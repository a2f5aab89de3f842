package kms

import (
	"context"

	"strongroom/fault"
	"strongroom/iam"
)

// UnlockNetwork switches the policies off that say from where requests to an instance may come, and
// returns which those were: for an instance whose policy keeps everybody out who could change it. It
// is for the operator of the server, at its machine, and not for callers of the interfaces; by is the
// name of who that is, for the event, in the account of the instance.
func (s *Service) UnlockNetwork(ctx context.Context, in InstanceID, by string) (off []InstancePolicyType, err error) {
	instance, err := s.instances.Instance(ctx, in)
	if fault.KindOf(err) == fault.NotFound {
		return nil, ErrNoInstance.On("", string(in))
	}
	if err != nil {
		return nil, err
	}
	who := iam.ServerCaller(instance.Account)
	v := s.approachInstance(ctx, who, Ref{Instance: in}, ActionInstancePolicyWrite)
	v.event.RequestData["operatingSystemUser"] = clip(by)
	err = s.doorFor(v, ownWork{}).Change(ctx, who, ActionInstancePolicyWrite, v.object, v.event, func() error {
		var rules []InstanceRule
		for _, t := range []InstancePolicyType{InstanceNetwork, InstanceIP} {
			if v.policies.of(t) != nil {
				off = append(off, t)
				rules = append(rules, InstanceRule{Type: t})
			}
		}
		if len(rules) == 0 {
			return ErrNotRestricted
		}
		return s.putPolicies(ctx, who, v, rules)
	})
	if err != nil {
		return nil, err
	}
	return off, nil
}
