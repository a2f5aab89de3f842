package rootkeyhttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/objects"
)

const (
	defaultInterval = 30 * time.Second
	requestTimeout  = 10 * time.Second
	maxAnswer       = 1 << 20 // bytes
	tries           = 3
	pause           = 200 * time.Millisecond // before the second try; twice that before the third
	tokenMargin     = 5 * time.Minute        // before its end a token is replaced
	grantAPIKey     = "urn:ibm:params:oauth:grant-type:apikey"
	grantInstance   = "urn:ibm:params:oauth:grant-type:iam-authz"
)

// Kind says what a key service can do beyond Key Protect's protocol.
type Kind string

const (
	// IBM has no more: states of keys are polled, and buckets are not registered.
	IBM Kind = "ibm"
	// Strongroom tells of changes within a second, and knows the object store as an instance of its own.
	Strongroom Kind = "strongroom"
)

// Config says which key service to ask, and as whom. Interval has a default; all else is needed.
type Config struct {
	URL      string         // of Key Protect, as "https://us-south.kms.cloud.ibm.com"
	TokenURL string         // as "https://iam.cloud.ibm.com/identity/token"
	APIKey   custody.Secret // of an identity that may use the root keys
	Client   *http.Client
	Now      func() time.Time
	Logger   *slog.Logger
	Kind     Kind // IBM unless it is set
	// Instance is the object storage instance of the key service as which a Strongroom knows this
	// object store; the identity of the API key has the role Instance Actor on it.
	Instance crn.CRN
	// Interval is how often the state of a key is asked for; zero means 30 seconds.
	Interval time.Duration
}

// Client implements objects.RootKeys. Safe for concurrent use.
type Client struct {
	Config

	signing sync.Mutex // held while a token is fetched
	mu      sync.Mutex
	token   string    // guarded by mu
	until   time.Time // when the token ends; guarded by mu
	known   map[crn.CRN]*state
	watch   watch // of kind strongroom
}

var _ objects.RootKeys = (*Client)(nil)

// New returns a client. It asks nothing before it is used.
func New(c Config) (*Client, error) {
	for _, text := range []string{c.URL, c.TokenURL} {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("the address of the key service: %q is no https URL", text)
		}
	}
	if c.APIKey.Len() == 0 {
		return nil, errors.New("the key service needs an API key")
	}
	c.Kind = cmp.Or(c.Kind, IBM)
	if c.Kind == Strongroom && (c.Instance.Service != crn.ObjectStorage || !c.Instance.IsInstance()) {
		return nil, errors.New("the key service needs the CRN of an object storage instance that it knows")
	}
	c.Interval = cmp.Or(c.Interval, defaultInterval)
	c.URL = strings.TrimSuffix(c.URL, "/")
	return &Client{
		Config: c, known: map[crn.CRN]*state{},
		watch: watch{keys: map[crn.CRN]*standing{}, more: make(chan struct{}, 1)},
	}, nil
}

// refusal is an answer that is not a success.
type refusal struct {
	status int
	text   string // what the service says, for the log
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the key service answers %d: %s", r.status, r.text)
}

// retryable reports whether another try may have another outcome.
func retryable(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.status == http.StatusTooManyRequests || r.status >= http.StatusInternalServerError
	}
	return true
}

// call asks for something of a root key. A failure of the moment is tried again; that is safe, as what
// a repeated request has made twice is only a data key that nobody uses.
func (c *Client) call(ctx context.Context, method string, root crn.CRN, action string, body, answer any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encoding a request to the key service: %w", err)
		}
		defer clear(content)
	}
	return c.send(ctx, method, "/api/v2/keys/"+url.PathEscape(root.Resource)+action, root.Instance, content, answer)
}

// send makes a request, again after a failure of the moment.
func (c *Client) send(ctx context.Context, method, path, instance string, content []byte, answer any) error {
	address := c.URL + path
	renewed := false
	for try := 1; ; try++ {
		token, err := c.bearer(ctx)
		if err == nil {
			err = c.ask(ctx, method, address, instance, token, content, answer)
		}
		var r *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &r) && r.status == http.StatusUnauthorized && !renewed && token != "":
			renewed = true // it may have been withdrawn before its time
			c.forget(token)
			continue
		case try == tries || ctx.Err() != nil || !retryable(err):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause << (try - 1)):
		}
	}
}

// ask makes one request to the key service.
func (c *Client) ask(ctx context.Context, method, address, instance, token string, content []byte, answer any) error {
	header := http.Header{
		"Authorization": {"Bearer " + token}, "Accept": {"application/json"}, "Content-Type": {"application/json"},
	}
	if instance != "" {
		header["Bluemix-Instance"] = []string{instance}
	}
	return c.do(ctx, method, address, header, content, answer)
}

// do makes a request and decodes the answer, of which it reads no more than it must be.
func (c *Client) do(ctx context.Context, method, address string, header http.Header, content []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("asking the key service: %w", err)
	}
	req.Header = header
	res, err := c.Client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the key service: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	defer clear(b)
	if err != nil {
		return fmt.Errorf("reading the answer of the key service: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return &refusal{status: res.StatusCode, text: complaint(b)}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return errors.New("the key service answers something else than its protocol says")
	}
	return nil
}

// complaint is the text of an error in the shape of Key Protect, or of IAM.
func complaint(body []byte) string {
	const longest = 300
	var e struct {
		Resources    []struct{ ErrorMsg string }
		ErrorMessage string
	}
	if json.Unmarshal(body, &e) != nil {
		return "without an explanation"
	}
	text := e.ErrorMessage
	if len(e.Resources) > 0 {
		text = e.Resources[0].ErrorMsg
	}
	return text[:min(len(text), longest)]
}

// bearer returns an access token, a new one shortly before the old one ends.
func (c *Client) bearer(ctx context.Context) (string, error) {
	c.signing.Lock()
	defer c.signing.Unlock()
	c.mu.Lock()
	token, until := c.token, c.until
	c.mu.Unlock()
	if token != "" && c.Now().Before(until) {
		return token, nil
	}
	asked := c.Now()
	answer, err := c.grant(ctx, url.Values{"grant_type": {grantAPIKey}, "apikey": {string(c.APIKey.Reveal())}})
	if err == nil && c.Kind == Strongroom {
		answer, err = c.grant(ctx, url.Values{
			"grant_type": {grantInstance}, "access_token": {answer.AccessToken}, "desired_iam_id": {"crn-" + c.Instance.String()},
		})
	}
	if err != nil {
		return "", err
	}
	life := time.Duration(answer.ExpiresIn) * time.Second
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.until = answer.AccessToken, asked.Add(life-min(tokenMargin, life/2))
	return c.token, nil
}

// granted is the answer of the token service.
type granted struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
}

// grant gets a token. What is wrong with the API key says nothing of a root key: the status stays here.
func (c *Client) grant(ctx context.Context, form url.Values) (granted, error) {
	var answer granted
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := c.do(ctx, http.MethodPost, c.TokenURL, header, []byte(form.Encode()), &answer); err != nil {
		return granted{}, fmt.Errorf("getting an access token: %v", err)
	}
	if answer.AccessToken == "" {
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
