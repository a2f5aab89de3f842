package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	maxAnswer      = 64 << 20 // bytes of a JSON answer: a page of 5,000 keys is about 5 MiB
	maxErrorAnswer = 1 << 20  // bytes of an error answer that are read
)

// client sends requests to one server, as one caller.
type client struct {
	base    *url.URL // scheme and host, with a path prefix when the server lives below one
	http    *http.Client
	timeout time.Duration // for one request with its answer; streams are limited to their first byte
	tokens  tokenSource
}

// tokenSource gives access tokens that are valid now.
type tokenSource interface {
	accessToken(context.Context) (string, error)
}

// request is one call of the public API.
type request struct {
	method    string
	path      string // escaped; made by path
	query     url.Values
	header    http.Header
	body      any        // sent as JSON, unless nil
	form      url.Values // sent as a form, unless nil
	anonymous bool       // no access token is sent
}

// path joins a fixed path and identifiers, which may hold any character: a CRN holds slashes.
func path(fixed string, ids ...string) string {
	var b strings.Builder
	b.WriteString(fixed)
	for _, id := range ids {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(id))
	}
	return b.String()
}

// newHTTPClient returns an HTTP client that trusts the system's authorities and those in the PEM
// file caFile, if it is not empty.
func newHTTPClient(caFile string, timeout time.Duration) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = timeout
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate authority: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // a system without authorities of its own
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the certificate authority: %s holds no certificate", caFile)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{
		Transport: transport,
		// An API does not redirect; following would take the request, and perhaps the token, elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// do sends r and decodes the answer into answer, unless that is nil or the answer has no body.
// Refusals are *apiError; a server that cannot be reached is a failure with exitUnavailable.
func (c *client) do(ctx context.Context, r request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body, err := c.stream(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(data) > maxAnswer {
		return fmt.Errorf("the server's answer is longer than %d MiB", maxAnswer>>20)
	}
	// A server may answer that its caller hung up, and the answer overtake the hanging up.
	if err := ctx.Err(); err != nil {
		return c.unavailable(ctx, err)
	}
	if answer == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return errAnswer
	}
	return nil
}

// errAnswer says that an answer could not be decoded. The decoder's own message is left out: it may
// quote the answer, which may be a secret.
var errAnswer = errors.New("the server's answer is not the JSON that was expected")

// get is do for reading.
func (c *client) get(ctx context.Context, path string, query url.Values, answer any) error {
	return c.do(ctx, request{method: http.MethodGet, path: path, query: query}, answer)
}

// stream sends r and returns the body of a successful answer, to be closed by the caller.
func (c *client) stream(ctx context.Context, r request) (io.ReadCloser, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unavailable(ctx, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return answerBody{ReadCloser: resp.Body, fail: func(err error) error { return c.unavailable(ctx, err) }}, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	if err != nil {
		return nil, c.unavailable(ctx, err)
	}
	return nil, decodeError(resp.StatusCode, body, req.Header.Get("Correlation-Id"))
}

// answerBody is the body of an answer; that it breaks off is the server's failure, and told as such.
type answerBody struct {
	io.ReadCloser
	fail func(error) error
}

func (b answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.fail(err)
	}
	return n, err
}

func (c *client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	target := strings.TrimSuffix(c.base.String(), "/") + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	contentType := ""
	switch {
	case r.form != nil:
		body, contentType = strings.NewReader(r.form.Encode()), "application/x-www-form-urlencoded"
	case r.body != nil:
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body, contentType = bytes.NewReader(data), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("addressing the request: %w", err)
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "strongroom/"+clientVersion())
	// The services know the ID under different names.
	id := uuid.NewString()
	req.Header.Set("Correlation-Id", id)
	req.Header.Set("Transaction-Id", id)
	if !r.anonymous {
		token, err := c.tokens.accessToken(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// unavailable says why there was no answer, without the URL of the request.
func (c *client) unavailable(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return errors.New("interrupted")
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	f := &failure{exit: exitUnavailable, err: fmt.Errorf("cannot reach %s: %w", c.base.Redacted(), err)}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		timeout  net.Error
		dial     *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		f.hint = "if the server made its own certificate, name its authority with --ca-file or STRONGROOM_CA_FILE"
	case errors.As(err, &hostname):
		f.hint = "use a name that the server's certificate is for"
	case errors.As(err, &timeout) && timeout.Timeout():
		f.err = fmt.Errorf("%s did not answer within %s", c.base.Redacted(), c.timeout)
		f.hint = "wait longer with --timeout"
	case errors.As(err, &dial) && dial.Op == "dial":
		f.hint = "is the server running? \"strongroom serve\" starts one"
	}
	return f
}
