package kms

import (
	"context"
	"time"

	"strongroom/iam"
)

// Purge removes the live record of a deleted key for good, with its material: whoever asks for the
// key afterwards hears that it does not exist. The key is returned as it was. Backups from before
// still hold it.
func (s *Service) Purge(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionPurge, change: true, act: func(v *visit) (err error) {
		key, err = s.purge(ctx, v, func(k *Key) error {
			if v.now.Before(s.PurgeableFrom(k)) {
				return ErrTooEarly.On("", "Purge operation is allowed "+s.waits.purge.String()+" after key is deleted")
			}
			return nil
		})
		return err
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// PurgeableFrom returns when a deleted key can be purged.
func (s *Service) PurgeableFrom(k *Key) time.Time { return k.Deleted.Add(s.waits.purge) }

// purge removes a deleted key that allowed has nothing against.
func (s *Service) purge(ctx context.Context, v *visit, allowed func(*Key) error) (Key, error) {
	var was Key
	_, err := s.updateBy(ctx, v, s.store.PurgeKey, func(k Key) (Key, error) {
		if k.State != Destroyed {
			return Key{}, ErrState
		}
		if err := allowed(&k); err != nil {
			return Key{}, err
		}
		was = k
		v.tell(&k, map[string]any{
			"deletionDate":     k.Deleted.UTC().Format(time.RFC3339),
			"purgeAllowedFrom": s.PurgeableFrom(&k).UTC().Format(time.RFC3339),
			"purgeEligibleOn":  k.Deleted.Add(PurgeAfter).UTC().Format(time.RFC3339),
		})
		return k, nil
	})
	return was, err
}
