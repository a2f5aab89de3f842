package rootkeyhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	grantAPIKey   = "urn:ibm:params:oauth:grant-type:apikey"
	grantInstance = "urn:ibm:params:oauth:grant-type:iam-authz"

	tokenMargin  = 5 * time.Minute // before its end a token is replaced
	longestLife  = 24 * time.Hour  // of a token; what is said to live longer is replaced by then
	longestToken = 16 << 10        // bytes
)

// fetch is a question for a token, for all who need one meanwhile.
type fetch struct {
	done  chan struct{} // closed when the others are set
	token string
	err   error
}

// bearer returns an access token, a new one shortly before the old one ends. Who waits for a new one waits
// no longer than its own request lasts; the question goes on for the others.
func (c *Client) bearer(ctx context.Context) (string, error) {
	c.mu.Lock()
	if c.token != "" && c.Now().Before(c.until) {
		defer c.mu.Unlock()
		return c.token, nil
	}
	f := c.fetching
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		c.fetching = f
		go c.fetch(context.WithoutCancel(ctx), f)
	}
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-f.done:
		return f.token, f.err
	}
}

// fetch asks for a token. It ends, as each request does.
func (c *Client) fetch(ctx context.Context, f *fetch) {
	asked := c.Now()
	var life time.Duration
	f.token, life, f.err = c.sign(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetching = nil
	if f.err == nil {
		c.token, c.until = f.token, asked.Add(life-min(tokenMargin, life/2))
	}
	close(f.done)
}

// sign gets a token of the identity of the API key, or with it one of the instance.
func (c *Client) sign(ctx context.Context) (token string, life time.Duration, err error) {
	answer, err := c.grant(ctx, url.Values{"grant_type": {grantAPIKey}, "apikey": {string(c.APIKey.Reveal())}})
	if err == nil && c.Kind == Strongroom {
		answer, err = c.grant(ctx, url.Values{
			"grant_type": {grantInstance}, "access_token": {answer.AccessToken}, "desired_iam_id": {"crn-" + c.Instance.String()},
		})
	}
	seconds := min(max(answer.ExpiresIn, 0), int64(longestLife/time.Second))
	return answer.AccessToken, time.Duration(seconds) * time.Second, err
}

// granted is the answer of the token service.
type granted struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

// grant gets a token. What is wrong with the API key says nothing of a root key: the status stays here.
func (c *Client) grant(ctx context.Context, form url.Values) (granted, error) {
	var answer granted
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	body := newContent([]byte(form.Encode()))
	defer body.wipe()
	if err := c.do(ctx, http.MethodPost, c.TokenURL, header, body, &answer); err != nil {
		return granted{}, fmt.Errorf("getting an access token: %v", err)
	}
	if !isWord(answer.AccessToken, longestToken) {
		return granted{}, errors.New("getting an access token: the answer holds none")
	}
	return answer, nil
}

// forget drops a token that was not accepted.
func (c *Client) forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == token {
		c.token = ""
	}
}

// isWord reports whether a text is one that can stand in a header, an address and a database: visible
// characters of ASCII, at least one and no more than longest.
func isWord(s string, longest int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}
