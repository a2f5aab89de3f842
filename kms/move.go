package kms

import (
	"context"
	"errors"
	"fmt"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// Mover is a module that can bring stored keys under other masters that it holds; *custody.Rack is
// one. It is found by type assertion.
type Mover interface {
	// Move returns the form of the key that is stored as s under fromParent and b, under toParent
	// and the masters of a generation. Failures to open s are those of Load.
	Move(ctx context.Context, fromParent custody.Handle, b custody.Binding, s custody.Sealed,
		toParent custody.Handle, generation uint32) (custody.Sealed, error)
}

// Move says which keys to bring under which masters.
type Move struct {
	From, To uint32     // generations; To is the newer one
	Instance InstanceID // only the keys of this instance; empty means all
}

// Moved counts what was moved.
type Moved struct {
	InstanceKeys, Versions int
}

// StoredVersion is a version of a root key with what it belongs to.
type StoredVersion struct {
	Instance InstanceID
	Key      KeyID
	Account  iam.AccountID
	Version
}

// VersionPlace is the place of a version in the order in which versions are moved. The zero value
// is before all.
type VersionPlace struct {
	Instance InstanceID
	Key      KeyID
	Number   int
}

// MoveStore finds what is to be moved, and replaces it. Readers see the old form or the new one.
type MoveStore interface {
	// InstanceKeysToMove returns keys under m.From of instances that have none under m.To, in the
	// order of the instances, behind after.
	InstanceKeysToMove(ctx context.Context, m Move, after InstanceID, limit int) ([]InstanceKey, error)
	// MoveInstanceKey adds the key of an instance under k.Generation. It fails with kind Stale when
	// the instance has its key under that already, or under from no more, and with ErrMastersRetired
	// when the masters are not in use.
	MoveInstanceKey(ctx context.Context, from uint32, k InstanceKey) error
	// VersionsToMove returns versions under m.From, in the order of their places, behind after.
	VersionsToMove(ctx context.Context, m Move, after VersionPlace, limit int) ([]StoredVersion, error)
	// MoveVersions writes generation and sealed form of versions that are under from still, all in
	// one transaction, and returns how many those were.
	MoveVersions(ctx context.Context, from uint32, moved []StoredVersion) (int, error)
}

const (
	// moveBatch is how many versions one transaction moves: others get their turn in between.
	moveBatch = 100
	// maxMoveErrors is how many keys that cannot be moved are named.
	maxMoveErrors = 10
)

// MoveKeys brings the keys of instances under other masters: first the key of each instance, then
// what was sealed under it. It may run while keys are used, made, rotated and purged, and be ended
// at any moment: what was moved stays so, and the next run finds the rest. Keys that cannot be moved
// stay where they are, and the error names some of them.
func (s *Service) MoveKeys(ctx context.Context, m Move) (Moved, error) {
	if s.mover == nil {
		return Moved{}, errors.New("moving keys: the crypto module cannot")
	}
	r := &removal{Service: s, Move: m}
	if err := r.instanceKeys(ctx); err != nil {
		return r.done, fmt.Errorf("moving instance keys from generation %d to %d: %w", m.From, m.To, err)
	}
	if err := r.versions(ctx); err != nil {
		return r.done, fmt.Errorf("moving keys from generation %d to %d: %w", m.From, m.To, err)
	}
	return r.done, errors.Join(r.failed...)
}

// KeysMoved returns how many keys this service has moved since it was made.
func (s *Service) KeysMoved() uint64 { return s.moved.Load() }

// removal is one run of MoveKeys.
type removal struct {
	*Service
	Move
	done   Moved
	failed []error // of single keys
}

// blame remembers that one key could not be moved, or returns the error if it concerns all: the
// module or the database cannot be reached, or the run was ended.
func (r *removal) blame(ctx context.Context, err error) error {
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, custody.ErrUnavailable), errors.Is(err, custody.ErrClosed):
		return err
	case len(r.failed) < maxMoveErrors:
		r.failed = append(r.failed, err)
	}
	return nil
}

