package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/resource"
)

// Resources keeps instances, groups, resource keys and tags. It implements
// resource.Store.
type Resources struct{ db *DB }

// Resources returns the store of package resource.
func (db *DB) Resources() *Resources { return &Resources{db} }

const instanceColumns = `guid, account, service, plan, region, resource_group, name, state, locked, allow_cleanup, onetime,
	parameters, plans, last_operation, created_at, created_by, updated_at, updated_by, deleted_at, deleted_by,
	restored_at, restored_by, reclaim_at, reclaim_by, revision, mac`

// instanceMAC covers what decides access to the instance and to what is in it.
func (db *DB) instanceMAC(i resource.Instance) []any {
	return []any{
		string(i.ID), string(i.Account), i.Service, i.Region, string(i.ResourceGroup), string(i.State), i.Locked,
		i.Onetime, i.Reclaim.At, i.Revision,
	}
}

func (r *Resources) scanInstance(s scanner) (resource.Instance, error) {
	i, mac, err := scanInstanceInto(s)
	if err != nil {
		return resource.Instance{}, absent(err)
	}
	return i, r.db.check(mac, "instances", string(i.ID), r.db.instanceMAC(i)...)
}

// scanInstanceInto reads an instance, and more columns after it into extra.
func scanInstanceInto(s scanner, extra ...any) (i resource.Instance, mac []byte, err error) {
	var created, updated, deleted, restored, reclaim int64
	var parameters, plans []byte
	err = s.Scan(append([]any{
		&i.ID, &i.Account, &i.Service, &i.Plan, &i.Region, &i.ResourceGroup, &i.Name, &i.State, &i.Locked, &i.AllowCleanup, &i.Onetime,
		&parameters, &plans, &i.LastOperation, &created, &i.Created.By, &updated, &i.Updated.By, &deleted, &i.Deleted.By,
		&restored, &i.Restored.By, &reclaim, &i.Reclaim.By, &i.Revision, &mac,
	}, extra...)...)
	if err != nil {
		return i, nil, err
	}
	i.Created.At, i.Updated.At, i.Deleted.At = fromMicros(created), fromMicros(updated), fromMicros(deleted)
	i.Restored.At, i.Reclaim.At = fromMicros(restored), fromMicros(reclaim)
	i.Parameters = parameters
	if err := json.Unmarshal(plans, &i.Plans); err != nil {
		return i, nil, fmt.Errorf("reading the plans of instance %s: %w", i.ID, err)
	}
	return i, mac, nil
}

// Instance returns one instance, in whatever state it is.
func (r *Resources) Instance(ctx context.Context, id resource.InstanceID) (resource.Instance, error) {
	return r.scanInstance(r.db.queryRow(ctx, `SELECT `+instanceColumns+` FROM instances WHERE guid = $1`, string(id)))
}

// where collects the conditions of a list and their arguments.
type where struct {
	conditions []string
	args       []any
}

