package kms

import (
	"context"

	"github.com/google/uuid"

	"strongroom/custody"
	"strongroom/iam"
)

// Rotate gives a root key a new version, which wraps from now on; older versions still unwrap. A
// key that was imported needs new material, a generated one takes none. The material is wiped
// when Rotate returns.
func (s *Service) Rotate(ctx context.Context, who iam.Caller, ref Ref, material custody.Secret) error {
	defer material.Wipe()
	return s.visit(ctx, who, ref, operation{
		action: ActionRotate, change: true,
		check: func() error { return checkRootMaterial(material) },
		act:   func(v *visit) error { return s.rotate(ctx, v, material) },
	})
}

func (s *Service) rotate(ctx context.Context, v *visit, material custody.Secret) error {
	next := Version{Stamp: Stamp{ID: VersionID(uuid.NewString()), Created: v.now}}
	v.tell(&v.record.Key, nil)
	_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
		if err := s.rotatable(&k, v, material); err != nil {
			return Key{}, nil, err
		}
		if next.Sealed == nil { // else made in an earlier try: the same material serves
			if err := s.makeVersion(ctx, v.instance, &k, &next, material); err != nil {
				return Key{}, nil, err
			}
		}
		next.Number = k.Newest.Number + 1
		k.Newest = next.Stamp
		k.Updated, k.Rotated = v.now, v.now
		return k, &next, nil
	})
	return err
}

// rotatable returns nil if the key can be rotated now, with this material.
func (s *Service) rotatable(k *Key, v *visit, material custody.Secret) error {
	if err := k.needRoot(); err != nil {
		return err
	}
	if err := k.needState(v.now, Active, Deactivated); err != nil {
		return err
	}
	switch {
	case k.Imported && material.Len() == 0:
		return ErrNeedPayload
	case !k.Imported && material.Len() > 0:
		return ErrParameter.On("payload", "provided only if key is imported")
	case !k.Rotated.IsZero() && v.now.Sub(k.Rotated) < s.rotationWait:
		return ErrRotatedAgain
	}
	return nil
}
