package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/resource"
)

// maxTagged is how many tags an instance may have.
const maxTagged = 1000

// Tags returns the tags of each of the instances, in order of their names.
func (r *Resources) Tags(ctx context.Context, ids ...resource.InstanceID) (map[resource.InstanceID][]string, error) {
	tags := make(map[resource.InstanceID][]string, len(ids))
	if len(ids) == 0 {
		return tags, nil
	}
	args := make([]any, len(ids))
	for n, id := range ids {
		args[n] = string(id)
	}
	type row struct {
		instance resource.InstanceID
		name     string
	}
	rows, err := r.db.query(ctx, `SELECT instance, name FROM tags WHERE instance IN (`+placeholders(1, len(args))+`) ORDER BY instance, name`, args...)
	list, err := collect(rows, err, func(s scanner) (t row, err error) { return t, s.Scan(&t.instance, &t.name) })
	for _, t := range list {
		tags[t.instance] = append(tags[t.instance], t.name)
	}
	return tags, err
}

func attachTags(ctx context.Context, t *tx, i resource.Instance, names []string) error {
	for _, name := range names {
		_, err := t.exec(ctx, `INSERT INTO tags (instance, account, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			string(i.ID), string(i.Account), name)
		if err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return nil
	}
	var count int
	if err := t.queryRow(ctx, `SELECT COUNT(*) FROM tags WHERE instance = $1`, string(i.ID)).Scan(&count); err != nil {
		return err
	}
	if count > maxTagged {
		return resource.ErrInvalid.On("tags", "an instance can have at most 1000")
	}
	return nil
}

// Attach adds tags to an instance.
func (r *Resources) Attach(ctx context.Context, i resource.Instance, names []string, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := attachTags(ctx, t, i, names); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// Replace makes the tags of an instance exactly these.
func (r *Resources) Replace(ctx context.Context, i resource.Instance, names []string, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM tags WHERE instance = $1`, string(i.ID)); err != nil {
			return err
		}
		if err := attachTags(ctx, t, i, names); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// Detach removes tags from an instance.
func (r *Resources) Detach(ctx context.Context, i resource.Instance, names []string, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		for _, name := range names {
			if _, err := t.exec(ctx, `DELETE FROM tags WHERE instance = $1 AND name = $2`, string(i.ID), name); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
}
