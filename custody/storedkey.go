package custody

import (
	"context"
	"fmt"
	"slices"
)

// Sealed is a key as it is stored: a marshalled Box that holds the key, wrapped by the wrap
// master, and is bound to all of the key's Binding. It is no secret.
type Sealed []byte

// What the first byte of a sealed key says about the wrapped copies that follow, each of the same
// length.
const (
	copiesMaster   = 1 // one, under the wrap master
	copiesRecovery = 3 // two, the second under the recovery key
)

// wrapOverhead is what AES key wrap (RFC 3394) adds to a key, in bytes.
const wrapOverhead = 8

// Wrapped is a key as the masters of a generation wrap it (AES key wrap, RFC 3394).
type Wrapped struct {
	Master   []byte // under the wrap master
	Recovery []byte // under the recovery key; nil if the generation has none
}

// SealKey makes the stored form of a key from the key as the masters of b.Generation wrapped it. It
// is for implementations of Module.
func SealKey(ctx context.Context, m Module, parent Handle, b Binding, w Wrapped) (Sealed, error) {
	size := b.Size + wrapOverhead
	if len(w.Master) != size || (w.Recovery != nil && len(w.Recovery) != size) {
		return nil, fmt.Errorf("%w: %d and %d bytes of wrapped key for a key of %d",
			ErrBinding, len(w.Master), len(w.Recovery), b.Size)
	}
	copies := byte(copiesMaster)
	if w.Recovery != nil {
		copies = copiesRecovery
	}
	plaintext := slices.Concat([]byte{copies}, w.Master, w.Recovery)
	box, err := Seal(ctx, m, sealingKey(parent, b.Generation), b.Purpose, b.Context(), plaintext)
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// OpenKey undoes SealKey and returns the key as the masters of b.Generation wrapped it. It is for
// implementations of Module.
func OpenKey(ctx context.Context, m Module, parent Handle, b Binding, s Sealed) (Wrapped, error) {
	box, err := ParseBox(s)
	if err != nil {
		return Wrapped{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	plaintext, err := Open(ctx, m, sealingKey(parent, b.Generation), b.Purpose, b.Context(), box)
	if err != nil {
		return Wrapped{}, err
	}
	inner := plaintext.Reveal() // ciphertext of the masters, no secret
	size := b.Size + wrapOverhead
	switch {
	case len(inner) == 1+size && inner[0] == copiesMaster:
		return Wrapped{Master: inner[1:]}, nil
	case len(inner) == 1+2*size && inner[0] == copiesRecovery:
		return Wrapped{Master: inner[1 : 1+size], Recovery: inner[1+size:]}, nil
	}
	return Wrapped{}, ErrUnreadable
}

// sealingKey is the key that the outer layer is sealed under: the parent, which for an instance key
// is the seal master of its generation.
func sealingKey(parent Handle, generation uint32) Handle {
	if parent == Root {
		return RootOf(generation)
	}
	return parent
}
