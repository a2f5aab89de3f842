package iam

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/custody"
)

// HMACCredential signs S3 requests (SigV4). It acts as its identity, for as long
// as the API key that it hangs on may be used. The secret is sealed, as a
// signature can only be checked with the secret itself.
type HMACCredential struct {
	AccessKeyID string // 32 hexadecimal digits
	Account     AccountID
	Identity    IdentityID
	Key         APIKeyID
	Sealed      []byte // 48 hexadecimal digits, bound to AccessKeyID
	Created     time.Time
}

// HMACStore keeps HMAC credentials.
type HMACStore interface {
	// CreateHMAC refuses an access key ID that is taken and an API key that is
	// not there.
	CreateHMAC(ctx context.Context, c HMACCredential, ev *audit.Event) error
	HMAC(ctx context.Context, accessKeyID string) (HMACCredential, error)
}

const (
	kindHMAC         = "hmac-secret" // of sealed secrets in the vault
	accessKeyIDBytes = 16
	hmacSecretBytes  = 24

	actionHMACCreate Action = "iam-identity.hmac.create"
)

// openedHMAC is an HMAC credential as it is held in memory.
type openedHMAC struct {
	HMACCredential
	secret custody.Secret
}

// NewAccessKeyID draws the name of an HMAC credential.
func NewAccessKeyID() string { return randomHex(accessKeyIDBytes) }

// sealHMAC draws the secret of an HMAC credential and seals it into c.
func (s *Identities) sealHMAC(ctx context.Context, c *HMACCredential) (custody.Secret, error) {
	secret := custody.NewSecret([]byte(randomHex(hmacSecretBytes)))
	sealed, err := s.vault.Seal(ctx, kindHMAC, c.AccessKeyID, secret)
	c.Sealed = sealed
	return secret, err
}

// CreateHMAC makes an HMAC credential that acts as the identity of an API key.
// It is for the operator of the server and its bootstrap.
func (s *Identities) CreateHMAC(ctx context.Context, key APIKeyID) (HMACCredential, custody.Secret, error) {
	k, err := s.store.APIKey(ctx, key)
	if err != nil {
		return HMACCredential{}, custody.Secret{}, known(err)
	}
	c := HMACCredential{
		AccessKeyID: NewAccessKeyID(), Account: k.Account, Identity: k.Identity, Key: k.ID, Created: s.now().UTC(),
	}
	secret, err := s.sealHMAC(ctx, &c)
	if err != nil {
		return HMACCredential{}, custody.Secret{}, err
	}
	ev := s.serverEvent(k.Account, actionHMACCreate, target(k.Account, "hmac", c.AccessKeyID, k.Name))
	note(&ev.RequestData, "apiKeyId", string(k.ID))
	return c, secret, known(s.store.CreateHMAC(ctx, c, ev))
}

// AuthenticateHMAC returns who signs with an access key ID, and the secret to
// check the signature with; until that is done the caller is a claim and no
// more. The secret must not be wiped. Fails with ErrUnauthenticated.
func (s *Identities) AuthenticateHMAC(ctx context.Context, accessKeyID string, trail *audit.Trail) (Caller, custody.Secret, error) {
	if len(accessKeyID) != 2*accessKeyIDBytes {
		return Caller{}, custody.Secret{}, ErrUnauthenticated
	}
	c, err := s.hmacs.Get(ctx, accessKeyID, func(ctx context.Context) (openedHMAC, error) {
		c, err := s.store.HMAC(ctx, accessKeyID)
		if err != nil {
			return openedHMAC{}, err
		}
		secret, err := s.vault.Open(ctx, kindHMAC, accessKeyID, c.Sealed)
		return openedHMAC{c, secret}, err
	})
	if isAbsent(err) {
		return Caller{}, custody.Secret{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, custody.Secret{}, err
	}
	g := grounds{account: c.Account, identity: c.Identity, credential: c.Key}
	st, err := s.stand(ctx, g)
	if err != nil {
		return Caller{}, custody.Secret{}, refusal(err)
	}
	return st.caller(g, trail), c.secret, nil
}
