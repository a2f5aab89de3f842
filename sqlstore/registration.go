package sqlstore

import (
	"context"
	"strings"

	"strongroom/audit"
	"strongroom/kms"
)

const registrationColumns = `r.instance, r.key, r.resource, r.description, r.metadata, r.retained,
	r.version, r.version_number, r.version_at, r.created_at, r.created_by, r.updated_at, r.updated_by,
	r.revision, r.mac`

// Registration implements kms.RegistrationStore.
func (s *Keys) Registration(ctx context.Context, in kms.InstanceID, key kms.KeyID, resource string) (kms.Registration, error) {
	r, err := s.scanRegistration(s.db.queryRow(ctx, `SELECT `+registrationColumns+` FROM key_registrations r
		WHERE r.instance = $1 AND r.key = $2 AND r.resource = $3`, string(in), string(key), resource))
	return r, absent(err)
}

func (s *Keys) scanRegistration(row scanner, more ...any) (kms.Registration, error) {
	var (
		r                           kms.Registration
		versionAt, created, updated int64
		mac                         []byte
	)
	err := row.Scan(append([]any{
		&r.Instance, &r.Key, &r.Resource, &r.Description, &r.Metadata, &r.Retained,
		&r.Version.ID, &r.Version.Number, &versionAt, &created, &r.CreatedBy, &updated, &r.UpdatedBy,
		&r.Revision, &mac,
	}, more...)...)
	if err != nil {
		return kms.Registration{}, err
	}
	r.Version.Created, r.Created, r.Updated = fromMicros(versionAt), fromMicros(created), fromMicros(updated)
	return r, s.db.check(mac, "key_registrations", r.Resource, registrationMACed(r)...)
}

// registrationMACed are the columns that a registration's MAC covers: all.
func registrationMACed(r kms.Registration) []any {
	return []any{
		string(r.Instance), string(r.Key), r.Resource, r.Description, r.Metadata, r.Retained,
		string(r.Version.ID), r.Version.Number, r.Version.Created, r.Created, string(r.CreatedBy),
		r.Updated, string(r.UpdatedBy), r.Revision,
	}
}

// registrationRow returns the values of all columns of a registration.
func (s *Keys) registrationRow(r kms.Registration) []any {
	return []any{
		string(r.Instance), string(r.Key), r.Resource, r.Description, r.Metadata, r.Retained,
		string(r.Version.ID), r.Version.Number, micros(r.Version.Created), micros(r.Created), string(r.CreatedBy),
		micros(r.Updated), string(r.UpdatedBy), r.Revision,
		s.db.sum("key_registrations", registrationMACed(r)...),
	}
}

