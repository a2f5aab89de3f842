// Command judge stands between clients and a server, as a reverse proxy on the loopback interface,
// and holds every request and its answer against what the server's own /openapi.json says. What it
// passes on it does not change. It is for tests with clients that run as programs of their own.
//
// It prints the address to use in place of the server's, and ends with its standard input: with
// status 1 if anything deviated, and a report on standard output.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"strongroom/test/openapi"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

// errDeviates ends a run in which a request or an answer was not as described.
var errDeviates = errors.New("not everything is as /openapi.json describes it")

// run serves until stdin ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	address := flags.String("upstream", "", "URL of the server")
	authority := flags.String("ca", "", "file with the certificate that the server is known by")
	own := flags.String("certificate", "", "file to write the certificate to that the judge is known by")
	limit := flags.Int64("limit", 64<<20, "size of the largest body that is judged, in bytes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	upstream, err := url.Parse(*address)
	if err != nil {
		return fmt.Errorf("reading the URL of the server: %w", err)
	}
	transport, err := trusting(*authority)
	if err != nil {
		return err
	}
	description, err := describe(ctx, transport, upstream)
	if err != nil {
		return err
	}
	certificate, err := newCertificate(time.Now(), *own)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	found := newVerdicts(description)
	server := &http.Server{
		Handler:           newProxy(upstream, &recorder{next: transport, verdicts: found, limit: *limit}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	fmt.Fprintln(stdout, "https://"+listener.Addr().String())
	awaitEnd(stdin)
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return found.report(stdout)
}

func awaitEnd(stdin io.Reader) {
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
	}
}

// trusting returns a transport that knows the server by a certificate.
func trusting(file string) (*http.Transport, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the server: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		DisableCompression:  true, // what the client did not ask for would not be what it gets
	}, nil
}

// describe reads the server's description of itself.
func describe(ctx context.Context, transport http.RoundTripper, upstream *url.URL) (*openapi.Document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, upstream.JoinPath("openapi.json").String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("reading the description: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the description: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the description: %s", resp.Status)
	}
	return openapi.Parse(text)
}
