package main_test

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
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script: what people type, against a real server. A script that starts
// with "server" gets one of its own, and the environment of its administrator.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":     startServer,
			"stdout2env": stdoutToEnv,
			"fileenv":    fileToEnv,
			"code":       wantCode,
			"private":    wantPrivate,
		},
	})
}

const (
	startLimit = 30 * time.Second // a first start makes keys, and the machine may be busy
	stopLimit  = 20 * time.Second
)

// startServer is the script command "server": it starts a server on a data folder of the script, waits
// until it is ready, and sets the variables of its credentials file.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: server")
	}
	data := ts.MkAbs("data")
	var log bytes.Buffer
	cmd := exec.Command("strongroom", "serve", "--data", data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "HOME="+ts.MkAbs("."), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	cmd.Stdout, cmd.Stderr = &log, &log
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ts.Defer(func() {
		if err := stop(cmd.Process, ended); err != nil {
			ts.Logf("the server ended badly: %v\n%s", err, log.String())
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	vars, err := waitForServer(ctx, data, ended)
	if err != nil {
		// The process may still write to log; it is ended before log is read.
		err = errors.Join(err, stop(cmd.Process, ended))
		ts.Fatalf("starting the server: %v\n%s", err, log.String())
	}
	for name, value := range vars {
		ts.Setenv(name, value)
	}
}

// stop ends the server as its operator would, and returns why it ended otherwise.
func stop(process *os.Process, ended chan error) error {
	if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-ended:
		ended <- err // for whoever asks again
		return err
	case <-time.After(stopLimit):
		return errors.Join(errors.New("the server does not end"), process.Kill())
	}
}

// waitForServer returns the variables of the credentials file once the server is ready.
func waitForServer(ctx context.Context, data string, ended chan error) (map[string]string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		vars, err := credentials(ctx, filepath.Join(data, "credentials.env"))
		if err == nil {
			err = ready(ctx, vars)
		}
		if err == nil {
			return vars, nil
		}
		select {
		case exit := <-ended:
			ended <- exit
			return nil, fmt.Errorf("it ended: %v", exit)
		case <-ctx.Done():
			return nil, fmt.Errorf("it is not ready: %w", err)
		case <-tick.C:
		}
	}
}

// credentials reads a credentials file as its users do, with a shell.
func credentials(ctx context.Context, file string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-ec", `set -a; . "$1"; set +a; env -0`, "sh", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	vars := map[string]string{}
	for _, line := range strings.Split(string(out), "\x00") {
		if name, value, ok := strings.Cut(line, "="); ok && name != "PATH" && name != "PWD" && name != "_" {
			vars[name] = value
		}
	}
	if vars["STRONGROOM_URL"] == "" || vars["STRONGROOM_API_KEY"] == "" {
		return nil, fmt.Errorf("%s is not complete", file)
	}
	return vars, nil
}

// ready asks the server whether it is.
func ready(ctx context.Context, vars map[string]string) error {
	ca, err := os.ReadFile(vars["STRONGROOM_CA_FILE"])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, vars["STRONGROOM_URL"]+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	return nil
}

// stdoutToEnv is the script command "stdout2env NAME": it sets a variable to what the last command
// printed, without the line end.
func stdoutToEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stdout2env NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// fileToEnv is the script command "fileenv NAME FILE": it sets a variable to the content of a file.
func fileToEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fileenv NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// wantCode is the script command "code N COMMAND...": the command must end with that exit code. Its
// output is that of the script, for stdout and stderr.
func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARGUMENT...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got := fmt.Sprint(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s; error output:\n%s", got, args[0], ts.ReadFile("stderr"))
	}
}

// wantPrivate is the script command "private FILE...": only their owner can read the files.
func wantPrivate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: private FILE...")
	}
	for _, name := range args {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if mode := info.Mode().Perm(); mode != 0o600 {
			ts.Fatalf("%s has mode %o, want 600", name, mode)
		}
	}
}
