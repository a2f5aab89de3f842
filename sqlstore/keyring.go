package sqlstore

import (
	"context"
	"fmt"

	"strongroom/audit"
	"strongroom/kms"
)

// InsertRing implements kms.RingStore.
func (s *Keys) InsertRing(ctx context.Context, in kms.InstanceID, r kms.Ring, most int, instanceRevision int64, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.instanceActive(ctx, in, instanceRevision); err != nil {
			return err
		}
		var there int
		if err := t.queryRow(ctx, `SELECT count(*) FROM key_rings WHERE instance = $1`, string(in)).Scan(&there); err != nil {
			return err
		}
		n, err := t.exec(ctx, `
			INSERT INTO key_rings (instance, id, created_at, created_by, mac)
			SELECT $1, $2, $3, $4, $5 WHERE $6 < $7 OR EXISTS (SELECT 1 FROM key_rings WHERE instance = $1 AND id = $2)
			ON CONFLICT (instance, id) DO NOTHING`,
			string(in), string(r.ID), micros(r.Created), string(r.CreatedBy),
			s.db.sum("key_rings", ringColumns(in, r)...), there, most)
		switch {
		case err != nil:
			return err
		case n > 0:
			return t.record(ctx, ev)
		}
		if err := t.needRing(ctx, in, r.ID); err == nil {
			return kms.ErrRingTaken
		}
		return kms.ErrRingQuota
	})
}

// needRing returns kms.ErrRingNotFound unless the instance has the ring.
func (t *tx) needRing(ctx context.Context, in kms.InstanceID, id kms.RingID) error {
	if id == kms.DefaultRing {
		return nil
	}
	var one int
	err := t.queryRow(ctx, `SELECT 1 FROM key_rings WHERE instance = $1 AND id = $2`, string(in), string(id)).Scan(&one)
	if absent(err) == ErrNotFound {
		return kms.ErrRingNotFound
	}
	return err
}

// HasRing implements kms.RingStore.
func (s *Keys) HasRing(ctx context.Context, in kms.InstanceID, id kms.RingID) (there bool, err error) {
	return there, s.db.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM key_rings WHERE instance = $1 AND id = $2)`,
		string(in), string(id)).Scan(&there)
}

func ringColumns(in kms.InstanceID, r kms.Ring) []any {
	return []any{string(in), string(r.ID), r.Created, string(r.CreatedBy)}
}

// ListRings implements kms.RingStore.
func (s *Keys) ListRings(ctx context.Context, in kms.InstanceID, limit, offset int) ([]kms.Ring, error) {
	rows, err := s.db.query(ctx, `
		SELECT id, created_at, created_by, mac FROM key_rings WHERE instance = $1
		ORDER BY id LIMIT $2 OFFSET $3`, string(in), limit, offset)
	return collect(rows, err, func(row scanner) (kms.Ring, error) {
		var (
			r       kms.Ring
			created int64
			mac     []byte
		)
		if err := row.Scan(&r.ID, &created, &r.CreatedBy, &mac); err != nil {
			return kms.Ring{}, err
		}
		r.Created = fromMicros(created)
		return r, s.db.check(mac, "key_rings", string(r.ID), ringColumns(in, r)...)
	})
}

// CountRings implements kms.RingStore.
func (s *Keys) CountRings(ctx context.Context, in kms.InstanceID) (n int, err error) {
	return n, s.db.queryRow(ctx, `SELECT count(*) FROM key_rings WHERE instance = $1`, string(in)).Scan(&n)
}

// DeleteRing implements kms.RingStore.
func (s *Keys) DeleteRing(ctx context.Context, in kms.InstanceID, id kms.RingID, move bool, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.needRing(ctx, in, id); err != nil {
			return err
		}
		if err := s.emptyRing(ctx, t, in, id, move); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM key_rings WHERE instance = $1 AND id = $2`, string(in), string(id)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// moveBatch is how many keys of a ring are held in memory while they are moved.
const moveBatch = 500

// emptyRing returns kms.ErrRingNotEmpty if the ring holds a key, or with move a key that is not
// deleted; those that are deleted move to the default ring.
func (s *Keys) emptyRing(ctx context.Context, t *tx, in kms.InstanceID, id kms.RingID, move bool) error {
	kept := kms.Destroyed + 1 // keys in lower states stay where they are
	if move {
		kept = kms.Destroyed
	}
	var holds bool
	err := t.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM keys WHERE instance = $1 AND ring = $2 AND state < $3)`,
		string(in), string(id), int(kept)).Scan(&holds)
	switch {
	case err != nil:
		return err
	case holds:
		return kms.ErrRingNotEmpty
	}
	for {
		rows, err := t.query(ctx, `SELECT `+keyColumns+` FROM keys k WHERE k.instance = $1 AND k.ring = $2
			ORDER BY k.id LIMIT $3`, string(in), string(id), moveBatch)
		keys, err := collect(rows, err, s.scanKey)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, k := range keys {
			k.Ring, k.Updated = kms.DefaultRing, t.now
			if err := s.writeKey(ctx, t, k); err != nil {
				return fmt.Errorf("moving key %s: %w", k.ID, err)
			}
		}
	}
}
