package iam

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"strongroom/audit"
	"strongroom/crn"
)

// maxToken is the length in bytes above which a token is refused unread. Ours
// have less than 2,500.
const maxToken = 8192

// Authenticate tells from an access token who calls. The signature is checked
// once and remembered; that signing key, credential, identity, membership and
// account are still in force is checked each time, from leased memory. Fails
// with ErrUnauthenticated.
func (s *Identities) Authenticate(ctx context.Context, token string, trail *audit.Trail) (Caller, error) {
	who, _, err := s.authenticate(ctx, token, trail)
	return who, err
}

func (s *Identities) authenticate(ctx context.Context, token string, trail *audit.Trail) (Caller, grounds, error) {
	if len(token) > maxToken {
		return Caller{}, grounds{}, ErrUnauthenticated
	}
	r, err := s.ring(ctx)
	if err != nil {
		return Caller{}, grounds{}, err
	}
	var room [2560]byte // on the stack, where a token of ours fits
	digest := sha256.Sum256(append(room[:0], token...))
	v, ok := s.verified.get(digest)
	if !ok {
		c, kid, ok := s.verify(r, token)
		if !ok {
			return Caller{}, grounds{}, ErrUnauthenticated
		}
		v = verifiedToken{
			grounds: grounds{AccountID(c.Account.ID), IdentityID(c.IAMID), APIKeyID(c.Credential)},
			kid:     kid, issued: c.IssuedAt, expires: c.Expiry,
		}
		s.verified.put(digest, v)
	}
	now := s.now()
	if _, ok := r.accepts(v.kid, now); !ok || !valid(now, v.issued, v.expires) {
		return Caller{}, grounds{}, ErrUnauthenticated
	}
	st, err := s.stand(ctx, v.grounds)
	if err != nil {
		return Caller{}, grounds{}, refusal(err)
	}
	return st.caller(v.grounds, trail), v.grounds, nil
}

// verify checks the signature and the form of a token. Nothing of it is believed
// before the signature is checked, but for which of our keys to check it with.
func (s *Identities) verify(r *ring, token string) (claims, string, bool) {
	var c claims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(parsed.Headers) != 1 {
		return c, "", false
	}
	kid := parsed.Headers[0].KeyID
	public, ok := r.accepts(kid, s.now())
	if !ok {
		return c, "", false
	}
	if err := parsed.Claims(public, &c); err != nil {
		return claims{}, "", false
	}
	return c, kid, c.Issuer == s.issuer && valid(s.now(), c.IssuedAt, c.Expiry) && c.wellFormed()
}

// wellFormed reports whether the token names account, identity and credential in
// the forms that ours do.
func (c *claims) wellFormed() bool {
	if c.Account.ID == "" || c.Credential == "" || c.IAMID != c.Identity {
		return false
	}
	switch KindOf(IdentityID(c.IAMID)) {
	case KindUser, KindService:
		return true
	case KindInstance:
		instance, err := crn.Parse(strings.TrimPrefix(c.IAMID, instancePrefix))
		return err == nil && instance.IsInstance() && instance.Account() == c.Account.ID
	}
	return false
}

// Introspect returns what a token says, or nil if it is not accepted now
// (RFC 7662).
func (s *Identities) Introspect(ctx context.Context, token string) (map[string]any, error) {
	if _, err := s.Authenticate(ctx, token, nil); err != nil {
		if errors.Is(err, ErrUnauthenticated) {
			err = nil
		}
		return nil, err
	}
	// Authenticate has checked the signature.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, fmt.Errorf("reading an accepted token: %w", err)
	}
	var said map[string]any
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return nil, fmt.Errorf("reading an accepted token: %w", err)
	}
	return said, nil
}
