package masters

import (
	"context"
	"fmt"
	"slices"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// Rotate makes a new generation of masters in the module of the current one, with the same recovery
// key, and brings it into use. The keys move to it in the background.
func (s *Custodian) Rotate(ctx context.Context, who iam.Caller) (Generation, error) {
	var g Generation
	err := s.change(ctx, who, ActionRotate, func(ev *audit.Event) (err error) {
		s.making.Lock()
		defer s.making.Unlock()
		was, err := s.current(ctx)
		if err != nil {
			return err
		}
		g, err = s.succeed(ctx, Generation{Module: was.Module, Recovery: was.Recovery}, custody.Secret{}, ev)
		return err
	})
	return g, err
}

// Migration says where the masters are to be.
type Migration struct {
	Module string // name of another module
	// WithoutRecovery says that the new masters shall have no recovery key. A recovery key cannot
	// leave the module that it is in, so those who have one bring a new one, by [Custodian.Make].
	WithoutRecovery bool
}

// Migrate makes a new generation of masters in another module and brings it into use. The keys move
// there in the background.
func (s *Custodian) Migrate(ctx context.Context, who iam.Caller, m Migration) (Generation, error) {
	var g Generation
	err := s.change(ctx, who, ActionMigrate, func(ev *audit.Event) (err error) {
		s.making.Lock()
		defer s.making.Unlock()
		ev.RequestData["module"] = m.Module
		was, err := s.current(ctx)
		switch {
		case err != nil:
			return err
		case !s.has(m.Module):
			return ErrNoModule
		case was.Module == m.Module:
			return ErrSameModule
		case was.Recovery.Set != "" && !m.WithoutRecovery:
			return ErrRecoveryStays
		}
		g, err = s.succeed(ctx, Generation{Module: m.Module}, custody.Secret{}, ev)
		return err
	})
	return g, err
}

// Make makes a new generation in a module, with a new recovery key, or none if the set is zero, and
// brings it into use. It is for who works on the server's own machine, and has no door: ev says who,
// and is committed with the change.
func (s *Custodian) Make(ctx context.Context, module string, set RecoverySet, key custody.Secret, ev *audit.Event) (Generation, error) {
	s.making.Lock()
	defer s.making.Unlock()
	if module == "" {
		was, err := s.current(ctx)
		if err != nil {
			return Generation{}, err
		}
		module = was.Module
	}
	if !s.has(module) {
		return Generation{}, ErrNoModule
	}
	return s.succeed(ctx, Generation{Module: module, Recovery: set}, key, ev)
}

func (s *Custodian) has(module string) bool {
	return slices.ContainsFunc(s.modules.Modules(), func(m custody.Module) bool { return m.Info().Name == module })
}

// inFile reports whether a module keeps its masters in a file.
func (s *Custodian) inFile(module string) bool {
	return slices.ContainsFunc(s.modules.Modules(), func(m custody.Module) bool {
		info := m.Info()
		return info.Name == module && info.Kind == KindSoftware
	})
}

func (s *Custodian) current(ctx context.Context) (Generation, error) {
	all, err := s.store.Generations(ctx)
	if err != nil {
		return Generation{}, fmt.Errorf("reading the generations of masters: %w", err)
	}
	g, ok := currentOf(all)
	if !ok {
		return Generation{}, fmt.Errorf("reading the generations of masters: none of %d is current", len(all))
	}
	return g, nil
}

// succeed makes the masters of g under the next number, and g the current generation. The caller
// holds making. The row is there before the masters are, so that masters whose entry was cut short
// are known as such and can be retired.
func (s *Custodian) succeed(ctx context.Context, g Generation, key custody.Secret, ev *audit.Event) (Generation, error) {
	number, err := s.nextNumber(ctx)
	if err != nil {
		return Generation{}, err
	}
	g.Number, g.State, g.Created, g.InFile = number, Making, s.now(), s.inFile(g.Module)
	if err := s.store.Begin(ctx, g); err != nil {
		return Generation{}, fmt.Errorf("beginning generation %d: %w", g.Number, err)
	}
	g.Escrow, err = s.modules.MakeMastersIn(ctx, g.Module, g.Number, custody.Recovery{Set: g.Recovery.Set, Key: key})
	if err != nil {
		return Generation{}, err
	}
	if ev.ResponseData == nil {
		ev.ResponseData = map[string]any{}
	}
	ev.ResponseData["generation"], ev.ResponseData["module"] = int(g.Number), g.Module
	ev.ResponseData["recoverySet"] = g.Recovery.Set
	if err := s.store.Enter(ctx, g, ev); err != nil {
		return Generation{}, fmt.Errorf("entering generation %d: %w", g.Number, err)
	}
	if err := s.modules.Use(ctx, g.Number); err != nil {
		return Generation{}, err
	}
	g.State = Current
	s.wakeUp()
	return g, nil
}

// nextNumber is above all that were ever given: those of the database, and those that a module
// remembers from a later time, as after an older database was restored.
func (s *Custodian) nextNumber(ctx context.Context) (uint32, error) {
	all, err := s.store.Generations(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the generations of masters: %w", err)
	}
	held, err := s.modules.Generations(ctx)
	if err != nil {
		return 0, err
	}
	var newest uint32
	for _, g := range all {
		newest = max(newest, g.Number)
	}
	for _, g := range held {
		newest = max(newest, g.Number)
	}
	return newest + 1, nil
}

// Retire destroys the masters of a generation of which nothing is left. Copies of the database from
// before open no more but by recovery shares. Repeated, it destroys what an interrupted one has
// left. To retire a lost generation is to say that the module it was in was destroyed.
func (s *Custodian) Retire(ctx context.Context, who iam.Caller, number uint32) error {
	return s.change(ctx, who, ActionRetire, func(ev *audit.Event) error {
		s.making.Lock()
		defer s.making.Unlock()
		ev.RequestData["generation"] = int(number)
		g, err := s.generation(ctx, number)
		switch {
		case err != nil:
			return err
		case g.State == Current:
			return ErrCurrent
		case g.State == Retired:
			err = s.store.Record(ctx, ev)
		default:
			err = s.retire(ctx, g, Retired, ev)
		}
		if err != nil {
			return err
		}
		// Keys that requests have loaded were unloaded with the change, before their masters go.
		if m, ok := s.modules.ModuleOf(number); ok && m.Info().Name == g.Module {
			return s.modules.DestroyMasters(ctx, number)
		}
		return nil
	})
}

// Lose gives a generation whose module was lost its last state, when its keys were recovered. Like
// Make it is for who works on the server's own machine.
func (s *Custodian) Lose(ctx context.Context, number uint32, ev *audit.Event) error {
	s.making.Lock()
	defer s.making.Unlock()
	g, err := s.generation(ctx, number)
	if err != nil {
		return err
	}
	return s.retire(ctx, g, Lost, ev)
}

func (s *Custodian) retire(ctx context.Context, g Generation, last State, ev *audit.Event) error {
	err := s.store.Retire(ctx, g.Number, last, ev)
	if fault.KindOf(err) == fault.Stale {
		return ErrCurrent
	}
	return err
}

func (s *Custodian) generation(ctx context.Context, number uint32) (Generation, error) {
	all, err := s.store.Generations(ctx)
	if err != nil {
		return Generation{}, fmt.Errorf("reading the generations of masters: %w", err)
	}
	i := slices.IndexFunc(all, func(g Generation) bool { return g.Number == number })
	if i < 0 {
		return Generation{}, ErrNoGeneration
	}
	return all[i], nil
}

// Dispose writes down what the operator says: that the shares of a recovery set were destroyed. The
// escrow goes with it, so that the database opens by no such share any more.
func (s *Custodian) Dispose(ctx context.Context, who iam.Caller, set string) error {
	return s.change(ctx, who, ActionRetire, func(ev *audit.Event) error {
		ev.RequestData["recoverySet"] = set
		if set == "" {
			return ErrNoSet
		}
		return s.store.Dispose(ctx, set, ev)
	})
}

// Unseal writes down what the operator says: that every key file and passphrase which has ever sealed
// the master file of a module in software is destroyed, with all their copies. From then on no old
// copy of that file opens.
func (s *Custodian) Unseal(ctx context.Context, who iam.Caller, module string) error {
	return s.change(ctx, who, ActionRetire, func(ev *audit.Event) error {
		ev.RequestData["seal"] = module
		if module == "" {
			return ErrNoFile
		}
		return s.store.Unseal(ctx, module, ev)
	})
}
