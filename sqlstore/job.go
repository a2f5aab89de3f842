package sqlstore

import (
	"context"
	"time"
)

// ClaimJob implements kms.Store.
func (s *Keys) ClaimJob(ctx context.Context, name string, until time.Time) (claimed bool, err error) {
	err = s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `
			INSERT INTO jobs (name, holder, held_until) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
			WHERE jobs.holder = excluded.holder OR jobs.held_until <= $4`,
			name, s.db.server, micros(until), micros(t.now))
		claimed = n > 0
		return err
	})
	return claimed, err
}
