package kms

import (
	"context"

	"strongroom/iam"
)

// Delete destroys a key: it cannot be used any more, anywhere, when Delete returns. Its record and
// its sealed material stay, to be restored or purged; its aliases are free for other keys. A
// second Delete is a failure.
func (s *Service) Delete(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionDelete, change: true, act: func(v *visit) (err error) {
		v.tell(&v.record.Key, map[string]any{"keyState": int(Destroyed)})
		key, err = s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
				return Key{}, nil, err
			}
			k.State, k.Updated = Destroyed, v.now
			k.Deleted, k.DeletedBy = v.now, who.Identity
			return k, nil, nil
		})
		return err
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}
