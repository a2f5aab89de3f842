package sqlstore

import (
	"context"
	"errors"

	"strongroom/kms"
)

// InstanceKeysToMove implements kms.Store.
func (s *Keys) InstanceKeysToMove(ctx context.Context, m kms.Move, after kms.InstanceID, limit int) ([]kms.InstanceKey, error) {
	rows, err := s.db.query(ctx, `
		SELECT `+instanceKeyColumns+` FROM instance_keys k
		WHERE k.generation = $1 AND k.instance > $2 AND k.instance `+onlyInstance(m)+` $3
			AND NOT EXISTS (SELECT 1 FROM instance_keys n WHERE n.instance = k.instance AND n.generation = $4)
		ORDER BY k.instance LIMIT $5`,
		int64(m.From), string(after), string(m.Instance), int64(m.To), limit)
	return collect(rows, err, s.scanInstanceKey)
}

func versionsToMove(m kms.Move) string {
	return `SELECT v.instance, v.key, k.account, ` + versionColumns + `
		FROM key_versions v JOIN keys k ON k.instance = v.instance AND k.id = v.key
		WHERE v.generation = $1 AND v.generation > 0 AND (v.instance, v.key, v.number) > ($2, $3, $4)
			AND v.instance ` + onlyInstance(m) + ` $5
		ORDER BY v.instance, v.key, v.number LIMIT $6`
}

// onlyInstance compares with the instance of a move, or with the empty ID, above which all are.
func onlyInstance(m kms.Move) string {
	if m.Instance == "" {
		return ">="
	}
	return "="
}

// MoveInstanceKey implements kms.Store.
func (s *Keys) MoveInstanceKey(ctx context.Context, from uint32, k kms.InstanceKey) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		return s.insertInstanceKey(ctx, t, k, `
			EXISTS (SELECT 1 FROM instance_keys WHERE instance = $1 AND generation = $7)
			AND NOT EXISTS (SELECT 1 FROM instance_keys WHERE instance = $1 AND generation = $2)`, int64(from))
	})
}

// VersionsToMove implements kms.Store.
func (s *Keys) VersionsToMove(ctx context.Context, m kms.Move, after kms.VersionPlace, limit int) ([]kms.StoredVersion, error) {
	rows, err := s.db.query(ctx, versionsToMove(m),
		int64(m.From), string(after.Instance), string(after.Key), after.Number, string(m.Instance), limit)
	return collect(rows, err, func(row scanner) (kms.StoredVersion, error) {
		var v kms.StoredVersion
		var err error
		v.Version, err = s.scanVersion(row, &v.Instance, &v.Key, &v.Account)
		return v, err
	})
}

// MoveVersions implements kms.Store. What has gone meanwhile is passed over: a key that was purged
// must not come back.
func (s *Keys) MoveVersions(ctx context.Context, from uint32, moved []kms.StoredVersion) (n int, err error) {
	err = s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n = 0
		for _, v := range moved {
			if err := t.needInstanceKey(ctx, v.Instance, v.Generation); err != nil {
				if errors.Is(err, kms.ErrMastersRetired) {
					continue // the instance was destroyed
				}
				return err
			}
			touched, err := t.exec(ctx, `
				UPDATE key_versions SET generation = $1, sealed = $2, mac = $3
				WHERE instance = $4 AND key = $5 AND number = $6 AND id = $7 AND generation = $8`,
				int64(v.Generation), v.Sealed, s.db.sum("key_versions", versionMACed(v.Instance, v.Key, v.Version)...),
				string(v.Instance), string(v.Key), v.Number, string(v.ID), int64(from))
			if err != nil {
				return err
			}
			n += int(touched)
		}
		return nil
	})
	return n, err
}
