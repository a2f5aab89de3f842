package kms

import (
	"context"
	"fmt"

	"strongroom/custody"
)

const (
	generatedSize   = 32   // bytes of the material that we draw, for root and standard keys
	maxStandardSize = 7500 // bytes of the material of a standard key
)

// binding is what a stored version of a root key is bound to.
func binding(k *Key, v *Version) custody.Binding {
	return custody.Binding{
		Purpose: custody.PurposeKeyVersion, Account: string(k.Account), Instance: string(k.Instance),
		Key: string(k.ID), Version: string(v.ID), Generation: v.Generation, Origin: v.Origin, Size: v.Size,
	}
}

// standardContext is what the stored material of a standard key is bound to.
func standardContext(k *Key, v *Version) []byte {
	return custody.Context(string(k.Account), string(k.Instance), string(k.ID), string(v.ID), string(v.Origin))
}

// makeVersion draws or imports the material of v, a new version of the root key k, and completes
// v. The key is not left loaded: nothing uses it before it is stored.
func (s *Service) makeVersion(ctx context.Context, at *visit, k *Key, v *Version, n NewVersion) error {
	v.Generation = s.module.Info().Generation
	v.Origin, v.Size = custody.OriginGenerated, generatedSize
	if n.imported() {
		v.Origin, v.Size = custody.OriginImported, n.Payload.Len()
	}
	return s.withInstanceKey(ctx, at.instance, func(parent custody.Handle) error {
		var (
			h      custody.Handle
			sealed custody.Sealed
			err    error
		)
		switch {
		case n.Transported != nil:
			h, sealed, err = s.receive(ctx, at, parent, binding(k, v), *n.Transported)
		case n.imported():
			h, sealed, err = s.module.Import(ctx, parent, binding(k, v), n.Payload)
		default:
			h, sealed, err = s.module.Make(ctx, parent, binding(k, v))
		}
		if err != nil {
			return fmt.Errorf("making version %s of key %s: %w", v.ID, k.ID, err)
		}
		defer s.module.Unload(h)
		v.Sealed, v.Size = sealed, h.Size()
		v.Material, err = custody.Identify(ctx, s.module, h)
		return err
	})
}

// withVersion calls do with the handle of a version of a root key.
func (s *Service) withVersion(ctx context.Context, in Instance, k *Key, v *Version, do func(custody.Handle) error) error {
	load := func(ctx context.Context) (h custody.Handle, err error) {
		err = s.withInstanceKey(ctx, in, func(parent custody.Handle) error {
			h, err = s.module.Load(ctx, parent, binding(k, v), v.Sealed)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("loading version %s of key %s: %w", v.ID, k.ID, err)
		}
		return h, nil
	}
	return s.loaded.with(ctx, keyRef{k.Instance, k.ID}, v.ID, load, do)
}

// sealStandard seals the material of a standard key into v, which it completes.
func (s *Service) sealStandard(ctx context.Context, in Instance, k *Key, v *Version, material custody.Secret) error {
	v.Size = material.Len()
	return s.withInstanceKey(ctx, in, func(h custody.Handle) error {
		box, err := custody.Seal(ctx, s.module, h, custody.PurposeStandardKey, standardContext(k, v), material.Reveal())
		if err != nil {
			return err
		}
		v.Sealed, err = box.MarshalBinary()
		return err
	})
}

// openStandard returns the material of a standard key.
func (s *Service) openStandard(ctx context.Context, in Instance, k *Key, v *Version) (material custody.Secret, err error) {
	box, err := custody.ParseBox(v.Sealed)
	if err != nil {
		return custody.Secret{}, fmt.Errorf("reading the material of key %s: %w", k.ID, err)
	}
	err = s.withInstanceKey(ctx, in, func(h custody.Handle) error {
		material, err = custody.Open(ctx, s.module, h, custody.PurposeStandardKey, standardContext(k, v), box)
		return err
	})
	if err != nil {
		return custody.Secret{}, fmt.Errorf("opening the material of key %s: %w", k.ID, err)
	}
	return material, nil
}
