package kms

import (
	"context"
	"time"

	"strongroom/iam"
)

// Sync asks the services that a key is registered with to look at its state again. It is allowed
// some time after they were last told of it.
func (s *Service) Sync(ctx context.Context, who iam.Caller, ref Ref) error {
	return s.visit(ctx, who, ref, operation{action: ActionSync, change: true, act: func(v *visit) error {
		v.tell(&v.record.Key, nil)
		_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if next := k.Notified.Add(s.waits.sync); !k.Notified.IsZero() && v.now.Before(next) {
				at := next.UTC().Truncate(time.Second).Format(time.RFC3339)
				return Key{}, nil, ErrTooEarly.On("", "Sync cannot be performed until at least "+at)
			}
			k.Notified = v.now
			return k, nil, nil
		})
		return err
	}})
}
