package custody

import (
	"context"
	"sync/atomic"
)

// Vault seals the service's own secrets (signing keys, peppers, HMAC secrets,
// stored API keys) under the system instance key. Each is bound to its kind and
// ID, so that a sealed secret moved to another row does not open.
type Vault struct {
	module Module
	key    atomic.Uint64 // a Handle
}

// NewVault returns the vault whose key is loaded in m under key.
func NewVault(m Module, key Handle) *Vault {
	v := &Vault{module: m}
	v.Use(key)
	return v
}

// Use makes the vault work with another handle of its key, such as one that other masters keep.
// What it is doing with the one before goes on, so that one must stay loaded for a while.
func (v *Vault) Use(key Handle) { v.key.Store(uint64(key)) }

// Seal returns the stored form of s, which the vault does not keep.
func (v *Vault) Seal(ctx context.Context, kind, id string, s Secret) ([]byte, error) {
	box, err := Seal(ctx, v.module, Handle(v.key.Load()), PurposeSecret, Context(kind, id), s.Reveal())
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// Open returns the secret that Seal was given for the same kind and ID, or
// ErrUnreadable.
func (v *Vault) Open(ctx context.Context, kind, id string, sealed []byte) (Secret, error) {
	box, err := ParseBox(sealed)
	if err != nil {
		return Secret{}, ErrUnreadable
	}
	return Open(ctx, v.module, Handle(v.key.Load()), PurposeSecret, Context(kind, id), box)
}

// SealKey seals the key of a backup, bound to the rest of it.
func (v *Vault) SealKey(ctx context.Context, bound []byte, key Secret) ([]byte, error) {
	box, err := Seal(ctx, v.module, Handle(v.key.Load()), PurposeBackup, bound, key.Reveal())
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// OpenKey returns the key that SealKey was given with the same bound, or ErrUnreadable.
func (v *Vault) OpenKey(ctx context.Context, bound, sealed []byte) (Secret, error) {
	box, err := ParseBox(sealed)
	if err != nil {
		return Secret{}, ErrUnreadable
	}
	return Open(ctx, v.module, Handle(v.key.Load()), PurposeBackup, bound, box)
}
