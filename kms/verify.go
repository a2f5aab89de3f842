package kms

import (
	"context"
	"errors"
	"fmt"

	"strongroom/custody"
)

// VerifyStore walks over all that is stored of keys. Rows are checked to be genuine as ever.
type VerifyStore interface {
	// StoredInstanceKeys returns keys of instances, in the order of instance and generation, behind
	// after.
	StoredInstanceKeys(ctx context.Context, after InstanceKeyPlace, limit int) ([]InstanceKey, error)
	// StoredVersions returns versions of root and standard keys, in the order of their places,
	// behind after.
	StoredVersions(ctx context.Context, after VersionPlace, limit int) ([]StoredVersion, error)
}

// InstanceKeyPlace is the place of the key of an instance in the order in which they are verified.
// The zero value is before all.
type InstanceKeyPlace struct {
	Instance   InstanceID
	Generation uint32
}

// Verified counts what was opened.
type Verified struct {
	InstanceKeys int // an instance whose keys are being moved has two
	RootVersions int // versions of root keys
	Standard     int // standard keys
}

// verifyBatch is how many rows are read at once.
const verifyBatch = 500

// VerifyKeys opens every key that is stored, of all instances, and compares the material of root
// keys with what was written down of it. The error names some of those that do not open, after all
// were tried.
func (s *Service) VerifyKeys(ctx context.Context) (Verified, error) {
	v := &verification{Service: s}
	if err := v.instanceKeys(ctx); err != nil {
		return v.done, fmt.Errorf("verifying instance keys: %w", err)
	}
	if err := v.versions(ctx); err != nil {
		return v.done, fmt.Errorf("verifying keys: %w", err)
	}
	if v.bad > 0 {
		return v.done, fmt.Errorf("%d keys do not open: %w", v.bad, errors.Join(v.failed...))
	}
	return v.done, nil
}

// verification is one run of VerifyKeys.
type verification struct {
	*Service
	done   Verified
	bad    int
	failed []error // of single keys
}

// blame counts a key that does not open, or returns the error if it concerns all.
func (v *verification) blame(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, custody.ErrUnavailable), errors.Is(err, custody.ErrClosed):
		return err
	}
	if v.bad++; v.bad <= maxMoveErrors {
		v.failed = append(v.failed, err)
	}
	return nil
}

// instanceKeys opens the keys of all instances. While keys move an instance has its key under two
// generations: if the masters of one are not here, its key has to open under the other.
func (v *verification) instanceKeys(ctx context.Context) error {
	var (
		after  InstanceKeyPlace
		opened bool // a key of the instance that after names
	)
	for {
		page, err := v.store.StoredInstanceKeys(ctx, after, verifyBatch)
		if err != nil {
			return err
		}
		for _, k := range page {
			if k.Instance != after.Instance {
				v.needOpened(after.Instance, opened)
				opened = false
			}
			after = InstanceKeyPlace{k.Instance, k.Generation}
			if !v.holds(k.Generation) {
				continue
			}
			if _, err = v.identify(ctx, custody.Root, k.binding(), k.Sealed); err != nil {
				err = fmt.Errorf("key of instance %s: %w", k.Instance, err)
			}
			if err := v.blame(ctx, err); err != nil {
				return err
			}
			opened = true
			v.done.InstanceKeys++
		}
		if len(page) == 0 {
			v.needOpened(after.Instance, opened)
			return nil
		}
	}
}

// holds reports whether the masters of a generation are in the module.
func (v *verification) holds(generation uint32) bool {
	m, ok := v.module.(interface {
		ModuleOf(generation uint32) (custody.Module, bool)
	})
	if !ok {
		return true
	}
	_, held := m.ModuleOf(generation)
	return held
}

// needOpened blames an instance of whose key no masters are here.
func (v *verification) needOpened(in InstanceID, opened bool) {
	if in == "" || opened {
		return
	}
	if v.bad++; v.bad <= maxMoveErrors {
		v.failed = append(v.failed, fmt.Errorf("key of instance %s: no crypto module holds its masters", in))
	}
}

func (v *verification) versions(ctx context.Context) error {
	var after VersionPlace
	for {
		page, err := v.store.StoredVersions(ctx, after, verifyBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, stored := range page {
			after = VersionPlace{stored.Instance, stored.Key, stored.Number}
			if err := v.blame(ctx, v.version(ctx, stored)); err != nil {
				return err
			}
		}
	}
}

func (v *verification) version(ctx context.Context, stored StoredVersion) error {
	in := Instance{ID: stored.Instance, Account: stored.Account}
	k := Key{ID: stored.Key, Instance: stored.Instance, Account: stored.Account}
	if stored.Generation == 0 {
		v.done.Standard++
		material, err := v.openStandard(ctx, in, &k, &stored.Version)
		material.Wipe()
		return err
	}
	v.done.RootVersions++
	err := v.withInstanceKey(ctx, in, stored.Generation, func(parent custody.Handle) error {
		is, err := v.identify(ctx, parent, binding(&k, &stored.Version), stored.Sealed)
		if err == nil && is != stored.Material {
			err = errors.New("the material is not the one that was written down")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("version %s of key %s in instance %s: %w", stored.ID, stored.Key, stored.Instance, err)
	}
	return nil
}
