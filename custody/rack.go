package custody

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Rack is several modules in the place of one. The generation in a key's binding selects the module
// that keeps it, and handles carry the slot of theirs, so that a deployment can have keys in more
// than one module: while it moves from one to another, or for good.
//
// A rack is a [Module], and also [Transport] and [Masters] as far as its modules are. New masters,
// and keys that name no generation yet, belong to its home, the module it was made with, unless Use
// says which generation is to be used.
type Rack struct {
	mu     sync.Mutex             // held to change what the rack holds
	closed bool                   // guarded by mu
	racked atomic.Pointer[racked] // replaced as a whole

	transfers transfers
}

var (
	_ Module    = (*Rack)(nil)
	_ Transport = (*Rack)(nil)
	_ Masters   = (*Rack)(nil)
)

// racked is what a rack holds at one moment. It does not change.
type racked struct {
	modules []Module       // by slot; the home is the first
	slots   map[uint32]int // of the module that holds a generation
	used    Generation     // the one for new keys; zero if Use was not called
}

// NewRack returns a rack with one module, its home.
func NewRack(ctx context.Context, home Module) (*Rack, error) {
	r := new(Rack)
	r.racked.Store(&racked{slots: map[uint32]int{}})
	if err := r.Add(ctx, home); err != nil {
		return nil, err
	}
	return r, nil
}

