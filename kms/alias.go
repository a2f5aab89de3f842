package kms

import (
	"context"
	"slices"
	"time"

	"strongroom/iam"
)

// Alias is a name that a key was given, unique among the live keys of an instance.
type Alias struct {
	Alias     string
	Key       KeyID
	Created   time.Time
	CreatedBy iam.IdentityID
}

// AddAlias gives a key an alias. Requests find the key by it when AddAlias returns.
func (s *Service) AddAlias(ctx context.Context, who iam.Caller, ref Ref, alias string) (Alias, error) {
	var added Alias
	err := s.visit(ctx, who, ref, operation{
		action: ActionAliasCreate, change: true,
		check: func() error { return checkAlias(alias) },
		act: func(v *visit) error {
			v.tell(&v.record.Key, nil)
			added = Alias{Alias: alias, Key: v.record.ID, Created: v.now, CreatedBy: who.Identity}
			_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
				if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
					return Key{}, nil, err
				}
				switch {
				case slices.Contains(k.Aliases, alias):
					return Key{}, nil, ErrAliasTaken
				case len(k.Aliases) >= maxAliases:
					return Key{}, nil, ErrAliasQuota
				}
				k.Aliases = append(slices.Clone(k.Aliases), alias)
				k.Updated = v.now
				return k, nil, nil
			})
			return err
		},
	})
	if err != nil {
		return Alias{}, err
	}
	return added, nil
}

// RemoveAlias takes an alias from a key. Another key can have it when RemoveAlias returns.
func (s *Service) RemoveAlias(ctx context.Context, who iam.Caller, ref Ref, alias string) error {
	return s.visit(ctx, who, ref, operation{action: ActionAliasDelete, change: true, act: func(v *visit) error {
		v.tell(&v.record.Key, nil)
		_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if err := k.needState(v.now, Active, Suspended, Deactivated); err != nil {
				return Key{}, nil, err
			}
			i := slices.Index(k.Aliases, alias)
			if i < 0 {
				return Key{}, nil, ErrAliasNotFound
			}
			k.Aliases = slices.Delete(slices.Clone(k.Aliases), i, i+1)
			k.Updated = v.now
			return k, nil, nil
		})
		return err
	}})
}
