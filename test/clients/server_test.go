package clients_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain starts one server for all tests, and a judge before it, and puts what
// its credentials file says into the environment, as a shell does that sources
// the file. The tests know nothing else of the server.
func TestMain(m *testing.M) {
	code, err := withServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		code = 1
	}
	os.Exit(code)
}

// patience is what only a broken server exhausts, however busy the machine is.
const patience = 4 * time.Minute

// withServer builds the program, runs it while do runs, and ends it.
func withServer(do func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "strongroom-clients-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)

	binary := filepath.Join(dir, "strongroom")
	build := exec.Command("go", "build", "-o", binary, "./cmd/strongroom")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the server: %w\n%s", err, out)
	}

	data := filepath.Join(dir, "data")
	var log bytes.Buffer // read only after the process has ended
	server := exec.Command(binary, "serve", "--data", data,
		"--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	defer func() {
		if stopErr := stop(server.Process, ended); stopErr != nil {
			err = errors.Join(err, fmt.Errorf("%w\n%s", stopErr, log.Bytes()))
		}
	}()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := awaitReady(ctx, filepath.Join(data, "credentials.env")); err != nil {
		return 0, err
	}
	return judged(dir, do)
}

// stop ends the server as an operator does, and says if it did not end cleanly.
func stop(p *os.Process, ended <-chan error) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("the server had already ended: %w", <-ended)
	}
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("the server did not end cleanly: %w", err)
		}
		return nil
	case <-time.After(patience):
		_ = p.Kill()
		<-ended
		return fmt.Errorf("the server did not end within %v of SIGTERM", patience)
	}
}

// awaitReady waits for the credentials file of a first start, sources it, and
// waits until /readyz answers 200.
func awaitReady(ctx context.Context, credentials string) error {
	for {
		err := source(credentials)
		if err == nil {
			err = ready(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// source lets a shell read the credentials file and takes over its environment.
func source(credentials string) error {
	if _, err := os.Stat(credentials); err != nil {
		return err
	}
	out, err := exec.Command("sh", "-c", `set -a; . "$0"; set +a; env -0`, credentials).Output()
	if err != nil {
		return fmt.Errorf("sourcing %s: %w", credentials, err)
	}
	for _, pair := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// ready asks /readyz, trusting the server's own authority alone. It does not use
// the system's roots: those are read once in the life of a process, and not
// before the tests may need them.
func ready(ctx context.Context) error {
	pem, err := os.ReadFile(os.Getenv("STRONGROOM_CA_FILE"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("STRONGROOM_CA_FILE holds no certificate")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("STRONGROOM_URL")+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	return nil
}

// env returns a variable of the credentials file.
func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("the credentials file does not set %s", name)
	}
	return v
}
