package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bounds of a connection. The size of a body is bounded by its route.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = time.Minute // for a body to come, and longer for a large one
	answerTimeout = time.Minute // for each piece of an answer to be taken
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
func listen(addr string, certs *certificates, handler http.Handler, public string, log *slog.Logger) (*endpoint, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; is another server running?", err)
		}
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	e := &endpoint{listener: l, url: public, server: &http.Server{
		Handler: paced(handler, bodyTimeout, answerTimeout), MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		TLSConfig: &tls.Config{GetCertificate: certs.get, MinVersion: tls.VersionTLS12},
		ErrorLog:  stdlog.New(connectionLog{log}, "", 0),
		// Without it net/http answers OPTIONS * by itself, off the record.
		DisableGeneralOptionsHandler: true,
	}}
	if public == "" {
		e.url = "https://" + reachable(l.Addr())
	}
	return e, nil
}

// connectionLog takes what net/http has to say. Strangers can make any number of
// handshakes fail, so those are worth nothing; the rest should not happen.
type connectionLog struct{ log *slog.Logger }

func (l connectionLog) Write(p []byte) (int, error) {
	text, level := strings.TrimSpace(string(p)), slog.LevelError
	if strings.HasPrefix(text, "http: TLS handshake error") {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "connection", "error", text)
	return len(p), nil
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
