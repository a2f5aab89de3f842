package sqlstore

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/iam"
)

const signingKeyColumns = `id, sealed, public, created_at, accepted_until, mac`

// SigningKeys implements iam.SigningKeyStore.
func (s *Identities) SigningKeys(ctx context.Context) ([]iam.SigningKey, error) {
	return s.signingKeys(ctx, s.db, `SELECT `+signingKeyColumns+` FROM signing_keys ORDER BY created_at, id`)
}

func (s *Identities) signingKeys(ctx context.Context, q querier, statement string) ([]iam.SigningKey, error) {
	rows, err := q.query(ctx, statement)
	return collect(rows, err, func(row scanner) (iam.SigningKey, error) {
		var (
			k              iam.SigningKey
			created, until int64
			mac            []byte
		)
		if err := row.Scan(&k.ID, &k.Sealed, &k.Public, &created, &until, &mac); err != nil {
			return k, err
		}
		k.Created, k.Until = fromMicros(created), fromMicros(until)
		return k, verify("signing_keys", k.ID, mac, s.signingKeyMAC(k))
	})
}

// AddSigningKey implements iam.SigningKeyStore.
func (s *Identities) AddSigningKey(ctx context.Context, k iam.SigningKey, until time.Time, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		old, err := s.signingKeys(ctx, t, `SELECT `+signingKeyColumns+` FROM signing_keys WHERE accepted_until = 0`)
		if err != nil {
			return err
		}
		for _, o := range old {
			o.Until = until
			if _, err := t.exec(ctx, `UPDATE signing_keys SET accepted_until = $1, mac = $2 WHERE id = $3`,
				micros(o.Until), s.signingKeyMAC(o), o.ID); err != nil {
				return err
			}
			t.changed(iam.ChangeSigningKey, "", o.ID)
		}
		n, err := t.exec(ctx, `INSERT INTO signing_keys (`+signingKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			k.ID, k.Sealed, k.Public, micros(k.Created), micros(k.Until), s.signingKeyMAC(k))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
		t.changed(iam.ChangeSigningKey, "", k.ID)
		return t.record(ctx, ev)
	})
}

// DeleteSigningKey implements iam.SigningKeyStore.
func (s *Identities) DeleteSigningKey(ctx context.Context, id string, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM signing_keys WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		t.changed(iam.ChangeSigningKey, "", id)
		return t.record(ctx, ev)
	})
}

func (s *Identities) signingKeyMAC(k iam.SigningKey) []byte {
	return s.db.sum("signing_keys", k.ID, k.Sealed, k.Public, k.Created, k.Until)
}
