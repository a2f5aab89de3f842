package masters

import (
	"context"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
)

// Status is the state of the deployment's masters.
type Status struct {
	Modules     []ModuleStatus
	Generations []GenerationStatus // the oldest first
	Moved       uint64             // keys moved since the process began
	Pass        Pass               // the last run of the job that moves keys
	Due         time.Time          // when the current masters are to be replaced; zero without an interval
}

// ModuleStatus describes a crypto module.
type ModuleStatus struct {
	custody.Info
	Unknown []uint32 // generations that it holds and the database does not know
	Failure error    // why it cannot be used now; nil if it can
}

// GenerationStatus is a generation and what still needs it.
type GenerationStatus struct {
	Generation
	Held bool // a module holds its masters
	Left Left
}

// Status tells the operator how the masters are.
func (s *Custodian) Status(ctx context.Context, who iam.Caller) (Status, error) {
	var st Status
	err := s.read(ctx, who, ActionRead, func(ev *audit.Event) (err error) {
		st, err = s.status(ctx)
		ev.ResponseData = map[string]any{"generations": len(st.Generations)}
		return err
	})
	return st, err
}

func (s *Custodian) status(ctx context.Context) (Status, error) {
	all, err := s.store.Generations(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("reading the generations of masters: %w", err)
	}
	st := Status{Moved: s.Moved(), Pass: s.LastPass()}
	known := map[uint32]bool{}
	for _, g := range all {
		known[g.Number] = true
		is := GenerationStatus{Generation: g}
		m, ok := s.modules.ModuleOf(g.Number)
		is.Held = ok && m.Info().Name == g.Module
		if is.Left, err = s.store.Left(ctx, g.Number); err != nil {
			return Status{}, fmt.Errorf("counting what is left under generation %d: %w", g.Number, err)
		}
		st.Generations = append(st.Generations, is)
		if g.State == Current && s.interval > 0 {
			st.Due = g.Created.Add(s.interval)
		}
	}
	for _, m := range s.modules.Modules() {
		is := ModuleStatus{Info: m.Info()}
		if ailing, ok := m.(interface{ Healthy() error }); ok {
			is.Failure = ailing.Healthy()
		}
		if lister, ok := m.(custody.Masters); ok && is.Failure == nil {
			held, err := lister.Generations(ctx)
			is.Failure = err
			for _, g := range held {
				if !known[g.Number] {
					is.Unknown = append(is.Unknown, g.Number)
				}
			}
		}
		st.Modules = append(st.Modules, is)
	}
	return st, nil
}
