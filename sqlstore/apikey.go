package sqlstore

import (
	"context"
	"fmt"

	"strongroom/audit"
	"strongroom/iam"
)

const apiKeyColumns = `id, account, iam_id, name, description, digest, locked, disabled, on_leak, expires_at,
	created_at, created_by, modified_at, revision, last_authn, authn_count, mac`

// CreateAPIKey implements iam.APIKeyStore.
func (s *Identities) CreateAPIKey(ctx context.Context, k iam.APIKey, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := s.insertAPIKey(ctx, t, k); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (s *Identities) insertAPIKey(ctx context.Context, t *tx, k iam.APIKey) error {
	var there, n int
	if err := t.queryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM users WHERE account = $1 AND iam_id = $2) +
		(SELECT COUNT(*) FROM service_ids WHERE account = $1 AND id = $3),
		(SELECT COUNT(*) FROM api_keys WHERE account = $1 AND iam_id = $2)`,
		string(k.Account), string(k.Identity), serviceIDOf(k.Identity)).Scan(&there, &n); err != nil {
		return err
	}
	switch {
	case there == 0:
		return ErrNotFound
	case n >= iam.MaxAPIKeys:
		return iam.ErrIdentityLimit
	}
	rows, err := t.exec(ctx, `INSERT INTO api_keys (`+apiKeyColumns+`, kind)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, $15, $16) ON CONFLICT DO NOTHING`,
		string(k.ID), string(k.Account), string(k.Identity), k.Name, k.Description, k.Digest[:], k.Locked, k.Disabled,
		string(k.OnLeak), micros(k.Expires), micros(k.Created), string(k.CreatedBy), micros(k.Modified), k.Revision,
		s.apiKeyMAC(k), string(iam.KindOf(k.Identity)))
	if err == nil && rows == 0 {
		err = ErrExists
	}
	t.changed(iam.ChangeAPIKey, string(k.Account), string(k.ID))
	return err
}

// serviceIDOf is the service ID of an IAM ID that is one's.
func serviceIDOf(id iam.IdentityID) string {
	if iam.KindOf(id) != iam.KindService {
		return ""
	}
	return string(id)[len("iam-"):]
}

// APIKey implements iam.APIKeyStore.
func (s *Identities) APIKey(ctx context.Context, id iam.APIKeyID) (iam.APIKey, error) {
	return s.apiKey(ctx, s.db, id)
}

func (s *Identities) apiKey(ctx context.Context, q querier, id iam.APIKeyID) (iam.APIKey, error) {
	return s.scanAPIKey(q.queryRow(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE id = $1`, string(id)))
}

