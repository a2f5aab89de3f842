package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxFields is how many fields a message has at most.
	MaxFields = 6
	// MaxFrame is the most that a message measures without its length, in bytes.
	MaxFrame = 64 << 10

	lengthSize = 4
	headSize   = 4 + 1 + 2*4 + 1 // of a frame without fields
)

// ErrMalformed says that bytes are no message. The connection cannot be used any further.
var ErrMalformed = errors.New("malformed message between server and custody agent")

// Message is a request or an answer.
type Message struct {
	ID      uint32
	Kind    byte // an Op in a request, a Status in an answer
	Numbers [2]uint32
	fields  [MaxFields][]byte
	count   int
}

// Add appends a field, of which the message keeps the reference.
func (m *Message) Add(field []byte) {
	m.fields[m.count] = field // more than MaxFields is a mistake of this program
	m.count++
}

// Fields returns the number of fields.
func (m *Message) Fields() int { return m.count }

// Field returns a field, nil if there is none with that number.
func (m *Message) Field(i int) []byte {
	if i >= m.count {
		return nil
	}
	return m.fields[i]
}

// size is the length of the frame.
func (m *Message) size() int {
	n := headSize
	for _, f := range m.fields[:m.count] {
		n += lengthSize + len(f)
	}
	return n
}

// Append appends the message with its length to b.
func (m *Message) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(m.size()))
	b = binary.BigEndian.AppendUint32(b, m.ID)
	b = append(b, m.Kind)
	b = binary.BigEndian.AppendUint32(b, m.Numbers[0])
	b = binary.BigEndian.AppendUint32(b, m.Numbers[1])
	b = append(b, byte(m.count))
	for _, f := range m.fields[:m.count] {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// Parse reads a frame: a message without its length. The fields refer to the frame.
func (m *Message) Parse(frame []byte) error {
	if len(frame) < headSize || len(frame) > MaxFrame {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(frame))
	}
	*m = Message{
		ID:      binary.BigEndian.Uint32(frame),
		Kind:    frame[4],
		Numbers: [2]uint32{binary.BigEndian.Uint32(frame[5:]), binary.BigEndian.Uint32(frame[9:])},
	}
	count, rest := int(frame[13]), frame[headSize:]
	if count > MaxFields {
		return fmt.Errorf("%w: %d fields", ErrMalformed, count)
	}
	for range count {
		if len(rest) < lengthSize {
			return fmt.Errorf("%w: a field is missing", ErrMalformed)
		}
		n := binary.BigEndian.Uint32(rest)
		rest = rest[lengthSize:]
		if uint64(n) > uint64(len(rest)) {
			return fmt.Errorf("%w: a field is cut", ErrMalformed)
		}
		m.Add(rest[:n:n])
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(rest))
	}
	return nil
}
