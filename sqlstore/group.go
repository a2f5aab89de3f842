package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"strongroom/audit"
	"strongroom/iam"
)

const groupSelect = `SELECT id, account, name, description, revision, created_at, created_by, modified_at, modified_by FROM access_groups`

func scanGroup(row scanner) (g iam.Group, err error) {
	var created, modified int64
	err = row.Scan(&g.ID, &g.Account, &g.Name, &g.Description, &g.Revision, &created, &g.CreatedBy, &modified, &g.ModifiedBy)
	g.CreatedAt, g.ModifiedAt = fromMicros(created), fromMicros(modified)
	return g, absent(err)
}

// Group returns one access group of an account.
func (s *Access) Group(ctx context.Context, account iam.AccountID, id iam.GroupID) (iam.Group, error) {
	return scanGroup(s.db.queryRow(ctx, groupSelect+` WHERE id = $1 AND account = $2`, string(id), string(account)))
}

// groupOrder is the column of each order of a list.
var groupOrder = map[iam.GroupSort]string{
	"": "folded_name", iam.GroupByName: "folded_name", iam.GroupByCreated: "created_at",
	iam.GroupByModified: "modified_at", iam.GroupByID: "id",
}

// Groups returns a page of an account's groups, and how many there are in all.
func (s *Access) Groups(ctx context.Context, account iam.AccountID, r iam.GroupRange) (list []iam.Group, total int, err error) {
	column, ok := groupOrder[r.Sort]
	if !ok {
		return nil, 0, fmt.Errorf("listing access groups: no order %q", r.Sort)
	}
	var w where
	w.and(`account = ?`, string(account))
	given(&w, `id IN (SELECT group_id FROM access_group_members WHERE iam_id = ?)`, r.Member, string(r.Member))
	if r.Search != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(r.Search)) + "%"
		w.and(`(folded_name LIKE ? ESCAPE '\' OR LOWER(description) LIKE ? ESCAPE '\')`, like, like)
	}
	condition := ` WHERE ` + strings.Join(w.conditions, " AND ")
	if err := s.db.queryRow(ctx, `SELECT COUNT(*) FROM access_groups`+condition, w.args...).Scan(&total); err != nil {
		return nil, 0, err
	}
	direction := ""
	if r.Descending {
		direction = " DESC"
	}
	n := len(w.args)
	rows, err := s.db.query(ctx, groupSelect+condition+` ORDER BY `+column+direction+`, id`+direction+
		fmt.Sprintf(` LIMIT $%d OFFSET $%d`, n+1, n+2), append(w.args, r.Limit, r.Offset)...)
	list, err = collect(rows, err, scanGroup)
	return list, total, err
}

