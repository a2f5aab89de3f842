// Package process runs the built program as its users do: as a process of its
// own, told where to keep its data, and found by the credentials file it writes.
// It knows of the program only what outsiders may rely on.
package process

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Limits that only a broken server reaches, however busy the machine is.
const (
	startLimit = 4 * time.Minute
	stopLimit  = 4 * time.Minute
)

// shared is the folder of the programs that tests of one process share. Linking one takes longer than
// many a test.
const shared = "STRONGROOM_TEST_PROGRAMS"

// Main runs the tests of a package, of which those that build the same program share it. It returns
// what os.Exit is to be called with.
func Main(m *testing.M) int {
	folder, err := os.MkdirTemp("", "strongroom-programs-")
	if err == nil {
		err = os.Setenv(shared, folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sharing programs:", err)
		return 1
	}
	defer os.RemoveAll(folder)
	return m.Run()
}

// Build builds the program, with tags if any are given, and returns the path of
// the binary. Tests that do so do not run in parallel.
func Build(t *testing.T, tags ...string) string {
	t.Helper()
	folder := os.Getenv(shared)
	if folder == "" {
		folder = t.TempDir()
	}
	binary := filepath.Join(folder, strings.Join(tags, "-"), "strongroom")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	build := exec.Command("go", "build", "-tags", strings.Join(tags, ","), "-o", binary, "strongroom/cmd/strongroom")
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return binary
}

// Place is where a server runs.
type Place struct {
	Binary string   // the program
	Data   string   // its data folder
	Log    string   // the file that its standard output and error are added to
	Args   []string // of serve, beside the folder and free ports
}

// NewPlace returns a place in a fresh folder of the test.
func NewPlace(t *testing.T, binary string) Place {
	t.Helper()
	dir := t.TempDir()
	return Place{Binary: binary, Data: filepath.Join(dir, "data"), Log: filepath.Join(dir, "server.log")}
}

// Server is a running server.
type Server struct {
	Place
	Client *http.Client // trusts the server's own authority

	values map[string]string // of the credentials file
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	err    error         // how it ended; to be read after ended is closed
}

// Start starts a server on free ports and waits until it is ready. It is killed
// at the end of the test unless it has ended before.
func (p Place) Start(t *testing.T) *Server {
	t.Helper()
	s := p.Launch(t)
	s.Await(t)
	return s
}

// Launch starts a server on free ports and does not wait.
func (p Place) Launch(t *testing.T) *Server {
	t.Helper()
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has a copy
	args := []string{"serve", "--data", p.Data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"}
	cmd := exec.Command(p.Binary, append(args, p.Args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{Place: p, cmd: cmd, ended: make(chan struct{})}
	go func() {
		s.err = cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.Kill)
	return s
}

// Await waits until the server is ready, and reads its credentials.
func (s *Server) Await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	for {
		err := s.look(ctx)
		if err == nil {
			return
		}
		select {
		case <-s.ended:
			t.Fatalf("the server ended before it was ready: %v\n%s", s.err, s.Output(t))
		case <-ctx.Done():
			t.Fatalf("the server is not ready: %v\n%s", err, s.Output(t))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// look reads the credentials, which name the ports of an earlier run until the
// server has written them anew, and asks /readyz.
func (s *Server) look(ctx context.Context) error {
	values, err := source(ctx, filepath.Join(s.Data, "credentials.env"))
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(values["STRONGROOM_CA_FILE"])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return errors.New("STRONGROOM_CA_FILE holds no certificate")
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 16},
		Timeout:   startLimit,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, values["STRONGROOM_URL"]+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	s.values, s.Client = values, client
	return nil
}

// source reads the values of a credentials file with a shell, as users do.
func source(ctx context.Context, file string) (map[string]string, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", `set -a; . "$0"; env -0`, file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("sourcing %s: %w", file, err)
	}
	values := map[string]string{}
	for _, pair := range bytes.Split(bytes.TrimRight(out, "\x00"), []byte{0}) {
		name, value, _ := strings.Cut(string(pair), "=")
		values[name] = value
	}
	return values, nil
}

// Value returns a variable of the credentials file.
func (s *Server) Value(t *testing.T, name string) string {
	t.Helper()
	v := s.values[name]
	if v == "" {
		t.Fatalf("the credentials file does not set %s", name)
	}
	return v
}

// Values returns a copy of what the credentials file sets.
func (s *Server) Values() map[string]string {
	values := maps.Clone(s.values)
	for _, own := range []string{"PATH", "PWD", "_", "SHLVL"} { // of the shell that read it
		delete(values, own)
	}
	return values
}

// PID returns the process ID.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Environ returns the environment of the test with the values of the
// credentials file, and the folder of the program in PATH.
func (s *Server) Environ() []string {
	env := os.Environ()
	for name, value := range s.Values() {
		env = append(env, name+"="+value)
	}
	return append(env, "PATH="+filepath.Dir(s.Binary)+":"+os.Getenv("PATH"))
}

// Token exchanges the administrator's API key for an access token.
func (s *Server) Token(t *testing.T) string {
	t.Helper()
	resp, err := s.Client.PostForm(s.Value(t, "STRONGROOM_URL")+"/identity/token", url.Values{
		"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "apikey": {s.Value(t, "STRONGROOM_API_KEY")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		t.Fatalf("no token: %s: %s (%v)", resp.Status, body, err)
	}
	return answer.Token
}

// CPU is how long the process has worked. It must have ended.
func (s *Server) CPU() time.Duration {
	<-s.ended
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// Kill ends the process without any warning, and waits until it is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// Stop ends the server as an operator does, and fails the test unless it ends
// cleanly and soon.
func (s *Server) Stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("the server had already ended: %v\n%s", s.err, s.Output(t))
	}
	select {
	case <-s.ended:
		if s.err != nil {
			t.Fatalf("the server did not end cleanly: %v\n%s", s.err, s.Output(t))
		}
	case <-time.After(stopLimit):
		t.Fatalf("the server still runs %v after SIGTERM\n%s", stopLimit, s.Output(t))
	}
}

// Output returns what servers at this place have said so far.
func (p Place) Output(t *testing.T) []byte {
	t.Helper()
	out, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
