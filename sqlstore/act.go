package sqlstore

import (
	"context"

	"strongroom/resource"
)

const actColumns = `id, kind, subject, step, undo, body, attempts, failure, created_at, updated_at`

func scanAct(s scanner) (resource.Act, error) {
	var a resource.Act
	var created, updated int64
	err := s.Scan(&a.ID, &a.Kind, &a.Subject, &a.Step, &a.Undo, &a.Body, &a.Attempts, &a.Failure, &created, &updated)
	a.Created, a.Updated = fromMicros(created), fromMicros(updated)
	return a, absent(err)
}

// Acts returns acts under way, those first that were not tried for longest.
func (r *Resources) Acts(ctx context.Context, limit int) ([]resource.Act, error) {
	rows, err := r.db.query(ctx, `SELECT `+actColumns+` FROM acts ORDER BY updated_at, id LIMIT $1`, limit)
	return collect(rows, err, scanAct)
}

// Claim takes an act for one more attempt.
func (r *Resources) Claim(ctx context.Context, act resource.Act) (claimed resource.Act, err error) {
	err = r.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `UPDATE acts SET attempts = attempts + 1, updated_at = $1 WHERE id = $2 AND attempts = $3`,
			micros(t.now), act.ID, act.Attempts)
		if err != nil {
			return err
		}
		claimed, err = scanAct(t.queryRow(ctx, `SELECT `+actColumns+` FROM acts WHERE id = $1`, act.ID))
		return err
	})
	return claimed, err
}

// SaveAct stores how far an act has come.
func (r *Resources) SaveAct(ctx context.Context, act resource.Act) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		return t.swap(ctx, `UPDATE acts SET step = $1, undo = $2, failure = $3, updated_at = $4 WHERE id = $5 AND attempts = $6`,
			act.Step, act.Undo, act.Failure, micros(t.now), act.ID, act.Attempts)
	})
}

func insertAct(ctx context.Context, t *tx, a resource.Act) error {
	_, err := t.exec(ctx, `INSERT INTO acts (`+actColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		a.ID, string(a.Kind), a.Subject, a.Step, a.Undo, a.Body, a.Attempts, a.Failure, micros(a.Created), micros(a.Updated))
	return err
}

// endAct removes an act, unless somebody else has taken it.
func endAct(ctx context.Context, t *tx, a resource.Act) error {
	return t.swap(ctx, `DELETE FROM acts WHERE id = $1 AND attempts = $2`, a.ID, a.Attempts)
}
