package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"strongroom/audit"
	"strongroom/iam"
)

const serviceIDColumns = `id, account, name, description, instances, locked, made_for, created_at, created_by, modified_at, revision, mac`

// CreateServiceID implements iam.ServiceIDStore.
func (s *Identities) CreateServiceID(ctx context.Context, v iam.ServiceIdentity, key *iam.APIKey, limit int, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var n int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM service_ids WHERE account = $1`, string(v.Account)).Scan(&n)
		if err != nil {
			return err
		}
		if n >= limit {
			return iam.ErrIdentityLimit
		}
		if err := s.insertServiceID(ctx, t, v); err != nil {
			return err
		}
		if key != nil {
			if err := s.insertAPIKey(ctx, t, *key); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
}

func (s *Identities) insertServiceID(ctx context.Context, t *tx, v iam.ServiceIdentity) error {
	instances := encodeList(v.Instances)
	n, err := t.exec(ctx, `INSERT INTO service_ids (`+serviceIDColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		string(v.ID), string(v.Account), v.Name, v.Description, instances, v.Locked, string(v.MadeFor),
		micros(v.Created), string(v.CreatedBy), micros(v.Modified), v.Revision, s.serviceIDMAC(v, instances))
	if err == nil && n == 0 {
		err = ErrExists
	}
	t.changed(iam.ChangeServiceID, string(v.Account), string(v.ID))
	return err
}

// ServiceID implements iam.ServiceIDStore.
func (s *Identities) ServiceID(ctx context.Context, account iam.AccountID, id iam.ServiceID) (iam.ServiceIdentity, error) {
	return s.serviceID(ctx, s.db, account, id)
}

func (s *Identities) serviceID(ctx context.Context, q querier, account iam.AccountID, id iam.ServiceID) (iam.ServiceIdentity, error) {
	return s.scanServiceID(q.queryRow(ctx, `SELECT `+serviceIDColumns+` FROM service_ids WHERE id = $1 AND account = $2`,
		string(id), string(account)))
}

// ServiceIDs implements iam.ServiceIDStore.
func (s *Identities) ServiceIDs(ctx context.Context, account iam.AccountID, name string, r iam.IdentityRange) ([]iam.ServiceIdentity, error) {
	where, args := `account = $1`, []any{string(account)}
	if name != "" {
		where, args = where+` AND name = $2`, append(args, name)
	}
	clause, args := sorted(r, "name", "created_at", "id", args)
	rows, err := s.db.query(ctx, `SELECT `+serviceIDColumns+` FROM service_ids WHERE `+where+clause, args...)
	return collect(rows, err, s.scanServiceID)
}

// UpdateServiceID implements iam.ServiceIDStore.
func (s *Identities) UpdateServiceID(ctx context.Context, v iam.ServiceIdentity, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		instances := encodeList(v.Instances)
		err := t.swap(ctx, `UPDATE service_ids SET name = $1, description = $2, instances = $3, locked = $4,
			modified_at = $5, revision = $6, mac = $7 WHERE id = $8 AND account = $9 AND revision = $10`,
			v.Name, v.Description, instances, v.Locked, micros(v.Modified), v.Revision, s.serviceIDMAC(v, instances),
			string(v.ID), string(v.Account), v.Revision-1)
		if err != nil {
			return err
		}
		t.changed(iam.ChangeServiceID, string(v.Account), string(v.ID))
		return t.record(ctx, ev)
	})
}

// DeleteServiceID implements iam.ServiceIDStore.
func (s *Identities) DeleteServiceID(ctx context.Context, v iam.ServiceIdentity, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := s.removeServiceID(ctx, t, v); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (s *Identities) removeServiceID(ctx context.Context, t *tx, v iam.ServiceIdentity) error {
	err := t.swap(ctx, `DELETE FROM service_ids WHERE id = $1 AND account = $2 AND revision = $3`,
		string(v.ID), string(v.Account), v.Revision)
	if err != nil {
		return err
	}
	t.changed(iam.ChangeServiceID, string(v.Account), string(v.ID))
	return s.dropIdentity(ctx, t, v.Account, v.Identity())
}

func (s *Identities) scanServiceID(row scanner) (iam.ServiceIdentity, error) {
	var (
		v                 iam.ServiceIdentity
		instances         string
		created, modified int64
		mac               []byte
	)
	err := row.Scan(&v.ID, &v.Account, &v.Name, &v.Description, &instances, &v.Locked, &v.MadeFor,
		&created, &v.CreatedBy, &modified, &v.Revision, &mac)
	if err != nil {
		return iam.ServiceIdentity{}, absent(err)
	}
	v.Created, v.Modified = fromMicros(created), fromMicros(modified)
	if err := verify("service_ids", string(v.ID), mac, s.serviceIDMAC(v, instances)); err != nil {
		return iam.ServiceIdentity{}, err
	}
	if err := json.Unmarshal([]byte(instances), &v.Instances); err != nil {
		return iam.ServiceIdentity{}, fmt.Errorf("service ID %s: its instances: %w", v.ID, err)
	}
	return v, nil
}

// encodeList writes a list of texts as JSON, an absent one as an empty one.
func encodeList(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic("sqlstore: a list of texts cannot fail to encode: " + err.Error())
	}
	return string(b)
}

func (s *Identities) serviceIDMAC(v iam.ServiceIdentity, instances string) []byte {
	return s.db.sum("service_ids", string(v.ID), string(v.Account), v.Name, v.Description, instances, v.Locked,
		string(v.MadeFor), v.Created, string(v.CreatedBy), v.Modified, v.Revision)
}
