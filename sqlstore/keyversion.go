package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"strongroom/custody"
	"strongroom/kms"
)

// versions reads all versions of a key, the newest first.
func (s *Keys) versions(ctx context.Context, k kms.Key) ([]kms.Version, error) {
	rows, err := s.db.query(ctx, `
		SELECT number, id, created_at, generation, origin, size, material_id, sealed, mac
		FROM key_versions WHERE instance = $1 AND key = $2 ORDER BY number DESC`,
		string(k.Instance), string(k.ID))
	return collect(rows, err, func(row scanner) (kms.Version, error) { return s.scanVersion(k, row) })
}

var errMaterialID = errors.New("material ID has the wrong size")

func (s *Keys) scanVersion(k kms.Key, row scanner) (kms.Version, error) {
	var (
		v             kms.Version
		created       int64
		material, mac []byte
	)
	err := row.Scan(&v.Number, &v.ID, &created, &v.Generation, &v.Origin, &v.Size, &material, &v.Sealed, &mac)
	if err != nil {
		return kms.Version{}, err
	}
	if len(material) != len(custody.MaterialID{}) {
		return kms.Version{}, fmt.Errorf("version %s of key %s: %w", v.ID, k.ID, errMaterialID)
	}
	v.Created, v.Material = fromMicros(created), custody.MaterialID(material)
	return v, s.db.check(mac, "key_versions", string(v.ID), versionColumns(k, v)...)
}

// insertVersion adds a version to a key.
func (s *Keys) insertVersion(ctx context.Context, t *tx, k kms.Key, v kms.Version) error {
	_, err := t.exec(ctx, `
		INSERT INTO key_versions (instance, key, number, id, created_at, generation, origin, size, material_id, sealed, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		string(k.Instance), string(k.ID), v.Number, string(v.ID), micros(v.Created), int64(v.Generation),
		string(v.Origin), v.Size, v.Material[:], v.Sealed, s.db.sum("key_versions", versionColumns(k, v)...))
	if err != nil || v.First == nil {
		return err
	}
	return s.insertFirst(ctx, t, *v.First)
}

// versionColumns are the columns that a version's MAC covers.
func versionColumns(k kms.Key, v kms.Version) []any {
	return []any{
		string(k.Instance), string(k.ID), v.Number, string(v.ID), v.Created, int64(v.Generation),
		string(v.Origin), v.Size, v.Material[:], v.Sealed,
	}
}
