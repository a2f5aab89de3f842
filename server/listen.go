package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bounds of a connection. A body may take long, as an object may be large; its
// size is bounded by its route.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	stopTimeout   = 20 * time.Second // for requests under way when the server ends
)

// endpoint is one address that the server answers on.
type endpoint struct {
	listener net.Listener
	server   *http.Server
	url      string
}

// listen takes the address, so that requests queue from now on.
func listen(addr string, certs *certificates, handler http.Handler, public string) (*endpoint, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; is another server running?", addr, err)
	}
	e := &endpoint{listener: l, url: public, server: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		TLSConfig: &tls.Config{GetCertificate: certs.get, MinVersion: tls.VersionTLS12},
	}}
	if public == "" {
		e.url = "https://" + reachable(l.Addr())
	}
	return e, nil
}

// port is the port of the URL that clients reach the endpoint at.
func (e *endpoint) port() int {
	const https = 443
	u, err := url.Parse(e.url)
	if err != nil {
		return https
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return https
	}
	return port
}

// reachable turns the address that we listen on into one that can be dialled.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// serve answers requests until ctx ends, and lets those under way finish.
func (e *endpoint) serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- e.server.ServeTLS(e.listener, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", e.url, err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := e.server.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("stopping %s: requests were cut off after %s", e.url, stopTimeout), e.server.Close())
	}
	<-failed
	return err
}

// close frees the address, if serve has not done so.
func (e *endpoint) close() error {
	err := e.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
