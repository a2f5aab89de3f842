package sqlstore

import (
	"context"

	"strongroom/custody"
	"strongroom/kms"
)

// AddTransportKey implements kms.Store.
func (s *Keys) AddTransportKey(ctx context.Context, k kms.ReadyTransportKey) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `
			INSERT INTO ready_transport_keys (id, generation, public_key, sealed, made_at)
			VALUES ($1, $2, $3, $4, $5)`,
			k.ID, int64(k.Generation), k.Public, []byte(k.Sealed), micros(k.Made))
		return err
	})
}

// TakeTransportKey implements kms.Store.
func (s *Keys) TakeTransportKey(ctx context.Context, generation uint32) (kms.ReadyTransportKey, error) {
	k := kms.ReadyTransportKey{TransportKey: custody.TransportKey{Generation: generation}}
	var made int64
	err := s.db.update(ctx, func(ctx context.Context, t *tx) error {
		return absent(t.queryRow(ctx, `
			DELETE FROM ready_transport_keys WHERE id = (
				SELECT id FROM ready_transport_keys WHERE generation = $1 ORDER BY made_at, id LIMIT 1)
			RETURNING id, public_key, sealed, made_at`, int64(generation)).
			Scan(&k.ID, &k.Public, &k.Sealed, &made))
	})
	if err != nil {
		return kms.ReadyTransportKey{}, err
	}
	k.Made = fromMicros(made)
	return k, nil
}

// CountTransportKeys implements kms.Store.
func (s *Keys) CountTransportKeys(ctx context.Context, generation uint32) (n int, err error) {
	err = s.db.queryRow(ctx, `SELECT count(*) FROM ready_transport_keys WHERE generation = $1`, int64(generation)).Scan(&n)
	return n, err
}
