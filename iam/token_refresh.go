package iam

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/custody"
)

// Refresh tokens are not stored: one is its own content, sealed by the vault,
// behind a prefix that names the format. It is good for as long as what it
// stands on, and 72 hours at most; using it does not use it up.
const (
	kindRefresh   = "refresh-token" // of sealed secrets in the vault
	refreshFormat = "v1"            // the ID under which the vault binds them
	refreshPrefix = "sr1."
	maxRefresh    = 2048 // characters; ours have about 400
)

// refreshContent is what a refresh token holds.
type refreshContent struct {
	Account    AccountID  `json:"a"`
	Identity   IdentityID `json:"i"`
	Credential APIKeyID   `json:"k"`
	Client     Client     `json:"c"`
	Expires    int64      `json:"e"` // seconds since 1970
}

func (s *Identities) sealRefresh(ctx context.Context, g grounds, client Client, until time.Time) (string, error) {
	content, err := json.Marshal(refreshContent{g.account, g.identity, g.credential, client, until.Unix()})
	if err != nil {
		return "", fmt.Errorf("encoding a refresh token: %w", err)
	}
	sealed, err := s.vault.Seal(ctx, kindRefresh, refreshFormat, custody.NewSecret(content))
	if err != nil {
		return "", fmt.Errorf("sealing a refresh token: %w", err)
	}
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openRefresh fails with ErrRefreshToken for what is not ours, not this
// client's or too old.
func (s *Identities) openRefresh(ctx context.Context, client Client, token string) (grounds, error) {
	encoded, ok := strings.CutPrefix(token, refreshPrefix)
	if !ok || len(token) > maxRefresh {
		return grounds{}, ErrRefreshToken
	}
	sealed, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return grounds{}, ErrRefreshToken
	}
	content, err := s.vault.Open(ctx, kindRefresh, refreshFormat, sealed)
	if err != nil {
		if errors.Is(err, custody.ErrUnreadable) {
			err = ErrRefreshToken
		}
		return grounds{}, err
	}
	var c refreshContent
	if err := json.Unmarshal(content.Reveal(), &c); err != nil {
		return grounds{}, ErrRefreshToken
	}
	if c.Client != client || s.now().Unix() >= c.Expires {
		return grounds{}, ErrRefreshToken
	}
	return grounds{c.Account, c.Identity, c.Credential}, nil
}

// TokenForRefresh issues an access token and a new refresh token to the client
// that was given the old one, which stays good. An account that is not empty
// must be that of the session: nothing is had in another by refreshing.
func (s *Identities) TokenForRefresh(ctx context.Context, client Client, refresh, account string, trail *audit.Trail) (Token, error) {
	g, err := s.openRefresh(ctx, client, refresh)
	if err != nil {
		return Token{}, err
	}
	if account != "" && account != string(g.account) {
		return Token{}, ErrRefreshToken
	}
	t, err := s.login(ctx, actionLoginRefresh, g, GrantRefresh, client, trail)
	if errors.Is(refusal(err), ErrUnauthenticated) {
		err = ErrRefreshToken // an API key that is gone ends the session
	}
	return t, err
}
