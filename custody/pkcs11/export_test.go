package pkcs11

import (
	"context"
	"io"
	"time"

	"strongroom/custody/pkcs11/wire"
)

// AgentPID returns the process of the agent, 0 while there is none.
func (m *Module) AgentPID() int {
	if a := m.agent.Load(); a != nil {
		return a.pid
	}
	return 0
}

// Calls is one connection with an agent.
type Calls struct{ c *calls }

// NewCalls returns the calls on a connection, and reads answers until it ends.
func NewCalls(conn io.ReadWriteCloser) *Calls {
	c := &Calls{newCalls(conn)}
	go func() { c.c.fail(c.c.read()) }()
	return c
}

// Call sends a request and returns what is in the answer.
func (c *Calls) Call(ctx context.Context, request *wire.Message) ([]byte, error) {
	answer, err := c.c.call(ctx, request)
	if err != nil {
		return nil, err
	}
	defer answer.release()
	return append([]byte{}, answer.message.Field(0)...), nil
}

// Hung reports whether a request has been waiting for too long.
func (c *Calls) Hung(now time.Time) bool { return c.c.hung(now) }

// CallLimit is how long a request may wait.
const CallLimit = callLimit
