package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/iam"
)

const userColumns = `account, iam_id, email, first_name, last_name, state, added_at, revision, mac`

// Person implements iam.UserStore.
func (s *Identities) Person(ctx context.Context, email string, fresh iam.IdentityID) (iam.IdentityID, error) {
	var id iam.IdentityID
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO people (iam_id, email, mac) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING`,
			string(fresh), email, s.personMAC(fresh, email))
		if err != nil {
			return err
		}
		var mac []byte
		if err := t.queryRow(ctx, `SELECT iam_id, mac FROM people WHERE email = $1`, email).Scan(&id, &mac); err != nil {
			return err
		}
		return verify("people", string(id), mac, s.personMAC(id, email))
	})
	return id, err
}

func (s *Identities) personMAC(id iam.IdentityID, email string) []byte {
	return s.db.sum("people", string(id), email)
}

// AddUser implements iam.UserStore.
func (s *Identities) AddUser(ctx context.Context, u iam.User, limit int, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var n int
		if err := t.queryRow(ctx, `SELECT COUNT(*) FROM users WHERE account = $1`, string(u.Account)).Scan(&n); err != nil {
			return err
		}
		if n >= limit {
			return iam.ErrIdentityLimit
		}
		if err := s.insertUser(ctx, t, u); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (s *Identities) insertUser(ctx context.Context, t *tx, u iam.User) error {
	n, err := t.exec(ctx, `INSERT INTO users (`+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT DO NOTHING`,
		string(u.Account), string(u.Identity), u.Email, u.FirstName, u.LastName, string(u.State),
		micros(u.Added), u.Revision, s.userMAC(u))
	if err == nil && n == 0 {
		err = ErrExists
	}
	t.changed(iam.ChangeUser, string(u.Account), string(u.Identity))
	return err
}

// User implements iam.UserStore.
func (s *Identities) User(ctx context.Context, account iam.AccountID, id iam.IdentityID) (iam.User, error) {
	return s.scanUser(s.db.queryRow(ctx, `SELECT `+userColumns+` FROM users WHERE account = $1 AND iam_id = $2`,
		string(account), string(id)))
}

// Users implements iam.UserStore.
func (s *Identities) Users(ctx context.Context, account iam.AccountID, r iam.IdentityRange) ([]iam.User, error) {
	clause, args := sorted(r, "email", "added_at", "iam_id", []any{string(account)})
	rows, err := s.db.query(ctx, `SELECT `+userColumns+` FROM users WHERE account = $1`+clause, args...)
	return collect(rows, err, s.scanUser)
}

// CountUsers implements iam.UserStore.
func (s *Identities) CountUsers(ctx context.Context, account iam.AccountID) (int, error) {
	var n int
	err := s.db.queryRow(ctx, `SELECT COUNT(*) FROM users WHERE account = $1`, string(account)).Scan(&n)
	return n, err
}

// UpdateUser implements iam.UserStore.
func (s *Identities) UpdateUser(ctx context.Context, u iam.User, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `UPDATE users SET first_name = $1, last_name = $2, state = $3, revision = $4, mac = $5
			WHERE account = $6 AND iam_id = $7 AND revision = $8`,
			u.FirstName, u.LastName, string(u.State), u.Revision, s.userMAC(u),
			string(u.Account), string(u.Identity), u.Revision-1)
		if err != nil {
			return err
		}
		t.changed(iam.ChangeUser, string(u.Account), string(u.Identity))
		return t.record(ctx, ev)
	})
}

// DeleteUser implements iam.UserStore.
func (s *Identities) DeleteUser(ctx context.Context, u iam.User, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `DELETE FROM users WHERE account = $1 AND iam_id = $2 AND revision = $3`,
			string(u.Account), string(u.Identity), u.Revision)
		if err != nil {
			return err
		}
		t.changed(iam.ChangeUser, string(u.Account), string(u.Identity))
		if err := s.dropIdentity(ctx, t, u.Account, u.Identity); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// dropIdentity removes what hangs on an identity of an account: credentials,
// policies and group memberships.
func (s *Identities) dropIdentity(ctx context.Context, t *tx, account iam.AccountID, id iam.IdentityID) error {
	rows, err := t.query(ctx, `SELECT id FROM api_keys WHERE account = $1 AND iam_id = $2`, string(account), string(id))
	keys, err := collect(rows, err, scanText)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := s.removeAPIKey(ctx, t, account, iam.APIKeyID(key)); err != nil {
			return err
		}
	}
	return dropSubject(ctx, t, string(account), string(id))
}

func scanText(row scanner) (string, error) {
	var v string
	err := row.Scan(&v)
	return v, err
}

func (s *Identities) scanUser(row scanner) (iam.User, error) {
	var (
		u     iam.User
		added int64
		mac   []byte
	)
	err := row.Scan(&u.Account, &u.Identity, &u.Email, &u.FirstName, &u.LastName, &u.State, &added, &u.Revision, &mac)
	if err != nil {
		return iam.User{}, absent(err)
	}
	u.Added = fromMicros(added)
	if err := verify("users", string(u.Identity), mac, s.userMAC(u)); err != nil {
		return iam.User{}, err
	}
	return u, nil
}

func (s *Identities) userMAC(u iam.User) []byte {
	return s.db.sum("users", string(u.Account), string(u.Identity), u.Email, u.FirstName, u.LastName,
		string(u.State), u.Added, u.Revision)
}
