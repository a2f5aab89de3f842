package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Kind is the kind of these modules in custody.Info.
const Kind = "pkcs11"

// Module is a crypto module in a token.
type Module struct {
	o      Options
	serial atomic.Uint64 // of the key loaded last
	keys   sync.Map      // custody.Handle → *key
	agent  atomic.Pointer[agent]
	health atomic.Pointer[health]
	closed atomic.Bool

	mu   sync.Mutex // held to change info
	info atomic.Pointer[info]

	stop    context.CancelFunc
	stopped chan struct{} // closed when the agent has ended for good
}

// info is what is known of the token.
type info struct {
	custody.Info
	generations []custody.Generation // the oldest first
}

// health says whether the token works.
type health struct{ err error }

var (
	_ custody.Module      = (*Module)(nil)
	_ custody.Masters     = (*Module)(nil)
	_ custody.Transport   = (*Module)(nil)
	_ custody.Source      = (*Module)(nil)
	_ custody.Destination = (*Module)(nil)
	_ custody.Anchors     = (*Module)(nil)
)

// Open starts the agent and connects to the token, which need not have masters yet. It fails when
// the token cannot be reached; later on, that is waited for.
func Open(ctx context.Context, o Options) (*Module, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("opening the PKCS#11 module %q: %w", o.Name, err)
	}
	first, err := startAgent(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening the PKCS#11 module %q: %w", o.Name, err)
	}
	m := &Module{o: o, stopped: make(chan struct{})}
	m.take(first)
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.keep(ctx, first)
	return m, nil
}

// Info implements custody.Module.
func (m *Module) Info() custody.Info { return m.info.Load().Info }

// Healthy returns nil, or why the token cannot be used now. It is cheap.
func (m *Module) Healthy() error { return m.health.Load().err }

// Close implements custody.Module: it ends the agent. A second Close does nothing.
func (m *Module) Close() error {
	m.closed.Store(true)
	m.stop()
	<-m.stopped
	m.keys.Clear()
	return nil
}

// take puts a new agent to work.
func (m *Module) take(a *agent) {
	m.learn(a.status)
	m.health.Store(&health{})
	m.agent.Store(a)
}

// learn takes in what the token says of itself.
func (m *Module) learn(st wire.TokenStatus) {
	i := info{
		Info:        custody.Info{Kind: Kind, Name: m.o.Name, Protection: st.Protection},
		generations: st.Generations,
	}
	if n := len(st.Generations); n > 0 {
		i.Generation, i.Recovery = st.Generations[n-1].Number, st.Generations[n-1].Recovery
	}
	m.info.Store(&i)
}

// Between two looks at the agent, and between two attempts to start it.
const (
	lookEvery = time.Second
	minPause  = 100 * time.Millisecond
	maxPause  = 10 * time.Second
)

// keep watches the agent and starts another when it ends, until ctx does.
func (m *Module) keep(ctx context.Context, a *agent) {
	defer close(m.stopped)
	for a != nil {
		m.watch(ctx, a)
		m.agent.Store(nil)
		a.kill()
		<-a.ended
		if ctx.Err() != nil {
			return
		}
		m.sick(a.failure())
		a = m.restart(ctx)
	}
}

// watch returns when the agent ended or hangs, or ctx is done.
func (m *Module) watch(ctx context.Context, a *agent) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			a.fail(custody.ErrClosed)
			return
		case <-a.ended:
			return
		case now := <-ticker.C:
			if a.hung(now) {
				a.fail(fmt.Errorf("%w: %w", custody.ErrUnavailable, errHung))
				return
			}
			go m.ping(ctx, a)
		}
	}
}

// ping asks whether the token works, and has the agent connect to it again if it can.
func (m *Module) ping(ctx context.Context, a *agent) {
	if !a.pinging.CompareAndSwap(false, true) {
		return // the one before has no answer yet
	}
	defer a.pinging.Store(false)
	answer, err := a.call(ctx, &wire.Message{Kind: byte(wire.OpPing)})
	if err != nil {
		if a.failure() == nil && ctx.Err() == nil {
			m.blame(a, err)
		}
		return
	}
	answer.release()
	m.well()
}

// restart starts the agent again, until that works or ctx is done.
func (m *Module) restart(ctx context.Context) *agent {
	var refused os.FileInfo // the PIN file with the PIN that the token refused
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		if !sameFile(refused, m.o.PINFile) {
			refused = nil
			a, err := startAgent(ctx, m.o)
			if err == nil {
				m.o.Log.Info("custody agent is back", "module", m.o.Name)
				m.take(a)
				return a
			}
			if errors.Is(err, wire.ErrPIN) {
				refused, _ = os.Stat(m.o.PINFile)
			}
			m.sick(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// sameFile reports whether the file at path is still what it was.
func sameFile(was os.FileInfo, path string) bool {
	if was == nil {
		return false
	}
	is, err := os.Stat(path)
	return err == nil && os.SameFile(was, is) && was.ModTime().Equal(is.ModTime()) && was.Size() == is.Size()
}

// sick notes that the token cannot be used; news are logged.
func (m *Module) sick(err error) {
	if err == nil {
		return
	}
	m.tellSick(m.health.Swap(&health{err}), err)
}

// blame notes what one agent said of the token, unless it is in use no more: what comes late from an
// agent that has ended says nothing of its successor.
func (m *Module) blame(a *agent, err error) {
	old := m.health.Load()
	if m.agent.Load() == a && m.health.CompareAndSwap(old, &health{err}) {
		m.tellSick(old, err)
	}
}

func (m *Module) tellSick(old *health, err error) {
	if old == nil || old.err == nil || old.err.Error() != err.Error() {
		m.o.Log.Error("token cannot be used", "module", m.o.Name, "error", err.Error())
	}
}

// well notes that it can.
func (m *Module) well() {
	if old := m.health.Swap(&health{}); old != nil && old.err != nil {
		m.o.Log.Info("token works again", "module", m.o.Name)
	}
}

// call has the agent do something. The caller releases the answer.
func (m *Module) call(ctx context.Context, request *wire.Message) (*call, error) {
	if m.closed.Load() {
		return nil, custody.ErrClosed
	}
	a := m.agent.Load()
	if a == nil {
		if h := m.health.Load(); h.err != nil {
			return nil, unavailable(h.err)
		}
		return nil, custody.ErrUnavailable
	}
	answer, err := a.call(ctx, request)
	if err != nil && (errors.Is(err, custody.ErrUnavailable) || errors.Is(err, wire.ErrPIN)) {
		m.blame(a, err)
		return nil, unavailable(err)
	}
	return answer, err
}

// unavailable makes err one that says to try again, whatever else it says.
func unavailable(err error) error {
	if errors.Is(err, custody.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", custody.ErrUnavailable, err)
}