func (r *removal) instanceKeys(ctx context.Context) error {
	var after InstanceID
	for {
		page, err := r.store.InstanceKeysToMove(ctx, r.Move, after, moveBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, k := range page {
			after = k.Instance
			next, err := r.remakeInstanceKey(ctx, k, r.To)
			if err != nil {
				if err := r.blame(ctx, err); err != nil {
					return err
				}
				continue
			}
			moved, err := r.storeInstanceKey(ctx, k.Generation, next)
			if err != nil {
				return err
			}
			if moved {
				r.done.InstanceKeys++
			}
		}
	}
}

// remakeInstanceKey returns the key of an instance under another generation.
func (s *Service) remakeInstanceKey(ctx context.Context, k InstanceKey, to uint32) (InstanceKey, error) {
	next := k
	next.Generation = to
	was, err := s.identify(ctx, custody.Root, k.binding(), k.Sealed)
	if err == nil {
		next.Sealed, err = s.remake(ctx, custody.Root, k.binding(), k.Sealed, custody.Root, next.binding(), was)
	}
	if err != nil {
		return InstanceKey{}, fmt.Errorf("key of instance %s: %w", k.Instance, err)
	}
	return next, nil
}

// storeInstanceKey adds the key of an instance under another generation. It is false when that was
// done meanwhile, or the instance has gone.
func (s *Service) storeInstanceKey(ctx context.Context, from uint32, next InstanceKey) (bool, error) {
	err := s.store.MoveInstanceKey(ctx, from, next)
	if fault.KindOf(err) == fault.Stale {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("storing the key of instance %s: %w", next.Instance, err)
	}
	s.moved.Add(1)
	return true, nil
}

// ensureInstanceKey sees that an instance has its key under a generation, without waiting for the
// job that moves all keys.
func (s *Service) ensureInstanceKey(ctx context.Context, in Instance, generation uint32) error {
	keys, err := s.instanceKeys(ctx, in)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Generation == generation {
			return nil
		}
	}
	if s.mover == nil {
		return fmt.Errorf("key of instance %s %w: generation %d", in.ID, errMastersGone, generation)
	}
	next, err := s.remakeInstanceKey(ctx, keys[0], generation)
	if err != nil {
		return err
	}
	_, err = s.storeInstanceKey(ctx, keys[0].Generation, next)
	return err
}

func (r *removal) versions(ctx context.Context) error {
	var after VersionPlace
	for {
		page, err := r.store.VersionsToMove(ctx, r.Move, after, moveBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		last := page[len(page)-1]
		after = VersionPlace{last.Instance, last.Key, last.Number}
		var moved []StoredVersion
		for _, v := range page {
			next, err := r.moveVersion(ctx, v)
			if err == nil {
				moved = append(moved, next)
			}
			if err := r.blame(ctx, err); err != nil {
				return err
			}
		}
		if len(moved) == 0 {
			continue
		}
		n, err := r.store.MoveVersions(ctx, r.From, moved)
		if err != nil {
			return err
		}
		r.done.Versions += n
		r.moved.Add(uint64(n))
	}
}

// moveVersion returns a version as it is to be stored under the new masters.
func (r *removal) moveVersion(ctx context.Context, v StoredVersion) (StoredVersion, error) {
	in := Instance{ID: v.Instance, Account: v.Account}
	k := Key{ID: v.Key, Instance: v.Instance, Account: v.Account}
	next := v
	next.Generation = r.To
	err := r.withInstanceKey(ctx, in, r.From, func(from custody.Handle) error {
		return r.withInstanceKey(ctx, in, r.To, func(to custody.Handle) (err error) {
			next.Sealed, err = r.remake(ctx, from, binding(&k, &v.Version), v.Sealed, to, binding(&k, &next.Version), v.Material)
			return err
		})
	})
	if err != nil {
		return v, fmt.Errorf("version %s of key %s in instance %s: %w", v.ID, v.Key, v.Instance, err)
	}
	return next, nil
}

var errOtherMaterial = errors.New("the moved key is another one")

// remake returns the new form of a stored key, which was loaded and found to be the key that it
// should be: what replaces the only copy of a key is never taken on trust.
func (s *Service) remake(ctx context.Context, from custody.Handle, b custody.Binding, stored custody.Sealed,
	to custody.Handle, next custody.Binding, want custody.MaterialID,
) (custody.Sealed, error) {
	sealed, err := s.mover.Move(ctx, from, b, stored, to, next.Generation)
	if err != nil {
		return nil, err
	}
	is, err := s.identify(ctx, to, next, sealed)
	switch {
	case err != nil:
		return nil, fmt.Errorf("loading the moved key: %w", err)
	case is != want:
		return nil, errOtherMaterial
	}
	return sealed, nil
}

// identify returns the ID of the material of a stored key.
func (s *Service) identify(ctx context.Context, parent custody.Handle, b custody.Binding, stored custody.Sealed) (custody.MaterialID, error) {
	h, err := s.module.Load(ctx, parent, b, stored)
	if err != nil {
		return custody.MaterialID{}, err
	}
	defer s.module.Unload(h)
	return custody.Identify(ctx, s.module, h)
}
