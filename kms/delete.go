package kms

import (
	"context"

	"strongroom/audit"
	"strongroom/iam"
)

// Delete destroys a key: it cannot be used any more, anywhere, when Delete returns. Its record and
// its sealed material stay, to be restored or purged; its aliases are free for other keys. A key
// that is registered as protecting a resource is not deleted. A second Delete is a failure.
func (s *Service) Delete(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	return s.delete(ctx, who, ref, false)
}

// ForceDelete is Delete also for a key that protects resources, whose registrations are removed:
// they cannot be read any more. Only resources that must be kept for a time still prevent it.
func (s *Service) ForceDelete(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	return s.delete(ctx, who, ref, true)
}

func (s *Service) delete(ctx context.Context, who iam.Caller, ref Ref, force bool) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionDelete, change: true, act: func(v *visit) (err error) {
		v.tell(&v.record.Key, map[string]any{"keyState": int(Destroyed)})
		destroy := func(ctx context.Context, k Key, ev *audit.Event) error {
			return s.store.DestroyKey(ctx, k, force, ev)
		}
		key, err = s.updateBy(ctx, v, destroy, func(k Key) (Key, error) {
			if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
				return Key{}, err
			}
			if err := k.deletable(who.Identity, v.now); err != nil {
				return Key{}, err
			}
			k.State, k.Updated, k.Notified, k.Deletion = Destroyed, v.now, v.now, nil
			k.Deleted, k.DeletedBy = v.now, who.Identity
			return k, nil
		})
		return err
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}
