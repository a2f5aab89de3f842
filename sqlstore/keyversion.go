package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"strongroom/custody"
	"strongroom/kms"
)

// versionColumns are the columns of a version in the order in which scanVersion reads them.
const versionColumns = `v.number, v.id, v.created_at, v.generation, v.origin, v.size, v.material_id, v.sealed, v.mac`

// versions reads all versions of a key, the newest first.
func (s *Keys) versions(ctx context.Context, k kms.Key) ([]kms.Version, error) {
	rows, err := s.db.query(ctx, `
		SELECT v.instance, v.key, `+versionColumns+`
		FROM key_versions v WHERE v.instance = $1 AND v.key = $2 ORDER BY v.number DESC`,
		string(k.Instance), string(k.ID))
	return collect(rows, err, func(row scanner) (kms.Version, error) {
		var in kms.InstanceID
		var id kms.KeyID
		return s.scanVersion(row, &in, &id)
	})
}

var errMaterialID = errors.New("material ID has the wrong size")

// scanVersion reads the columns of a version and, before them, those of where it belongs.
func (s *Keys) scanVersion(row scanner, in *kms.InstanceID, key *kms.KeyID, also ...any) (kms.Version, error) {
	var (
		v             kms.Version
		created       int64
		material, mac []byte
	)
	columns := append([]any{in, key}, also...)
	err := row.Scan(append(columns, &v.Number, &v.ID, &created, &v.Generation, &v.Origin, &v.Size, &material, &v.Sealed, &mac)...)
	if err != nil {
		return kms.Version{}, err
	}
	if len(material) != len(custody.MaterialID{}) {
		return kms.Version{}, fmt.Errorf("version %s of key %s: %w", v.ID, *key, errMaterialID)
	}
	v.Created, v.Material = fromMicros(created), custody.MaterialID(material)
	return v, s.db.check(mac, "key_versions", string(v.ID), versionMACed(*in, *key, v)...)
}

// insertVersion adds a version to a key.
func (s *Keys) insertVersion(ctx context.Context, t *tx, k kms.Key, v kms.Version) error {
	if err := t.needInstanceKey(ctx, k.Instance, v.Generation); err != nil {
		return err
	}
	_, err := t.exec(ctx, `
		INSERT INTO key_versions (instance, key, number, id, created_at, generation, origin, size, material_id, sealed, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		string(k.Instance), string(k.ID), v.Number, string(v.ID), micros(v.Created), int64(v.Generation),
		string(v.Origin), v.Size, v.Material[:], v.Sealed, s.db.sum("key_versions", versionMACed(k.Instance, k.ID, v)...))
	if err != nil || v.First == nil {
		return err
	}
	return s.insertFirst(ctx, t, *v.First)
}

// needInstanceKey returns kms.ErrMastersRetired unless the instance has its key under a generation of
// masters: nothing may be added under masters that were retired since it was sealed. Standard keys
// are under no generation.
func (t *tx) needInstanceKey(ctx context.Context, in kms.InstanceID, generation uint32) error {
	if generation == 0 {
		return nil
	}
	var one int
	err := t.queryRow(ctx, `SELECT 1 FROM instance_keys WHERE instance = $1 AND generation = $2`,
		string(in), int64(generation)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return kms.ErrMastersRetired
	}
	return err
}

// versionMACed are the columns that a version's MAC covers.
func versionMACed(in kms.InstanceID, key kms.KeyID, v kms.Version) []any {
	return []any{
		string(in), string(key), v.Number, string(v.ID), v.Created, int64(v.Generation),
		string(v.Origin), v.Size, v.Material[:], v.Sealed,
	}
}
