package wire_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"strongroom/custody/pkcs11/wire"
)

func message(id uint32, fields ...string) *wire.Message {
	m := &wire.Message{ID: id, Kind: byte(wire.OpMake), Numbers: [2]uint32{1 << 31, id}}
	for _, f := range fields {
		m.Add([]byte(f))
	}
	return m
}

func TestMessagesSurviveTheStream(t *testing.T) {
	sent := []*wire.Message{
		message(1), message(2, ""), message(3, "a", "", "ccc"), message(4, "1", "2", "3", "4", "5", "6"),
		message(5, string(make([]byte, wire.MaxFrame-100))), message(6, "after"),
	}
	var stream []byte
	for _, m := range sent {
		stream = m.Append(stream)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves": iotest.HalfReader(bytes.NewReader(stream)), "with the end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		in := wire.NewReader(r)
		var frame []byte
		for _, want := range sent {
			var err error
			if frame, err = in.Next(frame); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got wire.Message
			if err := got.Parse(frame); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Equal(got.Append(nil), want.Append(nil)) {
				t.Errorf("%s: message %d came as another one", name, want.ID)
			}
		}
		if _, err := in.Next(frame); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after the last: %v, want EOF", name, err)
		}
	}
}

func TestCutStreamIsAnError(t *testing.T) {
	whole := message(1, "field").Append(nil)
	for n := 1; n < len(whole); n++ {
		if _, err := wire.NewReader(bytes.NewReader(whole[:n])).Next(nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d bytes: %v, want ErrUnexpectedEOF", n, err)
		}
	}
}

func TestTooLongMessageIsNotSent(t *testing.T) {
	var out bytes.Buffer
	w := wire.NewWriter(&out)
	if err := w.Send(message(1, string(make([]byte, wire.MaxFrame)))); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("sending a message of more than MaxFrame: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("%d bytes of it were sent", out.Len())
	}
	if err := w.Send(message(2)); err != nil {
		t.Errorf("the next message: %v", err)
	}
}

func TestWriterSendsForMany(t *testing.T) {
	from, to := io.Pipe()
	w := wire.NewWriter(to)
	const senders, each = 8, 300
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				if err := w.Send(message(uint32(i*each+n), "field")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	in, seen := wire.NewReader(from), map[uint32]bool{}
	for range senders * each {
		frame, err := in.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		var m wire.Message
		if err := m.Parse(frame); err != nil || seen[m.ID] || string(m.Field(0)) != "field" {
			t.Fatalf("message %d: %v", m.ID, err)
		}
		seen[m.ID] = true
	}
	wg.Wait()
}

// keeper notes whether what it was given to write is wiped afterwards.
type keeper struct{ written [][]byte }

func (k *keeper) Write(b []byte) (int, error) {
	k.written = append(k.written, b)
	return len(b), nil
}

func TestSecretsAreWipedOnTheWay(t *testing.T) {
	k := &keeper{}
	if err := wire.NewWriter(k).Send(message(1, "a secret")); err != nil {
		t.Fatal(err)
	}
	for _, b := range k.written {
		if bytes.Contains(b, []byte("secret")) {
			t.Error("a sent message stays in memory")
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range []*wire.Message{message(0), message(7, "a", ""), message(9, "1", "2", "3", "4", "5", "6")} {
		f.Add(m.Append(nil)[4:])
	}
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, frame []byte) {
		var m wire.Message
		if err := m.Parse(frame); err != nil {
			return
		}
		if got := m.Append(nil)[4:]; !bytes.Equal(got, frame) {
			t.Errorf("%x is read as %x", frame, got)
		}
	})
}
