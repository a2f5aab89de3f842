package agent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/custody/pkcs11/agent"
	"strongroom/custody/pkcs11/wire"
)

// fake is a token whose every operation fails, except some.
type fake struct{ closed *bool }

var errFake = errors.New("not in this token")

func (f fake) Close() { *f.closed = true }

func (fake) Status() (wire.TokenStatus, error) {
	return wire.TokenStatus{Generations: []custody.Generation{{Number: 1}}}, nil
}
func (fake) Ping() error                        { return nil }
func (fake) Examine() (wire.Examination, error) { return wire.Examination{}, nil }

// CMAC mixes, so that the answer shows what came in.
func (fake) CMAC(generation uint32, wrapped []byte, blocks *[32]byte) error {
	if len(wrapped) > 0 {
		blocks[0] ^= wrapped[0]
	}
	blocks[1] ^= byte(generation)
	return nil
}
func (fake) Load(uint32, []byte) error   { return custody.ErrUnreadable }
func (fake) Forget(uint32, []byte) error { return nil }
func (fake) Make(_ uint32, size int) (custody.Wrapped, error) {
	return custody.Wrapped{Master: []byte("master"), Recovery: []byte("recovery")}, nil
}
func (fake) Import(uint32, []byte) (custody.Wrapped, error) { return custody.Wrapped{}, errFake }
func (fake) Rewrap(uint32, []byte, uint32) (custody.Wrapped, error) {
	return custody.Wrapped{}, wire.ErrNoMasters
}

func (fake) MakeMasters(uint32, string, []byte) ([]byte, error) { return nil, custody.ErrGeneration }
func (fake) DestroyMasters(uint32) error                        { return nil }
func (fake) MakePair(uint32, int) (public, private []byte, err error) {
	return nil, nil, wire.ErrUnsupported
}

func (fake) Receive(uint32, []byte, custody.Transported, []byte, uint32) (int, custody.Wrapped, error) {
	return 16, custody.Wrapped{}, nil
}

func (fake) ExportKey(uint32, []byte) (wrapped, encrypted []byte, err error) {
	return nil, nil, errFake
}
func (fake) Export(uint32, []byte, uint32, []byte) ([]byte, error) { return nil, errFake }
func (fake) IntakeKey(uint32, []byte, []byte) ([]byte, error)      { return nil, errFake }
func (fake) Intake(uint32, []byte, []byte, uint32) (custody.Wrapped, error) {
	return custody.Wrapped{}, errFake
}
func (fake) Anchor() ([]byte, error) { return nil, nil }
func (fake) SetAnchor([]byte) error  { return nil }

// served is an agent that serves the fake, and its other end.
type served struct {
	net.Conn
	in     *wire.Reader
	closed bool
	ended  chan error
}

func serve(t *testing.T) *served {
	ours, theirs := net.Pipe()
	s := &served{Conn: ours, in: wire.NewReader(ours), ended: make(chan error, 1)}
	go func() {
		err := agent.Serve(theirs, func(wire.Hello) (agent.Token, error) { return fake{&s.closed}, nil })
		_ = theirs.Close()
		s.ended <- err
	}()
	t.Cleanup(func() { _ = ours.Close() })
	return s
}

