package software

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"strongroom/custody"
)

// Module is a crypto module in memory. Create and Open make one.
type Module struct {
	info   custody.Info
	keys   sync.Map      // custody.Handle → *cmacKey
	serial atomic.Uint64 // of the key loaded last

	mu      sync.RWMutex // held for writing to close, for reading to use masters or add keys
	masters *masters     // nil once closed
}

var _ custody.Module = (*Module)(nil)

// Info implements custody.Module.
func (m *Module) Info() custody.Info { return m.info }

// Make implements custody.Module.
func (m *Module) Make(ctx context.Context, parent custody.Handle, b custody.Binding) (custody.Handle, custody.Sealed, error) {
	if b.Origin != custody.OriginGenerated {
		return 0, nil, fmt.Errorf("making a key: %w: origin %q", custody.ErrBinding, b.Origin)
	}
	if err := b.Check(parent, m.info.Generation); err != nil {
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
	if err := b.Check(parent, m.info.Generation); err != nil {
		return 0, nil, fmt.Errorf("importing a key: %w", err)
	}
	return m.store(ctx, parent, b, material.Reveal())
}

// store seals a new key under parent and loads it.
func (m *Module) store(ctx context.Context, parent custody.Handle, b custody.Binding, key []byte) (custody.Handle, custody.Sealed, error) {
	wrapped, err := m.wrap(key)
	if err != nil {
		return 0, nil, err
	}
	sealed, err := custody.SealKey(ctx, m, parent, b, wrapped)
	if err != nil {
		return 0, nil, err
	}
	h, err := m.add(key)
	if err != nil {
		return 0, nil, err
	}
	return h, sealed, nil
}

// Load implements custody.Module.
func (m *Module) Load(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) (custody.Handle, error) {
	if err := b.Check(parent, m.info.Generation); err != nil {
		return 0, fmt.Errorf("loading a key: %w: %w", custody.ErrUnreadable, err)
	}
	wrapped, err := custody.OpenKey(ctx, m, parent, b, s)
	if err != nil {
		return 0, fmt.Errorf("loading a key: %w", err)
	}
	key, err := m.unwrap(wrapped)
	if err != nil {
		return 0, fmt.Errorf("loading a key: %w", err)
	}
	defer clear(key)
	return m.add(key)
}

// CMAC implements custody.Module.
func (m *Module) CMAC(_ context.Context, h custody.Handle, blocks [2]custody.Block) ([2]custody.Block, error) {
	if h == custody.Root {
		return m.rootCMAC(blocks)
	}
	key, ok := m.keys.Load(h)
	if !ok {
		return [2]custody.Block{}, custody.ErrUnloaded
	}
	return key.(*cmacKey).sum(blocks)
}

// Unload implements custody.Module.
func (m *Module) Unload(h custody.Handle) {
	if key, ok := m.keys.LoadAndDelete(h); ok {
		key.(*cmacKey).wipe()
	}
}

// Close implements custody.Module. A second Close does nothing.
func (m *Module) Close() error {
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
	m.keys.Store(h, newCMACKey(key))
	return h, nil
}

// rootCMAC computes the CMAC under the seal master. Like wrap and unwrap it makes the key schedule
// for each use: instance keys are few, and so no schedule of a master stays on the heap.
func (m *Module) rootCMAC(blocks [2]custody.Block) ([2]custody.Block, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return [2]custody.Block{}, custody.ErrClosed
	}
	key := newCMACKey(m.masters.seal())
	defer key.wipe()
	return key.sum(blocks)
}

// wrap wraps key under the wrap master.
func (m *Module) wrap(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return nil, custody.ErrClosed
	}
	return wrapKey(newAES(m.masters.wrap()), key), nil
}

// unwrap undoes wrap. The caller clears what it returns.
func (m *Module) unwrap(wrapped []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return nil, custody.ErrClosed
	}
	return unwrapKey(newAES(m.masters.wrap()), wrapped)
}
