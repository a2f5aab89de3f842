// Package oaep undoes the padding of RSA-OAEP (RFC 8017, section 7.1.2) with SHA-256, MGF1 with
// SHA-256 and an empty label, for tokens that decrypt with RSA alone and do not know this hash.
package oaep

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// Overhead is by how many bytes a message is shorter than the modulus, at least.
const Overhead = 2*sha256.Size + 2

// Decode returns the message in encoded, which is what RSA decryption gave and is as long as the
// modulus. It tells one wrong padding from another neither by its answer nor by its time: who
// could, would decrypt with our help (Manger's attack). It overwrites encoded, of which the message
// is a part.
func Decode(encoded []byte) (message []byte, ok bool) {
	if len(encoded) < Overhead {
		return nil, false
	}
	seed, data := encoded[1:1+sha256.Size], encoded[1+sha256.Size:]
	mask(seed, data)
	mask(data, seed)

	empty := sha256.Sum256(nil)
	right := subtle.ConstantTimeByteEq(encoded[0], 0) & subtle.ConstantTimeCompare(data[:sha256.Size], empty[:])
	// After the hash come zeros, a one, and the message. The place of the one is found by looking at
	// every byte.
	rest := data[sha256.Size:]
	looking, index := 1, 0
	for i, b := range rest {
		zero, one := subtle.ConstantTimeByteEq(b, 0), subtle.ConstantTimeByteEq(b, 1)
		index = subtle.ConstantTimeSelect(looking&one, i, index)
		right &= subtle.ConstantTimeSelect(looking, zero|one, 1)
		looking &= 1 - one
	}
	if right&(1-looking) != 1 {
		return nil, false
	}
	return rest[index+1:], true
}

// mask mixes MGF1-SHA-256 of seed into out.
func mask(out, seed []byte) {
	var (
		counter [4]byte
		sum     [sha256.Size]byte
	)
	h := sha256.New()
	for i := uint32(0); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(counter[:], i)
		h.Reset()
		h.Write(seed)
		h.Write(counter[:])
		out = out[subtle.XORBytes(out, out, h.Sum(sum[:0])):]
	}
	clear(sum[:])
}