func (s *served) ask(t *testing.T, m *wire.Message) wire.Message {
	t.Helper()
	if _, err := s.Write(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	frame, err := s.in.Next(nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer wire.Message
	if err := answer.Parse(frame); err != nil {
		t.Fatal(err)
	}
	if answer.ID != m.ID {
		t.Errorf("answer to request %d has the ID %d", m.ID, answer.ID)
	}
	return answer
}

func hello(t testing.TB) *wire.Message {
	text, err := json.Marshal(wire.Hello{Sessions: 2})
	if err != nil {
		t.Fatal(err)
	}
	m := &wire.Message{ID: 1, Kind: byte(wire.OpHello)}
	m.Add(text)
	return m
}

func TestAgentAnswers(t *testing.T) {
	s := serve(t)
	var st wire.TokenStatus
	greeting := s.ask(t, hello(t))
	if err := json.Unmarshal(greeting.Field(0), &st); err != nil || len(st.Generations) != 1 {
		t.Fatalf("answer to hello: %s, %v", greeting.Field(0), err)
	}
	cmac := &wire.Message{ID: 2, Kind: byte(wire.OpCMAC), Numbers: [2]uint32{5}}
	cmac.Add([]byte{3})
	cmac.Add(make([]byte, 32))
	answer := s.ask(t, cmac)
	if want := append([]byte{3, 5}, make([]byte, 30)...); !bytes.Equal(answer.Field(0), want) {
		t.Errorf("CMACs = %x, want %x", answer.Field(0), want)
	}
	made := s.ask(t, &wire.Message{ID: 3, Kind: byte(wire.OpMake)})
	if string(made.Field(0)) != "master" || string(made.Field(1)) != "recovery" {
		t.Errorf("made %q and %q", made.Field(0), made.Field(1))
	}
	for op, want := range map[wire.Op]wire.Status{
		wire.OpPing: wire.StatusOK, wire.OpLoad: wire.StatusUnreadable, wire.OpImport: wire.StatusFailed,
		wire.OpRewrap: wire.StatusNoMasters, wire.OpMakePair: wire.StatusUnsupported,
		wire.OpMakeMasters: wire.StatusGeneration, wire.OpCMAC: wire.StatusBinding,
		wire.OpReceive: wire.StatusNonceSealing, wire.OpHello: wire.StatusFailed, 200: wire.StatusFailed,
	} {
		m := &wire.Message{ID: 100, Kind: byte(op)}
		if got := s.ask(t, m); wire.Status(got.Kind) != want {
			t.Errorf("%s: status %d, %q, want %d", op, got.Kind, got.Field(0), want)
		}
	}
	_ = s.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	if !s.closed {
		t.Error("the token was not closed")
	}
}

func TestAgentWantsToBeGreeted(t *testing.T) {
	unknown := &wire.Message{Kind: byte(wire.OpHello)}
	unknown.Add([]byte(`{"Pin":"1234"}`))
	for name, first := range map[string][]byte{
		"another request": (&wire.Message{Kind: byte(wire.OpPing)}).Append(nil),
		"no hello":        (&wire.Message{Kind: byte(wire.OpHello)}).Append(nil),
		"unknown option":  unknown.Append(nil),
		"no message":      []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		s := serve(t)
		go func() { _, _ = s.Write(first) }()
		if err := <-s.ended; !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: the agent ended with %v", name, err)
		}
	}
	s := serve(t)
	_ = s.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("closed before hello: the agent ended with %v", err)
	}
}

func TestUnopenedTokenIsTold(t *testing.T) {
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Serve(theirs, func(wire.Hello) (agent.Token, error) { return nil, wire.ErrPIN })
	}()
	s := &served{Conn: ours, in: wire.NewReader(ours)}
	answer := s.ask(t, hello(t))
	if err := wire.Status(answer.Kind).Err(string(answer.Field(0))); !errors.Is(err, wire.ErrPIN) || !strings.Contains(err.Error(), "PIN") {
		t.Errorf("token that refuses the PIN: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// FuzzRequests is what a server that went mad may send.
func FuzzRequests(f *testing.F) {
	greeting := hello(f).Append(nil)
	f.Add([]byte{})
	f.Add((&wire.Message{ID: 2, Kind: byte(wire.OpPing)}).Append(nil))
	cmac := &wire.Message{ID: 3, Kind: byte(wire.OpCMAC)}
	cmac.Add(make([]byte, 40))
	cmac.Add(make([]byte, 32))
	f.Add(cmac.Append(cmac.Append(nil)))
	receive := &wire.Message{ID: 4, Kind: byte(wire.OpReceive)}
	for _, n := range []int{2000, 512, 28, 12, 12} {
		receive.Add(make([]byte, n))
	}
	f.Add(receive.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		closed := false
		out := &bytes.Buffer{}
		conn := struct {
			io.Reader
			io.Writer
		}{io.MultiReader(bytes.NewReader(greeting), bytes.NewReader(data)), out}
		_ = agent.Serve(conn, func(wire.Hello) (agent.Token, error) { return fake{&closed}, nil })
		if !closed {
			t.Error("the token was not closed")
		}
		in := wire.NewReader(out)
		for {
			frame, err := in.Next(nil)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("the agent wrote what is no message: %v", err)
				}
				return
			}
			var m wire.Message
			if err := m.Parse(frame); err != nil {
				t.Error(err)
			}
		}
	})
}
