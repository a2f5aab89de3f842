package kms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"strongroom/fault"
	"strongroom/iam"
)

// Restore brings a deleted key back as an active one, with its versions, ring, policies and
// aliases. Aliases that other keys have taken meanwhile stay with those.
func (s *Service) Restore(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionRestore, change: true, act: func(v *visit) (err error) {
		v.tell(&v.record.Key, map[string]any{"keyVersionId": string(v.record.Newest.ID)})
		key, err = s.restore(ctx, v)
		return err
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

func (s *Service) restore(ctx context.Context, v *visit) (Key, error) {
	return s.update(ctx, v, func(k Key) (Key, *Version, error) {
		if err := s.restorable(&k, v); err != nil {
			return Key{}, nil, err
		}
		aliases, err := s.stillFree(ctx, k)
		if err != nil {
			return Key{}, nil, err
		}
		k.Aliases = aliases
		k.State, k.Updated, k.Notified = Active, v.now, v.now
		k.Deleted, k.DeletedBy, k.Deletion = time.Time{}, "", nil
		return k, nil, nil
	})
}

// restorable returns nil if the key can be restored now.
func (s *Service) restorable(k *Key, v *visit) error {
	switch {
	case k.State != Destroyed:
		return ErrState
	case v.now.Sub(k.Deleted) < s.waits.restore:
		return errWait
	case !k.Expires.IsZero() && !v.now.Before(k.Expires):
		return ErrExpired.On("", "The key expired on "+k.Expires.UTC().Format("2006-01-02 15:04:05 -0700 MST"))
	case !k.Recoverable(v.now):
		return ErrRestoreExpired
	}
	return nil
}

// stillFree returns the aliases of a deleted key that no live key has taken.
func (s *Service) stillFree(ctx context.Context, k Key) ([]string, error) {
	var free []string
	for _, alias := range k.Aliases {
		taken, err := s.takenFrom(ctx, k, alias)
		if err != nil {
			return nil, fmt.Errorf("looking for the alias of a deleted key: %w", err)
		}
		if !taken {
			free = append(free, alias)
		}
	}
	return slices.Clip(free), nil
}

func (s *Service) takenFrom(ctx context.Context, k Key, alias string) (bool, error) {
	id, err := s.store.Resolve(ctx, k.Instance, alias)
	if fault.KindOf(err) == fault.NotFound || err == nil && id == k.ID {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	other, err := s.store.Key(ctx, k.Instance, id)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return other.State != Destroyed, err
}
