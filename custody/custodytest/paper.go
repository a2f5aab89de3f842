package custodytest

import (
	"bytes"
	"context"
	"crypto/aes"
	"encoding/binary"
	"testing"

	"strongroom/custody"
)

// paper computes with keys that it knows, by the words of the standards and with nothing of any
// module: what the suite opens in this way, the holder of a recovery key can open without the module.
type paper struct {
	custody.Module // nil: a paper makes and loads nothing
	keys           map[custody.Handle][]byte
}

// CMAC implements custody.Module, by NIST SP 800-38B, section 6.2, for a message of one block.
func (p paper) CMAC(_ context.Context, h custody.Handle, blocks [2]custody.Block) ([2]custody.Block, error) {
	key, ok := p.keys[h]
	if !ok {
		return [2]custody.Block{}, custody.ErrUnloaded
	}
	cipher, err := aes.NewCipher(key)
	if err != nil {
		return [2]custody.Block{}, err
	}
	var subkey custody.Block
	cipher.Encrypt(subkey[:], subkey[:])
	carry := subkey[0]&0x80 != 0
	for i := range subkey {
		subkey[i] <<= 1
		if i+1 < len(subkey) && subkey[i+1]&0x80 != 0 {
			subkey[i] |= 1
		}
	}
	if carry {
		subkey[len(subkey)-1] ^= 0x87
	}
	for i := range blocks {
		for j := range blocks[i] {
			blocks[i][j] ^= subkey[j]
		}
		cipher.Encrypt(blocks[i][:], blocks[i][:])
	}
	return blocks, nil
}

// unwrap is the inverse of AES key wrap, as RFC 3394 has it in section 2.2.2.
func unwrap(t *testing.T, kek, wrapped []byte) []byte {
	t.Helper()
	cipher, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	n := len(wrapped)/8 - 1
	if n < 2 || len(wrapped)%8 != 0 {
		t.Fatalf("wrapped key of %d bytes", len(wrapped))
	}
	a, r := bytes.Clone(wrapped[:8]), bytes.Clone(wrapped[8:])
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			block := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(a)^uint64(n*j+i))
			block = append(block, r[8*(i-1):8*i]...)
			cipher.Decrypt(block, block)
			copy(a, block[:8])
			copy(r[8*(i-1):], block[8:])
		}
	}
	if !bytes.Equal(a, bytes.Repeat([]byte{0xa6}, 8)) {
		t.Fatal("wrapped key does not open under the recovery key")
	}
	return r
}

// recovered is what the holder of a recovery key has of a generation.
type recovered struct {
	paper
	recovery []byte
}

// openEscrow opens the escrow of a generation.
func openEscrow(t *testing.T, generation uint32, recovery []byte, escrow custody.Escrow) recovered {
	t.Helper()
	seal := unwrap(t, recovery, escrow)
	return recovered{paper{keys: map[custody.Handle][]byte{custody.RootOf(generation): seal}}, recovery}
}

// open returns the material of a stored key from its second copy.
func (r recovered) open(t *testing.T, parent custody.Handle, b custody.Binding, s custody.Sealed) custody.Secret {
	t.Helper()
	wrapped, err := custody.OpenKey(t.Context(), r, parent, b, s)
	if err != nil {
		t.Fatalf("opening the outer layer of a key: %v", err)
	}
	if wrapped.Recovery == nil {
		t.Fatal("key has no second copy")
	}
	return custody.NewSecret(unwrap(t, r.recovery, wrapped.Recovery))
}

// learn makes a key that was opened one under which others are stored.
func (r recovered) learn(parent custody.Handle, material custody.Secret) {
	r.keys[parent] = material.Reveal()
}
