package custody

import (
	"context"
	"errors"
)

// How the making of masters fails, beside a module that cannot be reached.
var (
	ErrGeneration = errors.New("generation is not above all that the crypto module holds")
	ErrRecovery   = errors.New("invalid recovery key")
)

// Masters is what the operator of a module can do with its masters. It is found by type assertion.
//
// A generation is one wrap master and one seal master, drawn together. Generations are numbered
// from 1 within a deployment, over all its modules, and each is in one module. Keys that are stored
// name the generation that wraps them; they are moved to a newer one key by key, and when the last
// has left, the old masters are destroyed: from then on no copy of what they wrapped opens, but by
// recovery shares.
type Masters interface {
	// Generations lists what the module holds, the oldest first.
	Generations(ctx context.Context) ([]Generation, error)

	// MakeMasters draws the masters of a new generation, whose number is higher than that of any
	// the module holds, or it fails with ErrGeneration. They are durable when it returns. What it
	// returns is to be kept with the database: without it recovery shares open nothing. It fails
	// with ErrRecovery when r is incomplete or names a key without giving it that the module lacks.
	MakeMasters(ctx context.Context, number uint32, r Recovery) (Escrow, error)

	// DestroyMasters destroys the masters of a generation for good. Keys of that generation which
	// are still loaded stay so until they are unloaded. Destroying what is not held does nothing.
	DestroyMasters(ctx context.Context, number uint32) error

	// Rewrap returns the stored form of the key that is stored as s under parent and b, wrapped by
	// the masters of another generation of the same module and bound to it. Failures are those of
	// Load, and ErrBinding when the module does not hold that generation.
	Rewrap(ctx context.Context, parent Handle, b Binding, s Sealed, generation uint32) (Sealed, error)
}

// Generation describes the masters of one generation.
type Generation struct {
	Number   uint32
	Recovery string // names the recovery key; empty if keys have no second copy
}

// RecoveryKeySize is the size of a recovery key in bytes.
const RecoveryKeySize = 32

// Recovery says which recovery key wraps the second copy of each key of a generation.
type Recovery struct {
	// Set names the recovery key, as its shares do. Empty: keys have no second copy.
	Set string
	// Key is the recovery key, of RecoveryKeySize bytes, that the module takes in for wrapping only;
	// the caller wipes it. Empty: the key of that set which came in with an earlier generation.
	Key Secret
}

// Escrow is the seal master of a generation under its recovery key (AES key wrap, RFC 3394), by
// which who has the recovery key opens stored keys without the module. It is no secret, and nil for
// a generation without a recovery key.
type Escrow []byte
