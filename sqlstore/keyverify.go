package sqlstore

import (
	"context"

	"strongroom/kms"
)

// StoredInstanceKeys implements kms.Store.
func (s *Keys) StoredInstanceKeys(ctx context.Context, after kms.InstanceKeyPlace, limit int) ([]kms.InstanceKey, error) {
	rows, err := s.db.query(ctx, `
		SELECT `+instanceKeyColumns+` FROM instance_keys
		WHERE (instance, generation) > ($1, $2) ORDER BY instance, generation LIMIT $3`,
		string(after.Instance), int64(after.Generation), limit)
	return collect(rows, err, s.scanInstanceKey)
}

// StoredVersions implements kms.Store.
func (s *Keys) StoredVersions(ctx context.Context, after kms.VersionPlace, limit int) ([]kms.StoredVersion, error) {
	rows, err := s.db.query(ctx, `
		SELECT v.instance, v.key, k.account, `+versionColumns+`
		FROM key_versions v JOIN keys k ON k.instance = v.instance AND k.id = v.key
		WHERE (v.instance, v.key, v.number) > ($1, $2, $3)
		ORDER BY v.instance, v.key, v.number LIMIT $4`,
		string(after.Instance), string(after.Key), after.Number, limit)
	return collect(rows, err, func(row scanner) (kms.StoredVersion, error) {
		var v kms.StoredVersion
		var err error
		v.Version, err = s.scanVersion(row, &v.Instance, &v.Key, &v.Account)
		return v, err
	})
}