// Add puts a module into the next free slot. The rack closes it. Neither its name nor any generation
// that it holds may be in the rack already.
func (r *Rack) Add(ctx context.Context, m Module) error {
	name := m.Info().Name
	list, err := generations(ctx, m)
	if err != nil {
		return fmt.Errorf("adding crypto module %q: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.racked.Load()
	switch {
	case r.closed:
		return ErrClosed
	case len(old.modules) == rootSlot:
		return fmt.Errorf("adding crypto module %q: all %d slots are taken", name, rootSlot)
	case slices.ContainsFunc(old.modules, func(m Module) bool { return m.Info().Name == name }):
		return fmt.Errorf("adding crypto module %q: there is one of that name", name)
	}
	slot := len(old.modules)
	next := &racked{append(slices.Clip(old.modules), m), maps.Clone(old.slots), old.used}
	for _, g := range list {
		if at, ok := old.slots[g.Number]; ok {
			return fmt.Errorf("adding crypto module %q: generation %d is in %q already", name, g.Number, old.modules[at].Info().Name)
		}
		next.slots[g.Number] = slot
	}
	r.racked.Store(next)
	return nil
}

// generations lists what a module holds; one that cannot say holds its newest alone.
func generations(ctx context.Context, m Module) ([]Generation, error) {
	if lister, ok := m.(interface {
		Generations(ctx context.Context) ([]Generation, error)
	}); ok {
		return lister.Generations(ctx)
	}
	if info := m.Info(); info.Generation != 0 {
		return []Generation{{Number: info.Generation, Recovery: info.Recovery}}, nil
	}
	return nil, nil
}

// Modules returns the modules of the rack, the home first.
func (r *Rack) Modules() []Module { return slices.Clone(r.racked.Load().modules) }

// ModuleOf returns the module that holds a generation, and whether there is one.
func (r *Rack) ModuleOf(generation uint32) (Module, bool) {
	now := r.racked.Load()
	slot, ok := now.slots[generation]
	if !ok {
		return nil, false
	}
	return now.modules[slot], true
}

// Use says which generation new keys belong to. It need not be the newest that is held: masters may
// have been made that are not to be used, or not yet.
func (r *Rack) Use(ctx context.Context, generation uint32) error {
	m, ok := r.ModuleOf(generation)
	if !ok {
		return fmt.Errorf("using generation %d: no crypto module holds it", generation)
	}
	list, err := generations(ctx, m)
	if err != nil {
		return fmt.Errorf("using generation %d: %w", generation, err)
	}
	i := slices.IndexFunc(list, func(g Generation) bool { return g.Number == generation })
	if i < 0 {
		return fmt.Errorf("using generation %d: crypto module %q holds it no more", generation, m.Info().Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.racked.Load()
	r.racked.Store(&racked{old.modules, old.slots, list[i]})
	return nil
}

// Info implements Module. It describes the module of the generation in use, as if that were its
// newest. Before Use it describes the home; while that has no masters, the module that has the newest
// of all.
func (r *Rack) Info() Info {
	now := r.racked.Load()
	if slot, ok := now.slots[now.used.Number]; ok {
		info := now.modules[slot].Info()
		info.Generation, info.Recovery = now.used.Number, now.used.Recovery
		return info
	}
	if home := now.modules[0].Info(); home.Generation != 0 || len(now.slots) == 0 {
		return home
	}
	return now.modules[now.slots[slices.Max(slices.Collect(maps.Keys(now.slots)))]].Info()
}

// Make implements Module.
func (r *Rack) Make(ctx context.Context, parent Handle, b Binding) (Handle, Sealed, error) {
	m, slot, err := r.racked.Load().keeper(parent, b.Generation)
	if err != nil {
		return 0, nil, fmt.Errorf("making a key: %w", err)
	}
	h, sealed, err := m.Make(ctx, inModule(parent), b)
	return inRack(h, slot, err), sealed, err
}

// Import implements Module.
func (r *Rack) Import(ctx context.Context, parent Handle, b Binding, material Secret) (Handle, Sealed, error) {
	m, slot, err := r.racked.Load().keeper(parent, b.Generation)
	if err != nil {
		return 0, nil, fmt.Errorf("importing a key: %w", err)
	}
	h, sealed, err := m.Import(ctx, inModule(parent), b, material)
	return inRack(h, slot, err), sealed, err
}

// Load implements Module.
func (r *Rack) Load(ctx context.Context, parent Handle, b Binding, s Sealed) (Handle, error) {
	m, slot, err := r.racked.Load().keeper(parent, b.Generation)
	if err != nil {
		return 0, fmt.Errorf("loading a key: %w", unreadable(err))
	}
	h, err := m.Load(ctx, inModule(parent), b, s)
	return inRack(h, slot, err), err
}

// CMAC implements Module.
func (r *Rack) CMAC(ctx context.Context, h Handle, blocks [2]Block) ([2]Block, error) {
	now := r.racked.Load()
	slot := h.Slot()
	if generation, ok := h.RootGeneration(); ok {
		if slot, ok = now.slots[generation]; !ok {
			return [2]Block{}, ErrUnloaded
		}
	}
	if slot >= len(now.modules) {
		return [2]Block{}, ErrUnloaded
	}
	return now.modules[slot].CMAC(ctx, inModule(h), blocks)
}

// Unload implements Module.
func (r *Rack) Unload(h Handle) {
	now := r.racked.Load()
	if slot := h.Slot(); slot < len(now.modules) {
		now.modules[slot].Unload(h.Local())
	}
}

// Close implements Module: it closes all modules. A second Close does nothing.
func (r *Rack) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	errs := []error{r.transfers.end()}
	for _, m := range r.racked.Load().modules {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// keeper returns the module that holds a generation, in which parent, unless it is Root, is loaded.
func (now *racked) keeper(parent Handle, generation uint32) (Module, int, error) {
	slot, ok := now.slots[generation]
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("%w: no crypto module holds generation %d", ErrBinding, generation)
	case parent != Root && parent.Slot() != slot:
		return nil, 0, fmt.Errorf("%w that holds generation %d", ErrUnloaded, generation)
	}
	return now.modules[slot], slot, nil
}

// unreadable is what a failed keeper means to who wants to open a stored key.
func unreadable(err error) error {
	if errors.Is(err, ErrBinding) {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return err
}

// inModule is what a handle of the rack is called in its module. The masters have one name everywhere.
func inModule(h Handle) Handle {
	if h.Slot() == rootSlot {
		return h
	}
	return h.Local()
}

// inRack is what a handle of a module is called in the rack; a failure has none.
func inRack(h Handle, slot int, err error) Handle {
	if err != nil {
		return 0
	}
	return h.InSlot(slot)
}
