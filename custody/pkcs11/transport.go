package pkcs11

import (
	"context"
	"fmt"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// MakeTransport implements custody.Transport.
func (m *Module) MakeTransport(ctx context.Context) (custody.TransportKey, error) {
	k := custody.TransportKey{Generation: m.Info().Generation}
	if k.Generation == 0 {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w: token %q has no masters", custody.ErrBinding, m.o.Token)
	}
	r, err := m.ask(ctx, wire.OpMakePair, [2]uint32{k.Generation, custody.TransportBits}, 2)
	if err != nil {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	k.Public = r.fields[0]
	if k.Sealed, err = custody.SealPrivate(ctx, m, custody.Root, k.Generation, k.Context(), r.fields[1]); err != nil {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	return k, nil
}

// BindTransport implements custody.Transport.
func (m *Module) BindTransport(ctx context.Context, k custody.TransportKey, parent custody.Handle, b custody.TransportBinding) (custody.Sealed, error) {
	if err := m.checkTransport(ctx, parent, b); err != nil {
		return nil, fmt.Errorf("binding a transport key: %w", err)
	}
	if b.Generation != k.Generation {
		return nil, fmt.Errorf("binding a transport key: %w: generation %d, the pair has %d", custody.ErrBinding, b.Generation, k.Generation)
	}
	private, err := custody.OpenPrivate(ctx, m, custody.Root, k.Generation, k.Context(), k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening a transport key: %w", err)
	}
	return custody.SealPrivate(ctx, m, parent, b.Generation, b.Context(), private)
}

func (m *Module) checkTransport(ctx context.Context, parent custody.Handle, b custody.TransportBinding) error {
	if _, root := parent.RootGeneration(); root {
		return fmt.Errorf("%w: a transport key belongs under an instance key", custody.ErrBinding)
	}
	if b.Account == "" || b.Instance == "" || b.Token == "" {
		return fmt.Errorf("%w: account, instance or token is empty", custody.ErrBinding)
	}
	return m.holds(ctx, b.Generation)
}

// Receive implements custody.Transport.
func (m *Module) Receive(ctx context.Context, parent custody.Handle, private custody.Sealed, at custody.TransportBinding,
	nonce []byte, b custody.Binding, in custody.Transported,
) (custody.Handle, custody.Sealed, error) {
	if err := m.checkTransport(ctx, parent, at); err != nil {
		return 0, nil, fmt.Errorf("receiving a key: %w", err)
	}
	if b.Size != 0 || b.Origin != custody.OriginImported {
		return 0, nil, fmt.Errorf("receiving a key: %w: size %d is not known before, origin %q", custody.ErrBinding, b.Size, b.Origin)
	}
	if b.Generation < at.Generation {
		return 0, nil, fmt.Errorf("receiving a key: %w: generation %d is older than that of the pair, %d", custody.ErrBinding, b.Generation, at.Generation)
	}
	b.Size = custody.RecoveryKeySize // any that can be; the true one is known when the key is there
	if err := m.check(ctx, parent, b); err != nil {
		return 0, nil, fmt.Errorf("receiving a key: %w", err)
	}
	inner, err := custody.OpenPrivate(ctx, m, parent, at.Generation, at.Context(), private)
	if err != nil {
		return 0, nil, fmt.Errorf("opening a transport key: %w", err)
	}
	r, err := m.ask(ctx, wire.OpReceive, [2]uint32{at.Generation, b.Generation}, 2,
		inner, in.Material, in.SealedNonce, in.IV[:], nonce)
	if err != nil {
		return 0, nil, fmt.Errorf("receiving a key: %w", err)
	}
	b.Size = int(r.number)
	if err := b.Check(parent); err != nil {
		return 0, nil, fmt.Errorf("receiving a key: %w", err)
	}
	return m.store(ctx, parent, b, r.wrapped())
}
