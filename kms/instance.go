package kms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// Instance is a tenant's Key Protect instance.
type Instance struct {
	ID            InstanceID
	Account       iam.AccountID
	CRN           crn.CRN
	Name          string
	ResourceGroup string // its ID
	Region        string
	Revision      int64 // of the instance's record: creating a key checks it
}

// Instances knows the instances.
type Instances interface {
	// Instance returns an active instance of this service. Others, of other services or being
	// deleted, are as absent as unknown ones: a failure of kind NotFound.
	Instance(ctx context.Context, id InstanceID) (Instance, error)
}

// InstanceKey is the key of an instance as it is stored. Everything that the instance keeps is
// sealed under it.
type InstanceKey struct {
	Instance   InstanceID
	Account    iam.AccountID
	Module     string // name of the module that keeps it
	Generation uint32 // of the module's masters
	Sealed     custody.Sealed
	Created    time.Time
}

const instanceKeySize = 32 // bytes

// binding is what the stored instance key is bound to.
func (k InstanceKey) binding() custody.Binding {
	return custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: string(k.Account), Instance: string(k.Instance),
		Generation: k.Generation, Origin: custody.OriginGenerated, Size: instanceKeySize,
	}
}

// PrepareInstance gives a new instance its key. It is a step of the creation of an instance, whose
// own door has decided and recorded, and may be repeated.
func (s *Service) PrepareInstance(ctx context.Context, in Instance) error {
	if k, err := s.store.InstanceKey(ctx, in.ID); err == nil {
		return k.belongsTo(in)
	} else if fault.KindOf(err) != fault.NotFound {
		return fmt.Errorf("reading the key of instance %s: %w", in.ID, err)
	}
	info := s.module.Info()
	k := InstanceKey{
		Instance: in.ID, Account: in.Account, Module: info.Name, Generation: info.Generation, Created: s.now(),
	}
	h, sealed, err := s.module.Make(ctx, custody.Root, k.binding())
	if err != nil {
		return fmt.Errorf("making the key of instance %s: %w", in.ID, err)
	}
	s.module.Unload(h) // its first use loads what is stored
	k.Sealed = sealed
	err = s.store.InsertInstanceKey(ctx, k)
	if fault.KindOf(err) == fault.Conflict { // another run of the same step was first
		if k, err = s.store.InstanceKey(ctx, in.ID); err == nil {
			return k.belongsTo(in)
		}
	}
	if err != nil {
		return fmt.Errorf("storing the key of instance %s: %w", in.ID, err)
	}
	return nil
}

func (k InstanceKey) belongsTo(in Instance) error {
	if k.Account != in.Account {
		return fmt.Errorf("instance %s has a key that belongs to another account", in.ID)
	}
	return nil
}

// RefuseDelete returns ErrInUse while the instance holds keys that are not deleted. What a caller is
// told of it is the sentence that Key Protect's users know, with the number of keys.
func (s *Service) RefuseDelete(ctx context.Context, in Instance) error {
	n, err := s.store.CountLive(ctx, in.ID)
	switch {
	case err != nil:
		return fmt.Errorf("counting the keys of instance %s: %w", in.ID, err)
	case n > 0:
		text := fmt.Sprintf("Instance contains %d active keys. Remove all keys before de-provisioning", n)
		return fmt.Errorf("%w: %w", fault.New(fault.Conflict, text), ErrInUse)
	}
	return nil
}

// DestroyInstance destroys the key of an instance, by which nothing in it can be opened any more,
// and then removes its keys. Like PrepareInstance it is a step of an act, and may be repeated.
// Copies of the database from before still hold the sealed key: they open until the module's
// masters of that generation are retired.
func (s *Service) DestroyInstance(ctx context.Context, in Instance) error {
	if err := s.store.DestroyInstance(ctx, in.ID); err != nil {
		return fmt.Errorf("destroying instance %s: %w", in.ID, err)
	}
	return nil
}

// withInstanceKey calls do with the handle of the key of an instance.
func (s *Service) withInstanceKey(ctx context.Context, in Instance, do func(custody.Handle) error) error {
	load := func(ctx context.Context) (custody.Handle, error) { return s.loadInstanceKey(ctx, in) }
	return s.loaded.with(ctx, keyRef{instance: in.ID}, "", load, do)
}

var errOtherModule = errors.New("is kept by another crypto module")

func (s *Service) loadInstanceKey(ctx context.Context, in Instance) (custody.Handle, error) {
	k, err := s.store.InstanceKey(ctx, in.ID)
	if err != nil {
		// An active instance has a key: its absence is no answer for a caller.
		return 0, fmt.Errorf("reading the key of instance %s: %s", in.ID, err)
	}
	if err := k.belongsTo(in); err != nil {
		return 0, err
	}
	if name := s.module.Info().Name; k.Module != name {
		return 0, fmt.Errorf("key of instance %s %w: %q, not %q", in.ID, errOtherModule, k.Module, name)
	}
	h, err := s.module.Load(ctx, custody.Root, k.binding(), k.Sealed)
	if err != nil {
		return 0, fmt.Errorf("loading the key of instance %s: %w", in.ID, err)
	}
	return h, nil
}