// and adds a condition in which each ? stands for the next argument.
func (w *where) and(condition string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

// given adds a condition unless the value is the zero value.
func given[T comparable](w *where, condition string, value T, stored any) {
	var zero T
	if value != zero {
		w.and(condition, stored)
	}
}

func (w *where) String() string { return strings.Join(w.conditions, " AND ") }

// between limits a column to a span of time; a zero end is open.
func (w *where) between(column string, from, to time.Time) {
	given(w, column+` >= ?`, from, micros(from))
	given(w, column+` <= ?`, to, micros(to))
}

// page orders by time of creation, begins after the item before and ends the statement.
func (w *where) page(table, key string, p resource.Page) string {
	if p.After != "" {
		w.and(`(`+table+`.created_at, `+table+`.`+key+`) > (SELECT created_at, `+key+` FROM `+table+` WHERE `+key+` = ?)`, p.After)
	}
	w.args = append(w.args, p.Limit)
	return fmt.Sprintf(` WHERE %s ORDER BY %s.created_at, %s.%s LIMIT $%d`, w, table, table, key, len(w.args))
}

// Instances returns a page of an account's instances, oldest first.
func (r *Resources) Instances(ctx context.Context, account iam.AccountID, f resource.InstanceFilter, p resource.Page) ([]resource.Instance, error) {
	var w where
	w.and(`instances.account = ?`, string(account))
	given(&w, `instances.guid = ?`, f.ID, string(f.ID))
	given(&w, `instances.name = ?`, f.Name, f.Name)
	given(&w, `instances.resource_group = ?`, f.ResourceGroup, string(f.ResourceGroup))
	given(&w, `instances.service = ?`, f.Service, f.Service)
	given(&w, `instances.plan = ?`, f.Plan, f.Plan)
	given(&w, `instances.guid IN (SELECT instance FROM tags WHERE name = ?)`, f.Tag, f.Tag)
	w.between(`instances.updated_at`, f.UpdatedFrom, f.UpdatedTo)
	switch f.State {
	case "", resource.StateActive:
		w.and(`instances.state IN (?, ?)`, string(resource.StateActive), string(resource.StateClosing))
	case resource.StatePending:
		w.and(`instances.state IN (?, ?)`, string(resource.StatePending), string(resource.StateReclaiming))
	case resource.StateRemoved:
		w.and(`instances.state = ?`, string(resource.StateRemoved))
	default:
		return nil, nil // others are not seen
	}
	rows, err := r.db.query(ctx, `SELECT `+instanceColumns+` FROM instances`+w.page("instances", "guid", p), w.args...)
	return collect(rows, err, r.scanInstance)
}

// instanceValues are the values of instanceColumns.
func (r *Resources) instanceValues(i resource.Instance) ([]any, error) {
	plans, err := json.Marshal(i.Plans)
	if err != nil {
		return nil, fmt.Errorf("encoding the plans of instance %s: %w", i.ID, err)
	}
	return []any{
		string(i.ID), string(i.Account), i.Service, i.Plan, i.Region, string(i.ResourceGroup), i.Name, string(i.State),
		i.Locked, i.AllowCleanup, i.Onetime, []byte(i.Parameters), plans, i.LastOperation,
		micros(i.Created.At), string(i.Created.By), micros(i.Updated.At), string(i.Updated.By),
		micros(i.Deleted.At), string(i.Deleted.By), micros(i.Restored.At), string(i.Restored.By),
		micros(i.Reclaim.At), string(i.Reclaim.By), i.Revision, r.db.sum("instances", r.db.instanceMAC(i)...),
	}, nil
}

// saveInstance writes an instance over the revision that was read, under the next one.
func (r *Resources) saveInstance(ctx context.Context, t *tx, i resource.Instance) error {
	was := i.Revision
	i.Revision++
	values, err := r.instanceValues(i)
	if err != nil {
		return err
	}
	t.changed(resource.ChangeInstance, string(i.Account), string(i.ID))
	return t.swap(ctx, `UPDATE instances SET (`+instanceColumns+`) = (`+placeholders(1, len(values))+`)
		WHERE guid = $1 AND revision = `+fmt.Sprintf("$%d", len(values)+1), append(values, was)...)
}

// CreateInstance stores an instance that nobody sees yet, with the act that makes it.
func (r *Resources) CreateInstance(ctx context.Context, i resource.Instance, tags []string, act resource.Act) error {
	values, err := r.instanceValues(i)
	if err != nil {
		return err
	}
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		var one int
		err := t.queryRow(ctx, `SELECT 1 FROM resource_groups WHERE id = $1 AND account = $2`,
			string(i.ResourceGroup), string(i.Account)).Scan(&one)
		if absent(err) == ErrNotFound {
			return resource.ErrNoGroup
		}
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO instances (`+instanceColumns+`) VALUES (`+placeholders(1, len(values))+`)`, values...)
		if err != nil {
			return err
		}
		if err := attachTags(ctx, t, i, tags); err != nil {
			return err
		}
		return insertAct(ctx, t, act)
	})
}

// FinishInstance makes a created instance visible and removes its act.
func (r *Resources) FinishInstance(ctx context.Context, i resource.Instance, act resource.Act, ev *audit.Event) error {
	return r.endWith(ctx, act, ev, func(ctx context.Context, t *tx) error { return r.saveInstance(ctx, t, i) })
}

// AbandonInstance removes an instance that was never visible, and its act.
func (r *Resources) AbandonInstance(ctx context.Context, i resource.Instance, act resource.Act, ev *audit.Event) error {
	return r.endWith(ctx, act, ev, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM tags WHERE instance = $1`, string(i.ID)); err != nil {
			return err
		}
		return t.swap(ctx, `DELETE FROM instances WHERE guid = $1 AND state = $2`, string(i.ID), string(resource.StateProvisioning))
	})
}

// endWith writes the outcome of an act, removes the act and records the event.
func (r *Resources) endWith(ctx context.Context, act resource.Act, ev *audit.Event, write func(context.Context, *tx) error) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := endAct(ctx, t, act); err != nil {
			return err
		}
		if err := write(ctx, t); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// beginWith writes what an act begins with, the act and the event.
func (r *Resources) beginWith(ctx context.Context, act resource.Act, ev *audit.Event, write func(context.Context, *tx) error) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := write(ctx, t); err != nil {
			return err
		}
		if err := insertAct(ctx, t, act); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// UpdateInstance stores another version of an instance.
func (r *Resources) UpdateInstance(ctx context.Context, i resource.Instance, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := r.saveInstance(ctx, t, i); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// CloseInstance stores the instance with the act that deletes it.
func (r *Resources) CloseInstance(ctx context.Context, i resource.Instance, act resource.Act) error {
	return r.beginWith(ctx, act, nil, func(ctx context.Context, t *tx) error { return r.saveInstance(ctx, t, i) })
}

// ReopenInstance stores the instance as active again and removes the act.
func (r *Resources) ReopenInstance(ctx context.Context, i resource.Instance, act resource.Act) error {
	return r.endWith(ctx, act, nil, func(ctx context.Context, t *tx) error { return r.saveInstance(ctx, t, i) })
}

// DeleteInstance stores the instance as pending and begins to remove its
// resource keys.
func (r *Resources) DeleteInstance(ctx context.Context, i resource.Instance, rec resource.Reclamation, recursive bool,
	act resource.Act, ev *audit.Event,
) (removals []resource.Act, err error) {
	err = r.endWith(ctx, act, ev, func(ctx context.Context, t *tx) error {
		rows, err := t.query(ctx, resourceKeySelect+` WHERE resource_keys.instance = $1 AND resource_keys.state = $2`,
			string(i.ID), string(resource.KeyActive))
		keys, err := collect(rows, err, r.scanResourceKey)
		if err != nil {
			return err
		}
		if len(keys) > 0 && !recursive {
			return resource.ErrHasKeys
		}
		for _, k := range keys {
			removal, err := resource.NewRemoval(k, rec.Created)
			if err != nil {
				return err
			}
			k.State, k.Updated = resource.KeyRemoving, rec.Created
			if err := r.saveResourceKey(ctx, t, k); err != nil {
				return err
			}
			if err := insertAct(ctx, t, removal); err != nil {
				return err
			}
			removals = append(removals, removal)
		}
		if err := insertReclamation(ctx, t, rec); err != nil {
			return err
		}
		return r.saveInstance(ctx, t, i)
	})
	return removals, err
}
