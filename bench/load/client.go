// Package load is what the benchmarks of the whole server share: a server of their own, clients
// that put load on it, and what that costs the server's process.
package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
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
	return c.send(ctx, http.MethodPost, path, bytes.NewReader(body))
}

// Get returns an answer, which must be a success.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	return c.send(ctx, http.MethodGet, path, nil)
}

func (c *Client) send(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return nil, err
	}
	r.Header = c.Header.Clone()
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, answer)
	}
	return answer, err
}

// Call posts a body and decodes the answer into v.
func (c *Client) Call(ctx context.Context, path string, body []byte, v any) error {
	answer, err := c.Post(ctx, path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, v)
}
