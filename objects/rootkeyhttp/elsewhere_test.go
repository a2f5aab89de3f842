package rootkeyhttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/objects/rootkeyhttp"
)

const (
	keysAt   = "https://keys.example.com"
	tokensAt = "https://tokens.example.com/identity/token"
)

// acting is the instance as which a Strongroom knows the object store.
var acting = crn.Of(crn.ObjectStorage, "global", "vaults", "acting", "", "")

// inBubble runs a test under a clock of its own, with random numbers from a seed: the FIPS module measures
// its entropy by the time that passes, which is none there.
func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1)
	synctest.Test(t, f)
}

// elsewhere is a key service without a network: what a function returns is the answer.
type elsewhere struct {
	keys   func(*http.Request) (*http.Response, error)
	tokens func(*http.Request) (*http.Response, error) // nil for a token that is good for an hour

	mu    sync.Mutex
	asked []string // method and address, in order; guarded by mu
}

func (e *elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	e.asked = append(e.asked, r.Method+" "+r.URL.String())
	e.mu.Unlock()
	switch {
	case !strings.HasPrefix(r.URL.String(), tokensAt):
		return e.keys(r)
	case e.tokens != nil:
		return e.tokens(r)
	}
	return says(http.StatusOK, `{"access_token":"token","expires_in":3600}`)
}

// requests are what was asked.
func (e *elsewhere) requests() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

// questions are what was asked, without tokens.
func (e *elsewhere) questions() []string {
	return slices.DeleteFunc(e.requests(), func(s string) bool { return strings.Contains(s, tokensAt) })
}

// client is a client of the service, of a kind.
func (e *elsewhere) client(t *testing.T, kind rootkeyhttp.Kind) *rootkeyhttp.Client {
	t.Helper()
	c, err := rootkeyhttp.New(rootkeyhttp.Config{
		URL: keysAt, TokenURL: tokensAt, APIKey: custody.NewSecret([]byte("secret")), Client: &http.Client{Transport: e},
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Kind: kind, Instance: acting,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says is an answer.
func says(status int, body string) (*http.Response, error) {
	return streams(status, strings.NewReader(body))
}

// streams is an answer whose body is read when the client reads it.
func streams(status int, body io.Reader) (*http.Response, error) {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), ContentLength: -1,
	}, nil
}

// refuses is a refusal in the words of Key Protect.
func refuses(status int) (*http.Response, error) {
	return says(status, `{"resources":[{"errorMsg":"`+http.StatusText(status)+`: no"}]}`)
}

// hangs is what a service does that does not answer.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// described is the answer about a key that can be used.
func described(version int) (*http.Response, error) {
	return says(http.StatusOK, fmt.Sprintf(`{"resources":[{"crn":%q,"state":1,"keyVersion":{"id":"version-%d"}}]}`, root.String(), version))
}

// watching lets a client watch until the test ends.
func watching(t *testing.T, c *rootkeyhttp.Client) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