// CreateGroup stores a new group, or returns ErrExists if its name is taken.
func (s *Access) CreateGroup(ctx context.Context, g iam.Group, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO access_groups (id, account, name, folded_name, description, revision, created_at, created_by,
			modified_at, modified_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
			string(g.ID), string(g.Account), g.Name, strings.ToLower(g.Name), g.Description, g.Revision,
			micros(g.CreatedAt), string(g.CreatedBy), micros(g.ModifiedAt), string(g.ModifiedBy))
		if err == nil && n == 0 {
			err = ErrExists
		}
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// UpdateGroup stores a group over its predecessor.
func (s *Access) UpdateGroup(ctx context.Context, g iam.Group, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var taken int
		err := t.queryRow(ctx, `SELECT COUNT(*) FROM access_groups WHERE account = $1 AND folded_name = $2 AND id <> $3`,
			string(g.Account), strings.ToLower(g.Name), string(g.ID)).Scan(&taken)
		if err == nil && taken > 0 {
			err = ErrExists
		}
		if err != nil {
			return err
		}
		err = t.swap(ctx, `UPDATE access_groups SET name = $1, folded_name = $2, description = $3, revision = $4, modified_at = $5,
			modified_by = $6 WHERE id = $7 AND revision = $8`,
			g.Name, strings.ToLower(g.Name), g.Description, g.Revision, micros(g.ModifiedAt), string(g.ModifiedBy), string(g.ID), g.Revision-1)
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// DeleteGroup removes a group with its policies and members.
func (s *Access) DeleteGroup(ctx context.Context, g iam.Group, force bool, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		rows, err := t.query(ctx, `SELECT iam_id FROM access_group_members WHERE group_id = $1`, string(g.ID))
		members, err := collect(rows, err, func(row scanner) (id string, err error) { return id, row.Scan(&id) })
		if err != nil {
			return err
		}
		if len(members) > 0 && !force {
			return iam.ErrGroupInUse
		}
		for _, id := range members {
			t.changed(iam.ChangeMembership, string(g.Account), id)
		}
		if _, err := t.exec(ctx, `DELETE FROM policies WHERE account = $1 AND subject = $2`, string(g.Account), string(g.ID)); err != nil {
			return err
		}
		t.changed(iam.ChangePolicy, string(g.Account), string(g.ID))
		// The members go with the group, by the foreign key.
		if err := t.swap(ctx, `DELETE FROM access_groups WHERE id = $1 AND revision = $2`, string(g.ID), g.Revision-1); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

const memberSelect = `SELECT group_id, iam_id, account, added_at, added_by, mac FROM access_group_members`

func memberMAC(m *iam.Member) []any {
	return []any{string(m.Account), string(m.Group), string(m.Identity), m.AddedAt, string(m.AddedBy)}
}

func (s *Access) scanMember(row scanner) (m iam.Member, err error) {
	var added int64
	var mac []byte
	if err := row.Scan(&m.Group, &m.Identity, &m.Account, &added, &m.AddedBy, &mac); err != nil {
		return m, absent(err)
	}
	m.AddedAt = fromMicros(added)
	return m, s.db.check(mac, "access_group_members", string(m.Group)+" "+string(m.Identity), memberMAC(&m)...)
}

// Member returns an identity as a member of a group.
func (s *Access) Member(ctx context.Context, account iam.AccountID, group iam.GroupID, id iam.IdentityID) (iam.Member, error) {
	return s.scanMember(s.db.queryRow(ctx, memberSelect+` WHERE group_id = $1 AND iam_id = $2 AND account = $3`,
		string(group), string(id), string(account)))
}

// Members returns a page of a group's members, and how many there are in all.
func (s *Access) Members(ctx context.Context, account iam.AccountID, group iam.GroupID, r iam.MemberRange) (list []iam.Member, total int, err error) {
	var w where
	w.and(`group_id = ?`, string(group))
	w.and(`account = ?`, string(account))
	given(&w, `kind = ?`, r.Kind, string(r.Kind))
	condition := ` WHERE ` + strings.Join(w.conditions, " AND ")
	if err := s.db.queryRow(ctx, `SELECT COUNT(*) FROM access_group_members`+condition, w.args...).Scan(&total); err != nil {
		return nil, 0, err
	}
	n := len(w.args)
	rows, err := s.db.query(ctx, memberSelect+condition+fmt.Sprintf(` ORDER BY iam_id LIMIT $%d OFFSET $%d`, n+1, n+2),
		append(w.args, r.Limit, r.Offset)...)
	list, err = collect(rows, err, s.scanMember)
	if err != nil {
		return nil, 0, err
	}
	return list, total, s.nameMembers(ctx, account, list)
}

// nameMembers fills in how the members are called.
func (s *Access) nameMembers(ctx context.Context, account iam.AccountID, list []iam.Member) error {
	if len(list) == 0 {
		return nil
	}
	args := []any{string(account)}
	for _, m := range list {
		args = append(args, string(m.Identity))
	}
	for _, m := range list {
		args = append(args, strings.TrimPrefix(string(m.Identity), "iam-"))
	}
	users, services := placeholders(2, len(list)), placeholders(2+len(list), len(list))
	rows, err := s.db.query(ctx, `
		SELECT iam_id, trim(first_name || ' ' || last_name), email FROM users WHERE account = $1 AND iam_id IN (`+users+`)
		UNION ALL
		SELECT 'iam-' || id, name, '' FROM service_ids WHERE account = $1 AND id IN (`+services+`)`, args...)
	type called struct {
		id          iam.IdentityID
		name, email string
	}
	found, err := collect(rows, err, func(row scanner) (c called, err error) {
		return c, row.Scan(&c.id, &c.name, &c.email)
	})
	if err != nil {
		return err
	}
	byID := make(map[iam.IdentityID]called, len(found))
	for _, c := range found {
		byID[c.id] = c
	}
	for i := range list {
		c := byID[list[i].Identity]
		list[i].Name, list[i].Email = c.name, c.email
	}
	return nil
}

// GroupsOf returns the groups of an identity in an account.
func (s *Access) GroupsOf(ctx context.Context, account iam.AccountID, id iam.IdentityID) ([]iam.GroupID, error) {
	rows, err := s.db.query(ctx, memberSelect+` WHERE account = $1 AND iam_id = $2 ORDER BY group_id`, string(account), string(id))
	return collect(rows, err, func(row scanner) (iam.GroupID, error) {
		m, err := s.scanMember(row)
		return m.Group, err
	})
}

// AddMember makes an identity a member of a group, or returns the member it is.
func (s *Access) AddMember(ctx context.Context, m iam.Member, ev *audit.Event) (iam.Member, error) {
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if _, err := scanGroup(t.queryRow(ctx, groupSelect+` WHERE id = $1 AND account = $2`, string(m.Group), string(m.Account))); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO access_group_members (group_id, iam_id, account, kind, added_at, added_by, mac)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			string(m.Group), string(m.Identity), string(m.Account), string(iam.KindOf(m.Identity)), micros(m.AddedAt), string(m.AddedBy),
			s.db.sum("access_group_members", memberMAC(&m)...))
		if err != nil {
			return err
		}
		if n == 0 {
			m, err = s.scanMember(t.queryRow(ctx, memberSelect+` WHERE group_id = $1 AND iam_id = $2`, string(m.Group), string(m.Identity)))
			if err != nil {
				return err
			}
			return t.record(ctx, ev)
		}
		var groups int
		err = t.queryRow(ctx, `SELECT COUNT(*) FROM access_group_members WHERE account = $1 AND iam_id = $2`,
			string(m.Account), string(m.Identity)).Scan(&groups)
		if err == nil && groups > iam.MaxGroupsOfIdentity {
			err = iam.ErrMemberLimit
		}
		if err != nil {
			return err
		}
		t.changed(iam.ChangeMembership, string(m.Account), string(m.Identity))
		return t.record(ctx, ev)
	})
	return m, err
}

// RemoveMember takes an identity out of a group.
func (s *Access) RemoveMember(ctx context.Context, account iam.AccountID, group iam.GroupID, id iam.IdentityID, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM access_group_members WHERE group_id = $1 AND iam_id = $2 AND account = $3`,
			string(group), string(id), string(account))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		t.changed(iam.ChangeMembership, string(account), string(id))
		return t.record(ctx, ev)
	})
}
