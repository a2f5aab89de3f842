package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// ImportToken is a transport key of an instance: key material that was encrypted to its public
// half is decrypted by the crypto module alone, until it expires. An instance has one at most.
type ImportToken struct {
	ID            string
	Instance      InstanceID
	Account       iam.AccountID
	Created       time.Time
	Expires       time.Time
	MaxRetrievals int
	Remaining     int    // how often it can still be retrieved
	Public        []byte // PKIX, DER
	Nonce         []byte // of custody.TransportNonce bytes, which an import proves to know
	Generation    uint32 // of the module's masters
	Sealed        custody.Sealed
	Revision      int64
}

// binding is what the private half of the token's key is bound to.
func (t ImportToken) binding() custody.TransportBinding {
	return custody.TransportBinding{
		Account: string(t.Account), Instance: string(t.Instance), Token: t.ID, Generation: t.Generation,
	}
}

// ImportTokenStore keeps the import tokens of instances.
type ImportTokenStore interface {
	// ImportToken returns the token of an instance, expired or not.
	ImportToken(ctx context.Context, in InstanceID) (ImportToken, error)
	// PutImportToken adds a token at revision 1, in the place of the one before. It fails with
	// kind Stale unless the instance is active.
	PutImportToken(ctx context.Context, t ImportToken, ev *audit.Event) error
	// SpendImportToken writes Remaining of a token, whose Revision is the one that was read and is
	// increased. It fails with kind Stale when the stored token is another one.
	SpendImportToken(ctx context.Context, t ImportToken, ev *audit.Event) error
	// ForgetTransportKeys removes the private halves of tokens that expired before a time.
	ForgetTransportKeys(ctx context.Context, expired time.Time) error
}

// NewImportToken says what import token to make. Zero values ask for the defaults.
type NewImportToken struct {
	Lifetime      time.Duration // 5 minutes to 24 hours; 10 minutes if zero
	MaxRetrievals int           // 1 to 500; 1 if zero
}

// Limits and defaults of import tokens.
const (
	minTokenLifetime, maxTokenLifetime = 300 * time.Second, 86_400 * time.Second
	defaultTokenLifetime               = 600 * time.Second
	maxTokenRetrievals                 = 500
)

// check fills in the defaults and holds the rules.
func (n *NewImportToken) check() error {
	if n.Lifetime == 0 {
		n.Lifetime = defaultTokenLifetime
	}
	if n.MaxRetrievals == 0 {
		n.MaxRetrievals = 1
	}
	switch {
	case n.Lifetime < minTokenLifetime || n.Lifetime > maxTokenLifetime:
		return ErrField.On("expiration", "an integer between 300 and 86400 (inclusive)")
	case n.MaxRetrievals < 1 || n.MaxRetrievals > maxTokenRetrievals:
		return ErrField.On("maxAllowedRetrievals", "an integer between 1 and 500 (inclusive)")
	}
	return nil
}

// CreateImportToken gives an instance an import token, in the place of the one that it may have.
func (s *Service) CreateImportToken(ctx context.Context, who iam.Caller, ref Ref, n NewImportToken) (ImportToken, error) {
	v := s.approachInstance(ctx, who, ref, ActionCreateImportToken)
	var token ImportToken
	err := s.doorFor(v, nil).Change(ctx, who, ActionCreateImportToken, v.object, v.event, func() (err error) {
		if err := n.check(); err != nil {
			return err
		}
		if token, err = s.newImportToken(ctx, v.instance); err != nil {
			return err
		}
		token.Created, token.Expires = v.now, v.now.Add(n.Lifetime)
		token.MaxRetrievals, token.Remaining = n.MaxRetrievals, n.MaxRetrievals
		v.event.ResponseData = map[string]any{
			"expirationDate": token.Expires.UTC().Format(time.RFC3339), "maxAllowedRetrievals": token.MaxRetrievals,
		}
		err = s.store.PutImportToken(ctx, token, v.event)
		if fault.KindOf(err) == fault.Stale {
			return iam.ErrForbidden // the instance has gone meanwhile
		}
		return err
	})
	if err != nil {
		return ImportToken{}, err
	}
	return token, nil
}

