package kms

import (
	"context"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/iam"
)

// Ring is a key ring: a part of an instance that access can be given to.
type Ring struct {
	ID        RingID
	Created   time.Time // zero for the default ring, which is as old as the instance
	CreatedBy iam.IdentityID
}

// MaxRings is how many key rings an instance can have besides the default one.
const MaxRings = 100_000

// RingStore keeps key rings. What it promises is said at [KeyStore].
type RingStore interface {
	// InsertRing adds a ring. It fails with ErrRingTaken, with ErrRingQuota when there are most
	// rings already, and with kind Stale like InsertKey.
	InsertRing(ctx context.Context, in InstanceID, r Ring, most int, instanceRevision int64, ev *audit.Event) error
	// HasRing reports whether an instance has a ring besides the default one.
	HasRing(ctx context.Context, in InstanceID, id RingID) (bool, error)
	// ListRings returns the rings of an instance by their IDs, without the default one.
	ListRings(ctx context.Context, in InstanceID, limit, offset int) ([]Ring, error)
	// CountRings returns how many there are, without the default one.
	CountRings(ctx context.Context, in InstanceID) (int, error)
	// DeleteRing removes a ring. It fails with ErrRingNotFound, and with ErrRingNotEmpty when keys
	// are in it; but when move is true, deleted keys are moved to the default ring instead.
	DeleteRing(ctx context.Context, in InstanceID, id RingID, move bool, ev *audit.Event) error
}

// checkRing holds the rules of the ID of a ring.
func checkRing(id RingID) error {
	if len(id) < 2 || len(id) > 100 || !isPlain(string(id)) {
		return ErrField.On("id", "2 to 100 letters, digits, hyphens and underscores")
	}
	return nil
}

// CreateRing adds a key ring to an instance.
func (s *Service) CreateRing(ctx context.Context, who iam.Caller, in InstanceID, id RingID) (Ring, error) {
	r := Ring{ID: id, CreatedBy: who.Identity}
	err := s.changeRing(ctx, who, in, id, ActionRingCreate, func(v *visit) error {
		switch err := checkRing(id); {
		case err != nil:
			return err
		case id == DefaultRing:
			return ErrRingTaken
		}
		r.Created = v.now
		return s.withInstanceRevision(ctx, v, func() error {
			return s.store.InsertRing(ctx, in, r, s.maxRings, v.instance.Revision, v.event)
		})
	})
	if err != nil {
		return Ring{}, err
	}
	return r, nil
}

// DeleteRing removes a key ring that holds no keys. With force, keys that are deleted do not count:
// they move to the default ring, if the caller may move keys.
func (s *Service) DeleteRing(ctx context.Context, who iam.Caller, in InstanceID, id RingID, force bool) error {
	return s.changeRing(ctx, who, in, id, ActionRingDelete, func(v *visit) error {
		if id == DefaultRing {
			return ErrField.On("id", "another one than that of the default key ring")
		}
		if checkRing(id) != nil {
			return ErrRingNotFound
		}
		if force {
			err := s.mayMove(ctx, who, v.object, id, DefaultRing)
			if err != nil && fault.KindOf(err) != fault.Forbidden {
				return err
			}
			force = err == nil
		}
		if err := s.store.DeleteRing(ctx, in, id, force, v.event); err != nil {
			return fmt.Errorf("deleting key ring %s: %w", id, err)
		}
		return nil
	})
}

// mayMove returns nil if the caller may move keys out of and into all the rings. A grant for a
// single key is none for a ring.
func (s *Service) mayMove(ctx context.Context, who iam.Caller, on iam.Object, rings ...RingID) error {
	on.Type, on.Resource = "key", ""
	for _, ring := range rings {
		on.KeyRing = string(ring)
		if err := s.door.Decide.Allow(ctx, who, ActionPatch, on); err != nil {
			return err
		}
	}
	return nil
}

// changeRing takes a change of a ring through the door. It needs access to the whole instance: a
// ring that one may use is not one's own to delete.
func (s *Service) changeRing(ctx context.Context, who iam.Caller, in InstanceID, id RingID, action iam.Action,
	do func(*visit) error,
) error {
	v := s.approachInstance(ctx, who, Ref{Instance: in}, action)
	v.event.Target.Name = clip(string(id))
	if v.cause == nil {
		v.event.Target.ID = v.instance.CRN.Child("key-ring", clip(string(id))).String()
	}
	return s.doorFor(v, nil).Change(ctx, who, action, v.object, v.event, func() error { return do(v) })
}

// Rings returns key rings of an instance, the default one first and then by their IDs, and how
// many there are.
func (s *Service) Rings(ctx context.Context, who iam.Caller, in InstanceID, limit, offset int) (rings []Ring, total int, err error) {
	err = s.steady(func(source) error {
		v := s.approachInstance(ctx, who, Ref{Instance: in}, ActionRingList)
		return s.doorFor(v, nil).Read(ctx, who, ActionRingList, v.object, v.event, func() (err error) {
			rings, total, err = s.listRings(ctx, in, limit, offset)
			v.event.ResponseData = map[string]any{"totalResources": len(rings)}
			return err
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return rings, total, nil
}

func (s *Service) listRings(ctx context.Context, in InstanceID, limit, offset int) ([]Ring, int, error) {
	var rings []Ring
	if offset == 0 {
		rings = append(rings, Ring{ID: DefaultRing})
	}
	more, err := s.store.ListRings(ctx, in, limit-len(rings), max(0, offset-1))
	if err != nil {
		return nil, 0, fmt.Errorf("listing key rings of instance %s: %w", in, err)
	}
	total, err := s.store.CountRings(ctx, in)
	if err != nil {
		return nil, 0, fmt.Errorf("counting key rings of instance %s: %w", in, err)
	}
	return append(rings, more...), total + 1, nil
}
