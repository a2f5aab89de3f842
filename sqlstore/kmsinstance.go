package sqlstore

import (
	"context"
	"fmt"

	"strongroom/kms"
)

// InstanceKey implements kms.Store.
func (s *Keys) InstanceKey(ctx context.Context, in kms.InstanceID) (kms.InstanceKey, error) {
	var (
		k       kms.InstanceKey
		created int64
		mac     []byte
	)
	err := s.db.queryRow(ctx, `
		SELECT instance, account, module, generation, sealed, created_at, mac
		FROM instance_keys WHERE instance = $1`, string(in)).
		Scan(&k.Instance, &k.Account, &k.Module, &k.Generation, &k.Sealed, &created, &mac)
	if err != nil {
		return kms.InstanceKey{}, absent(err)
	}
	k.Created = fromMicros(created)
	return k, s.db.check(mac, "instance_keys", string(in), instanceKeyColumns(k)...)
}

// InsertInstanceKey implements kms.Store.
func (s *Keys) InsertInstanceKey(ctx context.Context, k kms.InstanceKey) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `
			INSERT INTO instance_keys (instance, account, module, generation, sealed, created_at, mac)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (instance) DO NOTHING`,
			string(k.Instance), string(k.Account), k.Module, int64(k.Generation), []byte(k.Sealed),
			micros(k.Created), s.db.sum("instance_keys", instanceKeyColumns(k)...))
		if err == nil && n == 0 {
			err = ErrExists
		}
		return err
	})
}

func instanceKeyColumns(k kms.InstanceKey) []any {
	return []any{
		string(k.Instance), string(k.Account), k.Module, int64(k.Generation), []byte(k.Sealed), k.Created,
	}
}

// destroyBatch is how many keys one transaction of DestroyInstance removes: others get their turn
// in between.
const destroyBatch = 2000

// DestroyInstance implements kms.Store. At its end the write-ahead log is folded into the
// database, where secure_delete has overwritten what was there.
func (s *Keys) DestroyInstance(ctx context.Context, in kms.InstanceID) error {
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		t.changed(kms.ChangeInstance, string(in), string(in))
		for _, statement := range []string{
			`DELETE FROM instance_keys WHERE instance = $1`,
			`DELETE FROM key_counts WHERE instance = $1`,
			`DELETE FROM key_rings WHERE instance = $1`,
			`DELETE FROM instance_policies WHERE instance = $1`,
			`DELETE FROM import_tokens WHERE instance = $1`,
			`DELETE FROM first_requests WHERE instance = $1`,
		} {
			if _, err := t.exec(ctx, statement, string(in)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroying the key of the instance: %w", err)
	}
	for more := true; more; {
		if more, err = s.destroyKeys(ctx, in); err != nil {
			return fmt.Errorf("removing the keys of the instance: %w", err)
		}
	}
	if _, err := s.db.writer.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return fmt.Errorf("folding in the write-ahead log: %w", err)
	}
	return nil
}

// destroyKeys removes some keys of an instance and says whether there may be more.
func (s *Keys) destroyKeys(ctx context.Context, in kms.InstanceID) (more bool, err error) {
	err = s.db.update(ctx, func(ctx context.Context, t *tx) error {
		rows, err := t.query(ctx, `SELECT id FROM keys WHERE instance = $1 ORDER BY id LIMIT $2`, string(in), destroyBatch)
		ids, err := collect(rows, err, func(row scanner) (id string, err error) {
			return id, row.Scan(&id)
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		more = len(ids) == destroyBatch
		last := ids[len(ids)-1]
		for _, statement := range []string{
			`DELETE FROM key_aliases WHERE instance = $1 AND key <= $2`,
			`DELETE FROM key_versions WHERE instance = $1 AND key <= $2`,
			`DELETE FROM key_registrations WHERE instance = $1 AND key <= $2`,
			`DELETE FROM key_names WHERE instance = $1 AND bucket <= $2`,
			`DELETE FROM key_uses WHERE instance = $1 AND key <= $2`,
			`DELETE FROM key_data WHERE instance = $1 AND key <= $2`,
			`DELETE FROM keys WHERE instance = $1 AND id <= $2`,
		} {
			if _, err := t.exec(ctx, statement, string(in), last); err != nil {
				return err
			}
		}
		t.changed(kms.ChangeInstance, string(in), string(in))
		return nil
	})
	return more, err
}
