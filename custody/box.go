package custody

import (
	"bytes"
	"errors"
	"fmt"
)

// FormatSeal1 is the number of the one format of seal that exists. It is the first byte of a
// marshalled Box and part of every derivation.
const FormatSeal1 = 1

const (
	saltSize       = 12
	nonceSize      = 12
	commitmentSize = 32
	tagSize        = 16
	boxOverhead    = 1 + saltSize + nonceSize + commitmentSize + tagSize
)

// MaxPlaintext is the most that one Box can hold, in bytes. The seal is for keys and records;
// streams are cut into chunks by the object store.
const MaxPlaintext = 64 << 10

// errBox says that bytes cannot be a marshalled Box.
var errBox = errors.New("not a sealed box")

// Box is a sealed plaintext.
type Box struct {
	Salt       [saltSize]byte       // random; makes the key of this sealing a different one from any other's
	Nonce      [nonceSize]byte      // random; of AES-GCM
	Commitment [commitmentSize]byte // allows only the one key to open the box
	Ciphertext []byte               // as long as the plaintext, and the 16 bytes of the tag
}

// MarshalBinary returns the stored form of the box: the format byte, salt, nonce, commitment and
// ciphertext, without separators. It never fails.
func (b Box) MarshalBinary() ([]byte, error) {
	out := make([]byte, 0, boxOverhead-tagSize+len(b.Ciphertext))
	out = append(out, FormatSeal1)
	out = append(out, b.Salt[:]...)
	out = append(out, b.Nonce[:]...)
	out = append(out, b.Commitment[:]...)
	return append(out, b.Ciphertext...), nil
}

// ParseBox reads what MarshalBinary wrote. It checks form and sizes; whether the box is genuine
// only Open can tell. The box keeps no reference to data.
func ParseBox(data []byte) (Box, error) {
	switch {
	case len(data) < boxOverhead || len(data) > boxOverhead+MaxPlaintext:
		return Box{}, fmt.Errorf("%w: %d bytes", errBox, len(data))
	case data[0] != FormatSeal1:
		return Box{}, fmt.Errorf("%w: unknown format %d", errBox, data[0])
	}
	var b Box
	data = data[1:]
	data = data[copy(b.Salt[:], data):]
	data = data[copy(b.Nonce[:], data):]
	data = data[copy(b.Commitment[:], data):]
	b.Ciphertext = bytes.Clone(data)
	return b, nil
}
