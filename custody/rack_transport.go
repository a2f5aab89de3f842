package custody

import (
	"context"
	"errors"
	"fmt"
)

// MakeTransport implements Transport, in the module that Info describes. It fails with
// errors.ErrUnsupported when that receives no key material.
func (r *Rack) MakeTransport(ctx context.Context) (TransportKey, error) {
	t, _, err := r.racked.Load().transport(Root, r.Info().Generation)
	if err != nil {
		return TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	return t.MakeTransport(ctx)
}

// BindTransport implements Transport.
func (r *Rack) BindTransport(ctx context.Context, k TransportKey, parent Handle, b TransportBinding) (Sealed, error) {
	t, _, err := r.racked.Load().transport(parent, b.Generation)
	if err != nil {
		return nil, fmt.Errorf("binding a transport key: %w", err)
	}
	return t.BindTransport(ctx, k, inModule(parent), b)
}

// Receive implements Transport.
func (r *Rack) Receive(ctx context.Context, parent Handle, private Sealed, at TransportBinding, nonce []byte, b Binding, in Transported) (Handle, Sealed, error) {
	t, slot, err := r.racked.Load().transport(parent, at.Generation)
	if err != nil {
		return 0, nil, fmt.Errorf("receiving a key: %w", err)
	}
	h, sealed, err := t.Receive(ctx, inModule(parent), private, at, nonce, b, in)
	return inRack(h, slot, err), sealed, err
}

// transport returns the module that holds a generation if it receives key material.
func (now *racked) transport(parent Handle, generation uint32) (Transport, int, error) {
	m, slot, err := now.keeper(parent, generation)
	if err != nil {
		return nil, 0, err
	}
	t, ok := m.(Transport)
	if !ok {
		return nil, 0, fmt.Errorf("crypto module %q receives no keys: %w", m.Info().Name, errors.ErrUnsupported)
	}
	return t, slot, nil
}
