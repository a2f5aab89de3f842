package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"
)

// kind is what a line holds; its name is the member that holds the body.
type kind byte

// The kinds of lines. Their numbers are part of what is hashed.
const (
	kindSegment    kind = 1 // the first line of a segment
	kindEvent      kind = 2
	kindCheckpoint kind = 3
)

func (k kind) String() string {
	switch k {
	case kindSegment:
		return "segment"
	case kindEvent:
		return "event"
	case kindCheckpoint:
		return "checkpoint"
	default:
		panic("audit: unknown kind of line " + strconv.Itoa(int(k)))
	}
}

// line is one line of a segment. It has a single spelling, without spaces:
//
//	{"sequence":7,"hash":"<43 characters>","event":{…}}
type line struct {
	sequence uint64 // counts the lines of all segments, from 1
	hash     Hash   // of this line and all before it
	kind     kind
	body     []byte // raw JSON; what the hash covers
}

// chainTag separates these hashes from all others.
const chainTag = "strongroom/audit/line/1"

// chainer computes the hashes of lines. It is kept from line to line to spare allocations.
type chainer struct {
	sum  hash.Hash
	head [len(chainTag) + sha256.Size + 1 + 8 + 8]byte
	out  [sha256.Size]byte
}

func newChainer() *chainer {
	c := &chainer{sum: sha256.New()}
	copy(c.head[:], chainTag)
	return c
}

// next returns the hash of a line that follows one with the hash previous:
// SHA-256(tag ‖ previous ‖ kind ‖ sequence ‖ length of body ‖ body), numbers of 8 bytes big endian.
func (c *chainer) next(previous Hash, k kind, sequence uint64, body []byte) Hash {
	p := c.head[len(chainTag):]
	copy(p, previous[:])
	p[sha256.Size] = byte(k)
	binary.BigEndian.PutUint64(p[sha256.Size+1:], sequence)
	binary.BigEndian.PutUint64(p[sha256.Size+9:], uint64(len(body)))
	c.sum.Reset()
	c.sum.Write(c.head[:])
	c.sum.Write(body)
	return Hash(c.sum.Sum(c.out[:0]))
}

// Parts of a line.
const (
	lineSequence = `{"sequence":`
	lineHash     = `,"hash":"`
	lineEnd      = "}\n"
)

// appendLine appends a line with its end.
func appendLine(b []byte, l line) []byte {
	b = append(b, lineSequence...)
	b = strconv.AppendUint(b, l.sequence, 10)
	b = append(b, lineHash...)
	b = hashText.AppendEncode(b, l.hash[:])
	b = append(b, '"', ',', '"')
	b = append(b, l.kind.String()...)
	b = append(b, '"', ':')
	b = append(b, l.body...)
	return append(b, lineEnd...)
}

var errLine = errors.New("not a line of an audit log")

// parseLine reads a line with its end. It accepts only what appendLine writes, so that no byte of
// the frame can change unseen. The body refers to text, and is not looked into.
func parseLine(text []byte) (line, error) {
	if len(text) > maxLine {
		return line{}, errLine
	}
	rest, ok := bytes.CutPrefix(text, []byte(lineSequence))
	if !ok {
		return line{}, errLine
	}
	digits, rest, ok := bytes.Cut(rest, []byte(lineHash))
	if !ok || len(digits) == 0 || len(digits) > 20 || digits[0] == '0' {
		return line{}, errLine
	}
	var l line
	var err error
	if l.sequence, err = strconv.ParseUint(string(digits), 10, 64); err != nil {
		return line{}, errLine
	}
	if len(rest) < hashTextLen || l.hash.UnmarshalText(rest[:hashTextLen]) != nil {
		return line{}, errLine
	}
	rest = rest[hashTextLen:]
	for _, k := range []kind{kindEvent, kindCheckpoint, kindSegment} {
		body, ok := bytes.CutPrefix(rest, []byte(`","`+k.String()+`":`))
		if !ok {
			continue
		}
		if l.body, ok = bytes.CutSuffix(body, []byte(lineEnd)); !ok || len(l.body) == 0 {
			return line{}, errLine
		}
		l.kind = k
		return l, nil
	}
	return line{}, errLine
}

// format names the layout of segments.
const format = "strongroom-audit-1"

// header is the body of a segment's first line.
type header struct {
	Format     string    `json:"format"`
	Server     string    `json:"server"`
	Epoch      uint64    `json:"epoch"`
	First      uint64    `json:"first"`      // sequence of this line
	Previous   Hash      `json:"previous"`   // hash of the line before it; zero for the first of all
	Checkpoint Hash      `json:"checkpoint"` // digest of the newest checkpoint before it; zero if none
	Time       time.Time `json:"time"`
	Sync       string    `json:"sync"`          // how far the server that writes promises durability
	Cut        int64     `json:"cut,omitempty"` // bytes of unacknowledged lines that a crash left, removed before it
}

func (h header) encode() []byte {
	body, err := json.Marshal(h)
	if err != nil {
		panic("audit: encoding segment header: " + err.Error()) // no field can fail
	}
	return body
}

func parseHeader(body []byte) (header, error) {
	var h header
	if err := json.Unmarshal(body, &h); err != nil {
		return header{}, fmt.Errorf("parsing segment header: %w", err)
	}
	if h.Format != format {
		return header{}, fmt.Errorf("segment has format %.40q, want %q", h.Format, format)
	}
	return h, nil
}
