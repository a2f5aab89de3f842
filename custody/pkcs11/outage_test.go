//go:build cgo && pkcs11

package pkcs11_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/wire"
)

// log is a logger whose lines can be read while it is written to.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// logged replaces the log of the options.
func (o *options) logged() *log {
	l := &log{}
	o.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

func makeKey(t testing.TB, m custody.Module, id string) (custody.Handle, custody.Sealed) {
	t.Helper()
	h, sealed, err := m.Make(t.Context(), custody.Root, instanceBinding(id))
	if err != nil {
		t.Fatal(err)
	}
	return h, sealed
}

// kill ends a process, which is the agent of a module.
func kill(t testing.TB, m *pkcs11.Module) {
	t.Helper()
	if pid := m.AgentPID(); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}

// until waits for a condition, for as long as the test may run.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for !is() {
		if t.Context().Err() != nil {
			t.Fatalf("never came: %s", what)
		}
		// The condition costs a round trip to the agent, or is one that another process brings about.
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 5000})
	}
}

func TestKilledAgentComesBack(t *testing.T) {
	o := newToken(t)
	lines := o.logged()
	m := open(t, o.Options)
	makeMasters(t, m, 1)
	h, _ := makeKey(t, m, "instance")
	want, err := m.CMAC(t.Context(), h, [2]custody.Block{{1}, {2}})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := m.CMAC(t.Context(), h, [2]custody.Block{{1}, {2}})
				if err == nil && got != want || err != nil && !errors.Is(err, custody.ErrUnavailable) {
					t.Errorf("under load: %x, %v", got, err)
					return
				}
			}
		})
	}
	for range 3 {
		before := m.AgentPID()
		kill(t, m)
		until(t, "another agent", func() bool { pid := m.AgentPID(); return pid != 0 && pid != before })
		until(t, "an answer", func() bool {
			got, err := m.CMAC(t.Context(), h, [2]custody.Block{{1}, {2}})
			return err == nil && got == want
		})
		if err := m.Healthy(); err != nil {
			t.Errorf("after it came back: %v", err)
		}
	}
	close(stop)
	wg.Wait()
	if s := lines.String(); !strings.Contains(s, "signal: killed") || !strings.Contains(s, "back") {
		t.Errorf("log does not tell that the agent ended and came back:\n%s", s)
	}
}

func TestPulledTokenComesBack(t *testing.T) {
	o := newToken(t)
	lines := o.logged()
	m := open(t, o.Options)
	makeMasters(t, m, 1)
	h, sealed := makeKey(t, m, "instance")
	want, err := m.CMAC(t.Context(), h, [2]custody.Block{{1}, {2}})
	if err != nil {
		t.Fatal(err)
	}
	agent := m.AgentPID()

	pulled := o.token.Folder + "-pulled"
	if err := os.Rename(o.token.Folder, pulled); err != nil {
		t.Fatal(err)
	}
	until(t, "the token is missed", func() bool { return m.Healthy() != nil })
	if _, err := m.CMAC(t.Context(), h, [2]custody.Block{}); !errors.Is(err, custody.ErrUnavailable) {
		t.Errorf("CMAC without the token: %v, want ErrUnavailable", err)
	}
	if _, err := m.Load(t.Context(), custody.Root, instanceBinding("instance"), sealed); !errors.Is(err, custody.ErrUnavailable) || errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("Load without the token: %v, want ErrUnavailable", err)
	}
	if s := lines.String(); !strings.Contains(s, "CKR_") {
		t.Errorf("no code of PKCS#11 in the log:\n%s", s)
	}

	if err := os.Rename(pulled, o.token.Folder); err != nil {
		t.Fatal(err)
	}
	until(t, "the token is back", func() bool { return m.Healthy() == nil })
	if got, err := m.CMAC(t.Context(), h, [2]custody.Block{{1}, {2}}); err != nil || got != want {
		t.Errorf("with the token again: %x, %v", got, err)
	}
	if _, err := m.Load(t.Context(), custody.Root, instanceBinding("instance"), sealed); err != nil {
		t.Errorf("Load with the token again: %v", err)
	}
	if m.AgentPID() != agent {
		t.Error("the agent was started again, which a token that comes and goes does not ask for")
	}
}

