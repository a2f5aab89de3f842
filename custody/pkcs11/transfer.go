package pkcs11

import (
	"context"
	"fmt"
	"sync/atomic"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// transferKey is the key of a transfer as the wrap master of a generation wraps it: the agent keeps
// nothing between two requests.
type transferKey struct {
	generation uint32
	wrapped    []byte
}

// export implements custody.Export.
type export struct {
	m         *Module
	encrypted []byte
	key       atomic.Pointer[transferKey] // nil once closed
}

// Export implements custody.Source.
func (m *Module) Export(ctx context.Context, to []byte) (custody.Export, error) {
	generation := m.Info().Generation
	r, err := m.ask(ctx, wire.OpExportKey, [2]uint32{generation}, 2, to)
	if err != nil {
		return nil, fmt.Errorf("beginning a transfer: %w", err)
	}
	e := &export{m: m, encrypted: r.fields[1]}
	e.key.Store(&transferKey{generation, r.fields[0]})
	return e, nil
}

// Key implements custody.Export.
func (e *export) Key() []byte { return e.encrypted }

// Wrap implements custody.Export.
func (e *export) Wrap(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) ([]byte, error) {
	k := e.key.Load()
	if k == nil {
		return nil, fmt.Errorf("handing a key on: %w", custody.ErrTransfer)
	}
	if err := e.m.check(ctx, parent, b); err != nil {
		return nil, fmt.Errorf("handing a key on: %w", notHere(err))
	}
	w, err := custody.OpenKey(ctx, e.m, parent, b, s)
	if err != nil {
		return nil, fmt.Errorf("handing a key on: %w", err)
	}
	r, err := e.m.ask(ctx, wire.OpExport, [2]uint32{b.Generation, k.generation}, 1, w.Master, k.wrapped)
	if err != nil {
		return nil, fmt.Errorf("handing a key on: %w", notHere(err))
	}
	return r.fields[0], nil
}

// Close implements custody.Export.
func (e *export) Close() error {
	e.key.Store(nil)
	return nil
}

// intake implements custody.Intake.
type intake struct {
	m          *Module
	generation uint32
	public     []byte
	private    []byte                      // as the wrap master wraps it
	key        atomic.Pointer[transferKey] // nil until it is open, and once closed
	closed     atomic.Bool
}

// wrapOverhead is what AES key wrap adds to a key, in bytes.
const wrapOverhead = 8

// transferBits is the size of the pair that a transfer key is encrypted to.
const transferBits = custody.TransportBits

// Accept implements custody.Destination.
func (m *Module) Accept(ctx context.Context) (custody.Intake, error) {
	generation := m.Info().Generation
	r, err := m.ask(ctx, wire.OpMakePair, [2]uint32{generation, transferBits}, 2)
	if err != nil {
		return nil, fmt.Errorf("beginning a transfer: %w", err)
	}
	return &intake{m: m, generation: generation, public: r.fields[0], private: r.fields[1]}, nil
}

// Public implements custody.Intake.
func (i *intake) Public() []byte { return i.public }

// Open implements custody.Intake.
func (i *intake) Open(ctx context.Context, key []byte) error {
	if i.closed.Load() {
		return fmt.Errorf("taking in a transfer key: %w", custody.ErrTransfer)
	}
	r, err := i.m.ask(ctx, wire.OpIntakeKey, [2]uint32{i.generation}, 1, i.private, key)
	if err != nil {
		return fmt.Errorf("taking in a transfer key: %w", err)
	}
	i.key.Store(&transferKey{i.generation, r.fields[0]})
	return nil
}

// Store implements custody.Intake.
func (i *intake) Store(ctx context.Context, parent custody.Handle, b custody.Binding, wrapped []byte) (custody.Sealed, error) {
	k := i.key.Load()
	if k == nil || i.closed.Load() {
		return nil, fmt.Errorf("taking a key in: %w", custody.ErrTransfer)
	}
	if err := i.m.check(ctx, parent, b); err != nil {
		return nil, fmt.Errorf("taking a key in: %w", err)
	}
	if len(wrapped) != b.Size+wrapOverhead {
		return nil, fmt.Errorf("taking a key in: %w: %d bytes for a key of %d", custody.ErrUnreadable, len(wrapped), b.Size)
	}
	w, err := i.m.wrapped(ctx, wire.OpIntake, [2]uint32{k.generation, b.Generation}, wrapped, k.wrapped)
	if err != nil {
		return nil, fmt.Errorf("taking a key in: %w", err)
	}
	return custody.SealKey(ctx, i.m, parent, b, w)
}

// Close implements custody.Intake.
func (i *intake) Close() error {
	i.closed.Store(true)
	i.key.Store(nil)
	return nil
}
