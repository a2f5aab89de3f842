package kms

import (
	"context"
	"errors"
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
// v. The key is not left loaded: nothing uses it before it is stored. What comes under an import
// token is kept under the masters of the token, from where it moves like any other key.
func (s *Service) makeVersion(ctx context.Context, at *visit, k *Key, v *Version, n NewVersion) (err error) {
	v.Origin, v.Size = custody.OriginGenerated, generatedSize
	if n.imported() {
		v.Origin, v.Size = custody.OriginImported, n.Payload.Len()
	}
	var token ImportToken
	if n.Transported != nil {
		if token, err = s.tokenInForce(ctx, at); err != nil {
			return err
		}
		v.Generation = token.Generation
	} else if v.Generation, err = s.newestGeneration(ctx, at.instance); err != nil {
		return err
	}
	return s.withInstanceKey(ctx, at.instance, v.Generation, func(parent custody.Handle) error {
		var (
			h      custody.Handle
			sealed custody.Sealed
			err    error
		)
		switch {
		case n.Transported != nil:
			h, sealed, err = s.receive(ctx, token, parent, binding(k, v), *n.Transported)
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

// underNewestMasters makes and stores a version of a key. It is repeated when the masters that the version was
// sealed under were retired before it was stored.
func underNewestMasters(do func() error) error {
	for range tries - 1 {
		if err := do(); !errors.Is(err, ErrMastersRetired) {
			return err
		}
	}
	return do()
}

// withVersion calls do with the handle of a version of a root key.
func (s *Service) withVersion(ctx context.Context, in Instance, k *Key, v *Version, do func(custody.Handle) error) error {
	load := func(ctx context.Context) (custody.Handle, error) { return s.loadVersion(ctx, in, k, v) }
	return s.loaded.with(ctx, keyRef{k.Instance, k.ID}, v.ID, load, do)
}

// loadVersion loads a version of a root key. A record that was read before the version moved to
// other masters is good for as long as the old ones are there; after that, the version is read
// again.
func (s *Service) loadVersion(ctx context.Context, in Instance, k *Key, v *Version) (custody.Handle, error) {
	h, err := s.loadSealed(ctx, in, k, v)
	if err == nil || ctx.Err() != nil || errors.Is(err, custody.ErrUnavailable) {
		return h, err
	}
	now, rerr := s.store.Record(ctx, k.Instance, k.ID)
	if rerr != nil {
		return 0, errors.Join(err, rerr)
	}
	if moved := now.version(v.ID); moved != nil && moved.Generation != v.Generation {
		return s.loadSealed(ctx, in, k, moved)
	}
	return 0, err
}

func (s *Service) loadSealed(ctx context.Context, in Instance, k *Key, v *Version) (h custody.Handle, err error) {
	err = s.withInstanceKey(ctx, in, v.Generation, func(parent custody.Handle) error {
		h, err = s.module.Load(ctx, parent, binding(k, v), v.Sealed)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("loading version %s of key %s: %w", v.ID, k.ID, err)
	}
	return h, nil
}

// sealStandard seals the material of a standard key into v, which it completes.
func (s *Service) sealStandard(ctx context.Context, in Instance, k *Key, v *Version, material custody.Secret) error {
	v.Size = material.Len()
	return s.withInstanceKey(ctx, in, anyGeneration, func(h custody.Handle) error {
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
	err = s.withInstanceKey(ctx, in, anyGeneration, func(h custody.Handle) error {
		material, err = custody.Open(ctx, s.module, h, custody.PurposeStandardKey, standardContext(k, v), box)
		return err
	})
	if err != nil {
		return custody.Secret{}, fmt.Errorf("opening the material of key %s: %w", k.ID, err)
	}
	return material, nil
}
