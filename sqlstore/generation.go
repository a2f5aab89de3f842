package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/kms"
	"strongroom/masters"
)

// Masters keeps the generations of masters; it is a masters.Store.
type Masters struct{ db *DB }

var _ masters.Store = (*Masters)(nil)

// Masters returns the store of the generations.
func (db *DB) Masters() *Masters { return &Masters{db} }

const generationColumns = `generation, module, state, recovery_set, threshold, shares, escrow, created_at, retired_at, disposed_at, in_file, unsealed_at, mac`

// Unverified returns all generations without a look at their MACs: which module holds the masters
// has to be known before the key of the MACs can be opened. What is done on its word is verified by
// Generations as soon as that is possible.
func (s *Masters) Unverified(ctx context.Context) ([]masters.Generation, error) {
	return s.generations(ctx, s.db, func(masters.Generation, []byte) error { return nil })
}

// Generations implements masters.Store.
func (s *Masters) Generations(ctx context.Context) ([]masters.Generation, error) {
	return s.generations(ctx, s.db, s.verify)
}

func (s *Masters) verify(g masters.Generation, mac []byte) error {
	return s.db.check(mac, "master_generations", fmt.Sprint(g.Number), generationMACed(g)...)
}

func (s *Masters) generations(ctx context.Context, from querier, verify func(masters.Generation, []byte) error) ([]masters.Generation, error) {
	rows, err := from.query(ctx, `SELECT `+generationColumns+` FROM master_generations ORDER BY generation`)
	return collect(rows, err, func(row scanner) (masters.Generation, error) {
		var (
			g                                    masters.Generation
			created, retired, disposed, unsealed int64
			mac                                  []byte
		)
		err := row.Scan(&g.Number, &g.Module, &g.State, &g.Recovery.Set, &g.Recovery.Threshold, &g.Recovery.Shares,
			&g.Escrow, &created, &retired, &disposed, &g.InFile, &unsealed, &mac)
		if err != nil {
			return g, err
		}
		g.Created, g.Retired, g.Disposed = fromMicros(created), fromMicros(retired), fromMicros(disposed)
		g.Unsealed = fromMicros(unsealed)
		return g, verify(g, mac)
	})
}

// generationMACed are the columns that a generation's MAC covers: all.
func generationMACed(g masters.Generation) []any {
	return []any{
		int64(g.Number), g.Module, string(g.State), g.Recovery.Set, g.Recovery.Threshold, g.Recovery.Shares,
		[]byte(g.Escrow), g.Created, g.Retired, g.Disposed, g.InFile, g.Unsealed,
	}
}

// Begin implements masters.Store. At the first start the row has no MAC until Enter gives it one:
// the key of the MACs will be sealed under the masters that are yet to be made.
func (s *Masters) Begin(ctx context.Context, g masters.Generation) error {
	mac := []byte{}
	if s.db.rowKey.Load() != nil {
		mac = s.db.sum("master_generations", generationMACed(g)...)
	}
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `
			INSERT INTO master_generations (`+generationColumns+`) VALUES (`+placeholders(1, 13)+`)
			ON CONFLICT (generation) DO NOTHING`, append(generationRow(g), mac)...)
		if errors.Is(err, ErrStale) {
			err = ErrExists
		}
		return err
	})
}

// generationRow returns the values of all columns but the MAC.
func generationRow(g masters.Generation) []any {
	return []any{
		int64(g.Number), g.Module, string(g.State), g.Recovery.Set, g.Recovery.Threshold, g.Recovery.Shares,
		nonNil(g.Escrow), micros(g.Created), micros(g.Retired), micros(g.Disposed), g.InFile, micros(g.Unsealed),
	}
}

// putGeneration writes a generation that has a state.
func (s *Masters) putGeneration(ctx context.Context, t *tx, g masters.Generation, was masters.State) error {
	row := append(generationRow(g), s.db.sum("master_generations", generationMACed(g)...), string(was))
	return t.swap(ctx, `
		UPDATE master_generations SET module = $2, state = $3, recovery_set = $4, threshold = $5, shares = $6,
			escrow = $7, created_at = $8, retired_at = $9, disposed_at = $10, in_file = $11,
			unsealed_at = $12, mac = $13
		WHERE generation = $1 AND state = $14`, row...)
}

// Escrow writes what came of making masters into a row that Begin has added, before anything is
// sealed under them. The row gets no MAC by it, as it is for the first start.
func (s *Masters) Escrow(ctx context.Context, g masters.Generation) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		return t.swap(ctx, `UPDATE master_generations SET escrow = $1 WHERE generation = $2 AND state = $3`,
			nonNil(g.Escrow), int64(g.Number), string(masters.Making))
	})
}

