package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// key is a loaded key: the form in which the agent is given it with every request.
type key struct {
	mu         sync.RWMutex // held for reading while an operation uses the key, for writing to unload it
	unloaded   bool
	generation uint32
	wrapped    []byte
}

// Make implements custody.Module.
func (m *Module) Make(ctx context.Context, parent custody.Handle, b custody.Binding) (custody.Handle, custody.Sealed, error) {
	if b.Origin != custody.OriginGenerated {
		return 0, nil, fmt.Errorf("making a key: %w: origin %q", custody.ErrBinding, b.Origin)
	}
	if err := m.check(ctx, parent, b); err != nil {
		return 0, nil, fmt.Errorf("making a key: %w", err)
	}
	w, err := m.wrapped(ctx, wire.OpMake, [2]uint32{b.Generation, uint32(b.Size)})
	if err != nil {
		return 0, nil, fmt.Errorf("making a key: %w", err)
	}
	return m.store(ctx, parent, b, w)
}

// Import implements custody.Module.
func (m *Module) Import(ctx context.Context, parent custody.Handle, b custody.Binding, material custody.Secret) (custody.Handle, custody.Sealed, error) {
	if b.Origin != custody.OriginImported || b.Size != material.Len() {
		return 0, nil, fmt.Errorf("importing a key: %w: origin %q, size %d, material of %d bytes",
			custody.ErrBinding, b.Origin, b.Size, material.Len())
	}
	if err := m.check(ctx, parent, b); err != nil {
		return 0, nil, fmt.Errorf("importing a key: %w", err)
	}
	w, err := m.wrapped(ctx, wire.OpImport, [2]uint32{b.Generation}, material.Reveal())
	if err != nil {
		return 0, nil, fmt.Errorf("importing a key: %w", err)
	}
	return m.store(ctx, parent, b, w)
}

// Load implements custody.Module.
func (m *Module) Load(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) (custody.Handle, error) {
	if err := m.check(ctx, parent, b); err != nil {
		return 0, fmt.Errorf("loading a key: %w", notHere(err))
	}
	w, err := custody.OpenKey(ctx, m, parent, b, s)
	if err != nil {
		return 0, fmt.Errorf("loading a key: %w", err)
	}
	if err := m.do(ctx, wire.OpLoad, [2]uint32{b.Generation}, w.Master); err != nil {
		return 0, fmt.Errorf("loading a key: %w", notHere(err))
	}
	return m.add(b.Generation, w.Master, b.Size)
}

// CMAC implements custody.Module.
func (m *Module) CMAC(ctx context.Context, h custody.Handle, blocks [2]custody.Block) ([2]custody.Block, error) {
	if generation, ok := h.RootGeneration(); ok {
		return m.cmac(ctx, generation, nil, blocks)
	}
	found, ok := m.keys.Load(h)
	if !ok {
		if m.closed.Load() {
			return [2]custody.Block{}, custody.ErrClosed
		}
		return [2]custody.Block{}, custody.ErrUnloaded
	}
	k := found.(*key)
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.unloaded {
		return [2]custody.Block{}, custody.ErrUnloaded
	}
	return m.cmac(ctx, k.generation, k.wrapped, blocks)
}

// cmac asks for two CMACs under a key, the seal master if wrapped is empty.
func (m *Module) cmac(ctx context.Context, generation uint32, wrapped []byte, blocks [2]custody.Block) (out [2]custody.Block, err error) {
	var in [2 * custody.BlockSize]byte
	copy(in[:], blocks[0][:])
	copy(in[custody.BlockSize:], blocks[1][:])
	request := wire.Message{Kind: byte(wire.OpCMAC), Numbers: [2]uint32{generation}}
	request.Add(wrapped)
	request.Add(in[:])
	answer, err := m.call(ctx, &request)
	if err != nil {
		if errors.Is(err, wire.ErrNoMasters) {
			return out, fmt.Errorf("%w: %w", custody.ErrUnloaded, err) // its masters were destroyed
		}
		return out, err
	}
	defer answer.release()
	if f := answer.message.Field(0); len(f) == 2*custody.BlockSize {
		copy(out[0][:], f)
		copy(out[1][:], f[custody.BlockSize:])
		return out, nil
	}
	return out, fmt.Errorf("%w: CMACs of %d bytes", wire.ErrMalformed, len(answer.message.Field(0)))
}

