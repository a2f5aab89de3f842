package software

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"strongroom/custody"
)

// Recovered is what a recovery key gives back of a module that was lost: it loads the keys of that
// module from their second copies and hands them on to another one. It makes no keys. Recover makes one.
type Recovered struct {
	m *Module
}

var (
	_ custody.Module = (*Recovered)(nil)
	_ custody.Source = (*Recovered)(nil)
)

// ErrReadOnly says that recovered masters make no keys: move them to another module.
var ErrReadOnly = errors.New("recovered masters make no keys")

// Recover returns the keys of the generations whose escrows are given, all of the recovery key r. It
// fails with custody.ErrRecovery when an escrow does not open under the key. The caller wipes the key.
func Recover(name string, r custody.Recovery, escrows map[uint32]custody.Escrow) (*Recovered, error) {
	if r.Set == "" || r.Key.Len() != custody.RecoveryKeySize || len(escrows) == 0 {
		return nil, fmt.Errorf("recovering masters: %w: no key, or no escrow", custody.ErrRecovery)
	}
	list := make([]generation, 0, len(escrows))
	for number := range escrows {
		list = append(list, generation{Number: number, Recovery: r.Set})
	}
	slices.SortFunc(list, func(a, b generation) int { return cmp.Compare(a.Number, b.Number) })
	masters, err := newMasters(list)
	if err != nil {
		return nil, err
	}
	for i, g := range list {
		if err := masters.at(i).restore(r.Key, escrows[g.Number]); err != nil {
			return nil, errors.Join(fmt.Errorf("recovering the masters of generation %d: %w", g.Number, err), masters.free())
		}
	}
	return &Recovered{&Module{name: name, protection: custody.ProtectionShares, masters: masters, recovered: true}}, nil
}

// restore fills in what a recovery key gives of a generation: all but the wrap master.
func (k generationKeys) restore(recovery custody.Secret, escrow custody.Escrow) error {
	seal, err := unwrapKey(newAES(recovery.Reveal()), escrow)
	if err != nil {
		return fmt.Errorf("%w: it is not the one of the escrow", custody.ErrRecovery)
	}
	defer clear(seal)
	if len(seal) != masterSize {
		return fmt.Errorf("%w: seal master of %d bytes", custody.ErrRecovery, len(seal))
	}
	copy(k.seal(), seal)
	copy(k.recovery(), recovery.Reveal())
	return nil
}

// Info implements custody.Module.
func (r *Recovered) Info() custody.Info { return r.m.Info() }

// Generations lists what was recovered, as custody.Masters does.
func (r *Recovered) Generations(ctx context.Context) ([]custody.Generation, error) {
	return r.m.Generations(ctx)
}

// Make implements custody.Module. It fails with ErrReadOnly.
func (r *Recovered) Make(context.Context, custody.Handle, custody.Binding) (custody.Handle, custody.Sealed, error) {
	return 0, nil, fmt.Errorf("making a key: %w", ErrReadOnly)
}

// Import implements custody.Module. It fails with ErrReadOnly.
func (r *Recovered) Import(context.Context, custody.Handle, custody.Binding, custody.Secret) (custody.Handle, custody.Sealed, error) {
	return 0, nil, fmt.Errorf("importing a key: %w", ErrReadOnly)
}

// Load implements custody.Module, for keys that have a second copy; to any other it says ErrUnreadable.
func (r *Recovered) Load(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) (custody.Handle, error) {
	return r.m.Load(ctx, parent, b, s)
}

// CMAC implements custody.Module.
func (r *Recovered) CMAC(ctx context.Context, h custody.Handle, blocks [2]custody.Block) ([2]custody.Block, error) {
	return r.m.CMAC(ctx, h, blocks)
}

// Unload implements custody.Module.
func (r *Recovered) Unload(h custody.Handle) { r.m.Unload(h) }

// Export implements custody.Source.
func (r *Recovered) Export(ctx context.Context, to []byte) (custody.Export, error) {
	return r.m.Export(ctx, to)
}

// Close implements custody.Module.
func (r *Recovered) Close() error { return r.m.Close() }
