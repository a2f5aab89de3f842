package custody

import (
	"context"
	"encoding/hex"
	"fmt"
)

// MaterialID identifies key material without telling anything about it: the same material has the
// same ID in every instance and module. It finds the key that opens a wrapped data key when the
// key version that it names is not known. It is public.
type MaterialID [BlockSize]byte

// String returns the ID in hexadecimal.
func (id MaterialID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String does.
func (id MaterialID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads the 32 hexadecimal digits that MarshalText wrote.
func (id *MaterialID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("material ID of %d characters, not %d", len(text), hex.EncodedLen(len(id)))
	}
	var read MaterialID
	if _, err := hex.Decode(read[:], text); err != nil {
		return fmt.Errorf("material ID: %w", err)
	}
	*id = read
	return nil
}

// materialContext stands in the block of a material ID where a sealing has its salt.
var materialContext = [saltSize]byte([]byte("strongroom/1"))

// Identify returns the ID of the material of the loaded key h: the AES-CMAC of a fixed block with a
// label of its own, so that no sealing under the same key computes or reveals it.
func Identify(ctx context.Context, m Module, h Handle) (MaterialID, error) {
	block := kdfBlock(1, labelMaterial, materialContext)
	out, err := m.CMAC(ctx, h, [2]Block{block, block})
	if err != nil {
		return MaterialID{}, fmt.Errorf("identifying key material: %w", err)
	}
	return MaterialID(out[0]), nil
}
