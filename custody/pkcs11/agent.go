package pkcs11

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// agent is a running agent, connected.
type agent struct {
	*calls
	status wire.TokenStatus // as it was at the start
	ended  chan struct{}    // closed when the process has ended
	pid    int
	kill   func() // ends the process; it may have ended already

	pinging atomic.Bool // a ping is under way
}

// startAgent runs the agent and introduces the token to it.
func startAgent(ctx context.Context, o Options) (*agent, error) {
	a, err := spawn(o)
	if err != nil {
		return nil, fmt.Errorf("starting the custody agent: %w", err)
	}
	if err := a.hello(ctx, o); err != nil {
		a.kill()
		<-a.ended
		return nil, err
	}
	return a, nil
}

func (a *agent) hello(ctx context.Context, o Options) error {
	hello, err := json.Marshal(o.hello())
	if err != nil {
		return fmt.Errorf("encoding what the agent is told: %w", err)
	}
	request := wire.Message{Kind: byte(wire.OpHello)}
	request.Add(hello)
	// Loading a library and logging in may be slow, and are not allowed to take forever.
	ctx, cancel := context.WithTimeout(ctx, slowLimit)
	defer cancel()
	answer, err := a.call(ctx, &request)
	if err != nil {
		return fmt.Errorf("opening token %q: %w", o.Token, err)
	}
	defer answer.release()
	return decode(answer, &a.status)
}

// spawn starts the process. It inherits the environment, in which vendors' libraries look for their
// configuration, and nothing else but its end of a socket pair.
func spawn(o Options) (*agent, error) {
	pair, err := socketPair()
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "parent")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(o.Agent, AgentCommand)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = processAttributes()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	a := &agent{calls: newCalls(conn), ended: make(chan struct{})}
	started, drained := make(chan error), make(chan struct{})
	go func() {
		// The process is killed when the thread ends that started it, so that this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		relay(stderr, o.Log)
		err = cmd.Wait()
		<-drained // what it has answered before it ended counts
		a.fail(fmt.Errorf("%w: the custody agent has ended: %s", custody.ErrUnavailable, exitText(err)))
		close(a.ended)
	}()
	if err := <-started; err != nil {
		_ = conn.Close()
		return nil, err
	}
	a.kill = func() {
		_ = conn.Close()
		_ = cmd.Process.Kill()
	}
	a.pid = cmd.Process.Pid
	go func() {
		defer close(drained)
		if err := a.read(); errors.Is(err, wire.ErrMalformed) {
			a.fail(fmt.Errorf("%w: %w", custody.ErrUnavailable, err))
		}
		a.kill() // without a connection it is of no use
	}()
	return a, nil
}

func exitText(err error) string {
	if err == nil {
		return "it was told to"
	}
	return err.Error()
}

const maxLine = 4 << 10

// relay logs what the agent and the vendor's library have to say, line by line, to the end.
func relay(from io.Reader, log *slog.Logger) {
	lines := bufio.NewReaderSize(from, maxLine)
	for {
		line, _, err := lines.ReadLine()
		if len(line) > 0 {
			log.Warn("custody agent says", "line", string(line))
		}
		if err != nil {
			return
		}
	}
}

// decode reads the JSON that an answer holds.
func decode(answer *call, into any) error {
	if err := json.Unmarshal(answer.message.Field(0), into); err != nil {
		return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	return nil
}

// How long an operation may take before the agent counts as hung and is ended.
const (
	callLimit = 30 * time.Second
	slowLimit = 5 * time.Minute // for those that draw RSA keys, log in or measure
)

// limit returns that of an operation.
func limit(op wire.Op) time.Duration {
	switch op {
	case wire.OpHello, wire.OpMakePair, wire.OpExamine, wire.OpMakeMasters:
		return slowLimit
	}
	return callLimit
}

// errHung is why an agent was ended that did not answer.
var errHung = errors.New("the custody agent did not answer in time")
