package iam

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"strongroom/audit"
	"strongroom/custody"
)

// SigningKey is a key that signs access tokens. Its private half is sealed.
type SigningKey struct {
	ID      string // kid of the JWKS
	Sealed  []byte // PKCS #8, bound to ID
	Public  []byte // SubjectPublicKeyInfo (RFC 5280), DER
	Created time.Time
	Until   time.Time // tokens are accepted until then; zero for the key that signs
}

// SigningKeyStore keeps the keys that sign tokens.
type SigningKeyStore interface {
	SigningKeys(ctx context.Context) ([]SigningKey, error)
	// AddSigningKey stores a key and lets all that have no end yet end at until.
	AddSigningKey(ctx context.Context, k SigningKey, until time.Time, ev *audit.Event) error
	DeleteSigningKey(ctx context.Context, id string, ev *audit.Event) error
}

const (
	kindSigningKey = "token-signing-key" // of sealed secrets in the vault
	signingKeyBits = 2048

	// retiredKeyLife is for how long a key that no longer signs is served and
	// accepted. Tokens live an hour; those who cache the JWKS need the rest.
	retiredKeyLife = 24 * time.Hour

	actionKeyRotate   Action = "iam-identity.signingkey.rotate"
	actionKeyWithdraw Action = "iam-identity.signingkey.delete"
)

// errNoSigningKey says that the first key is still to be made.
var errNoSigningKey = errors.New("there is no key that signs tokens")

// ring is the signing keys as they are held in memory. It never changes.
type ring struct {
	current string // kid of the one that signs
	created time.Time
	signer  jose.Signer
	keys    map[string]ringKey
	order   []string // of keys, the newest first
}

type ringKey struct {
	public *rsa.PublicKey
	until  time.Time // zero: no end
}

// accepts returns the public key of a kid, if its tokens are accepted at now.
func (r *ring) accepts(kid string, now time.Time) (*rsa.PublicKey, bool) {
	k, ok := r.keys[kid]
	if !ok || (!k.until.IsZero() && !now.Before(k.until)) {
		return nil, false
	}
	return k.public, true
}

// ring returns the signing keys from leased memory, and makes the first one.
func (s *Identities) ring(ctx context.Context) (*ring, error) {
	r, err := s.rings.Get(ctx, struct{}{}, s.loadRing)
	if errors.Is(err, errNoSigningKey) {
		if err := s.RotateSigningKeyIfDue(ctx); err != nil {
			return nil, err
		}
		r, err = s.rings.Get(ctx, struct{}{}, s.loadRing)
	}
	return r, err
}

func (s *Identities) loadRing(ctx context.Context) (*ring, error) {
	all, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	slices.SortFunc(all, func(a, b SigningKey) int { return b.Created.Compare(a.Created) })
	r := &ring{keys: make(map[string]ringKey, len(all))}
	for _, k := range all {
		public, err := x509.ParsePKIXPublicKey(k.Public)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		rsaKey, ok := public.(*rsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("signing key %s is no RSA key", k.ID)
		}
		r.keys[k.ID] = ringKey{public: rsaKey, until: k.Until}
		r.order = append(r.order, k.ID)
		if k.Until.IsZero() && r.current == "" {
			if r.signer, err = s.signer(ctx, k); err != nil {
				return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
			}
			r.current, r.created = k.ID, k.Created
		}
	}
	if r.current == "" {
		return nil, errNoSigningKey
	}
	return r, nil
}

// signer opens the private half of a key.
func (s *Identities) signer(ctx context.Context, k SigningKey) (jose.Signer, error) {
	der, err := s.vault.Open(ctx, kindSigningKey, k.ID, k.Sealed)
	if err != nil {
		return nil, err
	}
	defer der.Wipe()
	private, err := x509.ParsePKCS8PrivateKey(der.Reveal())
	if err != nil {
		return nil, errors.New("its private half cannot be read") // what the parser says might quote it
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: k.ID}}, nil)
}

// RotateSigningKey makes a new key, which signs from now on, and returns its
// kid. Tokens of the old one are accepted for another day.
func (s *Identities) RotateSigningKey(ctx context.Context) (string, error) {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	return s.rotateLocked(ctx)
}

func (s *Identities) rotateLocked(ctx context.Context) (string, error) {
	private, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	secret := custody.NewSecret(der)
	defer secret.Wipe()
	now := s.now().UTC()
	k := SigningKey{ID: now.Format("20060102-1504") + "-" + randomHex(4), Created: now}
	if k.Public, err = x509.MarshalPKIXPublicKey(&private.PublicKey); err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	if k.Sealed, err = s.vault.Seal(ctx, kindSigningKey, k.ID, secret); err != nil {
		return "", fmt.Errorf("sealing signing key %s: %w", k.ID, err)
	}
	ev := s.serverEvent("", actionKeyRotate, audit.Target{ID: k.ID, Name: k.ID, TypeURI: "iam-identity/signingkey"})
	if err := s.store.AddSigningKey(ctx, k, now.Add(retiredKeyLife), ev); err != nil {
		return "", fmt.Errorf("storing signing key %s: %w", k.ID, err)
	}
	return k.ID, nil
}

// RotateSigningKeyIfDue makes a signing key if there is none, or if the one that
// signs has reached its age, and forgets those whose time is over.
func (s *Identities) RotateSigningKeyIfDue(ctx context.Context) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	all, err := s.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	now := s.now()
	due := true
	for _, k := range all {
		switch {
		case k.Until.IsZero():
			due = due && s.rotateAfter > 0 && now.Sub(k.Created) >= s.rotateAfter
		case !now.Before(k.Until):
			if err := s.store.DeleteSigningKey(ctx, k.ID, nil); err != nil && !isAbsent(err) {
				return err
			}
		}
	}
	if due {
		_, err = s.rotateLocked(ctx)
	}
	return err
}

// WithdrawSigningKey refuses all tokens that a key has signed, from now on: for
// a key that may have become known. If it is the one that signs, a new one takes
// its place.
func (s *Identities) WithdrawSigningKey(ctx context.Context, kid string) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	all, err := s.store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(k SigningKey) bool { return k.ID == kid })
	if i < 0 {
		return ErrIdentityNotFound
	}
	if all[i].Until.IsZero() {
		if _, err := s.rotateLocked(ctx); err != nil {
			return err
		}
	}
	ev := s.serverEvent("", actionKeyWithdraw, audit.Target{ID: kid, Name: kid, TypeURI: "iam-identity/signingkey"})
	return known(s.store.DeleteSigningKey(ctx, kid, ev))
}

// PublicKeys returns the keys by which access tokens can be verified, the newest
// first (RFC 7517).
func (s *Identities) PublicKeys(ctx context.Context) (jose.JSONWebKeySet, error) {
	r, err := s.ring(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	var set jose.JSONWebKeySet
	for _, kid := range r.order {
		if public, ok := r.accepts(kid, s.now()); ok {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: public, KeyID: kid, Algorithm: string(jose.RS256), Use: "sig"})
		}
	}
	return set, nil
}
