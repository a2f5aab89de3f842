package sqlstore

import (
	"context"
	"errors"
	"slices"

	"strongroom/kms"
)

// takeAlias gives an alias to a live key, or returns kms.ErrAliasTaken if another live key has it.
func (t *tx) takeAlias(ctx context.Context, k kms.Key, alias string) error {
	var owner kms.KeyID
	err := absent(t.queryRow(ctx, `SELECT key FROM key_aliases WHERE instance = $1 AND alias = $2 AND live`,
		string(k.Instance), alias).Scan(&owner))
	switch {
	case err == nil && owner != k.ID:
		return kms.ErrAliasTaken
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	_, err = t.exec(ctx, `
		INSERT INTO key_aliases (instance, alias, key, live, changed_at) VALUES ($1, $2, $3, TRUE, $4)
		ON CONFLICT (instance, alias, key) DO UPDATE SET live = TRUE, changed_at = excluded.changed_at`,
		string(k.Instance), alias, string(k.ID), micros(t.now))
	t.changed(kms.ChangeAlias, string(k.Instance), alias)
	return err
}

// moveAliases makes the index of aliases follow a key that was changed: aliases come and go, those
// of a deleted key give way to others, and those of a restored one are its own again.
func (t *tx) moveAliases(ctx context.Context, was, k kms.Key) error {
	lived, lives := was.State != kms.Destroyed, k.State != kms.Destroyed
	if lived == lives && slices.Equal(was.Aliases, k.Aliases) {
		return nil
	}
	for _, alias := range was.Aliases {
		t.changed(kms.ChangeAlias, string(k.Instance), alias)
		if slices.Contains(k.Aliases, alias) {
			continue
		}
		_, err := t.exec(ctx, `DELETE FROM key_aliases WHERE instance = $1 AND alias = $2 AND key = $3`,
			string(k.Instance), alias, string(k.ID))
		if err != nil {
			return err
		}
	}
	if !lives {
		_, err := t.exec(ctx, `UPDATE key_aliases SET live = FALSE, changed_at = $3 WHERE instance = $1 AND key = $2`,
			string(k.Instance), string(k.ID), micros(t.now))
		return err
	}
	for _, alias := range k.Aliases {
		if err := t.takeAlias(ctx, k, alias); err != nil {
			return err
		}
	}
	return nil
}
