package sqlstore

import (
	"context"
	"errors"
	"time"

	"strongroom/audit"
	"strongroom/kms"
)

const importTokenColumns = `instance, id, account, created_at, expires_at, max_retrievals, remaining,
	public_key, nonce, generation, sealed, revision, mac`

// ImportToken implements kms.Store.
func (s *Keys) ImportToken(ctx context.Context, in kms.InstanceID) (kms.ImportToken, error) {
	t, err := s.scanImportToken(s.db.queryRow(ctx, `SELECT `+importTokenColumns+` FROM import_tokens WHERE instance = $1`, string(in)))
	return t, absent(err)
}

func (s *Keys) scanImportToken(row scanner) (kms.ImportToken, error) {
	var (
		t                kms.ImportToken
		created, expires int64
		mac              []byte
	)
	err := row.Scan(&t.Instance, &t.ID, &t.Account, &created, &expires, &t.MaxRetrievals, &t.Remaining,
		&t.Public, &t.Nonce, &t.Generation, &t.Sealed, &t.Revision, &mac)
	if err != nil {
		return kms.ImportToken{}, err
	}
	t.Created, t.Expires = fromMicros(created), fromMicros(expires)
	return t, s.db.check(mac, "import_tokens", string(t.Instance), importTokenMACed(t)...)
}

// importTokenMACed are the columns that an import token's MAC covers: all.
func importTokenMACed(t kms.ImportToken) []any {
	return []any{
		string(t.Instance), t.ID, string(t.Account), t.Created, t.Expires, t.MaxRetrievals, t.Remaining,
		t.Public, t.Nonce, int64(t.Generation), []byte(t.Sealed), t.Revision,
	}
}

// PutImportToken implements kms.Store.
func (s *Keys) PutImportToken(ctx context.Context, token kms.ImportToken, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.needInstanceKey(ctx, token.Instance, token.Generation); err != nil {
			return err
		}
		n, err := t.exec(ctx, `
			INSERT INTO import_tokens (`+importTokenColumns+`)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
			WHERE EXISTS (SELECT 1 FROM instances WHERE guid = $1 AND state = 'active')
			ON CONFLICT (instance) DO UPDATE SET id = excluded.id, account = excluded.account,
				created_at = excluded.created_at, expires_at = excluded.expires_at,
				max_retrievals = excluded.max_retrievals, remaining = excluded.remaining,
				public_key = excluded.public_key, nonce = excluded.nonce, generation = excluded.generation,
				sealed = excluded.sealed, revision = excluded.revision, mac = excluded.mac`,
			string(token.Instance), token.ID, string(token.Account), micros(token.Created), micros(token.Expires),
			token.MaxRetrievals, token.Remaining, token.Public, token.Nonce, int64(token.Generation),
			[]byte(token.Sealed), token.Revision, s.db.sum("import_tokens", importTokenMACed(token)...))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrStale
		}
		return t.record(ctx, ev)
	})
}

// SpendImportToken implements kms.Store.
func (s *Keys) SpendImportToken(ctx context.Context, token kms.ImportToken, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := s.swapImportToken(ctx, t, token); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// swapImportToken writes what of a token can change.
func (s *Keys) swapImportToken(ctx context.Context, t *tx, token kms.ImportToken) error {
	was := token.Revision
	token.Revision++
	return t.swap(ctx, `
		UPDATE import_tokens SET remaining = $1, sealed = $2, revision = $3, mac = $4
		WHERE instance = $5 AND id = $6 AND revision = $7`,
		token.Remaining, []byte(token.Sealed), token.Revision, s.db.sum("import_tokens", importTokenMACed(token)...),
		string(token.Instance), token.ID, was)
}

// forgetBatch is how many rows one transaction removes of what has become old.
const forgetBatch = 1000

// ForgetTransportKeys implements kms.Store.
func (s *Keys) ForgetTransportKeys(ctx context.Context, expired time.Time) error {
	for {
		rows, err := s.db.query(ctx, `
			SELECT `+importTokenColumns+` FROM import_tokens
			WHERE length(sealed) > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, micros(expired), forgetBatch)
		tokens, err := collect(rows, err, s.scanImportToken)
		if err != nil || len(tokens) == 0 {
			return err
		}
		err = s.db.update(ctx, func(ctx context.Context, t *tx) error {
			for _, token := range tokens {
				token.Sealed = []byte{}
				err := s.swapImportToken(ctx, t, token)
				if err != nil && !errors.Is(err, ErrStale) { // stale: a new token has taken its place
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
