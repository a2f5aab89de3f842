package audit

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// eventID is an event's UUID in binary.
type eventID [16]byte

// newID returns a UUID of version 7 (RFC 9562, section 5.7) for t: the IDs of a log sort by time.
func newID(t time.Time) string {
	var id eventID
	rand.Read(id[6:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

func (id eventID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// parseID accepts the one spelling that the log writes: 36 characters, lower case.
func parseID(s string) (eventID, error) {
	var id eventID
	if len(s) != 36 {
		return id, fmt.Errorf("event ID has %d characters, want 36", len(s))
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		digits[n] = s[i]
		n++
	}
	if _, err := hex.Decode(id[:], digits[:]); err != nil || id.String() != s {
		return eventID{}, fmt.Errorf("event ID %q is not a UUID in lower case", s)
	}
	return id, nil
}