func TestMoreKeysThanTheTokenKeeps(t *testing.T) {
	o := newToken(t)
	o.CachedKeys = 2
	m := open(t, o.Options)
	makeMasters(t, m, 1)
	const keys = 7
	var (
		handles [keys]custody.Handle
		want    [keys][2]custody.Block
	)
	for i := range keys {
		handles[i], _ = makeKey(t, m, fmt.Sprint(i))
		var err error
		if want[i], err = m.CMAC(t.Context(), handles[i], [2]custody.Block{{1}, {2}}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 40 {
				i := (n*worker + n) % keys
				if got, err := m.CMAC(t.Context(), handles[i], [2]custody.Block{{1}, {2}}); err != nil || got != want[i] {
					t.Errorf("key %d: %x, %v, want %x", i, got, err, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// setPIN replaces the PIN file.
func setPIN(t testing.TB, path, pin string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(pin), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestWrongPINIsTriedOnce(t *testing.T) {
	o := newToken(t)
	lines := o.logged()
	m := open(t, o.Options)
	makeMasters(t, m, 1)
	h, _ := makeKey(t, m, "instance")
	right, err := os.ReadFile(o.PINFile)
	if err != nil {
		t.Fatal(err)
	}
	setPIN(t, o.PINFile, "not-the-pin")
	if _, err := pkcs11.Open(t.Context(), o.Options); !errors.Is(err, wire.ErrPIN) || errors.Is(err, custody.ErrUnavailable) ||
		!strings.Contains(err.Error(), o.PINFile) || strings.Contains(err.Error(), "not-the-pin") {
		t.Errorf("opening with a wrong PIN: %v, want ErrPIN and the name of the file", err)
	}
	refused := func() bool { return errors.Is(m.Healthy(), wire.ErrPIN) }

	// The agent is started again, and its PIN refused; another start would be another try.
	kill(t, m)
	until(t, "the PIN is refused", refused)
	if _, err := m.CMAC(t.Context(), h, [2]custody.Block{}); !errors.Is(err, custody.ErrUnavailable) {
		t.Errorf("CMAC with a wrong PIN: %v, want ErrUnavailable", err)
	}
	setPIN(t, o.PINFile, string(right))
	until(t, "the right PIN is tried", func() bool { return m.Healthy() == nil })
	if _, err := m.CMAC(t.Context(), h, [2]custody.Block{}); err != nil {
		t.Errorf("CMAC with the right PIN: %v", err)
	}

	// The token comes back to an agent that still runs, with a wrong PIN.
	setPIN(t, o.PINFile, "not-the-pin")
	pulled := o.token.Folder + "-pulled"
	if err := os.Rename(o.token.Folder, pulled); err != nil {
		t.Fatal(err)
	}
	until(t, "the token is missed", func() bool { return m.Healthy() != nil })
	if err := os.Rename(pulled, o.token.Folder); err != nil {
		t.Fatal(err)
	}
	until(t, "the PIN is refused", refused)
	until(t, "it is not tried again", func() bool { return strings.Contains(m.Healthy().Error(), "unchanged") })
	setPIN(t, o.PINFile, string(right))
	until(t, "the right PIN is tried", func() bool { return m.Healthy() == nil })

	if s := lines.String(); strings.Contains(s, "not-the-pin") || strings.Contains(s, strings.TrimSpace(string(right))) {
		t.Error("a PIN is in the log")
	}
}

func TestPINFileIsGuarded(t *testing.T) {
	o := newToken(t)
	for name, spoil := range map[string]func(path string) error{
		"readable by others": func(path string) error { return os.Chmod(path, 0o640) },
		"missing":            os.Remove,
		"empty":              func(path string) error { return os.Truncate(path, 0) },
		"a folder":           func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"too long":           func(path string) error { return os.Truncate(path, 1000) },
	} {
		bad := o.Options
		bad.PINFile = filepath.Join(t.TempDir(), "pin")
		setPIN(t, bad.PINFile, "1234")
		if err := spoil(bad.PINFile); err != nil {
			t.Fatal(err)
		}
		if m, err := pkcs11.Open(t.Context(), bad); err == nil {
			_ = m.Close()
			t.Errorf("PIN file that is %s: opened", name)
		} else if !strings.Contains(err.Error(), "PIN file") {
			t.Errorf("PIN file that is %s: %v", name, err)
		}
	}
}

func TestWrongOptionsAreExplained(t *testing.T) {
	o := newToken(t)
	for name, c := range map[string]struct {
		change func(*pkcs11.Options)
		want   string
	}{
		"no library":       {func(o *pkcs11.Options) { o.Library = "/nowhere/lib.so" }, "/nowhere/lib.so"},
		"another library":  {func(o *pkcs11.Options) { o.Library = "/lib/x86_64-linux-gnu/libc.so.6" }, "not a PKCS#11 library"},
		"another token":    {func(o *pkcs11.Options) { o.Token = "other" }, `no token has the label "other"; there are: "strongroom"`},
		"no agent":         {func(o *pkcs11.Options) { o.Agent = "/nowhere/agent" }, "/nowhere/agent"},
		"relative library": {func(o *pkcs11.Options) { o.Library = "lib.so" }, "not absolute"},
		"another program":  {func(o *pkcs11.Options) { o.Agent = "/bin/false" }, "exit status 1"},
	} {
		bad := o.Options
		c.change(&bad)
		m, err := pkcs11.Open(t.Context(), bad)
		if err == nil {
			_ = m.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAgentKeepsToItself(t *testing.T) {
	o := newToken(t)
	m := open(t, o.Options)
	proc := fmt.Sprintf("/proc/%d/", m.AgentPID())
	cmdline, err := os.ReadFile(proc + "cmdline")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{self, pkcs11.AgentCommand, ""}, strings.Split(string(cmdline), "\x00")); diff != "" {
		t.Errorf("command line of the agent (-want +got):\n%s", diff)
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && f[4] != "0" {
			t.Errorf("the agent may leave a core dump: %s", line)
		}
	}
	pid := m.AgentPID()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the agent is there after the module was closed: %v", err)
	}
}
