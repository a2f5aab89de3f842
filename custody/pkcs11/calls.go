package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"strongroom/custody/pkcs11/wire"
)

// calls are the requests that are under way on one connection.
type calls struct {
	conn io.ReadWriteCloser
	out  *wire.Writer

	mu      sync.Mutex
	waiting map[uint32]*call
	last    uint32 // ID of the latest request
	err     error  // why the connection is of no use any more
}

// call is one request and its answer.
type call struct {
	done    chan error // receives once: nil, or why there is no answer
	message wire.Message
	frame   []byte // memory of message
	op      wire.Op
	begun   time.Time // zero until the first look at it
}

// idle are calls that can be used again: a sealing takes one.
var idle = sync.Pool{New: func() any { return &call{done: make(chan error, 1)} }}

// release gives the call and the memory of its answer back.
func (c *call) release() { idle.Put(c) }

func newCalls(conn io.ReadWriteCloser) *calls {
	return &calls{conn: conn, out: wire.NewWriter(conn), waiting: map[uint32]*call{}}
}

// call sends a request and waits for its answer, which the caller releases. An answer that tells a
// failure is returned as the error it stands for.
func (c *calls) call(ctx context.Context, request *wire.Message) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answer := idle.Get().(*call)
	answer.op, answer.begun = wire.Op(request.Kind), time.Time{}
	if err := c.add(answer, request); err != nil {
		answer.release()
		return nil, err
	}
	if err := c.out.Send(request); errors.Is(err, wire.ErrMalformed) {
		c.forget(request.ID)
		return nil, err
	} else if err != nil {
		_ = c.conn.Close() // who reads finds out why, and tells everybody
	}
	select {
	case err := <-answer.done:
		if err == nil {
			status := wire.Status(answer.message.Kind)
			err = status.Err(string(answer.message.Field(0)))
			if status == wire.StatusOK {
				return answer, nil
			}
		}
		answer.release()
		return nil, err
	case <-ctx.Done():
		c.forget(request.ID)
		return nil, ctx.Err()
	}
}

// forget gives a call up. As its answer may be on its way, it is not used again.
func (c *calls) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

func (c *calls) add(answer *call, request *wire.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.last++
	request.ID = c.last
	c.waiting[c.last] = answer
	return nil
}

// read hands answers to those that wait for them, until the connection ends.
func (c *calls) read() error {
	in := wire.NewReader(c.conn)
	var frame []byte
	for {
		var err error
		if frame, err = in.Next(frame); err != nil {
			return fmt.Errorf("reading from the custody agent: %w", err)
		}
		var message wire.Message
		if err := message.Parse(frame); err != nil {
			return err
		}
		c.mu.Lock()
		answer := c.waiting[message.ID]
		delete(c.waiting, message.ID)
		c.mu.Unlock()
		if answer == nil {
			continue // whoever asked has gone
		}
		answer.frame, frame = frame, answer.frame
		answer.message = message
		answer.done <- nil
	}
}

// fail ends the connection, and every call on it with err; only the first failure counts.
func (c *calls) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	err = c.err
	waiting := c.waiting
	c.waiting = map[uint32]*call{}
	c.mu.Unlock()
	_ = c.conn.Close()
	for _, answer := range waiting {
		answer.done <- err
	}
}

// failure returns why the connection is of no use any more, nil as long as it is.
func (c *calls) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// hung reports whether a request has been waiting for longer than it may. That it waits is noticed
// by the first look at it, so that no request has to read the clock.
func (c *calls) hung(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, answer := range c.waiting {
		if answer.begun.IsZero() {
			answer.begun = now
		} else if now.Sub(answer.begun) > limit(answer.op) {
			return true
		}
	}
	return false
}
