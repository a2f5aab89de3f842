package sqlstore

import (
	"context"
	"strings"

	"strongroom/audit"
	"strongroom/iam"
)

const roleSelect = `SELECT id, account, service, name, display_name, description, actions, revision, created_at, created_by,
	modified_at, modified_by, mac FROM custom_roles`

func joinedActions(r *iam.CustomRole) string {
	names := make([]string, len(r.Actions))
	for i, a := range r.Actions {
		names[i] = string(a)
	}
	return strings.Join(names, " ")
}

// roleMAC covers what the role allows, and to whom it belongs.
func roleMAC(r *iam.CustomRole) []any {
	return []any{string(r.ID), string(r.Account), r.Service, r.Name, r.DisplayName, joinedActions(r), r.Revision}
}

func (s *Access) scanRole(row scanner) (iam.CustomRole, error) {
	var (
		r                 iam.CustomRole
		actions           string
		created, modified int64
		mac               []byte
	)
	err := row.Scan(&r.ID, &r.Account, &r.Service, &r.Name, &r.DisplayName, &r.Description, &actions, &r.Revision,
		&created, &r.CreatedBy, &modified, &r.ModifiedBy, &mac)
	if err != nil {
		return iam.CustomRole{}, absent(err)
	}
	for name := range strings.FieldsSeq(actions) {
		r.Actions = append(r.Actions, iam.Action(name))
	}
	r.CreatedAt, r.ModifiedAt = fromMicros(created), fromMicros(modified)
	return r, s.db.check(mac, "custom_roles", string(r.ID), roleMAC(&r)...)
}

// Role returns one custom role of an account.
func (s *Access) Role(ctx context.Context, account iam.AccountID, id iam.RoleID) (iam.CustomRole, error) {
	return s.scanRole(s.db.queryRow(ctx, roleSelect+` WHERE id = $1 AND account = $2`, string(id), string(account)))
}

// Roles returns the custom roles of an account, by name.
func (s *Access) Roles(ctx context.Context, account iam.AccountID, service string) ([]iam.CustomRole, error) {
	rows, err := s.db.query(ctx, roleSelect+` WHERE account = $1 AND ($2 = '' OR service = $2) ORDER BY name`, string(account), service)
	return collect(rows, err, s.scanRole)
}

// CreateRole stores a new custom role, or returns ErrExists if a name is taken.
func (s *Access) CreateRole(ctx context.Context, r iam.CustomRole, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO custom_roles (id, account, service, name, display_name, description, actions, revision,
			created_at, created_by, modified_at, modified_by, mac)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
			string(r.ID), string(r.Account), r.Service, r.Name, r.DisplayName, r.Description, joinedActions(&r), r.Revision,
			micros(r.CreatedAt), string(r.CreatedBy), micros(r.ModifiedAt), string(r.ModifiedBy), s.db.sum("custom_roles", roleMAC(&r)...))
		if err == nil && n == 0 {
			err = ErrExists
		}
		if err != nil {
			return err
		}
		t.changed(iam.ChangeRole, string(r.Account), r.CRN())
		return t.record(ctx, ev)
	})
}

// UpdateRole stores a custom role over its predecessor.
func (s *Access) UpdateRole(ctx context.Context, r iam.CustomRole, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var taken int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM custom_roles WHERE account = $1 AND display_name = $2 AND id <> $3`,
			string(r.Account), r.DisplayName, string(r.ID)).Scan(&taken)
		if err == nil && taken > 0 {
			err = ErrExists
		}
		if err != nil {
			return err
		}
		err = t.swap(ctx, `UPDATE custom_roles SET display_name = $1, description = $2, actions = $3, revision = $4, modified_at = $5,
			modified_by = $6, mac = $7 WHERE id = $8 AND revision = $9`,
			r.DisplayName, r.Description, joinedActions(&r), r.Revision, micros(r.ModifiedAt), string(r.ModifiedBy),
			s.db.sum("custom_roles", roleMAC(&r)...), string(r.ID), r.Revision-1)
		if err != nil {
			return err
		}
		t.changed(iam.ChangeRole, string(r.Account), r.CRN())
		return t.record(ctx, ev)
	})
}

// DeleteRole removes a custom role that no active policy names.
func (s *Access) DeleteRole(ctx context.Context, r iam.CustomRole, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var uses int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM policy_roles JOIN policies ON policies.id = policy_roles.policy
			WHERE policy_roles.role = $1 AND policies.state = 'active'`, r.CRN()).Scan(&uses)
		if err == nil && uses > 0 {
			err = iam.ErrRoleInUse
		}
		if err != nil {
			return err
		}
		if err := t.swap(ctx, `DELETE FROM custom_roles WHERE id = $1 AND revision = $2`, string(r.ID), r.Revision-1); err != nil {
			return err
		}
		t.changed(iam.ChangeRole, string(r.Account), r.CRN())
		return t.record(ctx, ev)
	})
}
