package software

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"strongroom/custody"
	"strongroom/internal/durable"
)

var _ custody.Masters = (*Module)(nil)

// Generations implements custody.Masters.
func (m *Module) Generations(context.Context) ([]custody.Generation, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return nil, custody.ErrClosed
	}
	list := make([]custody.Generation, 0, len(m.masters.generations))
	for _, g := range m.masters.generations {
		list = append(list, custody.Generation{Number: g.Number, Recovery: g.Recovery})
	}
	return list, nil
}

// MakeMasters implements custody.Masters. The master file is complete and durable before the module
// uses the new masters.
func (m *Module) MakeMasters(ctx context.Context, number uint32, r custody.Recovery) (custody.Escrow, error) {
	m.change.Lock()
	defer m.change.Unlock()
	escrow, err := m.makeMasters(ctx, number, r)
	if err != nil {
		return nil, fmt.Errorf("making masters of generation %d: %w", number, err)
	}
	return escrow, nil
}

func (m *Module) makeMasters(ctx context.Context, number uint32, r custody.Recovery) (custody.Escrow, error) {
	old, err := m.held()
	if err != nil {
		return nil, err
	}
	if newest := old.newest().Number; number <= newest {
		return nil, fmt.Errorf("%w: the module has generation %d", custody.ErrGeneration, newest)
	}
	recovery, err := old.checkRecovery(r)
	if err != nil {
		return nil, err
	}
	next, err := old.drawn(generation{Number: number, Recovery: r.Set}, recovery)
	if err != nil {
		return nil, err
	}
	var escrow custody.Escrow
	if keys := next.at(len(old.generations)); keys.recovery() != nil {
		escrow = wrapKey(newAES(keys.recovery()), keys.seal())
	}
	if err := m.save(ctx, next); err != nil {
		return nil, errors.Join(err, next.free())
	}
	return escrow, m.replace(next)
}

// checkRecovery returns the recovery key for a new generation, nil if it is to have none.
func (m *masters) checkRecovery(r custody.Recovery) ([]byte, error) {
	known := m.recoveryKey(r.Set)
	switch {
	case len(m.generations) == maxGenerations:
		return nil, fmt.Errorf("the module holds %d generations, which is the most", maxGenerations)
	case len(r.Set) > maxSetName:
		return nil, fmt.Errorf("%w: its name has %d bytes, at most %d are possible", custody.ErrRecovery, len(r.Set), maxSetName)
	case r.Set == "" && r.Key.Len() > 0:
		return nil, fmt.Errorf("%w: it has no name", custody.ErrRecovery)
	case r.Set == "":
		return nil, nil
	case r.Key.Len() == 0 && known == nil:
		return nil, fmt.Errorf("%w: the module has none that is named %q", custody.ErrRecovery, r.Set)
	case r.Key.Len() == 0:
		return known, nil
	case r.Key.Len() != custody.RecoveryKeySize:
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", custody.ErrRecovery, r.Key.Len(), custody.RecoveryKeySize)
	case known != nil && !r.Key.Equal(custody.NewSecret(known)):
		return nil, fmt.Errorf("%w: the module has another one that is named %q", custody.ErrRecovery, r.Set)
	}
	return r.Key.Reveal(), nil
}

// DestroyMasters implements custody.Masters. The masters live on in older copies of the master file,
// for who has the passphrase or key file.
func (m *Module) DestroyMasters(ctx context.Context, number uint32) error {
	m.change.Lock()
	defer m.change.Unlock()
	if err := m.destroyMasters(ctx, number); err != nil {
		return fmt.Errorf("destroying the masters of generation %d: %w", number, err)
	}
	return nil
}

func (m *Module) destroyMasters(ctx context.Context, number uint32) error {
	old, err := m.held()
	if err != nil {
		return err
	}
	i := old.find(number)
	if i < 0 {
		return nil
	}
	next, err := old.without(i)
	if err != nil {
		return err
	}
	if err := m.save(ctx, next); err != nil {
		return errors.Join(err, next.free())
	}
	return m.replace(next)
}

