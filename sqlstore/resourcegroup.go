package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/resource"
)

const resourceGroupSelect = `SELECT id, account, name, is_default, created_at, updated_at, revision FROM resource_groups`

func scanResourceGroup(s scanner) (g resource.Group, err error) {
	var created, updated int64
	err = s.Scan(&g.ID, &g.Account, &g.Name, &g.Default, &created, &updated, &g.Revision)
	g.Created, g.Updated = fromMicros(created), fromMicros(updated)
	return g, absent(err)
}

// Group returns one resource group.
func (r *Resources) Group(ctx context.Context, id resource.GroupID) (resource.Group, error) {
	return scanResourceGroup(r.db.queryRow(ctx, resourceGroupSelect+` WHERE id = $1`, string(id)))
}

// Groups returns a page of an account's resource groups, oldest first.
func (r *Resources) Groups(ctx context.Context, account iam.AccountID, f resource.GroupFilter, p resource.Page) ([]resource.Group, error) {
	var w where
	w.and(`account = ?`, string(account))
	given(&w, `name = ?`, f.Name, f.Name)
	if f.Default != nil {
		w.and(`is_default = ?`, *f.Default)
	}
	rows, err := r.db.query(ctx, resourceGroupSelect+w.page("resource_groups", "id", p), w.args...)
	return collect(rows, err, scanResourceGroup)
}

// EnsureDefaultGroup returns the account's default group, which is g if it had none.
func (r *Resources) EnsureDefaultGroup(ctx context.Context, g resource.Group) (found resource.Group, err error) {
	err = r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if _, err := insertResourceGroup(ctx, t, g); err != nil {
			return err
		}
		found, err = scanResourceGroup(t.queryRow(ctx, resourceGroupSelect+` WHERE account = $1 AND is_default`, string(g.Account)))
		return err
	})
	return found, err
}

// insertResourceGroup returns 0 if the account has a group of that name, or one that is
// the default as well.
func insertResourceGroup(ctx context.Context, t *tx, g resource.Group) (int64, error) {
	return t.exec(ctx, `INSERT INTO resource_groups (id, account, name, is_default, created_at, updated_at, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		string(g.ID), string(g.Account), g.Name, g.Default, micros(g.Created), micros(g.Updated), g.Revision)
}

// CreateGroup stores a new group, or returns ErrExists if its name is taken.
func (r *Resources) CreateGroup(ctx context.Context, g resource.Group, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := insertResourceGroup(ctx, t, g)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
		return t.record(ctx, ev)
	})
}

// UpdateGroup stores another name, or returns ErrExists if it is taken.
func (r *Resources) UpdateGroup(ctx context.Context, g resource.Group, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		var others int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM resource_groups WHERE account = $1 AND name = $2 AND id <> $3`,
			string(g.Account), g.Name, string(g.ID)).Scan(&others)
		if err != nil {
			return err
		}
		if others > 0 {
			return ErrExists
		}
		err = t.swap(ctx, `UPDATE resource_groups SET name = $1, updated_at = $2, revision = revision + 1 WHERE id = $3 AND revision = $4`,
			g.Name, micros(g.Updated), string(g.ID), g.Revision)
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// DeleteGroup removes a group in which no instance is left.
func (r *Resources) DeleteGroup(ctx context.Context, g resource.Group, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		var left int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM instances WHERE resource_group = $1 AND state <> $2`,
			string(g.ID), string(resource.StateRemoved)).Scan(&left)
		if err != nil {
			return err
		}
		if left > 0 {
			return resource.ErrGroupInUse
		}
		if err := t.swap(ctx, `DELETE FROM resource_groups WHERE id = $1 AND revision = $2`, string(g.ID), g.Revision); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}
