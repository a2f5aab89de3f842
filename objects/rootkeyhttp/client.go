package rootkeyhttp

import (
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
	Client   *http.Client   // whose redirects are not followed
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

	mu       sync.Mutex
	token    string             // guarded by mu
	until    time.Time          // when the token is to be replaced; guarded by mu
	fetching *fetch             // of a token; nil while there is none; guarded by mu
	known    map[crn.CRN]*state // guarded by mu
	watch    watch              // of kind strongroom
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
	client := *c.Client
	client.CheckRedirect = refuseRedirect
	c.Client = &client
	return &Client{
		Config: c, known: map[crn.CRN]*state{},
		watch: watch{keys: map[crn.CRN]*standing{}, more: make(chan struct{}, 1)},
	}, nil
}

// refuseRedirect takes a redirect for the answer: neither a token nor a key goes to where another server
// sends them.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// call asks for something of a root key. A failure of the moment is tried again; that is safe, as what
// a repeated request has made twice is only a data key that nobody uses.
func (c *Client) call(ctx context.Context, method string, root crn.CRN, action string, body, answer any) error {
	var content *content
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a request to the key service: %w", err)
		}
		content = newContent(encoded)
	}
	return c.send(ctx, method, "/api/v2/keys/"+url.PathEscape(root.Resource)+action, root.Instance, content, answer)
}

// send makes a request, again after a failure of the moment, and wipes its content.
func (c *Client) send(ctx context.Context, method, path, instance string, content *content, answer any) error {
	defer content.wipe()
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
		case errors.As(err, &r) && r.status == http.StatusUnauthorized && !renewed:
			renewed = true // it may have been withdrawn before its time
			c.forget(token)
			continue
		case try >= tries || ctx.Err() != nil || !retryable(err):
			return err
		}
		sleep(ctx, pause<<(try-1))
	}
}

// ask makes one request to the key service.
func (c *Client) ask(ctx context.Context, method, address, instance, token string, content *content, answer any) error {
	header := http.Header{
		"Authorization": {"Bearer " + token}, "Accept": {"application/json"}, "Content-Type": {"application/json"},
	}
	if instance != "" {
		header["Bluemix-Instance"] = []string{instance}
	}
	return c.do(ctx, method, address, header, content, answer)
}

// do makes a request and decodes the answer.
func (c *Client) do(ctx context.Context, method, address string, header http.Header, content *content, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking the key service: %w", err)
	}
	req.Header = header
	content.attach(req)
	res, err := c.Client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the key service: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	defer clear(b)
	switch {
	case err != nil:
		return fmt.Errorf("reading the answer of the key service: %w", err)
	case len(b) > maxAnswer:
		return fmt.Errorf("the key service answers with more than %d bytes", maxAnswer)
	case res.StatusCode/100 != 2:
		return &refusal{status: res.StatusCode, text: complaint(b)}
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return errors.New("the key service answers something else than its protocol says")
	}
	return nil
}