// Enter implements masters.Store.
func (s *Masters) Enter(ctx context.Context, g masters.Generation, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		// The row that is entered may be that of the first start, which has no MAC.
		all, err := s.generations(ctx, t, func(was masters.Generation, mac []byte) error {
			if was.Number == g.Number {
				return nil
			}
			return s.verify(was, mac)
		})
		if err != nil {
			return err
		}
		for _, was := range all {
			if was.State != masters.Current {
				continue
			}
			was.State = masters.Leaving
			if err := s.putGeneration(ctx, t, was, masters.Current); err != nil {
				return err
			}
		}
		g.State = masters.Current
		if err := s.putGeneration(ctx, t, g, masters.Making); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// Abandon removes a generation whose making was cut short at the first start, and under which
// nothing was ever sealed.
func (s *Masters) Abandon(ctx context.Context, number uint32) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM master_generations WHERE generation = $1 AND state = $2`,
			int64(number), string(masters.Making))
		return err
	})
}

// Record implements masters.Store.
func (s *Masters) Record(ctx context.Context, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error { return t.record(ctx, ev) })
}

// Left implements masters.Store.
func (s *Masters) Left(ctx context.Context, number uint32) (masters.Left, error) {
	return left(ctx, s.db, number, s.db.now())
}

func left(ctx context.Context, from querier, number uint32, now time.Time) (l masters.Left, err error) {
	err = from.queryRow(ctx, `
		SELECT (SELECT COUNT(*) FROM instance_keys k WHERE k.generation = $1 AND NOT EXISTS (
				SELECT 1 FROM instance_keys n WHERE n.instance = k.instance AND n.generation > k.generation))
				+ (SELECT COUNT(*) FROM secrets WHERE kind = $3 AND id = $4 AND NOT EXISTS (
				SELECT 1 FROM secrets WHERE kind = $3 AND CAST(id AS INTEGER) > $1)),
			(SELECT COUNT(*) FROM key_versions WHERE generation = $1 AND generation > 0),
			(SELECT COUNT(*) FROM import_tokens WHERE generation = $1 AND length(sealed) > 0 AND expires_at > $2)`,
		int64(number), micros(now), masters.SystemKey, fmt.Sprint(number)).Scan(&l.InstanceKeys, &l.Versions, &l.ImportTokens)
	return l, err
}

// Retire implements masters.Store.
func (s *Masters) Retire(ctx context.Context, number uint32, last masters.State, ev *audit.Event) error {
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		g, err := s.generation(ctx, t, number)
		if err != nil {
			return err
		}
		if last == masters.Lost {
			// Transport keys have no second copy: their tokens are of no more use.
			if _, err := t.exec(ctx, `DELETE FROM import_tokens WHERE generation = $1`, int64(number)); err != nil {
				return err
			}
		}
		l, err := left(ctx, t, number, t.now)
		if err != nil {
			return err
		}
		if !l.None() {
			return masters.ErrInUse.On("", fmt.Sprintf("%d instance keys, %d key versions and %d import tokens are left",
				l.InstanceKeys, l.Versions, l.ImportTokens))
		}
		// The escrow opens copies for who has the shares; here it is of no more use. A lost
		// generation may have keys in backups that are still to be recovered.
		was := g.State
		if was == masters.Current || was == masters.Retired {
			return ErrStale
		}
		g.State, g.Retired = last, t.now
		if last == masters.Retired {
			g.Escrow = nil
		}
		if err := s.putGeneration(ctx, t, g, was); err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM instance_keys WHERE generation = $1`,
			`DELETE FROM ready_transport_keys WHERE generation = $1`,
		} {
			if _, err := t.exec(ctx, statement, int64(number)); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, `DELETE FROM secrets WHERE kind = $1 AND id = $2`, masters.SystemKey, fmt.Sprint(number))
		if err != nil {
			return err
		}
		t.changed(kms.ChangeMasters, "", fmt.Sprint(number))
		return t.record(ctx, ev)
	})
	if err == nil {
		s.db.foldIn(ctx)
	}
	return err
}

// generation reads one generation.
func (s *Masters) generation(ctx context.Context, from querier, number uint32) (masters.Generation, error) {
	all, err := s.generations(ctx, from, s.verify)
	if err != nil {
		return masters.Generation{}, err
	}
	for _, g := range all {
		if g.Number == number {
			return g, nil
		}
	}
	return masters.Generation{}, masters.ErrNoGeneration
}

// Dispose implements masters.Store.
func (s *Masters) Dispose(ctx context.Context, set string, ev *audit.Event) error {
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		all, err := s.generations(ctx, t, s.verify)
		if err != nil {
			return err
		}
		found := false
		for _, g := range all {
			if g.Recovery.Set != set {
				continue
			}
			if g.State != masters.Retired && g.State != masters.Lost {
				return masters.ErrSetInUse
			}
			found = true
			if !g.Disposed.IsZero() {
				continue
			}
			g.Disposed, g.Escrow = t.now, nil
			if err := s.putGeneration(ctx, t, g, g.State); err != nil {
				return err
			}
		}
		if !found {
			return masters.ErrNoSet
		}
		return t.record(ctx, ev)
	})
	if err == nil {
		s.db.foldIn(ctx)
	}
	return err
}

// Unseal implements masters.Store.
func (s *Masters) Unseal(ctx context.Context, module string, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		all, err := s.generations(ctx, t, s.verify)
		if err != nil {
			return err
		}
		found := false
		for _, g := range all {
			if g.Module != module || !g.InFile {
				continue
			}
			if g.State != masters.Retired && g.State != masters.Lost {
				return masters.ErrSealInUse
			}
			found = true
			if !g.Unsealed.IsZero() {
				continue
			}
			g.Unsealed = t.now
			if err := s.putGeneration(ctx, t, g, g.State); err != nil {
				return err
			}
		}
		if !found {
			return masters.ErrNoFile
		}
		return t.record(ctx, ev)
	})
}

// needGeneration returns kms.ErrMastersRetired unless keys may be sealed under a generation: its
// masters may have been retired since something was sealed under them.
func (t *tx) needGeneration(ctx context.Context, number uint32) error {
	var one int
	err := t.queryRow(ctx, `SELECT 1 FROM master_generations WHERE generation = $1 AND state IN ($2, $3)`,
		int64(number), string(masters.Current), string(masters.Leaving)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return kms.ErrMastersRetired
	}
	return err
}
