package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// renewBefore is how long before its end a kept access token is renewed.
const renewBefore = time.Minute

func newTokenCommand(p *program) *cobra.Command {
	var decode bool
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an access token",
		Long: "Print an access token, for use with other programs:\n\n" +
			"  curl -H \"Authorization: Bearer $(strongroom token)\" …\n\n" +
			"The token lets its holder act as you until it ends. With --decode, print what it says instead;\n" +
			"its signature is for the server to check.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			token, err := c.tokens.accessToken(cmd.Context())
			if err != nil {
				return err
			}
			if !decode {
				return writeAll(p.stdout, []byte(token+"\n"))
			}
			payload, err := tokenPayload(token)
			if err != nil {
				return err
			}
			return p.printJSON(payload)
		},
	}
	cmd.Flags().BoolVar(&decode, "decode", false, "print the claims of the token instead of the token")
	return cmd
}

// tokenAnswer is what the token service answers.
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Ends    int64  `json:"expiration"` // Unix seconds
}

// requestToken asks the token service. The client ID is the one to which it gives refresh tokens.
func (c *client) requestToken(ctx context.Context, form url.Values) (tokenAnswer, error) {
	basic := base64.StdEncoding.EncodeToString([]byte("bx:bx"))
	var answer tokenAnswer
	err := c.do(ctx, request{
		method:    http.MethodPost,
		path:      "/identity/token",
		header:    http.Header{"Authorization": {"Basic " + basic}},
		form:      form,
		anonymous: true,
	}, &answer)
	if err == nil && answer.Access == "" {
		err = errors.New("the server answered without a token")
	}
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("logging in: %w", err)
	}
	return answer, nil
}

func apiKeyGrant(key string) url.Values {
	return url.Values{
		"grant_type":    {"urn:ibm:params:oauth:grant-type:apikey"},
		"response_type": {"cloud_iam"},
		"apikey":        {key},
	}
}

func refreshGrant(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// apiKeyTokens exchanges an API key once a run.
type apiKeyTokens struct {
	client *client
	key    string

	mu    sync.Mutex
	token string // guarded by mu; empty until asked for
}

func (t *apiKeyTokens) accessToken(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" {
		return t.token, nil
	}
	answer, err := t.client.requestToken(ctx, apiKeyGrant(t.key))
	if err != nil {
		return "", err
	}
	t.token = answer.Access
	return t.token, nil
}

// profileTokens uses the tokens of a profile and keeps their successors there. Two programs may renew
// at once: a refresh token stays valid beside the one that replaces it.
type profileTokens struct {
	client *client
	store  profileStore
	now    func() time.Time

	mu      sync.Mutex
	profile *profile // guarded by mu
}

func (t *profileTokens) accessToken(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now().Add(renewBefore).Before(time.Unix(t.profile.Ends, 0)) {
		return t.profile.Access, nil
	}
	answer, err := t.client.requestToken(ctx, refreshGrant(t.profile.Refresh))
	if err != nil {
		return "", err
	}
	t.profile.keep(answer)
	if err := t.store.save(t.profile); err != nil {
		return "", err
	}
	return t.profile.Access, nil
}

// claims are what this program reads of an access token.
type claims struct {
	IAMID   string `json:"iam_id"`
	Subject string `json:"sub"`
	Name    string `json:"name"`
	Account struct {
		ID string `json:"bss"`
	} `json:"account"`
}

// tokenPayload returns the claims of a JSON web token, unverified.
func tokenPayload(token string) (json.RawMessage, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the access token has not the three parts of a JSON web token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !json.Valid(payload) {
		return nil, errors.New("the access token cannot be read")
	}
	return payload, nil
}

func decodeClaims(token string) (claims, error) {
	var c claims
	payload, err := tokenPayload(token)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, errors.New("the access token cannot be read")
	}
	return c, nil
}

// connection is a client with the settings it was made from, and what they leave to the token.
type connection struct {
	*client
	settings settings
}

// claims returns what the caller's token says of them.
func (c *connection) claims(ctx context.Context) (claims, error) {
	token, err := c.tokens.accessToken(ctx)
	if err != nil {
		return claims{}, err
	}
	return decodeClaims(token)
}

// account returns the account to work in: as set, else the caller's own.
func (c *connection) account(ctx context.Context) (string, error) {
	if c.settings.account != "" {
		return c.settings.account, nil
	}
	own, err := c.claims(ctx)
	if err != nil {
		return "", err
	}
	if own.Account.ID == "" {
		return "", withHint(errors.New("the access token names no account"), "set STRONGROOM_ACCOUNT_ID")
	}
	return own.Account.ID, nil
}
