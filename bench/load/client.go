// Package load is what the benchmarks of the whole server share: a server of their own, clients
// that put load on it, and what that costs the server's process.
package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// Client asks one server.
type Client struct {
	Base   string // URL without a path
	Header http.Header
	http   *http.Client
}

// NewClient trusts the authority in the file. HTTP/1.1 is what IBM's clients and
// most load balancers speak to a server.
func NewClient(base, authority string, connections int) (*Client, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	return &Client{Base: base, Header: http.Header{}, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true,
	}}}, nil
}

// With returns a client with the same connections and another header.
func (c *Client) With(name, value string) *Client {
	other := *c
	other.Header = c.Header.Clone()
	other.Header.Set(name, value)
	return &other
}

// Post sends a body and returns the answer, which must be a success.
func (c *Client) Post(ctx context.Context, path string, body []byte) ([]byte, error) {
	var answer bytes.Buffer
	_, err := c.send(ctx, http.MethodPost, path, body, &answer)
	return answer.Bytes(), err
}

// Get returns an answer, which must be a success.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	var answer bytes.Buffer
	_, err := c.send(ctx, http.MethodGet, path, nil, &answer)
	return answer.Bytes(), err
}

// Send sends a body, nil for none, and returns the size of the answer in bytes, which must be a success.
func (c *Client) Send(ctx context.Context, method, path string, body []byte) (int64, error) {
	return c.send(ctx, method, path, body, io.Discard)
}

func (c *Client) send(ctx context.Context, method, path string, body []byte, to io.Writer) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header = c.Header.Clone()
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		const longest = 4 << 10 // of an answer that is shown, in bytes
		answer, err := io.ReadAll(io.LimitReader(resp.Body, longest))
		return 0, errors.Join(fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer), err)
	}
	return io.Copy(to, resp.Body)
}

// At returns a client with the same connections and header, of another address of the server.
func (c *Client) At(base string) *Client {
	other := *c
	other.Base = base
	return &other
}

// Call posts a body and decodes the answer into v.
func (c *Client) Call(ctx context.Context, path string, body []byte, v any) error {
	answer, err := c.Post(ctx, path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, v)
}
