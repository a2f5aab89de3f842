package sqlstore

import (
	"context"
	"errors"
	"time"

	"strongroom/custody"
)

// Secrets keeps the service's own secrets in sealed form.
func (db *DB) Secrets() *Secrets { return &Secrets{db} }

// Secrets is the table of the service's own secrets.
type Secrets struct{ db *DB }

// Secret is a secret as it is stored: what is secret in it is sealed, and opens
// only as the kind and ID that it was sealed for.
type Secret struct {
	Kind, ID string
	Sealed   []byte
	Public   []byte // the part that needs no secrecy, such as a certificate; may be empty
	Created  time.Time
}

// Add stores a new secret, or returns ErrExists.
func (s *Secrets) Add(ctx context.Context, secret Secret) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO secrets (kind, id, sealed, public, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (kind, id) DO NOTHING`, secret.Kind, secret.ID, secret.Sealed, nonNil(secret.Public), micros(t.now))
		if err == nil && n == 0 {
			err = ErrExists
		}
		return err
	})
}

// Get returns one secret, or ErrNotFound.
func (s *Secrets) Get(ctx context.Context, kind, id string) (Secret, error) {
	secret := Secret{Kind: kind, ID: id}
	var created int64
	err := s.db.queryRow(ctx, `SELECT sealed, public, created_at FROM secrets WHERE kind = $1 AND id = $2`, kind, id).
		Scan(&secret.Sealed, &secret.Public, &created)
	secret.Created = fromMicros(created)
	return secret, absent(err)
}

// IDs returns the IDs of all secrets of a kind.
func (s *Secrets) IDs(ctx context.Context, kind string) ([]string, error) {
	rows, err := s.db.query(ctx, `SELECT id FROM secrets WHERE kind = $1 ORDER BY id`, kind)
	return collect(rows, err, func(row scanner) (id string, err error) { return id, row.Scan(&id) })
}

// Obtain returns the secret of a kind and ID, opened; if there is none it keeps
// the one that generate makes. Two that try at once get the same.
func (s *Secrets) Obtain(ctx context.Context, vault *custody.Vault, kind, id string,
	generate func() (secret custody.Secret, public []byte, err error),
) (custody.Secret, Secret, error) {
	row, err := s.Get(ctx, kind, id)
	if errors.Is(err, ErrNotFound) {
		row, err = s.make(ctx, vault, kind, id, generate)
	}
	if err != nil {
		return custody.Secret{}, Secret{}, err
	}
	opened, err := vault.Open(ctx, kind, id, row.Sealed)
	return opened, row, err
}

func (s *Secrets) make(ctx context.Context, vault *custody.Vault, kind, id string,
	generate func() (custody.Secret, []byte, error),
) (Secret, error) {
	fresh, public, err := generate()
	if err != nil {
		return Secret{}, err
	}
	defer fresh.Wipe()
	sealed, err := vault.Seal(ctx, kind, id, fresh)
	if err != nil {
		return Secret{}, err
	}
	if err := s.Add(ctx, Secret{Kind: kind, ID: id, Sealed: sealed, Public: public}); err != nil && !errors.Is(err, ErrExists) {
		return Secret{}, err
	}
	return s.Get(ctx, kind, id)
}

// nonNil keeps a NOT NULL column from meeting a nil slice.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
