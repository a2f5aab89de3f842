package load

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startLimit is how long a server may take to be ready on the busiest machine.
const startLimit = time.Minute

// Process is a program that was started for a benchmark.
type Process struct {
	PID     int
	command *exec.Cmd
}

// Launch starts a program, whose messages are ours.
func Launch(name string, args ...string) (*Process, error) {
	c := exec.Command(name, args...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return nil, err
	}
	return &Process{PID: c.Process.Pid, command: c}, nil
}

// Stop ends a program, and waits for it.
func (p *Process) Stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	_ = p.command.Wait()
}

// Server is a Strongroom with its administrator.
type Server struct {
	*Process
	Env    map[string]string // its credentials file
	Client *Client           // of the administrator, without an instance
}

// StartServer starts the program on a data folder, with further arguments, and signs in as its
// administrator.
func StartServer(ctx context.Context, binary, data string, connections int, args ...string) (s *Server, err error) {
	args = append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"}, args...)
	p, err := Launch(binary, args...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.Stop()
		}
	}()
	s = &Server{Process: p}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for { // a file of an earlier start names another port
		if err = s.signIn(ctx, filepath.Join(data, "credentials.env"), connections); err == nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the server: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) signIn(ctx context.Context, credentials string, connections int) error {
	text, err := Await(ctx, credentials)
	if err != nil {
		return err
	}
	s.Env = map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			s.Env[name] = strings.Trim(value, "'")
		}
	}
	if s.Client, err = NewClient(s.Env["STRONGROOM_URL"], s.Env["STRONGROOM_CA_FILE"], connections); err != nil {
		return err
	}
	if _, err := s.Client.Get(ctx, "/readyz"); err != nil {
		return err
	}
	var token struct {
		Access string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "apikey": {s.Env["STRONGROOM_API_KEY"]}}
	err = s.Client.With("Content-Type", "application/x-www-form-urlencoded").
		Call(ctx, "/identity/token", []byte(form.Encode()), &token)
	s.Client.Header = http.Header{"Authorization": {"Bearer " + token.Access}, "Content-Type": {"application/json"}}
	return err
}

// Await returns the content of a file that a server writes when it is ready.
func Await(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			return string(text), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %s: %w", file, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
