package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
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

// TestScripts runs testdata/script: what people type, against a real server. "server start" gives a
// script a server of its own, and the environment of its administrator.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			s := &scriptServer{data: filepath.Join(env.WorkDir, "data")}
			env.Values[serverOfScript{}] = s
			env.Defer(func() {
				if err := s.stop(); err != nil {
					env.T().Log("the server ended badly: ", err, "\n", s.log.String())
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":  controlServer,
			"jsonenv": jsonToEnv,
			"fileenv": fileToEnv,
			"code":    wantCode,
			"await":   awaitSuccess,
			"private": wantPrivate,
		},
	})
}

// Limits that only a broken server reaches, however busy the machine is.
const (
	startLimit = 4 * time.Minute
	stopLimit  = 4 * time.Minute
)

// scriptServer is the server of one script.
type scriptServer struct {
	data  string        // its data folder
	cmd   *exec.Cmd     // nil while it does not run
	ended chan struct{} // closed when the process has ended
	exit  error         // how it ended; to be read after ended
	log   bytes.Buffer  // its output; to be read after ended
}

// serverOfScript is the key of a script's *scriptServer among the values of its environment.
type serverOfScript struct{}

// awaitSuccess is the script command "await 'COMMAND'": it repeats a command, whose output is then that
// of the script, until it succeeds. It is for what the server does in the background.
func awaitSuccess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await 'COMMAND'")
	}
	command := strings.Fields(args[0])
	var err error
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = ts.Exec(command[0], command[1:]...); err == nil {
			return
		}
	}
	ts.Fatalf("%s: %v", args[0], err)
}

// controlServer is the script command "server start|stop". A server that is started is ready, and the
// variables of its credentials file are set; one that is stopped must end without an error.
func controlServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: server start|stop")
	}
	s := ts.Value(serverOfScript{}).(*scriptServer)
	switch args[0] {
	case "start":
		vars, err := s.start()
		if err != nil {
			err = errors.Join(err, s.stop()) // it has ended before its output is read
			ts.Fatalf("starting the server: %v\n%s", err, s.log.String())
		}
		for name, value := range vars {
			ts.Setenv(name, value)
		}
	case "stop":
		if err := s.stop(); err != nil {
			ts.Fatalf("stopping the server: %v\n%s", err, s.log.String())
		}
	default:
		ts.Fatalf("usage: server start|stop")
	}
}

// start runs the server and returns its credentials once it is ready.
func (s *scriptServer) start() (map[string]string, error) {
	s.log.Reset()
	s.cmd = exec.Command("strongroom", "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0")
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.ended = make(chan struct{})
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return nil, err
	}
	go func() {
		s.exit = s.cmd.Wait()
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return waitForServer(ctx, s.data, s.ended)
}

// stop ends the server as its operator would, and returns why it ended otherwise.
func (s *scriptServer) stop() error {
	if s.cmd == nil {
		return nil
	}
	defer func() { s.cmd = nil }()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return s.exit
	case <-time.After(stopLimit):
		err := errors.Join(errors.New("the server does not end"), s.cmd.Process.Kill())
		<-s.ended
		return err
	}
}

// waitForServer returns the variables of the credentials file once the server is ready.
func waitForServer(ctx context.Context, data string, ended <-chan struct{}) (map[string]string, error) {
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
		case <-ended:
			return nil, errors.New("it ended")
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

// jsonToEnv is the script command "jsonenv NAME MEMBER": it sets a variable to a member of the JSON that
// the last command printed; of the first element, when that is an array.
func jsonToEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonenv NAME MEMBER")
	}
	var members []map[string]any
	text := []byte(ts.ReadFile("stdout"))
	if err := json.Unmarshal(text, &members); err != nil {
		members = make([]map[string]any, 1)
		ts.Check(json.Unmarshal(text, &members[0]))
	}
	if len(members) == 0 || members[0][args[1]] == nil {
		ts.Fatalf("there is no member %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(members[0][args[1]]))
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
