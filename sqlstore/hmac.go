package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/iam"
)

const hmacColumns = `access_key_id, account, iam_id, api_key, sealed, created_at, mac`

// CreateHMAC implements iam.HMACStore.
func (s *Identities) CreateHMAC(ctx context.Context, h iam.HMACCredential, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		k, err := s.apiKey(ctx, t, h.Key)
		if err != nil {
			return err
		}
		if k.Account != h.Account || k.Identity != h.Identity {
			return ErrNotFound
		}
		if err := s.insertHMAC(ctx, t, h); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (s *Identities) insertHMAC(ctx context.Context, t *tx, h iam.HMACCredential) error {
	n, err := t.exec(ctx, `INSERT INTO hmac_credentials (`+hmacColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`,
		h.AccessKeyID, string(h.Account), string(h.Identity), string(h.Key), h.Sealed, micros(h.Created), s.hmacMAC(h))
	if err == nil && n == 0 {
		err = ErrExists
	}
	t.changed(iam.ChangeHMAC, string(h.Account), h.AccessKeyID)
	return err
}

// HMAC implements iam.HMACStore.
func (s *Identities) HMAC(ctx context.Context, accessKeyID string) (iam.HMACCredential, error) {
	return s.hmac(ctx, s.db, accessKeyID)
}

func (s *Identities) hmac(ctx context.Context, q querier, accessKeyID string) (iam.HMACCredential, error) {
	var (
		h       iam.HMACCredential
		created int64
		mac     []byte
	)
	err := q.queryRow(ctx, `SELECT `+hmacColumns+` FROM hmac_credentials WHERE access_key_id = $1`, accessKeyID).
		Scan(&h.AccessKeyID, &h.Account, &h.Identity, &h.Key, &h.Sealed, &created, &mac)
	if err != nil {
		return iam.HMACCredential{}, absent(err)
	}
	h.Created = fromMicros(created)
	if err := verify("hmac_credentials", h.AccessKeyID, mac, s.hmacMAC(h)); err != nil {
		return iam.HMACCredential{}, err
	}
	return h, nil
}

func (s *Identities) removeHMAC(ctx context.Context, t *tx, account iam.AccountID, accessKeyID string) error {
	_, err := t.exec(ctx, `DELETE FROM hmac_credentials WHERE access_key_id = $1 AND account = $2`, accessKeyID, string(account))
	t.changed(iam.ChangeHMAC, string(account), accessKeyID)
	return err
}

func (s *Identities) hmacMAC(h iam.HMACCredential) []byte {
	return s.db.sum("hmac_credentials", h.AccessKeyID, string(h.Account), string(h.Identity), string(h.Key), h.Sealed, h.Created)
}
