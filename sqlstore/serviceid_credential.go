package sqlstore

import (
	"context"
	"errors"

	"strongroom/iam"
)

// PutServiceCredential implements iam.ServiceCredentialStore.
func (s *Identities) PutServiceCredential(ctx context.Context, v iam.ServiceIdentity, k iam.APIKey, h *iam.HMACCredential) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := s.serviceID(ctx, t, v.Account, v.ID)
		if errors.Is(err, ErrNotFound) && v.MadeFor != "" {
			err = s.insertServiceID(ctx, t, v)
		}
		if err != nil {
			return err
		}
		if err := s.putAPIKey(ctx, t, k); err != nil {
			return err
		}
		if h == nil {
			return nil
		}
		return s.putHMAC(ctx, t, *h)
	})
}

// putAPIKey stores a key, or gives the same key of the same identity a new value.
func (s *Identities) putAPIKey(ctx context.Context, t *tx, k iam.APIKey) error {
	old, err := s.apiKey(ctx, t, k.ID)
	if errors.Is(err, ErrNotFound) {
		return s.insertAPIKey(ctx, t, k)
	}
	if err != nil {
		return err
	}
	if old.Account != k.Account || old.Identity != k.Identity {
		return ErrExists
	}
	old.Digest, old.Modified = k.Digest, k.Modified
	old.Revision++
	return s.updateAPIKey(ctx, t, old)
}

// putHMAC stores a credential, or gives the same one a new secret.
func (s *Identities) putHMAC(ctx context.Context, t *tx, h iam.HMACCredential) error {
	old, err := s.hmac(ctx, t, h.AccessKeyID)
	if errors.Is(err, ErrNotFound) {
		return s.insertHMAC(ctx, t, h)
	}
	if err != nil {
		return err
	}
	if old.Account != h.Account || old.Identity != h.Identity || old.Key != h.Key {
		return ErrExists
	}
	old.Sealed = h.Sealed
	if _, err := t.exec(ctx, `UPDATE hmac_credentials SET sealed = $1, mac = $2 WHERE access_key_id = $3`,
		old.Sealed, s.hmacMAC(old), old.AccessKeyID); err != nil {
		return err
	}
	t.changed(iam.ChangeHMAC, string(h.Account), h.AccessKeyID)
	return nil
}

// DropServiceCredential implements iam.ServiceCredentialStore.
func (s *Identities) DropServiceCredential(ctx context.Context, account iam.AccountID, service iam.ServiceID, key iam.APIKeyID, accessKeyID string) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if accessKeyID != "" {
			if err := s.removeHMAC(ctx, t, account, accessKeyID); err != nil {
				return err
			}
		}
		if key != "" {
			if err := s.removeAPIKey(ctx, t, account, key); err != nil {
				return err
			}
		}
		v, err := s.serviceID(ctx, t, account, service)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil || v.MadeFor == "" || v.MadeFor != key {
			return err
		}
		return s.removeServiceID(ctx, t, v)
	})
}
