// Package rig makes a whole deployment inside a test, through package server,
// with what tests of the whole need and no outsider has: the table of routes, a
// second account, a clock.
package rig

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/internal/httpface"
	"strongroom/server"
	"strongroom/test/openapi"
)

// Rig is a running deployment with two accounts.
type Rig struct {
	URL, S3URL string
	Data       string       // the server's folder
	Client     *http.Client // trusts the deployment's own authority
	Clock      *Clock       // of the server
	Operator   Account      // the account of the first start
	Neighbour  Account      // another tenant, without anything in common
	Routes     []httpface.RouteInfo

	description *openapi.Document
}

// Account is a tenant, with what its owner has.
type Account struct {
	ID, Owner, ResourceGroup string
	APIKey                   string // of the owner
}

// Clock is a clock that can be put forward.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Forward puts the clock forward.
func (c *Clock) Forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Start starts a deployment on free ports; it ends with the test. Changes to the
// configuration are optional.
func Start(t *testing.T, change ...func(*server.Config)) *Rig {
	t.Helper()
	r := &Rig{Clock: &Clock{}}
	cfg := server.Config{
		Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0", Now: r.Clock.Now,
		Disperse: patient,
	}
	for _, c := range change {
		c(&cfg)
	}
	log := &output{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server says:\n%s", log)
		}
	})
	r.Data = cfg.Data
	r.prepare(t, cfg, log)
	r.serve(t, cfg, log)
	return r
}

// patient waits for storage nodes for as long as the folders of a busy machine may need.
func patient(c *dispersal.Config) {
	c.Timing.Read, c.Timing.Write, c.Timing.Probe = time.Minute, time.Minute, time.Minute
}

// prepare makes the folder and both accounts, which takes a server that is not
// running.
func (r *Rig) prepare(t *testing.T, cfg server.Config, log *output) {
	t.Helper()
	if _, err := server.Bootstrap(t.Context(), cfg, log, false); err != nil {
		t.Fatal(err)
	}
	made, err := server.CreateAccount(t.Context(), cfg, log, server.NewAccount{
		Name: "Neighbour", Email: "neighbour@example.com", FirstName: "Nea", LastName: "Bour",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Neighbour = Account{
		ID: made.Account, Owner: made.Owner, ResourceGroup: made.ResourceGroup, APIKey: string(made.APIKey.Reveal()),
	}
}

// serve runs the server until the end of the test.
func (r *Rig) serve(t *testing.T, cfg server.Config, log *output) {
	t.Helper()
	s, err := server.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		r.Client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server did not end cleanly: %v", err)
		}
	})
	r.URL, r.S3URL, r.Routes = s.URL(), s.S3URL(), s.Routes()
	r.Client = trusting(t, filepath.Join(cfg.Data, "ca.pem"))
	r.readOperator(t, s.CredentialsFile())
	r.readDescription(t)
}

func trusting(t *testing.T, file string) *http.Client {
	t.Helper()
	authority, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("the authority's file holds no certificate")
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 16, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// output collects what the server says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String returns what was said so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
