package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/kms"
)

// AddUses implements kms.Store.
func (s *Keys) AddUses(ctx context.Context, uses []kms.VersionUse) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		add, err := t.PrepareContext(ctx, `
			INSERT INTO key_uses (instance, key, version, use, at, by)
			SELECT $1, $2, $3, $4, $5, $6
			WHERE EXISTS (SELECT 1 FROM keys WHERE instance = $1 AND id = $2)
			ON CONFLICT (instance, key, version, use) DO UPDATE SET at = excluded.at, by = excluded.by
			WHERE excluded.at > key_uses.at`)
		if err != nil {
			return err
		}
		defer add.Close()
		for _, u := range uses {
			s.db.statements.Add(1)
			_, err := add.ExecContext(ctx, string(u.Instance), string(u.Key), string(u.Version), string(u.Use),
				micros(u.At), string(u.By))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Uses implements kms.Store.
func (s *Keys) Uses(ctx context.Context, in kms.InstanceID, id kms.KeyID) ([]kms.VersionUse, error) {
	rows, err := s.db.query(ctx, `SELECT version, use, at, by FROM key_uses WHERE instance = $1 AND key = $2`,
		string(in), string(id))
	return collect(rows, err, func(row scanner) (kms.VersionUse, error) {
		u := kms.VersionUse{Instance: in, Key: id}
		var at int64
		err := row.Scan(&u.Version, &u.Use, &at, &u.By)
		u.At = fromMicros(at)
		return u, err
	})
}

// PutData implements kms.Store.
func (s *Keys) PutData(ctx context.Context, d kms.VersionData, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var err error
		if d.Objects == 0 {
			_, err = t.exec(ctx, `DELETE FROM key_data WHERE instance = $1 AND key = $2 AND version = $3 AND service = $4`,
				string(d.Instance), string(d.Key), string(d.Version), d.Service)
		} else {
			_, err = t.exec(ctx, `
				INSERT INTO key_data (instance, key, version, service, objects, bytes, at)
				SELECT $1, $2, $3, $4, $5, $6, $7
				WHERE EXISTS (SELECT 1 FROM keys WHERE instance = $1 AND id = $2)
				ON CONFLICT (instance, key, version, service) DO UPDATE SET objects = excluded.objects,
					bytes = excluded.bytes, at = excluded.at`,
				string(d.Instance), string(d.Key), string(d.Version), d.Service, d.Objects, d.Bytes, micros(d.At))
		}
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// Data implements kms.Store.
func (s *Keys) Data(ctx context.Context, in kms.InstanceID, id kms.KeyID) ([]kms.VersionData, error) {
	rows, err := s.db.query(ctx, `
		SELECT version, service, objects, bytes, at FROM key_data
		WHERE instance = $1 AND key = $2 ORDER BY version, service`, string(in), string(id))
	return collect(rows, err, func(row scanner) (kms.VersionData, error) {
		d := kms.VersionData{Instance: in, Key: id}
		var at int64
		err := row.Scan(&d.Version, &d.Service, &d.Objects, &d.Bytes, &at)
		d.At = fromMicros(at)
		return d, err
	})
}

// CountByVersion implements kms.Store.
func (s *Keys) CountByVersion(ctx context.Context, in kms.InstanceID, id kms.KeyID) (map[kms.VersionID]int, error) {
	type count struct {
		version kms.VersionID
		n       int
	}
	rows, err := s.db.query(ctx, `
		SELECT version, count(*) FROM key_registrations WHERE instance = $1 AND key = $2 GROUP BY version`,
		string(in), string(id))
	counts, err := collect(rows, err, func(row scanner) (c count, err error) {
		return c, row.Scan(&c.version, &c.n)
	})
	all := make(map[kms.VersionID]int, len(counts))
	for _, c := range counts {
		all[c.version] = c.n
	}
	return all, err
}