// newImportToken returns a token with a transport key that was bound to the instance.
func (s *Service) newImportToken(ctx context.Context, in Instance) (ImportToken, error) {
	key, err := s.transport.take(ctx)
	if err != nil {
		return ImportToken{}, err
	}
	token := ImportToken{
		ID: uuid.NewString(), Instance: in.ID, Account: in.Account, Nonce: make([]byte, custody.TransportNonce),
		Public: key.Public, Generation: key.Generation, Revision: 1,
	}
	_, _ = rand.Read(token.Nonce) // never fails: crypto/rand ends the process instead
	if err := s.ensureInstanceKey(ctx, in, key.Generation); err != nil {
		return ImportToken{}, err
	}
	err = s.withInstanceKey(ctx, in, key.Generation, func(parent custody.Handle) (err error) {
		token.Sealed, err = s.transport.module.BindTransport(ctx, key, parent, token.binding())
		return err
	})
	if err != nil {
		return ImportToken{}, fmt.Errorf("making an import token of instance %s: %w", in.ID, err)
	}
	return token, nil
}

// ImportToken retrieves the import token of an instance, which can be done a limited number of
// times. Keys are imported under it until it expires, whether or not it can still be retrieved.
func (s *Service) ImportToken(ctx context.Context, who iam.Caller, ref Ref) (ImportToken, error) {
	v := s.approachInstance(ctx, who, ref, ActionReadImportToken)
	var token ImportToken
	err := s.doorFor(v, nil).Change(ctx, who, ActionReadImportToken, v.object, v.event, func() (err error) {
		token, err = s.retrieve(ctx, v)
		return err
	})
	if err != nil {
		return ImportToken{}, err
	}
	return token, nil
}

func (s *Service) retrieve(ctx context.Context, v *visit) (ImportToken, error) {
	for range tries {
		token, err := s.store.ImportToken(ctx, v.instance.ID)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return ImportToken{}, ErrNoImportToken
		case err != nil:
			return ImportToken{}, fmt.Errorf("reading the import token: %w", err)
		case token.Remaining == 0 || !v.now.Before(token.Expires):
			return ImportToken{}, ErrImportTokenExpired
		}
		token.Remaining--
		v.event.ResponseData = map[string]any{
			"maxAllowedRetrievals": token.MaxRetrievals, "remainingRetrievals": token.Remaining,
		}
		err = s.store.SpendImportToken(ctx, token, v.event)
		if fault.KindOf(err) == fault.Stale {
			continue
		}
		return token, err
	}
	return ImportToken{}, ErrUnavailable
}

// tokenInForce returns the import token under which the instance of a visit can receive a key.
func (s *Service) tokenInForce(ctx context.Context, v *visit) (ImportToken, error) {
	token, err := s.store.ImportToken(ctx, v.instance.ID)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return ImportToken{}, ErrImportTokenExpired
	case err != nil:
		return ImportToken{}, fmt.Errorf("reading the import token: %w", err)
	case !v.now.Before(token.Expires) || len(token.Sealed) == 0:
		return ImportToken{}, ErrImportTokenExpired
	case s.transport.module == nil:
		return ImportToken{}, ErrNoTransport
	}
	return token, nil
}

// receive imports material that comes under an import token, whose instance has its key at parent.
// The size of b is zero: the module learns it.
func (s *Service) receive(ctx context.Context, token ImportToken, parent custody.Handle, b custody.Binding, in custody.Transported) (custody.Handle, custody.Sealed, error) {
	h, sealed, err := s.transport.module.Receive(ctx, parent, token.Sealed, token.binding(), token.Nonce, b, in)
	switch {
	case errors.Is(err, custody.ErrTransported):
		err = ErrField.On("payload", "16, 24 or 32 bytes of key material, encrypted with RSAES_OAEP_SHA_256 to the public key of the import token, base64 encoded")
	case errors.Is(err, custody.ErrNonceSealing):
		err = ErrNonceSealing
	case errors.Is(err, custody.ErrNonce):
		err = ErrNonce
	}
	return h, sealed, err
}

// checkTransported holds the rules of the form of what comes under an import token.
func checkTransported(t *custody.Transported) error {
	switch {
	case len(t.Material) != custody.TransportedSize:
		return ErrField.On("payload", "key material encrypted with RSAES_OAEP_SHA_256 to the public key of the import token, base64 encoded")
	case len(t.SealedNonce) != custody.SealedNonceSize:
		return ErrField.On("encryptedNonce", "the nonce of the import token encrypted with AES-GCM and followed by the tag, base64 encoded")
	}
	return nil
}

// ForgetTransportKeys removes the private halves of import tokens that have expired.
func (s *Service) ForgetTransportKeys(ctx context.Context) error {
	if err := s.store.ForgetTransportKeys(ctx, s.now()); err != nil {
		return fmt.Errorf("forgetting transport keys: %w", err)
	}
	return nil
}
