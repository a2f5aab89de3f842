package software

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"strongroom/custody"
)

// Module is a crypto module in memory. Create and Open make one.
type Module struct {
	name       string
	protection custody.Protection
	path       string         // of the master file
	kek        custody.Handle // of the key that seals the masters

	keys   sync.Map      // custody.Handle → *custody.CMACKey
	serial atomic.Uint64 // of the key loaded last

	change  sync.Mutex // held to make and destroy masters and to close; taken before mu
	file    masterFile // as it was read or written last; guarded by change
	written []byte     // the bytes of it, nil while there is none; guarded by change

	mu        sync.RWMutex // held for writing to replace masters and to close, for reading to use masters or add keys
	masters   *masters     // nil once closed
	recovered bool         // the masters are not known, only what recovery shares give: seal masters and recovery keys
}

var _ custody.Module = (*Module)(nil)

// Info implements custody.Module.
func (m *Module) Info() custody.Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	info := custody.Info{Kind: "software", Name: m.name, Protection: m.protection}
	if m.masters != nil {
		newest := m.masters.newest()
		info.Generation, info.Recovery = newest.Number, newest.Recovery
	}
	return info
}

// Make implements custody.Module.
func (m *Module) Make(ctx context.Context, parent custody.Handle, b custody.Binding) (custody.Handle, custody.Sealed, error) {
	if b.Origin != custody.OriginGenerated {
		return 0, nil, fmt.Errorf("making a key: %w: origin %q", custody.ErrBinding, b.Origin)
	}
	if err := m.check(parent, b); err != nil {
		return 0, nil, fmt.Errorf("making a key: %w", err)
	}
	material := custody.RandomSecret(b.Size)
	defer material.Wipe()
	return m.store(ctx, parent, b, material.Reveal())
}

// Import implements custody.Module.
func (m *Module) Import(ctx context.Context, parent custody.Handle, b custody.Binding, material custody.Secret) (custody.Handle, custody.Sealed, error) {
	if b.Origin != custody.OriginImported || b.Size != material.Len() {
		return 0, nil, fmt.Errorf("importing a key: %w: origin %q, size %d, material of %d bytes",
			custody.ErrBinding, b.Origin, b.Size, material.Len())
	}
	if err := m.check(parent, b); err != nil {
		return 0, nil, fmt.Errorf("importing a key: %w", err)
	}
	return m.store(ctx, parent, b, material.Reveal())
}

// check returns an error unless a key may be stored under parent with the binding b.
func (m *Module) check(parent custody.Handle, b custody.Binding) error {
	if err := b.Check(parent); err != nil {
		return err
	}
	return m.holds(b.Generation)
}

// store seals a new key under parent and loads it.
func (m *Module) store(ctx context.Context, parent custody.Handle, b custody.Binding, key []byte) (custody.Handle, custody.Sealed, error) {
	sealed, err := m.seal(ctx, parent, b, key)
	if err != nil {
		return 0, nil, err
	}
	h, err := m.add(key)
	if err != nil {
		return 0, nil, err
	}
	return h, sealed, nil
}

// seal makes the stored form of a key.
func (m *Module) seal(ctx context.Context, parent custody.Handle, b custody.Binding, key []byte) (custody.Sealed, error) {
	wrapped, err := m.wrap(b.Generation, key)
	if err != nil {
		return nil, err
	}
	return custody.SealKey(ctx, m, parent, b, wrapped)
}

// open undoes seal. The caller clears what it returns.
func (m *Module) open(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) ([]byte, error) {
	err := m.check(parent, b)
	if errors.Is(err, custody.ErrBinding) {
		return nil, fmt.Errorf("%w: %w", custody.ErrUnreadable, err)
	}
	if err != nil {
		return nil, err
	}
	wrapped, err := custody.OpenKey(ctx, m, parent, b, s)
	if err != nil {
		return nil, err
	}
	return m.unwrap(b.Generation, wrapped)
}

// Load implements custody.Module.
func (m *Module) Load(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) (custody.Handle, error) {
	key, err := m.open(ctx, parent, b, s)
	if err != nil {
		return 0, fmt.Errorf("loading a key: %w", err)
	}
	defer clear(key)
	return m.add(key)
}

// CMAC implements custody.Module.
func (m *Module) CMAC(_ context.Context, h custody.Handle, blocks [2]custody.Block) ([2]custody.Block, error) {
	if generation, ok := h.RootGeneration(); ok {
		return m.rootCMAC(generation, blocks)
	}
	key, ok := m.keys.Load(h)
	if !ok {
		return [2]custody.Block{}, custody.ErrUnloaded
	}
	return key.(*custody.CMACKey).Sum(blocks)
}

// Unload implements custody.Module.
func (m *Module) Unload(h custody.Handle) {
	if key, ok := m.keys.LoadAndDelete(h); ok {
		key.(*custody.CMACKey).Wipe()
	}
}

// Close implements custody.Module. A second Close does nothing.
func (m *Module) Close() error {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.masters == nil {
		return nil
	}
	m.keys.Range(func(h, _ any) bool {
		m.Unload(h.(custody.Handle))
		return true
	})
	err := m.masters.free()
	m.masters = nil
	return err
}

// add loads a key, of which it keeps no reference.
func (m *Module) add(key []byte) (custody.Handle, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return 0, custody.ErrClosed
	}
	h := custody.NewHandle(m.serial.Add(1), len(key))
	m.keys.Store(h, custody.NewCMACKey(key))
	return h, nil
}