// Rewrap implements custody.Masters.
func (m *Module) Rewrap(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed, generation uint32) (custody.Sealed, error) {
	if err := m.holds(generation); err != nil {
		return nil, fmt.Errorf("rewrapping a key: %w", err)
	}
	key, err := m.open(ctx, parent, b, s)
	if err != nil {
		return nil, fmt.Errorf("rewrapping a key: %w", err)
	}
	defer clear(key)
	b.Generation = generation
	return m.seal(ctx, parent, b, key)
}

// held returns the masters as they are until the caller, who holds change, replaces them.
func (m *Module) held() (*masters, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return nil, custody.ErrClosed
	}
	return m.masters, nil
}

// save writes the master file with these masters. The caller holds change.
func (m *Module) save(ctx context.Context, next *masters) error {
	f := m.file
	f.Generations = next.generations
	box, err := custody.Seal(ctx, m, m.kek, custody.PurposeMasters, f.context(), next.all())
	if err != nil {
		return err
	}
	if f.Masters, err = box.MarshalBinary(); err != nil {
		return err
	}
	data, err := f.encode()
	if err != nil {
		return err
	}
	if err := m.write(data); err != nil {
		return err
	}
	m.file, m.written = f, data
	return nil
}

// write makes or replaces the master file, and overwrites nothing that this module does not know.
func (m *Module) write(data []byte) error {
	if m.written == nil {
		err := durable.Create(m.path, data, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w: %s", ErrExists, m.path)
		}
		return err
	}
	found, err := readAtMost(m.path, maxMasterFile+1)
	if err != nil {
		return err
	}
	if !bytes.Equal(found, m.written) {
		return fmt.Errorf("%w: %s", ErrChanged, m.path)
	}
	return durable.Replace(m.path, data, 0o600)
}

// replace gives the module other masters and wipes those it had, when nobody uses them any more.
func (m *Module) replace(next *masters) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.masters
	m.masters = next
	return old.free()
}

// holds returns ErrBinding unless the module has the masters of a generation.
func (m *Module) holds(generation uint32) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch {
	case m.masters == nil:
		return custody.ErrClosed
	case m.masters.find(generation) < 0:
		return fmt.Errorf("%w: the module has no masters of generation %d", custody.ErrBinding, generation)
	}
	return nil
}

// use calls f with the keys of a generation, of which it must keep nothing. The schedules of these
// keys are made for each use: what is wrapped by them is loaded seldom, and so none stays on the heap.
func (m *Module) use(generation uint32, f func(generationKeys) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.masters == nil {
		return custody.ErrClosed
	}
	i := m.masters.find(generation)
	if i < 0 {
		return custody.ErrUnloaded
	}
	return f(m.masters.at(i))
}

// rootCMAC computes the CMAC under a seal master.
func (m *Module) rootCMAC(generation uint32, blocks [2]custody.Block) (out [2]custody.Block, err error) {
	err = m.use(generation, func(keys generationKeys) error {
		key := custody.NewCMACKey(keys.seal())
		defer key.Wipe()
		out, err = key.Sum(blocks)
		return err
	})
	return out, err
}

// wrap wraps a key under the masters of a generation.
func (m *Module) wrap(generation uint32, key []byte) (w custody.Wrapped, err error) {
	err = m.use(generation, func(keys generationKeys) error {
		w.Master = wrapKey(newAES(keys.wrap()), key)
		if recovery := keys.recovery(); recovery != nil {
			w.Recovery = wrapKey(newAES(recovery), key)
		}
		return nil
	})
	return w, err
}

// unwrap undoes wrap. The caller clears what it returns.
func (m *Module) unwrap(generation uint32, w custody.Wrapped) (key []byte, err error) {
	err = m.use(generation, func(keys generationKeys) error {
		if m.recovered {
			key, err = unwrapKey(newAES(keys.recovery()), w.Recovery)
		} else {
			key, err = unwrapKey(newAES(keys.wrap()), w.Master)
		}
		return err
	})
	return key, err
}
