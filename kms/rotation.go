package kms

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"strongroom/custody"
	"strongroom/iam"
)

// NewVersion says what a new version of a root key is made of. The zero value asks for fresh
// material.
type NewVersion struct {
	Payload     custody.Secret       // material to import; wiped when the operation returns
	Transported *custody.Transported // material to import that comes under the import token
	Repeat      *Repeat              // makes the request repeatable; nil if it is not

	byPolicy bool   // rotate only if the policy of the key demands it
	first    *First // record of the request, if it is repeatable
}

// imported reports whether the material is brought by the caller.
func (n NewVersion) imported() bool { return n.Payload.Len() > 0 || n.Transported != nil }

// Rotate gives a root key a new version, which wraps from now on; older versions still unwrap. A
// key that was imported needs new material, a generated one takes none.
func (s *Service) Rotate(ctx context.Context, who iam.Caller, ref Ref, n NewVersion) error {
	defer n.Payload.Wipe()
	return s.visit(ctx, who, ref, operation{
		action: ActionRotate, change: true,
		check: func() error { return errors.Join(n.Repeat.check(), n.check()) },
		act: func(v *visit) error {
			n.first = n.Repeat.first(who, v, string(v.record.ID))
			return s.once(ctx, v, n.first,
				func() error { return s.rotate(ctx, v, n) },
				func(KeyID) error { return nil })
		},
	})
}

func (s *Service) rotate(ctx context.Context, v *visit, n NewVersion) error {
	return underNewestMasters(func() error { return s.addVersion(ctx, v, n) })
}

func (s *Service) addVersion(ctx context.Context, v *visit, n NewVersion) error {
	next := Version{Stamp: Stamp{ID: VersionID(uuid.NewString())}}
	next.First = n.first.made(v.record.ID, next.ID)
	v.tell(&v.record.Key, nil)
	_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
		if err := s.rotatable(&k, v, n); err != nil {
			return Key{}, nil, err
		}
		if next.Sealed == nil { // else made in an earlier try: the same material serves
			if err := s.makeVersion(ctx, v, &k, &next, n); err != nil {
				return Key{}, nil, err
			}
		}
		next.Number, next.Created = k.Newest.Number+1, v.now
		k.Newest = next.Stamp
		k.Updated, k.Rotated, k.Notified = v.now, v.now, v.now
		return k, &next, nil
	})
	return err
}

// rotatable returns nil if the key can be rotated now, to this.
func (s *Service) rotatable(k *Key, v *visit, n NewVersion) error {
	if err := k.needRoot(); err != nil {
		return err
	}
	if err := k.needState(v.now, Active, Deactivated); err != nil {
		return err
	}
	switch {
	case n.byPolicy && !k.rotatesAt(v.now):
		return errNotDue
	case k.Imported && !n.imported():
		return ErrNeedPayload
	case !k.Imported && n.imported():
		return ErrParameter.On("payload", "provided only if key is imported")
	case !k.Rotated.IsZero() && v.now.Sub(k.Rotated) < s.rotationWait:
		return ErrRotatedAgain
	case k.Imported:
		return v.policies.admitRotation(n.Transported != nil)
	}
	return nil
}
