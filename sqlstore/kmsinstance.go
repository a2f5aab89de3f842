package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"strongroom/kms"
)

const instanceKeyColumns = `instance, generation, account, sealed, created_at, mac`

// InstanceKeys implements kms.Store.
func (s *Keys) InstanceKeys(ctx context.Context, in kms.InstanceID) ([]kms.InstanceKey, error) {
	return s.instanceKeys(ctx, s.db, in)
}

func (s *Keys) instanceKeys(ctx context.Context, from querier, in kms.InstanceID) ([]kms.InstanceKey, error) {
	rows, err := from.query(ctx, `
		SELECT `+instanceKeyColumns+` FROM instance_keys WHERE instance = $1 ORDER BY generation DESC`, string(in))
	keys, err := collect(rows, err, s.scanInstanceKey)
	if err == nil && len(keys) == 0 {
		err = ErrNotFound
	}
	return keys, err
}

func (s *Keys) scanInstanceKey(row scanner) (kms.InstanceKey, error) {
	var (
		k       kms.InstanceKey
		created int64
		mac     []byte
	)
	if err := row.Scan(&k.Instance, &k.Generation, &k.Account, &k.Sealed, &created, &mac); err != nil {
		return kms.InstanceKey{}, err
	}
	k.Created = fromMicros(created)
	return k, s.db.check(mac, "instance_keys", string(k.Instance), instanceKeyMACed(k)...)
}

// instanceKeyMACed are the columns that an instance key's MAC covers: all.
func instanceKeyMACed(k kms.InstanceKey) []any {
	return []any{string(k.Instance), int64(k.Generation), string(k.Account), []byte(k.Sealed), k.Created}
}

// InsertInstanceKey implements kms.Store. Two that prepare an instance at once must not give it two
// keys, which they could under two generations of masters.
func (s *Keys) InsertInstanceKey(ctx context.Context, k kms.InstanceKey) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := s.insertInstanceKey(ctx, t, k, `NOT EXISTS (SELECT 1 FROM instance_keys WHERE instance = $1)`)
		if errors.Is(err, ErrStale) {
			err = ErrExists
		}
		return err
	})
}

// insertInstanceKey adds a row, or returns ErrStale unless a condition on its values is met and its
// masters are in use.
func (s *Keys) insertInstanceKey(ctx context.Context, t *tx, k kms.InstanceKey, condition string, more ...any) error {
	if err := t.needGeneration(ctx, k.Generation); err != nil {
		return err
	}
	values := []any{
		string(k.Instance), int64(k.Generation), string(k.Account), []byte(k.Sealed), micros(k.Created),
		s.db.sum("instance_keys", instanceKeyMACed(k)...),
	}
	return t.swap(ctx, `
		INSERT INTO instance_keys (`+instanceKeyColumns+`)
		SELECT `+placeholders(1, len(values))+` WHERE `+condition, append(values, more...)...)
}

// destroyBatch is how many keys one transaction of DestroyInstance removes: others get their turn
// in between.
const destroyBatch = 2000

// DestroyInstance implements kms.Store. At its end the write-ahead log is folded into the
// database, where secure_delete has overwritten what was there.
func (s *Keys) DestroyInstance(ctx context.Context, in kms.InstanceID) error {
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		t.changed(kms.ChangeInstance, string(in), string(in))
		if err := t.notePurgedInstance(ctx, in); err != nil {
			return err
		}
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
