package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/iam"
)

// Identities returns the keeper of accounts, users, service IDs and credentials.
func (db *DB) Identities() *Identities { return &Identities{db} }

// Identities keeps accounts, users, service IDs, API keys, HMAC credentials and
// token signing keys. It is an iam.IdentityStore.
type Identities struct{ db *DB }

var _ iam.IdentityStore = (*Identities)(nil)

const accountColumns = `id, name, owner, state, system, created_at, revision, mac`

// CreateAccount implements iam.AccountStore.
func (s *Identities) CreateAccount(ctx context.Context, a iam.Account, owner *iam.User, key *iam.APIKey, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO accounts (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT DO NOTHING`,
			string(a.ID), a.Name, string(a.Owner), string(a.State), a.System, micros(a.Created), a.Revision, s.accountMAC(a))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
		t.changed(iam.ChangeAccount, string(a.ID), string(a.ID))
		if owner != nil {
			if err := s.insertUser(ctx, t, *owner); err != nil {
				return err
			}
		}
		if key != nil {
			if err := s.insertAPIKey(ctx, t, *key); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
}

// UpdateAccount implements iam.AccountStore.
func (s *Identities) UpdateAccount(ctx context.Context, a iam.Account, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `UPDATE accounts SET name = $1, owner = $2, state = $3, revision = $4, mac = $5
			WHERE id = $6 AND revision = $7`,
			a.Name, string(a.Owner), string(a.State), a.Revision, s.accountMAC(a), string(a.ID), a.Revision-1)
		if err != nil {
			return err
		}
		t.changed(iam.ChangeAccount, string(a.ID), string(a.ID))
		return t.record(ctx, ev)
	})
}

// Account implements iam.AccountStore.
func (s *Identities) Account(ctx context.Context, id iam.AccountID) (iam.Account, error) {
	return s.scanAccount(s.db.queryRow(ctx, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`, string(id)))
}

// Accounts implements iam.AccountStore.
func (s *Identities) Accounts(ctx context.Context) ([]iam.Account, error) {
	rows, err := s.db.query(ctx, `SELECT `+accountColumns+` FROM accounts ORDER BY created_at, id`)
	return collect(rows, err, s.scanAccount)
}

func (s *Identities) scanAccount(row scanner) (iam.Account, error) {
	var (
		a       iam.Account
		created int64
		mac     []byte
	)
	err := row.Scan(&a.ID, &a.Name, &a.Owner, &a.State, &a.System, &created, &a.Revision, &mac)
	if err != nil {
		return iam.Account{}, absent(err)
	}
	a.Created = fromMicros(created)
	if err := verify("accounts", string(a.ID), mac, s.accountMAC(a)); err != nil {
		return iam.Account{}, err
	}
	return a, nil
}

func (s *Identities) accountMAC(a iam.Account) []byte {
	return s.db.sum("accounts", string(a.ID), a.Name, string(a.Owner), string(a.State), a.System, a.Created, a.Revision)
}
