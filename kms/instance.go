package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
// sealed under it. While keys move to newer masters, an instance has it under both: the same
// material, so that what is sealed under the one opens under the other.
type InstanceKey struct {
	Instance   InstanceID
	Account    iam.AccountID
	Generation uint32 // of the masters
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
	if keys, err := s.store.InstanceKeys(ctx, in.ID); err == nil {
		return keys[0].belongsTo(in)
	} else if fault.KindOf(err) != fault.NotFound {
		return fmt.Errorf("reading the key of instance %s: %w", in.ID, err)
	}
	k := InstanceKey{
		Instance: in.ID, Account: in.Account, Generation: s.module.Info().Generation, Created: s.now(),
	}
	h, sealed, err := s.module.Make(ctx, custody.Root, k.binding())
	if err != nil {
		return fmt.Errorf("making the key of instance %s: %w", in.ID, err)
	}
	s.module.Unload(h) // its first use loads what is stored
	k.Sealed = sealed
	err = s.store.InsertInstanceKey(ctx, k)
	if fault.KindOf(err) == fault.Conflict { // another run of the same step was first
		var keys []InstanceKey
		if keys, err = s.store.InstanceKeys(ctx, in.ID); err == nil {
			return keys[0].belongsTo(in)
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

// anyGeneration stands for whichever generation of masters the key of an instance is under: what is
// sealed under the key itself does not depend on it.
const anyGeneration = 0

// withInstanceKey calls do with the handle of the key of an instance under a generation of masters,
// to which all that module operations are given together has to belong.
func (s *Service) withInstanceKey(ctx context.Context, in Instance, generation uint32, do func(custody.Handle) error) error {
	load := func(ctx context.Context) (custody.Handle, error) { return s.loadInstanceKey(ctx, in, generation) }
	ref := keyRef{instance: in.ID}
	return s.loaded.with(ctx, ref, VersionID(strconv.FormatUint(uint64(generation), 10)), load, do)
}

// errMastersGone says that an instance has no key under a generation: its masters were retired
// since the generation was read.
var errMastersGone = errors.New("is not kept under these masters")

func (s *Service) loadInstanceKey(ctx context.Context, in Instance, generation uint32) (custody.Handle, error) {
	keys, err := s.instanceKeys(ctx, in)
	if err != nil {
		return 0, err
	}
	i := 0
	if generation != anyGeneration {
		i = slices.IndexFunc(keys, func(k InstanceKey) bool { return k.Generation == generation })
	}
	if i < 0 {
		return 0, fmt.Errorf("key of instance %s %w: generation %d", in.ID, errMastersGone, generation)
	}
	h, err := s.module.Load(ctx, custody.Root, keys[i].binding(), keys[i].Sealed)
	if err != nil {
		return 0, fmt.Errorf("loading the key of instance %s: %w", in.ID, err)
	}
	return h, nil
}

// instanceKeys reads the key of an instance, under the newest generation first.
func (s *Service) instanceKeys(ctx context.Context, in Instance) ([]InstanceKey, error) {
	keys, err := s.store.InstanceKeys(ctx, in.ID)
	if err != nil {
		// An active instance has a key: its absence is no answer for a caller.
		return nil, fmt.Errorf("reading the key of instance %s: %s", in.ID, err)
	}
	return keys, keys[0].belongsTo(in)
}

// newestGeneration returns the newest masters that the key of an instance is under: new versions of
// its keys are made there.
func (s *Service) newestGeneration(ctx context.Context, in Instance) (uint32, error) {
	keys, err := s.instanceKeys(ctx, in)
	if err != nil {
		return 0, err
	}
	return keys[0].Generation, nil
}
