package kms

import (
	"context"

	"strongroom/iam"
)

// Disable suspends an active root key: it can be used for nothing, anywhere, when Disable returns.
func (s *Service) Disable(ctx context.Context, who iam.Caller, ref Ref) error {
	return s.visit(ctx, who, ref, operation{action: ActionDisable, change: true, act: func(v *visit) error {
		v.tell(&v.record.Key, nil)
		_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if err := k.needRoot(); err != nil {
				return Key{}, nil, err
			}
			if err := k.needStateSaying(v.now, Active, "Key is not in active state"); err != nil {
				return Key{}, nil, err
			}
			k.State, k.Updated, k.Suspended, k.Notified = Suspended, v.now, v.now, v.now
			return k, nil, nil
		})
		return err
	}})
}

// Enable makes a suspended root key active again, or deactivated if its expiration date has passed
// meanwhile.
func (s *Service) Enable(ctx context.Context, who iam.Caller, ref Ref) error {
	return s.visit(ctx, who, ref, operation{action: ActionEnable, change: true, act: func(v *visit) error {
		v.tell(&v.record.Key, nil)
		_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if err := k.needRoot(); err != nil {
				return Key{}, nil, err
			}
			if err := k.needStateSaying(v.now, Suspended, "Key is not in suspended state"); err != nil {
				return Key{}, nil, err
			}
			if v.now.Sub(k.Suspended) < s.waits.enable {
				return Key{}, nil, errWait
			}
			k.State, k.Updated, k.Notified = Active, v.now, v.now
			return k, nil, nil
		})
		return err
	}})
}
