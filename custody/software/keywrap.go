package software

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"strongroom/custody"
)

const (
	wrapBlock  = 8 // bytes: half an AES block, the unit of key wrap
	wrapRounds = 6
	wrapIV     = 0xa6a6a6a6a6a6a6a6 // RFC 3394, section 2.2.3.1
	wrapIVPad  = 0xa65959a6         // RFC 5649, section 3; the length follows
)

// wrapKey is AES key wrap (RFC 3394, KW of NIST SP 800-38F). The key has 16 bytes or more, in steps
// of 8; what is returned has 8 more.
func wrapKey(kek cipher.Block, key []byte) []byte {
	out := append(make([]byte, wrapBlock, wrapBlock+len(key)), key...)
	binary.BigEndian.PutUint64(out, wrapIV)
	wrapBlocks(kek, out)
	return out
}

// unwrapKey undoes wrapKey. It returns ErrUnreadable when wrapped was not made under kek.
func unwrapKey(kek cipher.Block, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 3*wrapBlock || len(wrapped)%wrapBlock != 0 {
		return nil, custody.ErrUnreadable
	}
	out := append([]byte(nil), wrapped...)
	unwrapBlocks(kek, out)
	var iv [wrapBlock]byte
	binary.BigEndian.PutUint64(iv[:], wrapIV)
	if subtle.ConstantTimeCompare(out[:wrapBlock], iv[:]) != 1 {
		clear(out)
		return nil, custody.ErrUnreadable
	}
	return out[wrapBlock:], nil
}

// wrapPadded is AES key wrap with padding (RFC 5649, KWP of NIST SP 800-38F) of one byte or more, up
// to 4 GiB.
func wrapPadded(kek cipher.Block, data []byte) []byte {
	padded := (len(data) + wrapBlock - 1) / wrapBlock * wrapBlock
	out := make([]byte, wrapBlock+padded)
	binary.BigEndian.PutUint32(out, wrapIVPad)
	binary.BigEndian.PutUint32(out[4:], uint32(len(data)))
	copy(out[wrapBlock:], data)
	if padded == wrapBlock {
		kek.Encrypt(out, out)
	} else {
		wrapBlocks(kek, out)
	}
	return out
}

// unwrapPadded undoes wrapPadded. It returns ErrUnreadable when wrapped was not made under kek.
func unwrapPadded(kek cipher.Block, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 2*wrapBlock || len(wrapped)%wrapBlock != 0 {
		return nil, custody.ErrUnreadable
	}
	out := append([]byte(nil), wrapped...)
	if len(out) == 2*wrapBlock {
		kek.Decrypt(out, out)
	} else {
		unwrapBlocks(kek, out)
	}
	padded := out[wrapBlock:]
	size := uint64(binary.BigEndian.Uint32(out[4:]))
	if binary.BigEndian.Uint32(out) != wrapIVPad ||
		size > uint64(len(padded)) || size+wrapBlock <= uint64(len(padded)) ||
		slices.ContainsFunc(padded[size:], func(b byte) bool { return b != 0 }) {
		clear(out)
		return nil, custody.ErrUnreadable
	}
	return padded[:size], nil
}

// wrapBlocks is the wrapping function of SP 800-38F, section 6.1, in place.
func wrapBlocks(kek cipher.Block, out []byte) {
	n := len(out)/wrapBlock - 1
	var buf [2 * wrapBlock]byte
	copy(buf[:], out[:wrapBlock])
	for step := range wrapRounds * n {
		r := out[wrapBlock*(1+step%n):][:wrapBlock]
		copy(buf[wrapBlock:], r)
		kek.Encrypt(buf[:], buf[:])
		countStep(&buf, step)
		copy(r, buf[wrapBlock:])
	}
	copy(out, buf[:wrapBlock])
}

// unwrapBlocks undoes wrapBlocks.
func unwrapBlocks(kek cipher.Block, out []byte) {
	n := len(out)/wrapBlock - 1
	var buf [2 * wrapBlock]byte
	copy(buf[:], out[:wrapBlock])
	for step := wrapRounds*n - 1; step >= 0; step-- {
		r := out[wrapBlock*(1+step%n):][:wrapBlock]
		copy(buf[wrapBlock:], r)
		countStep(&buf, step)
		kek.Decrypt(buf[:], buf[:])
		copy(r, buf[wrapBlock:])
	}
	copy(out, buf[:wrapBlock])
}

// countStep mixes the number of the step, which counts from 0 here and from 1 in the standard,
// into the first half of buf.
func countStep(buf *[2 * wrapBlock]byte, step int) {
	a := binary.BigEndian.Uint64(buf[:])
	binary.BigEndian.PutUint64(buf[:], a^uint64(step+1))
}

// newAES returns AES under key, whose size has been checked.
func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("software: " + err.Error())
	}
	return block
}
