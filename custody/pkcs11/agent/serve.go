package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"strongroom/custody/pkcs11/wire"
)

// maxSessions is how many sessions a parent may ask for.
const maxSessions = 256

// Serve answers the requests that come in on the connection, until it is closed. The first one says
// which token to open.
func Serve(conn io.ReadWriter, open func(wire.Hello) (Token, error)) error {
	s := &server{in: wire.NewReader(conn), out: wire.NewWriter(conn)}
	hello, err := s.hello(open)
	if err != nil || s.token == nil {
		return err
	}
	defer s.token.Close()
	var workers sync.WaitGroup
	for range min(max(hello.Sessions, 1), maxSessions) {
		workers.Go(s.work)
	}
	workers.Wait()
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// server serves one connection. Each of its workers reads a request, does it and answers it: there
// are as many as sessions, so that a request that was read never waits for one.
type server struct {
	token Token
	out   *wire.Writer

	mu  sync.Mutex // held to read
	in  *wire.Reader
	err error // why nothing more is read
}

// hello answers the first request. A token that does not open is told to the parent, who knows what
// to do; the server then has none.
func (s *server) hello(open func(wire.Hello) (Token, error)) (h wire.Hello, err error) {
	frame, err := s.in.Next(nil)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		return h, err
	}
	var request wire.Message
	if err := request.Parse(frame); err != nil {
		return h, err
	}
	if wire.Op(request.Kind) != wire.OpHello {
		return h, fmt.Errorf("%w: %s comes before hello", wire.ErrMalformed, wire.Op(request.Kind))
	}
	dec := json.NewDecoder(bytes.NewReader(request.Field(0)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil {
		return h, fmt.Errorf("%w: hello: %w", wire.ErrMalformed, err)
	}
	answer := wire.Message{ID: request.ID}
	status, err := s.open(h, open)
	if err != nil {
		fail(&answer, err)
	} else {
		answer.Add(status)
	}
	return h, s.out.Send(&answer)
}

func (s *server) open(h wire.Hello, open func(wire.Hello) (Token, error)) ([]byte, error) {
	t, err := open(h)
	if err != nil {
		return nil, err
	}
	st, err := t.Status()
	if err != nil {
		t.Close()
		return nil, err
	}
	s.token = t
	return json.Marshal(st)
}

// work does one request after the other.
func (s *server) work() {
	var frame []byte
	for {
		var err error
		if frame, err = s.next(frame); err != nil {
			return
		}
		var request, answer wire.Message
		if err = request.Parse(frame); err == nil {
			answer.ID = request.ID
			s.answer(&request, &answer)
			err = s.out.Send(&answer)
		}
		clear(frame) // may hold a key that is being imported
		if err != nil {
			s.stop(err)
			return
		}
	}
}

// next reads a request, unless one of the workers met the end.
func (s *server) next(frame []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		frame, s.err = s.in.Next(frame)
	}
	return frame, s.err
}

func (s *server) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// fail makes the answer one that tells err.
func fail(answer *wire.Message, err error) {
	answer.Kind = byte(wire.StatusOf(err))
	answer.Add([]byte(err.Error()))
}
