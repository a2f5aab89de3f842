package custody

import (
	"context"
	"errors"
)

// ErrTransfer says that a transfer between modules has ended or was not opened: begin another.
var ErrTransfer = errors.New("transfer between crypto modules is not open")

// TransferKeySize is the size of a transfer key in bytes.
const TransferKeySize = 32

// Source is a module that can hand its keys to another one, in a form that only the other module
// opens. It is found by type assertion.
//
// The receiving module makes an RSA pair for the transfer, the sending module draws a transfer key
// (AES-256) and encrypts it to that pair (RSA-OAEP, SHA-256, empty label), and each key goes over
// in AES key wrap (RFC 3394) under the transfer key.
type Source interface {
	// Export begins a transfer to the module whose intake has this public key (PKIX, DER).
	Export(ctx context.Context, to []byte) (Export, error)
}

// Export is the sending side of a transfer. It is safe for concurrent use.
type Export interface {
	// Key returns the transfer key, encrypted to the receiving module.
	Key() []byte
	// Wrap returns the key that is stored as s under parent and b, wrapped by the transfer key.
	// Failures are those of Load, and ErrTransfer after Close.
	Wrap(ctx context.Context, parent Handle, b Binding, s Sealed) ([]byte, error)
	// Close ends the transfer and forgets its key.
	Close() error
}

// Destination is a module that can take keys from another one. It is found by type assertion.
type Destination interface {
	// Accept begins a transfer into this module.
	Accept(ctx context.Context) (Intake, error)
}

// Intake is the receiving side of a transfer. It is safe for concurrent use once it is open.
type Intake interface {
	// Public returns the public key of the transfer (PKIX, DER).
	Public() []byte
	// Open takes the transfer key in, as Export.Key returned it, or fails with ErrTransported.
	Open(ctx context.Context, key []byte) error
	// Store seals a key that Export.Wrap wrapped under parent, a key of this module or Root, bound
	// to b, whose generation is one of this module's and whose origin may be either. It fails with
	// ErrUnreadable when wrapped is not a key of b.Size that the transfer key wraps.
	Store(ctx context.Context, parent Handle, b Binding, wrapped []byte) (Sealed, error)
	// Close ends the transfer and forgets its keys.
	Close() error
}

// Anchors is a module that can keep a small public record outside the database and the data folder,
// by which an old copy of both is noticed. It is found by type assertion.
type Anchors interface {
	// Anchor returns the record, or nil if there is none.
	Anchor(ctx context.Context) ([]byte, error)
	// SetAnchor replaces the record by up to MaxAnchor bytes.
	SetAnchor(ctx context.Context, record []byte) error
}

// MaxAnchor is the most that an anchor holds, in bytes.
const MaxAnchor = 1024
