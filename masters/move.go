package masters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"strongroom/audit"
)

// Pass is the last run of the job that moves keys.
type Pass struct {
	At      time.Time
	Left    map[uint32]Left // of each generation that is being left
	Failure error           // nil if nothing went wrong
}

// moveEvery is how often the job looks for something to move, beside what wakes it.
const moveEvery = 10 * time.Second

// Run moves keys whenever a generation is being left, until ctx ends. What fails is tried again.
func (s *Custodian) Run(ctx context.Context) error {
	t := time.NewTicker(moveEvery)
	defer t.Stop()
	for {
		if err := s.Move(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "keys were not moved", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-t.C:
		}
	}
}

func (s *Custodian) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Move moves what is left under generations that are being left to the current one. It returns when
// all that can be moved was.
func (s *Custodian) Move(ctx context.Context) error {
	p := Pass{At: s.now(), Left: map[uint32]Left{}}
	p.Failure = s.move(ctx, &p)
	s.pass.Store(&p)
	return p.Failure
}

func (s *Custodian) move(ctx context.Context, p *Pass) error {
	all, err := s.store.Generations(ctx)
	if err != nil {
		return fmt.Errorf("reading the generations of masters: %w", err)
	}
	to, ok := currentOf(all)
	if !ok || !slices.ContainsFunc(all, func(g Generation) bool { return g.State == Leaving }) {
		return nil
	}
	var errs []error
	for _, g := range all {
		if g.State != Leaving {
			continue
		}
		moved, err := s.moveFrom(ctx, g, to)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && moved == 0 && s.retired(ctx, g.Number) {
			continue // nothing was left under it
		}
		errs = append(errs, err)
		left, err := s.store.Left(ctx, g.Number)
		errs = append(errs, err)
		p.Left[g.Number] = left
		if moved > 0 {
			errs = append(errs, s.tellMoved(ctx, g, to, moved, left))
		}
	}
	return errors.Join(append(errs, s.modules.EndTransfers())...)
}

// retired reports whether a generation is not one any more that is being left.
func (s *Custodian) retired(ctx context.Context, number uint32) bool {
	g, err := s.generation(ctx, number)
	return err == nil && g.State != Leaving
}

func (s *Custodian) moveFrom(ctx context.Context, from, to Generation) (total int, err error) {
	var errs []error
	for _, m := range s.movers {
		moved, err := m.Move(ctx, from.Number, to.Number)
		total += moved
		s.moved.Add(uint64(moved))
		errs = append(errs, err)
	}
	return total, errors.Join(errs...)
}

// tellMoved records what one pass has moved.
func (s *Custodian) tellMoved(ctx context.Context, from, to Generation, moved int, left Left) error {
	s.log.InfoContext(ctx, "keys moved to newer masters", "from", from.Number, "to", to.Number, "moved", moved,
		"left", left.InstanceKeys+left.Versions)
	return s.door.Log.Append(ctx, &audit.Event{
		Action: string(ActionMoved), Outcome: audit.Success, Account: string(s.operator),
		Message:   "Strongroom: keys moved to newer masters",
		Initiator: audit.Initiator{ID: "strongroom", Name: "Strongroom", TypeURI: "service/security"},
		Target:    audit.Target{Name: "masters", TypeURI: "strongroom/custody"},
		Reason:    audit.Reason{Code: 200, Type: "OK"},
		ResponseData: map[string]any{
			"from": int(from.Number), "to": int(to.Number), "moved": moved,
			"instanceKeysLeft": left.InstanceKeys, "versionsLeft": left.Versions,
		},
	})
}

// LastPass returns the last run of the job; the zero value before the first.
func (s *Custodian) LastPass() Pass {
	if p := s.pass.Load(); p != nil {
		return *p
	}
	return Pass{}
}

// Moved returns how many keys were moved since the process began.
func (s *Custodian) Moved() uint64 { return s.moved.Load() }