// Unload implements custody.Module.
func (m *Module) Unload(h custody.Handle) {
	found, ok := m.keys.LoadAndDelete(h)
	if !ok {
		return
	}
	k := found.(*key)
	k.mu.Lock()
	k.unloaded = true
	k.mu.Unlock()
	// Whether the token forgets it now or when it needs the room makes no difference to anybody here.
	_ = m.do(context.Background(), wire.OpForget, [2]uint32{k.generation}, k.wrapped)
}

// check returns an error that wraps ErrBinding unless b can be the binding of a key here.
func (m *Module) check(ctx context.Context, parent custody.Handle, b custody.Binding) error {
	if err := b.Check(parent); err != nil {
		return err
	}
	return m.holds(ctx, b.Generation)
}

// holds returns an error that wraps ErrBinding unless the token holds the masters of the generation.
// One that is not known may have been made through another server, so the token is asked.
func (m *Module) holds(ctx context.Context, generation uint32) error {
	has := func(g custody.Generation) bool { return g.Number == generation }
	if slices.ContainsFunc(m.info.Load().generations, has) {
		return nil
	}
	all, err := m.Generations(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, has) {
		return fmt.Errorf("%w: token %q has no masters of generation %d", custody.ErrBinding, m.o.Token, generation)
	}
	return nil
}

// notHere turns an error about what cannot be a key of this module into ErrUnreadable, which is what
// such a key is.
func notHere(err error) error {
	if errors.Is(err, custody.ErrBinding) || errors.Is(err, wire.ErrNoMasters) {
		return fmt.Errorf("%w: %w", custody.ErrUnreadable, err)
	}
	return err
}

// store seals a wrapped key under parent and loads it.
func (m *Module) store(ctx context.Context, parent custody.Handle, b custody.Binding, w custody.Wrapped) (custody.Handle, custody.Sealed, error) {
	sealed, err := custody.SealKey(ctx, m, parent, b, w)
	if err != nil {
		return 0, nil, err
	}
	h, err := m.add(b.Generation, w.Master, b.Size)
	if err != nil {
		return 0, nil, err
	}
	return h, sealed, nil
}

// add makes a handle for a wrapped key.
func (m *Module) add(generation uint32, wrapped []byte, size int) (custody.Handle, error) {
	h := custody.NewHandle(m.serial.Add(1), size)
	m.keys.Store(h, &key{generation: generation, wrapped: wrapped})
	if m.closed.Load() {
		m.keys.Delete(h)
		return 0, custody.ErrClosed
	}
	return h, nil
}

// do has the agent do something that has no result.
func (m *Module) do(ctx context.Context, op wire.Op, numbers [2]uint32, fields ...[]byte) error {
	_, err := m.ask(ctx, op, numbers, 0, fields...)
	return err
}

// ask has the agent do something whose answer has some fields, which it copies.
func (m *Module) ask(ctx context.Context, op wire.Op, numbers [2]uint32, want int, fields ...[]byte) (result, error) {
	request := wire.Message{Kind: byte(op), Numbers: numbers}
	for _, f := range fields {
		request.Add(f)
	}
	answer, err := m.call(ctx, &request)
	if err != nil {
		return result{}, err
	}
	defer answer.release()
	if got := answer.message.Fields(); got != want {
		return result{}, fmt.Errorf("%w: answer to %s has %d fields, not %d", wire.ErrMalformed, op, got, want)
	}
	r := result{number: answer.message.Numbers[0], fields: make([][]byte, want)}
	for i := range r.fields {
		r.fields[i] = slices.Clone(answer.message.Field(i))
	}
	return r, nil
}

// result is a copied answer.
type result struct {
	number uint32
	fields [][]byte
}

// wrapped asks for a wrapped key.
func (m *Module) wrapped(ctx context.Context, op wire.Op, numbers [2]uint32, fields ...[]byte) (custody.Wrapped, error) {
	r, err := m.ask(ctx, op, numbers, 2, fields...)
	if err != nil {
		return custody.Wrapped{}, err
	}
	return r.wrapped(), nil
}

func (r result) wrapped() custody.Wrapped {
	w := custody.Wrapped{Master: r.fields[0]}
	if len(r.fields[1]) > 0 {
		w.Recovery = r.fields[1]
	}
	return w
}
