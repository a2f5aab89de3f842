//go:build cgo && pkcs11

package token

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/miekg/pkcs11"

	"strongroom/custody/pkcs11/wire"
)

// pinStamp tells one state of the PIN file from another without the PIN.
type pinStamp struct {
	inode          uint64
	size, modified int64
}

const maxPIN = 256

// readPIN reads the PIN, which may end in a line break. The caller wipes it.
func readPIN(path string) ([]byte, pinStamp, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pinStamp{}, fmt.Errorf("opening the PIN file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, pinStamp{}, fmt.Errorf("reading the PIN file: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, pinStamp{}, fmt.Errorf("PIN file %s is no regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, pinStamp{}, fmt.Errorf("PIN file %s can be read by others than its owner (mode %o); make it 0600", path, info.Mode().Perm())
	case info.Size() == 0 || info.Size() > maxPIN:
		return nil, pinStamp{}, fmt.Errorf("PIN file %s has %d bytes; it holds the PIN alone, of up to %d", path, info.Size(), maxPIN)
	}
	stamp := pinStamp{size: info.Size(), modified: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		stamp.inode = sys.Ino
	}
	pin := make([]byte, info.Size())
	if _, err := io.ReadFull(f, pin); err != nil {
		clear(pin)
		return nil, pinStamp{}, fmt.Errorf("reading the PIN file: %w", err)
	}
	return bytes.TrimRight(pin, "\r\n"), stamp, nil
}

// login logs in with the PIN of the PIN file, unless the token refused just that, or could be locked
// by one more mistake: tokens count wrong PINs, and some destroy themselves.
func (t *Token) login(s pkcs11.SessionHandle, flags uint) error {
	pin, stamp, err := readPIN(t.hello.PINFile)
	if err != nil {
		return err
	}
	defer func() { clear(pin[:cap(pin)]) }()
	switch {
	case stamp == t.refused:
		return fmt.Errorf("%w: it was refused before, and the PIN file is unchanged", wire.ErrPIN)
	case flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return fmt.Errorf("%w: it is locked; the token's security officer unlocks it", wire.ErrPIN)
	case flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return fmt.Errorf("%w: one try is left, which is for a person; log in once with the vendor's tool", wire.ErrPIN)
	}
	err = t.library.login(s, pin)
	switch {
	case isCode(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN):
		return nil
	case errors.Is(err, wire.ErrPIN):
		t.refused = stamp
		return fmt.Errorf("the PIN in %s was refused, and is not tried again until that file changes: %w", t.hello.PINFile, err)
	}
	return err
}
