package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Writer sends messages of many goroutines over one connection. Who finds it idle writes, and goes
// on writing what others add in the meantime: under load one system call carries many messages,
// and a single message waits for nobody.
type Writer struct {
	to io.Writer

	mu      sync.Mutex
	waiting []byte // messages that are to be written
	spare   []byte // memory for the next ones, empty
	busy    bool   // somebody is writing
	err     error  // the first failure; nothing is written after it
}

// NewWriter returns a Writer on a connection.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Send sends the message. When it returns, the message was written or will be by another caller,
// and m and its fields may be used again. Memory that a message passed through is wiped.
func (w *Writer) Send(m *Message) error {
	if m.size() > MaxFrame {
		return fmt.Errorf("%w: %d bytes are too many", ErrMalformed, m.size())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if need := lengthSize + m.size(); cap(w.waiting)-len(w.waiting) < need {
		grown := make([]byte, len(w.waiting), 2*cap(w.waiting)+need)
		copy(grown, w.waiting)
		clear(w.waiting)
		w.waiting = grown
	}
	w.waiting = m.Append(w.waiting)
	if w.busy {
		return nil
	}
	w.busy = true
	for len(w.waiting) > 0 && w.err == nil {
		out := w.waiting
		w.waiting = w.spare
		w.mu.Unlock()
		_, err := w.to.Write(out)
		clear(out)
		w.mu.Lock()
		w.spare = out[:0]
		w.err = err
	}
	w.busy = false
	return w.err
}

// Reader reads frames from a connection, for one goroutine at a time.
type Reader struct {
	from       io.Reader
	buf        []byte
	start, end int // of what was read and not yet taken
}

// NewReader returns a Reader on a connection.
func NewReader(from io.Reader) *Reader {
	return &Reader{from: from, buf: make([]byte, lengthSize+MaxFrame)}
}

// Next appends the next frame to b[:0] and returns it, and wipes its own copy. It returns io.EOF
// when the connection was closed between two messages.
func (r *Reader) Next(b []byte) ([]byte, error) {
	if err := r.need(lengthSize); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(r.buf[r.start:])
	if n < headSize || n > MaxFrame {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, n)
	}
	if err := r.need(lengthSize + int(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	frame := r.buf[r.start+lengthSize : r.start+lengthSize+int(n)]
	b = append(b[:0], frame...)
	clear(frame)
	r.start += lengthSize + int(n)
	return b, nil
}

// need reads until n bytes are there.
func (r *Reader) need(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.start+n > len(r.buf) {
		copied := copy(r.buf, r.buf[r.start:r.end])
		clear(r.buf[max(copied, r.start):r.end])
		r.start, r.end = 0, copied
	}
	for r.end-r.start < n {
		got, err := r.from.Read(r.buf[r.end:])
		r.end += got
		if got == 0 && err != nil {
			if err == io.EOF && r.end > r.start {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}
