package software

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"strongroom/custody"
)

const (
	wrapBlock  = 8 // bytes: half an AES block, the unit of key wrap
	wrapRounds = 6
	wrapIV     = 0xa6a6a6a6a6a6a6a6 // RFC 3394, section 2.2.3.1
)

// wrapKey is AES key wrap (RFC 3394, KW of NIST SP 800-38F). The key has 16 bytes or more, in steps
// of 8; what is returned has 8 more.
func wrapKey(kek cipher.Block, key []byte) []byte {
	out := append(make([]byte, wrapBlock, wrapBlock+len(key)), key...)
	n := len(key) / wrapBlock
	var buf [2 * wrapBlock]byte
	binary.BigEndian.PutUint64(buf[:], wrapIV)
	for step := range wrapRounds * n {
		r := out[wrapBlock*(1+step%n):][:wrapBlock]
		copy(buf[wrapBlock:], r)
		kek.Encrypt(buf[:], buf[:])
		countStep(&buf, step)
		copy(r, buf[wrapBlock:])
	}
	copy(out, buf[:wrapBlock])
	return out
}

// unwrapKey undoes wrapKey. It returns ErrUnreadable when wrapped was not made under kek.
func unwrapKey(kek cipher.Block, wrapped []byte) ([]byte, error) {
	n := len(wrapped)/wrapBlock - 1
	if n < 2 || len(wrapped)%wrapBlock != 0 {
		return nil, custody.ErrUnreadable
	}
	var buf [2 * wrapBlock]byte
	copy(buf[:], wrapped[:wrapBlock])
	out := append([]byte(nil), wrapped[wrapBlock:]...)
	for step := wrapRounds*n - 1; step >= 0; step-- {
		r := out[wrapBlock*(step%n):][:wrapBlock]
		copy(buf[wrapBlock:], r)
		countStep(&buf, step)
		kek.Decrypt(buf[:], buf[:])
		copy(r, buf[wrapBlock:])
	}
	var iv [wrapBlock]byte
	binary.BigEndian.PutUint64(iv[:], wrapIV)
	if subtle.ConstantTimeCompare(buf[:wrapBlock], iv[:]) != 1 {
		clear(out)
		return nil, custody.ErrUnreadable
	}
	return out, nil
}

// countStep mixes the number of the step, which counts from 0 here and from 1 in the standard,
// into the first half of buf.
func countStep(buf *[2 * wrapBlock]byte, step int) {
	a := binary.BigEndian.Uint64(buf[:])
	binary.BigEndian.PutUint64(buf[:], a^uint64(step+1))
}
