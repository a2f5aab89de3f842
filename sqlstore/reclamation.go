package sqlstore

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/resource"
)

// reclamationSelect reads reclamations with their instances.
const reclamationSelect = `SELECT instances.guid, instances.account, instances.service, instances.plan, instances.region,
	instances.resource_group, instances.name, instances.state, instances.locked, instances.allow_cleanup, instances.onetime,
	instances.parameters, instances.plans, instances.last_operation, instances.created_at, instances.created_by,
	instances.updated_at, instances.updated_by, instances.deleted_at, instances.deleted_by, instances.restored_at,
	instances.restored_by, instances.reclaim_at, instances.reclaim_by, instances.revision, instances.mac,
	reclamations.id, reclamations.state, reclamations.target_at, reclamations.created_at, reclamations.created_by,
	reclamations.updated_at, reclamations.updated_by
	FROM reclamations JOIN instances ON instances.guid = reclamations.instance`

func (r *Resources) scanReclamation(s scanner) (rec resource.Reclamation, err error) {
	var target, created, updated int64
	i, mac, err := scanInstanceInto(s, &rec.ID, &rec.State, &target, &created, &rec.Created.By, &updated, &rec.Updated.By)
	if err != nil {
		return resource.Reclamation{}, absent(err)
	}
	rec.Instance = i
	rec.Target, rec.Created.At, rec.Updated.At = fromMicros(target), fromMicros(created), fromMicros(updated)
	return rec, r.db.check(mac, "instances", string(i.ID), r.db.instanceMAC(i)...)
}

// Reclamation returns one reclamation with its instance.
func (r *Resources) Reclamation(ctx context.Context, id resource.ReclamationID) (resource.Reclamation, error) {
	return r.scanReclamation(r.db.queryRow(ctx, reclamationSelect+` WHERE reclamations.id = $1`, string(id)))
}

// Reclamations returns a page of an account's reclamations, oldest first.
func (r *Resources) Reclamations(ctx context.Context, account iam.AccountID, f resource.ReclamationFilter, p resource.Page) ([]resource.Reclamation, error) {
	var w where
	w.and(`reclamations.account = ?`, string(account))
	given(&w, `reclamations.instance = ?`, f.Instance, string(f.Instance))
	given(&w, `instances.resource_group = ?`, f.ResourceGroup, string(f.ResourceGroup))
	rows, err := r.db.query(ctx, reclamationSelect+w.page("reclamations", "id", p), w.args...)
	return collect(rows, err, r.scanReclamation)
}

// DueReclamations returns scheduled reclamations whose time has come.
func (r *Resources) DueReclamations(ctx context.Context, now time.Time, limit int) ([]resource.Reclamation, error) {
	rows, err := r.db.query(ctx, reclamationSelect+` WHERE instances.state = 'pending_reclamation' AND instances.reclaim_at <= $1
		ORDER BY instances.reclaim_at LIMIT $2`, micros(now), limit)
	return collect(rows, err, r.scanReclamation)
}

func insertReclamation(ctx context.Context, t *tx, rec resource.Reclamation) error {
	_, err := t.exec(ctx, `INSERT INTO reclamations (id, account, instance, state, target_at, created_at, created_by, updated_at, updated_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		string(rec.ID), string(rec.Instance.Account), string(rec.Instance.ID), string(rec.State), micros(rec.Target),
		micros(rec.Created.At), string(rec.Created.By), micros(rec.Updated.At), string(rec.Updated.By))
	return err
}

// RestoreInstance stores the instance as active and removes its reclamation.
func (r *Resources) RestoreInstance(ctx context.Context, i resource.Instance, rec resource.Reclamation, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `DELETE FROM reclamations WHERE id = $1 AND state = $2`, string(rec.ID), string(resource.ReclamationScheduled))
		if err != nil {
			return err
		}
		if err := r.saveInstance(ctx, t, i); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// BeginReclaim stores instance and reclamation as reclaiming, with the act.
func (r *Resources) BeginReclaim(ctx context.Context, i resource.Instance, rec resource.Reclamation, act resource.Act, ev *audit.Event) error {
	return r.beginWith(ctx, act, ev, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `UPDATE reclamations SET state = $1, updated_at = $2, updated_by = $3 WHERE id = $4 AND state = $5`,
			string(rec.State), micros(rec.Updated.At), string(rec.Updated.By), string(rec.ID), string(resource.ReclamationScheduled))
		if err != nil {
			return err
		}
		return r.saveInstance(ctx, t, i)
	})
}

// FinishReclaim stores the instance as removed, and removes what refers to it.
func (r *Resources) FinishReclaim(ctx context.Context, i resource.Instance, act resource.Act) error {
	return r.endWith(ctx, act, nil, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM tags WHERE instance = $1`, string(i.ID)); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM reclamations WHERE instance = $1`, string(i.ID)); err != nil {
			return err
		}
		return r.saveInstance(ctx, t, i)
	})
}
