package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client asks one server.
type client struct {
	base   string
	header http.Header
	http   *http.Client
}

// newClient trusts the authority in the file. HTTP/1.1 is what IBM's clients and
// most load balancers speak to a server.
func newClient(base, authority string, connections int) (*client, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	return &client{base: base, header: http.Header{}, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true,
	}}}, nil
}

// post sends a body and returns the answer, which must be a success.
func (c *client) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = c.header.Clone()
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

// run puts load on a target for a while.
func run(ctx context.Context, t *target, connections int, length time.Duration) (figures, error) {
	var (
		mu    sync.Mutex // guards the following
		took  []time.Duration
		fails []error
	)
	before, err := cpuTime(t.pid)
	if err != nil {
		return figures{}, err
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			var mine []time.Duration
			var failed error
			for failed == nil && time.Since(begin) < length && ctx.Err() == nil {
				path, body := t.request()
				sent := time.Now()
				_, failed = t.client.post(ctx, path, body)
				mine = append(mine, time.Since(sent))
			}
			mu.Lock()
			defer mu.Unlock()
			took, fails = append(took, mine...), append(fails, failed)
		})
	}
	wg.Wait()
	wall := time.Since(begin)
	after, err := cpuTime(t.pid)
	if err := errors.Join(append(fails, err, ctx.Err())...); err != nil {
		return figures{}, err
	}
	slices.Sort(took)
	return figures{requests: len(took), cpu: after - before, wall: wall, p99: took[len(took)*99/100]}, nil
}

// tick is the unit of times in /proc: USER_HZ, 100 a second on every Linux that
// Go runs on.
const tick = 10 * time.Millisecond

// cpuTime returns what a process has used so far, in user and kernel
// (proc_pid_stat(5), fields utime and stime).
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat cannot be read", pid)
	}
	user, uerr := strconv.Atoi(fields[11])
	system, serr := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, errors.Join(uerr, serr)
}
