package custody

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Generations implements Masters, over all modules.
func (r *Rack) Generations(ctx context.Context) ([]Generation, error) {
	var all []Generation
	for _, m := range r.racked.Load().modules {
		list, err := generations(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("listing the masters of crypto module %q: %w", m.Info().Name, err)
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b Generation) int { return cmp.Compare(a.Number, b.Number) })
	return all, nil
}

// MakeMasters implements Masters, in the home. The number has to be higher than that of any
// generation in the rack. A recovery key that is given by its name alone has to be in the home.
func (r *Rack) MakeMasters(ctx context.Context, number uint32, recovery Recovery) (Escrow, error) {
	return r.MakeMastersIn(ctx, r.racked.Load().modules[0].Info().Name, number, recovery)
}

// MakeMastersIn is MakeMasters in the module of that name.
func (r *Rack) MakeMastersIn(ctx context.Context, module string, number uint32, recovery Recovery) (Escrow, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.racked.Load()
	slot := slices.IndexFunc(old.modules, func(m Module) bool { return m.Info().Name == module })
	if slot < 0 {
		return nil, fmt.Errorf("making masters of generation %d: there is no crypto module %q", number, module)
	}
	m, err := mastersOf(old.modules[slot])
	if err != nil {
		return nil, err
	}
	for held := range maps.Keys(old.slots) {
		if number <= held {
			return nil, fmt.Errorf("making masters of generation %d: %w: there is generation %d", number, ErrGeneration, held)
		}
	}
	escrow, err := m.MakeMasters(ctx, number, recovery)
	if err != nil {
		return nil, err
	}
	next := &racked{old.modules, maps.Clone(old.slots), old.used}
	next.slots[number] = slot
	r.racked.Store(next)
	return escrow, nil
}

// DestroyMasters implements Masters.
func (r *Rack) DestroyMasters(ctx context.Context, number uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.racked.Load()
	slot, ok := old.slots[number]
	if !ok {
		return nil
	}
	m, err := mastersOf(old.modules[slot])
	if err != nil {
		return err
	}
	if err := m.DestroyMasters(ctx, number); err != nil {
		return err
	}
	next := &racked{old.modules, maps.Clone(old.slots), old.used}
	delete(next.slots, number)
	r.racked.Store(next)
	return nil
}

// Rewrap implements Masters, for two generations of one module; Move crosses modules.
func (r *Rack) Rewrap(ctx context.Context, parent Handle, b Binding, s Sealed, generation uint32) (Sealed, error) {
	now := r.racked.Load()
	from, slot, err := now.keeper(parent, b.Generation)
	if err != nil {
		return nil, fmt.Errorf("rewrapping a key: %w", unreadable(err))
	}
	if to, ok := now.slots[generation]; !ok || to != slot {
		return nil, fmt.Errorf("rewrapping a key: %w: crypto module %q does not hold generation %d", ErrBinding, from.Info().Name, generation)
	}
	m, err := mastersOf(from)
	if err != nil {
		return nil, err
	}
	return m.Rewrap(ctx, inModule(parent), b, s, generation)
}

// mastersOf returns what the operator can do with the masters of a module.
func mastersOf(m Module) (Masters, error) {
	masters, ok := m.(Masters)
	if !ok {
		return nil, fmt.Errorf("masters of crypto module %q do not change: %w", m.Info().Name, errors.ErrUnsupported)
	}
	return masters, nil
}
