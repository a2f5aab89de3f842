package objects

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// newVersionID draws a version ID: the time in nanoseconds, so that IDs sort by time, and 8 random bytes.
func newVersionID(now time.Time) VersionID {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(now.UnixNano()))
	b = b[:16]
	_, _ = rand.Read(b[8:]) // never fails: crypto/rand ends the process instead
	return VersionID(hex.EncodeToString(b))
}

// nextVersion returns the ID of a version that is written to the bucket now.
func (b *Bucket) nextVersion(now time.Time) VersionID {
	if b.Versioning == VersioningEnabled {
		return newVersionID(now)
	}
	return NullVersion
}

// check refuses what can be no version ID. Empty is the newest version.
func (v VersionID) check() error {
	if v == "" || v == NullVersion {
		return nil
	}
	if !isHex32(string(v)) {
		return ErrArgument.On("versionId", "it is no version ID")
	}
	return nil
}

// newHex32 draws 16 random bytes as 32 hexadecimal digits: the name of a write, an opaque ETag.
func newHex32() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func isHex32(s string) bool {
	if len(s) != 32 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
