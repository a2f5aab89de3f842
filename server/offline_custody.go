package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/iam"
	"strongroom/masters"
)

// MadeMasters describes masters that were made on the server's own machine.
type MadeMasters struct {
	Generation  uint32
	Module      string
	RecoverySet string // empty without a recovery key
}

func madeMasters(g masters.Generation) MadeMasters {
	return MadeMasters{Generation: g.Number, Module: g.Module, RecoverySet: g.Recovery.Set}
}

// ErrHasMasters says that there is nothing to prepare any more.
var ErrHasMasters = errors.New("the deployment has masters already")

// InitCustody makes the first masters of a deployment, in the module that the
// configuration names or in the one given, before its first start.
func InitCustody(ctx context.Context, cfg Config, stderr io.Writer, module string, shares Shares) (m MadeMasters, err error) {
	if err := shares.Check(); err != nil {
		return m, err
	}
	if module != "" {
		cfg.Custody.Module = module
	}
	cfg.first = firstMasters{only: true, shares: shares}
	c, err := openCore(ctx, cfg, stderr)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	all, err := c.db.Masters().Generations(ctx)
	if err != nil {
		return m, err
	}
	return madeMasters(all[len(all)-1]), nil
}

// RotateOffline makes new masters with a new recovery key, or with none, in the
// module of the current ones or in the one given, and brings them into use. The
// keys move to them when the server runs.
func RotateOffline(ctx context.Context, cfg Config, stderr io.Writer, module string, shares Shares) (m MadeMasters, err error) {
	if err := errors.Join(inUse(cfg), shares.Check()); err != nil {
		return m, err
	}
	err = offline(ctx, cfg, stderr, func(h *house) error {
		g, err := h.makeWith(ctx, module, shares, masters.ActionRotate)
		m = madeMasters(g)
		return err
	})
	return m, err
}

// makeWith makes masters with a new recovery key and brings them into use.
func (c *core) makeWith(ctx context.Context, module string, shares Shares, action iam.Action) (masters.Generation, error) {
	key, set, err := shares.make()
	if err != nil {
		return masters.Generation{}, err
	}
	defer key.Wipe()
	// Nobody comes in by a door here: who works on this machine is the operator.
	custodian := masters.New(masters.Config{Store: c.db.Masters(), Modules: c.rack, Log: c.audit, Now: c.now, Logger: c.log})
	return custodian.Make(ctx, module, set, key, here(action))
}

// Recovered says what was recovered.
type Recovered struct {
	Lost []uint32 // the generations whose module was lost
	Made MadeMasters
	Keys int // root keys' versions and instance keys that open now
}

// recoveredModule is the name of what recovery shares open.
const recoveredModule = "recovery-shares"

// Recover opens what is left of crypto modules that were lost by recovery shares
// and their escrows in the database, moves every key to new masters in the
// module that the configuration names, opens each once, and writes down that the
// old masters are lost. It may be repeated when it was interrupted: what was
// moved stays so, and each run makes masters and shares of its own.
func Recover(ctx context.Context, cfg Config, stderr io.Writer, printed []custody.Secret, shares Shares) (r Recovered, err error) {
	if err := errors.Join(inUse(cfg), shares.Check()); err != nil {
		return r, err
	}
	key, err := combine(printed)
	if err != nil {
		return r, err
	}
	defer key.Key.Wipe()
	cfg.recovery = &key
	c, err := openCore(ctx, cfg, stderr)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.openAudit(ctx); err != nil {
		return r, err
	}
	// The masters come first: what was recovered makes no keys, and the house may
	// have to.
	made, err := c.makeWith(ctx, c.config.Custody.Module, shares, masters.ActionRecover)
	if err != nil {
		return r, err
	}
	r.Made = madeMasters(made)
	h, err := build(ctx, c, c.config.urlOffline())
	if err != nil {
		return r, err
	}
	r.Lost, r.Keys, err = h.recover(ctx)
	return r, err
}

// recover moves everything away from masters that were lost, and gives them up.
func (h *house) recover(ctx context.Context) (lost []uint32, keys int, err error) {
	custodian := h.custodian("")
	giveUp := func(numbers []uint32) error {
		slices.Sort(numbers)
		for _, number := range numbers {
			ev := here(masters.ActionRecover)
			ev.ResponseData = map[string]any{"lostGeneration": int(number)}
			if err := custodian.Lose(ctx, number, ev); err != nil {
				return fmt.Errorf("giving up generation %d: %w", number, err)
			}
			lost = append(lost, number)
		}
		return nil
	}
	// Those without anything left have to go before the rest is moved: nothing opens what they keep
	// in place of the newer forms.
	if err := giveUp(h.givenUp); err != nil {
		return nil, 0, err
	}
	if err := custodian.Move(ctx); err != nil {
		return nil, 0, err
	}
	verified, err := h.keys.VerifyKeys(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := giveUp(slices.Collect(maps.Keys(h.recovered))); err != nil {
		return nil, 0, err
	}
	return lost, verified.InstanceKeys + verified.RootVersions, h.deliver(ctx)
}

// openRecovered opens by the recovery key what no other module holds of the
// masters in use.
func (c *core) openRecovered(ctx context.Context, known []masters.Generation) error {
	c.recovered = map[uint32]custody.Escrow{}
	for _, g := range known {
		m, held := c.rack.ModuleOf(g.Number)
		if !g.Live() || held && m.Info().Name == g.Module {
			continue
		}
		if held {
			return fmt.Errorf("%w: crypto module %q holds masters that are numbered like those that were lost (%d)",
				errForeignSeal, m.Info().Name, g.Number)
		}
		if g.Recovery.Set != c.config.recovery.Set {
			left, err := c.db.Masters().Left(ctx, g.Number)
			if err != nil {
				return fmt.Errorf("counting what is left under generation %d: %w", g.Number, err)
			}
			if g.State == masters.Leaving && left.InstanceKeys+left.Versions == 0 {
				c.givenUp = append(c.givenUp, g.Number)
				continue
			}
			return fmt.Errorf("the masters of generation %d are lost too, and these shares are not theirs: %s",
				g.Number, describeSet(g.Recovery))
		}
		c.recovered[g.Number] = g.Escrow
	}
	if len(c.recovered) == 0 {
		return errors.New("no masters are lost: every crypto module holds masters of the numbers that the database expects; " +
			"if they are those of another database, give a new token, another label, or no master file")
	}
	m, err := module(software.Recover(recoveredModule, *c.config.recovery, c.recovered))
	if err != nil {
		return err
	}
	if err := c.rack.Add(ctx, m); err != nil {
		return errors.Join(err, m.Close())
	}
	return nil
}

func describeSet(s masters.RecoverySet) string {
	if s.Set == "" {
		return "they have no recovery key"
	}
	return "their recovery set is " + s.Set
}
