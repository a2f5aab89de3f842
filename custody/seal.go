package custody

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
)

// Labels of the blocks that a module computes a CMAC of, so that no use of a key meets another's
// outputs. XAES-256-GCM, whose derivation has the same shape, uses 'X'.
const (
	labelSeal     = 'S'
	labelMaterial = 'M'
)

const sealKeySize = 32

// Seal encrypts plaintext under the loaded key h, bound to the purpose and to bound, which is
// best made by Context or Binding.Context. The plaintext may have up to MaxPlaintext bytes.
//
// Each sealing has a key of its own: two AES-CMAC blocks over a random salt (SP 800-108 in counter
// mode) give a pseudorandom key, which HKDF-Expand-SHA-256 turns into the key of an AES-256-GCM and
// a commitment to it. Salt and nonce, 192 random bits, have to repeat together to do harm, so that
// a key may seal without counting, also when its material is used in several places.
func Seal(ctx context.Context, m Module, h Handle, p Purpose, bound, plaintext []byte) (Box, error) {
	return seal(in(ctx, m, h), h.Size(), p, bound, plaintext)
}

// Open decrypts what Seal made under the same key, for the same purpose and with the same bound.
// Anything else gives ErrUnreadable, whatever is wrong with it; other errors say that the module
// could not be asked.
func Open(ctx context.Context, m Module, h Handle, p Purpose, bound []byte, b Box) (Secret, error) {
	return open(in(ctx, m, h), h.Size(), p, bound, b)
}

func seal(sum cmac, size int, p Purpose, bound, plaintext []byte) (Box, error) {
	if len(plaintext) > MaxPlaintext {
		return Box{}, fmt.Errorf("sealing %s: %d bytes, at most %d are possible", p, len(plaintext), MaxPlaintext)
	}
	var b Box
	_, _ = rand.Read(b.Salt[:]) // never fails: crypto/rand ends the process instead
	keys, err := derive(sum, size, p, bound, b.Salt)
	if err != nil {
		return Box{}, fmt.Errorf("sealing %s: %w", p, err)
	}
	defer clear(keys)
	out := newGCM(keys[:sealKeySize]).Seal(nil, nil, plaintext, nil)
	b.Ciphertext = out[copy(b.Nonce[:], out):]
	copy(b.Commitment[:], keys[sealKeySize:])
	return b, nil
}

func open(sum cmac, size int, p Purpose, bound []byte, b Box) (Secret, error) {
	if len(b.Ciphertext) < tagSize || len(b.Ciphertext) > MaxPlaintext+tagSize {
		return Secret{}, ErrUnreadable
	}
	keys, err := derive(sum, size, p, bound, b.Salt)
	if err != nil {
		return Secret{}, fmt.Errorf("opening %s: %w", p, err)
	}
	defer clear(keys)
	// AES-GCM alone allows a ciphertext that opens under several keys.
	if subtle.ConstantTimeCompare(keys[sealKeySize:], b.Commitment[:]) != 1 {
		return Secret{}, ErrUnreadable
	}
	return openGCM(keys[:sealKeySize], b)
}

// cmac computes the AES-CMAC of two blocks under the key of a sealing.
type cmac func([2]Block) ([2]Block, error)

// in is the CMAC under a key that is loaded in a module.
func in(ctx context.Context, m Module, h Handle) cmac {
	return func(blocks [2]Block) ([2]Block, error) { return m.CMAC(ctx, h, blocks) }
}

// derive returns the key of a sealing and, after it, the commitment to that key. The caller clears
// both.
func derive(sum cmac, size int, p Purpose, bound []byte, salt [saltSize]byte) ([]byte, error) {
	if size == 0 {
		return nil, ErrUnloaded
	}
	out, err := sum([2]Block{kdfBlock(1, labelSeal, salt), kdfBlock(2, labelSeal, salt)})
	if err != nil {
		return nil, err
	}
	prk := make([]byte, 0, 2*BlockSize)
	prk = append(append(prk, out[0][:]...), out[1][:]...)
	defer clear(prk)
	return expand(prk, sealInfo(p, size, bound))
}

// kdfBlock is one input of the SP 800-108 KDF in counter mode: a counter of 16 bits, a label of
// one byte, the separating zero, and the context.
func kdfBlock(counter, label byte, context [saltSize]byte) (b Block) {
	b[1], b[2] = counter, label
	copy(b[4:], context[:])
	return b
}

// expand is HKDF-Expand-SHA-256 to the key and the commitment.
func expand(prk []byte, info string) ([]byte, error) {
	return hkdf.Expand(sha256.New, prk, info, sealKeySize+commitmentSize)
}

// sealInfo encodes all that a sealing is bound to beside its key and salt.
func sealInfo(p Purpose, keySize int, bound []byte) string {
	var (
		info   strings.Builder
		length [8]byte
	)
	info.Grow(1 + 8 + len(p) + 1 + 8 + len(bound))
	info.WriteByte(FormatSeal1)
	binary.BigEndian.PutUint64(length[:], uint64(len(p)))
	info.Write(length[:])
	info.WriteString(string(p))
	info.WriteByte(byte(keySize))
	binary.BigEndian.PutUint64(length[:], uint64(len(bound)))
	info.Write(length[:])
	info.Write(bound)
	return info.String()
}

// newGCM returns the AES-GCM that draws its own nonces: it puts the nonce before the ciphertext
// when it seals, and expects it there when it opens.
func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("custody: " + err.Error()) // the derivation has a fixed size
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("custody: " + err.Error()) // fails for other ciphers than AES only
	}
	return gcm
}

// openGCM opens the ciphertext of b.
func openGCM(key []byte, b Box) (Secret, error) {
	in := make([]byte, 0, nonceSize+len(b.Ciphertext))
	in = append(append(in, b.Nonce[:]...), b.Ciphertext...)
	out, err := newGCM(key).Open(make([]byte, 0, len(b.Ciphertext)-tagSize), nil, in, nil)
	if err != nil {
		return Secret{}, ErrUnreadable
	}
	return NewSecret(out), nil
}
