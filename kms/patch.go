package kms

import (
	"context"

	"strongroom/iam"
)

// MoveKey moves a key to another ring. Access that was given through the old ring ends, and that
// through the new one begins, when MoveKey returns. The caller must be allowed to move the key and
// to move keys in the new ring.
func (s *Service) MoveKey(ctx context.Context, who iam.Caller, ref Ref, to RingID) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionPatch, change: true, act: func(v *visit) (err error) {
		if err := s.mayMove(ctx, who, v.object, to); err != nil {
			return err
		}
		if to != DefaultRing && checkRing(to) != nil {
			return ErrRingNotFound
		}
		key, err = s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
				return Key{}, nil, err
			}
			v.event.RequestData["initialValue.keyRingId"] = string(k.Ring)
			v.event.RequestData["newValue.keyRingId"] = string(to)
			k.Ring, k.Updated = to, v.now
			v.tell(&k, nil)
			return k, nil, nil
		})
		if err != nil {
			v.tell(&v.record.Key, nil) // it is where it was
		}
		return err
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}
