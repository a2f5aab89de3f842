package wire

import (
	"errors"
	"fmt"

	"strongroom/custody"
)

// Failures that only the two sides of this protocol know.
var (
	// ErrNoMasters says that the token does not hold the masters of a generation.
	ErrNoMasters = errors.New("token does not hold masters of that generation")
	// ErrPIN says that the token refused the PIN, or that trying it once more could lock the token.
	// It is not tried again before the PIN file changes.
	ErrPIN = errors.New("token refuses the PIN")
	// ErrUnsupported says that the token cannot do what was asked, now or later.
	ErrUnsupported = errors.New("token does not support the operation")
)

// Status is how a request went. The field of an answer other than OK is a text for logs.
type Status byte

// The statuses.
const (
	StatusOK           Status = iota
	StatusUnavailable         // custody.ErrUnavailable: the token does not work now
	StatusUnreadable          // custody.ErrUnreadable: the key does not unwrap
	StatusBinding             // custody.ErrBinding: a size, a number or a name that cannot be
	StatusTransported         // custody.ErrTransported
	StatusNonceSealing        // custody.ErrNonceSealing
	StatusNonce               // custody.ErrNonce
	StatusGeneration          // custody.ErrGeneration
	StatusRecovery            // custody.ErrRecovery
	StatusNoMasters           // ErrNoMasters
	StatusPIN                 // ErrPIN
	StatusUnsupported         // ErrUnsupported
	StatusFailed              // anything else

	statuses // how many there are
)

// meaning is what each status stands for, in the order in which an error is looked through.
var meaning = [statuses]error{
	StatusUnavailable:  custody.ErrUnavailable,
	StatusUnreadable:   custody.ErrUnreadable,
	StatusBinding:      custody.ErrBinding,
	StatusTransported:  custody.ErrTransported,
	StatusNonceSealing: custody.ErrNonceSealing,
	StatusNonce:        custody.ErrNonce,
	StatusGeneration:   custody.ErrGeneration,
	StatusRecovery:     custody.ErrRecovery,
	StatusNoMasters:    ErrNoMasters,
	StatusPIN:          ErrPIN,
	StatusUnsupported:  ErrUnsupported,
}

// StatusOf returns the status that tells err to the other side.
func StatusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	for s, known := range meaning {
		if known != nil && errors.Is(err, known) {
			return Status(s)
		}
	}
	return StatusFailed
}

// Err returns the error that a status with its text stands for, nil for OK.
func (s Status) Err(text string) error {
	switch {
	case s == StatusOK:
		return nil
	case s < statuses && meaning[s] != nil:
		return &remoteError{meaning[s], text}
	}
	return fmt.Errorf("custody agent: %s", text)
}

// remoteError is an error of the other side: what it is, and in what words it was told there.
type remoteError struct {
	is   error
	text string
}

func (e *remoteError) Error() string { return "custody agent: " + e.text }
func (e *remoteError) Unwrap() error { return e.is }