// InsertRegistration implements kms.RegistrationStore.
func (s *Keys) InsertRegistration(ctx context.Context, r kms.Registration, keyRevision int64, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var there bool
		err := t.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM keys WHERE instance = $1 AND id = $2 AND revision = $3)`,
			string(r.Instance), string(r.Key), keyRevision).Scan(&there)
		if err != nil {
			return err
		}
		if !there {
			return ErrStale
		}
		row := s.registrationRow(r)
		n, err := t.exec(ctx, `
			INSERT INTO key_registrations (instance, key, resource, description, metadata, retained, version,
				version_number, version_at, created_at, created_by, updated_at, updated_by, revision, mac)
			VALUES (`+placeholders(1, len(row))+`) ON CONFLICT DO NOTHING`, row...)
		switch {
		case err != nil:
			return err
		case n == 0:
			return kms.ErrRegistered
		}
		return t.record(ctx, ev)
	})
}

// UpdateRegistration implements kms.RegistrationStore.
func (s *Keys) UpdateRegistration(ctx context.Context, r kms.Registration, ev *audit.Event) error {
	was := r.Revision
	r.Revision++
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `
			UPDATE key_registrations SET description = $4, metadata = $5, retained = $6, version = $7,
				version_number = $8, version_at = $9, created_at = $10, created_by = $11, updated_at = $12,
				updated_by = $13, revision = $14, mac = $15
			WHERE instance = $1 AND key = $2 AND resource = $3 AND revision = $16`,
			append(s.registrationRow(r), was)...)
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// DeleteRegistration implements kms.RegistrationStore.
func (s *Keys) DeleteRegistration(ctx context.Context, r kms.Registration, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `DELETE FROM key_registrations WHERE instance = $1 AND key = $2 AND resource = $3 AND revision = $4`,
			string(r.Instance), string(r.Key), r.Resource, r.Revision)
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// ListRegistrations implements kms.RegistrationStore. What SQL can say is asked of the database;
// patterns of CRNs, and access that is given by patterns, are matched row by row.
func (s *Keys) ListRegistrations(ctx context.Context, q kms.RegistrationQuery) (list []kms.Registration, total int, err error) {
	var c conditions
	where := c.registrations(q)
	exact := q.Scope.Exact() && q.Pattern == nil
	if exact && q.Total {
		err := s.db.queryRow(ctx, `SELECT count(*) FROM key_registrations r
			JOIN keys k ON k.instance = r.instance AND k.id = r.key WHERE `+where, c.args...).Scan(&total)
		if err != nil {
			return nil, 0, err
		}
	}
	page := ""
	if exact {
		page = " LIMIT " + c.arg(q.Limit) + " OFFSET " + c.arg(q.Offset)
	}
	rows, err := s.db.query(ctx, `SELECT `+registrationColumns+`, k.name, k.ring FROM key_registrations r
		JOIN keys k ON k.instance = r.instance AND k.id = r.key WHERE `+where+`
		ORDER BY r.key, r.resource`+page, c.args...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	matched := 0
	for rows.Next() {
		var name, ring string
		r, err := s.scanRegistration(rows, &name, &ring)
		if err != nil {
			return nil, 0, err
		}
		r.KeyName = name
		if exact {
			list = append(list, r)
			continue
		}
		if q.Pattern != nil && !q.Pattern.Match(r.Resource) || !q.Scope.Allows(ring, string(r.Key)) {
			continue
		}
		matched++
		if matched > q.Offset && len(list) < q.Limit {
			list = append(list, r)
		}
		if len(list) == q.Limit && !q.Total {
			break
		}
	}
	if !exact {
		total = matched
	}
	return list, total, rows.Err()
}

// registrations returns the condition for what q asks for, as far as SQL can say it.
func (c *conditions) registrations(q kms.RegistrationQuery) string {
	all := []string{"r.instance = " + c.arg(string(q.Instance))}
	if q.Key != "" {
		all = append(all, "r.key = "+c.arg(string(q.Key)))
	}
	if q.Ring != "" {
		all = append(all, "k.ring = "+c.arg(string(q.Ring)))
	}
	if q.Retained != nil {
		all = append(all, "r.retained = "+c.arg(*q.Retained))
	}
	if q.Pattern != nil {
		prefix := q.Pattern.Prefix()
		all = append(all, "r.resource >= "+c.arg(prefix), "r.resource < "+c.arg(prefix+"\U0010ffff"))
	}
	if !q.Scope.All && q.Scope.Exact() {
		all = append(all, "("+c.among("k.ring", q.Scope.Rings)+" OR "+c.among("k.id", q.Scope.Keys)+")")
	}
	return strings.Join(all, " AND ")
}

// DestroyKey implements kms.RegistrationStore.
func (s *Keys) DestroyKey(ctx context.Context, k kms.Key, force bool, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.unprotect(ctx, k, force); err != nil {
			return err
		}
		if err := s.writeKey(ctx, t, k); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// unprotect removes the registrations of a key that is deleted by force, and says what forbids it.
func (t *tx) unprotect(ctx context.Context, k kms.Key, force bool) error {
	var all, retained int
	err := t.queryRow(ctx, `SELECT count(*), count(CASE WHEN retained THEN 1 END) FROM key_registrations
		WHERE instance = $1 AND key = $2`, string(k.Instance), string(k.ID)).Scan(&all, &retained)
	switch {
	case err != nil:
		return err
	case retained > 0:
		return kms.ErrRetained
	case all > 0 && !force:
		return kms.ErrProtecting
	case all == 0:
		return nil
	}
	_, err = t.exec(ctx, `DELETE FROM key_registrations WHERE instance = $1 AND key = $2`, string(k.Instance), string(k.ID))
	return err
}
