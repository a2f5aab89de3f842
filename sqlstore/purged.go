package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"strongroom/kms"
	"strongroom/masters"
)

// notePurgedKey writes down that a key was purged.
func (t *tx) notePurgedKey(ctx context.Context, k kms.Key) error {
	return t.notePurged(ctx, masters.Purged{
		Instance: string(k.Instance), Key: string(k.ID), Account: k.Account, Created: k.Created,
	})
}

// notePurgedInstance writes down that the key of an instance is destroyed.
func (t *tx) notePurgedInstance(ctx context.Context, in kms.InstanceID) error {
	return t.notePurged(ctx, masters.Purged{Instance: string(in)})
}

// notePurged completes p with what is known of the key of the instance, which is removed after this
// if at all. An instance that has no key was noted before.
func (t *tx) notePurged(ctx context.Context, p masters.Purged) error {
	var created int64
	err := t.queryRow(ctx, `
		SELECT account, created_at, generation FROM instance_keys WHERE instance = $1 ORDER BY generation DESC LIMIT 1`,
		p.Instance).Scan(&p.Account, &created, &p.Generation)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.Created.IsZero() {
		p.Created = fromMicros(created)
	}
	p.Purged = t.now
	_, err = t.exec(ctx, `
		INSERT INTO purged_keys (instance, key, account, created_at, purged_at, generation, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (instance, key) DO NOTHING`,
		p.Instance, p.Key, string(p.Account), micros(p.Created), micros(p.Purged), int64(p.Generation),
		t.db.sum("purged_keys", purgedMACed(p)...))
	return err
}

// purgedMACed are the columns that the MAC of what was purged covers: all.
func purgedMACed(p masters.Purged) []any {
	return []any{p.Instance, p.Key, string(p.Account), p.Created, p.Purged, int64(p.Generation)}
}

// Purged implements masters.Store.
func (s *Masters) Purged(ctx context.Context, after masters.Purged, limit int) ([]masters.Purged, error) {
	rows, err := s.db.query(ctx, `
		SELECT instance, key, account, created_at, purged_at, generation, mac FROM purged_keys
		WHERE (purged_at, instance, key) > ($1, $2, $3) ORDER BY purged_at, instance, key LIMIT $4`,
		micros(after.Purged), after.Instance, after.Key, limit)
	return collect(rows, err, func(row scanner) (masters.Purged, error) {
		var (
			p               masters.Purged
			created, purged int64
			mac             []byte
		)
		if err := row.Scan(&p.Instance, &p.Key, &p.Account, &created, &purged, &p.Generation, &mac); err != nil {
			return p, err
		}
		p.Created, p.Purged = fromMicros(created), fromMicros(purged)
		return p, s.db.check(mac, "purged_keys", p.Instance+"/"+p.Key, purgedMACed(p)...)
	})
}

// CountPurged implements masters.Store.
func (s *Masters) CountPurged(ctx context.Context) (n int, err error) {
	err = s.db.queryRow(ctx, `SELECT COUNT(*) FROM purged_keys`).Scan(&n)
	return n, err
}

// Deleted implements masters.Store.
func (s *Masters) Deleted(ctx context.Context) (n int, last time.Time, err error) {
	var at sql.NullInt64
	err = s.db.queryRow(ctx, `SELECT COUNT(*), MAX(deleted_at) FROM keys WHERE deleted_at IS NOT NULL`).Scan(&n, &at)
	return n, fromMicros(at.Int64), err
}