// APIKeyByDigest implements iam.APIKeyStore.
func (s *Identities) APIKeyByDigest(ctx context.Context, d iam.Digest) (iam.APIKey, error) {
	return s.scanAPIKey(s.db.queryRow(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE digest = $1`, d[:]))
}

// APIKeys implements iam.APIKeyStore.
func (s *Identities) APIKeys(ctx context.Context, account iam.AccountID, f iam.APIKeyFilter, r iam.IdentityRange) ([]iam.APIKey, error) {
	where, args := `account = $1`, []any{string(account)}
	if f.Identity != "" {
		args = append(args, string(f.Identity))
		where += fmt.Sprintf(` AND iam_id = $%d`, len(args))
	}
	if f.Kind != "" {
		args = append(args, string(f.Kind))
		where += fmt.Sprintf(` AND kind = $%d`, len(args))
	}
	clause, args := sorted(r, "name", "created_at", "id", args)
	rows, err := s.db.query(ctx, `SELECT `+apiKeyColumns+` FROM api_keys WHERE `+where+clause, args...)
	return collect(rows, err, s.scanAPIKey)
}

// UpdateAPIKey implements iam.APIKeyStore.
func (s *Identities) UpdateAPIKey(ctx context.Context, k iam.APIKey, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := s.updateAPIKey(ctx, t, k); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (s *Identities) updateAPIKey(ctx context.Context, t *tx, k iam.APIKey) error {
	err := t.swap(ctx, `UPDATE api_keys SET name = $1, description = $2, digest = $3, locked = $4, disabled = $5,
		on_leak = $6, expires_at = $7, modified_at = $8, revision = $9, mac = $10
		WHERE id = $11 AND account = $12 AND revision = $13`,
		k.Name, k.Description, k.Digest[:], k.Locked, k.Disabled, string(k.OnLeak), micros(k.Expires),
		micros(k.Modified), k.Revision, s.apiKeyMAC(k), string(k.ID), string(k.Account), k.Revision-1)
	if err == nil {
		t.changed(iam.ChangeAPIKey, string(k.Account), string(k.ID))
	}
	return err
}

// DeleteAPIKey implements iam.APIKeyStore.
func (s *Identities) DeleteAPIKey(ctx context.Context, k iam.APIKey, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var revision int64
		err := t.queryRow(ctx, `SELECT revision FROM api_keys WHERE id = $1 AND account = $2`,
			string(k.ID), string(k.Account)).Scan(&revision)
		if err != nil {
			return absent(err)
		}
		if revision != k.Revision {
			return ErrStale
		}
		if err := s.removeAPIKey(ctx, t, k.Account, k.ID); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// removeAPIKey removes a key with the HMAC credentials that hang on it, if it is
// there.
func (s *Identities) removeAPIKey(ctx context.Context, t *tx, account iam.AccountID, id iam.APIKeyID) error {
	n, err := t.exec(ctx, `DELETE FROM api_keys WHERE id = $1 AND account = $2`, string(id), string(account))
	if err != nil || n == 0 {
		return err
	}
	t.changed(iam.ChangeAPIKey, string(account), string(id))
	rows, err := t.query(ctx, `DELETE FROM hmac_credentials WHERE api_key = $1 RETURNING access_key_id`, string(id))
	gone, err := collect(rows, err, scanText)
	for _, accessKeyID := range gone {
		t.changed(iam.ChangeHMAC, string(account), accessKeyID)
	}
	return err
}

// AddUses implements iam.APIKeyStore.
func (s *Identities) AddUses(ctx context.Context, uses []iam.KeyUse) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		for _, u := range uses {
			_, err := t.exec(ctx, `UPDATE api_keys SET authn_count = authn_count + $1,
				last_authn = CASE WHEN last_authn < $2 THEN $2 ELSE last_authn END WHERE id = $3`,
				u.Count, micros(u.Last), string(u.Key))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Identities) scanAPIKey(row scanner) (iam.APIKey, error) {
	var (
		k                                  iam.APIKey
		digest, mac                        []byte
		expires, created, modified, lastAt int64
	)
	err := row.Scan(&k.ID, &k.Account, &k.Identity, &k.Name, &k.Description, &digest, &k.Locked, &k.Disabled, &k.OnLeak,
		&expires, &created, &k.CreatedBy, &modified, &k.Revision, &lastAt, &k.AuthnCount, &mac)
	if err != nil {
		return iam.APIKey{}, absent(err)
	}
	copy(k.Digest[:], digest)
	k.Expires, k.Created, k.Modified, k.LastAuthn = fromMicros(expires), fromMicros(created), fromMicros(modified), fromMicros(lastAt)
	if err := verify("api_keys", string(k.ID), mac, s.apiKeyMAC(k)); err != nil {
		return iam.APIKey{}, err
	}
	return k, nil
}

func (s *Identities) apiKeyMAC(k iam.APIKey) []byte {
	return s.db.sum("api_keys", string(k.ID), string(k.Account), string(k.Identity), k.Name, k.Description, k.Digest[:],
		k.Locked, k.Disabled, string(k.OnLeak), k.Expires, k.Created, string(k.CreatedBy), k.Modified, k.Revision)
}
