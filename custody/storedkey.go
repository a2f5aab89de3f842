package custody

import (
	"context"
	"fmt"
)

// Sealed is a key as it is stored: a marshalled Box that holds the key, wrapped by the wrap
// master, and is bound to all of the key's Binding. It is no secret.
type Sealed []byte

const (
	// copiesMaster is the first byte of what a stored key seals when one wrapped copy of the key
	// follows, under the wrap master. Other values are kept for a second copy, under a recovery key.
	copiesMaster = 1

	// wrapOverhead is what AES key wrap (RFC 3394) adds to a key, in bytes.
	wrapOverhead = 8
)

// SealKey makes the stored form of a key from the key as the wrap master wrapped it (AES key wrap,
// RFC 3394). It is for implementations of Module.
func SealKey(ctx context.Context, m Module, parent Handle, b Binding, wrapped []byte) (Sealed, error) {
	if len(wrapped) != b.Size+wrapOverhead {
		return nil, fmt.Errorf("%w: %d bytes of wrapped key for a key of %d", ErrBinding, len(wrapped), b.Size)
	}
	plaintext := append([]byte{copiesMaster}, wrapped...)
	box, err := Seal(ctx, m, parent, b.Purpose, b.Context(), plaintext)
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// OpenKey undoes SealKey and returns the key as the wrap master wrapped it. It is for
// implementations of Module.
func OpenKey(ctx context.Context, m Module, parent Handle, b Binding, s Sealed) ([]byte, error) {
	box, err := ParseBox(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	plaintext, err := Open(ctx, m, parent, b.Purpose, b.Context(), box)
	if err != nil {
		return nil, err
	}
	inner := plaintext.Reveal() // ciphertext of the wrap master, no secret
	if len(inner) != 1+b.Size+wrapOverhead || inner[0] != copiesMaster {
		return nil, ErrUnreadable
	}
	return inner[1:], nil
}
