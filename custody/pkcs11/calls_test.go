package pkcs11_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/wire"
)

// answered reads a request and returns its answer: the first field.
func answered(in *wire.Reader) (*wire.Message, error) {
	frame, err := in.Next(nil)
	if err != nil {
		return nil, err
	}
	var request wire.Message
	if err := request.Parse(frame); err != nil {
		return nil, err
	}
	answer := &wire.Message{ID: request.ID}
	answer.Add(request.Field(0))
	return answer, nil
}

// shuffle answers requests in an order that nobody knows.
func shuffle(conn net.Conn) {
	in, out := wire.NewReader(conn), wire.NewWriter(conn)
	for {
		answer, err := answered(in)
		if err != nil {
			return
		}
		go func() { _ = out.Send(answer) }()
	}
}

// pairs answers two requests at a time, the second before the first.
func pairs(conn net.Conn) {
	in, out := wire.NewReader(conn), wire.NewWriter(conn)
	for {
		first, err := answered(in)
		if err != nil {
			return
		}
		second, err := answered(in)
		if err != nil {
			return
		}
		if out.Send(second) != nil || out.Send(first) != nil {
			return
		}
	}
}

func TestAnswersComeInAnyOrder(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go shuffle(theirs)
	c := pkcs11.NewCalls(ours)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				want := []byte{byte(i), byte(n), byte(n >> 8)}
				request := wire.Message{Kind: byte(wire.OpCMAC)}
				request.Add(want)
				if got, err := c.Call(t.Context(), &request); err != nil || !bytes.Equal(got, want) {
					t.Errorf("answer %x, %v, want %x", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestGivenUpCallsDisturbNobody(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go pairs(theirs) // answers a request when the next one has come
	c := pkcs11.NewCalls(ours)
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := c.Call(ctx, &wire.Message{Kind: byte(wire.OpPing)})
		gaveUp <- err
	}()
	untilHung(t, c)
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("call that was given up: %v", err)
	}
	request := wire.Message{Kind: byte(wire.OpCMAC)}
	request.Add([]byte("second"))
	if got, err := c.Call(t.Context(), &request); err != nil || string(got) != "second" {
		t.Errorf("the next call: %q, %v", got, err)
	}
}

func TestEndedConnectionFailsEveryCall(t *testing.T) {
	ours, theirs := net.Pipe()
	c := pkcs11.NewCalls(ours)
	failed := make(chan error)
	for range 3 {
		go func() {
			_, err := c.Call(t.Context(), &wire.Message{Kind: byte(wire.OpCMAC)})
			failed <- err
		}()
	}
	if _, err := io.ReadFull(theirs, make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	for range 3 {
		if err := <-failed; err == nil {
			t.Error("a call succeeded without an answer")
		}
	}
	if _, err := c.Call(t.Context(), &wire.Message{Kind: byte(wire.OpCMAC)}); err == nil {
		t.Error("a call succeeded on an ended connection")
	}
}

func TestHungAgentIsNoticed(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	c := pkcs11.NewCalls(ours)
	go func() { _, _ = c.Call(t.Context(), &wire.Message{Kind: byte(wire.OpCMAC)}) }()
	untilHung(t, c)
	if pkcs11.NewCalls(ours).Hung(time.Unix(1<<40, 0)) {
		t.Error("a connection without calls hangs")
	}
}

// untilHung looks at the calls, later and later, until one has waited for too long. It may not be
// under way at the first look.
func untilHung(t *testing.T, c *pkcs11.Calls) {
	t.Helper()
	now := time.Unix(1000, 0)
	for !c.Hung(now) {
		if t.Context().Err() != nil {
			t.Fatal("a call without an answer was never noticed")
		}
		now = now.Add(pkcs11.CallLimit / 2)
		runtime.Gosched()
	}
}

func TestStatusesKeepTheirMeaning(t *testing.T) {
	for _, want := range []error{
		custody.ErrUnavailable, custody.ErrUnreadable, custody.ErrBinding, custody.ErrTransported,
		custody.ErrNonceSealing, custody.ErrNonce, custody.ErrGeneration, custody.ErrRecovery,
		wire.ErrNoMasters, wire.ErrPIN, wire.ErrUnsupported,
	} {
		got := wire.StatusOf(want).Err("text")
		if !errors.Is(got, want) {
			t.Errorf("%v came over as %v", want, got)
		}
		if !errors.Is(want, custody.ErrUnreadable) && errors.Is(got, custody.ErrUnreadable) {
			t.Errorf("%v came over as ErrUnreadable", want)
		}
	}
	if err := wire.StatusOf(nil).Err(""); err != nil {
		t.Errorf("no error came over as %v", err)
	}
	for s := range 256 {
		if err := wire.Status(s).Err("text"); (err == nil) != (s == 0) {
			t.Errorf("status %d is %v", s, err)
		}
	}
}

// FuzzAnswers is what an agent that went mad may send.
func FuzzAnswers(f *testing.F) {
	ok := wire.Message{ID: 1}
	ok.Add(make([]byte, 32))
	f.Add(ok.Append(nil))
	bad := wire.Message{ID: 1, Kind: byte(wire.StatusUnreadable)}
	bad.Add([]byte("no"))
	f.Add(bad.Append(nil))
	stranger := wire.Message{ID: 77}
	f.Add(stranger.Append(ok.Append(nil)))
	f.Add([]byte{0, 0, 0, 14})
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		c := pkcs11.NewCalls(ours)
		go func() {
			in := wire.NewReader(theirs)
			_, _ = in.Next(nil)
			_, _ = theirs.Write(data)
			_ = theirs.Close()
		}()
		got, err := c.Call(t.Context(), &wire.Message{Kind: byte(wire.OpCMAC)})
		if err != nil && got != nil {
			t.Errorf("both an answer and %v", err)
		}
	})
}
