package pkcs11

import (
	"context"
	"encoding/json"
	"fmt"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Generations implements custody.Masters. It asks the token.
func (m *Module) Generations(ctx context.Context) ([]custody.Generation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refresh(ctx)
}

// refresh asks the token what it holds; mu is held.
func (m *Module) refresh(ctx context.Context) ([]custody.Generation, error) {
	r, err := m.ask(ctx, wire.OpTokenStatus, [2]uint32{}, 1)
	if err != nil {
		return nil, fmt.Errorf("listing masters: %w", err)
	}
	var st wire.TokenStatus
	if err := json.Unmarshal(r.fields[0], &st); err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	m.learn(st)
	return st.Generations, nil
}

// MakeMasters implements custody.Masters.
func (m *Module) MakeMasters(ctx context.Context, number uint32, r custody.Recovery) (custody.Escrow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	made, err := m.ask(ctx, wire.OpMakeMasters, [2]uint32{number}, 1, []byte(r.Set), r.Key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("making masters of generation %d: %w", number, err)
	}
	if _, err := m.refresh(ctx); err != nil {
		return nil, err
	}
	if r.Set == "" {
		return nil, nil
	}
	return made.fields[0], nil
}

// DestroyMasters implements custody.Masters. A key of theirs that is still loaded can be used for as
// long as the token keeps it at hand.
func (m *Module) DestroyMasters(ctx context.Context, number uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.do(ctx, wire.OpDestroyMasters, [2]uint32{number}); err != nil {
		return fmt.Errorf("destroying masters of generation %d: %w", number, err)
	}
	_, err := m.refresh(ctx)
	return err
}

// Rewrap implements custody.Masters.
func (m *Module) Rewrap(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed, generation uint32) (custody.Sealed, error) {
	if err := m.check(ctx, parent, b); err != nil {
		return nil, fmt.Errorf("wrapping a key anew: %w", notHere(err))
	}
	if err := m.holds(ctx, generation); err != nil {
		return nil, fmt.Errorf("wrapping a key anew: %w", err)
	}
	old, err := custody.OpenKey(ctx, m, parent, b, s)
	if err != nil {
		return nil, fmt.Errorf("wrapping a key anew: %w", err)
	}
	w, err := m.wrapped(ctx, wire.OpRewrap, [2]uint32{b.Generation, generation}, old.Master)
	if err != nil {
		return nil, fmt.Errorf("wrapping a key anew: %w", err)
	}
	b.Generation = generation
	return custody.SealKey(ctx, m, parent, b, w)
}
