package software

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"sync"

	"strongroom/custody"
)

// cmacKey is a loaded key, ready to compute AES-CMAC (NIST SP 800-38B) of messages of exactly one
// block. Such messages need the first of the two subkeys only.
type cmacKey struct {
	mu     sync.RWMutex // held for writing to wipe
	block  cipher.Block // nil once wiped
	subkey custody.Block
}

// newCMACKey keeps no reference to key, which has 16, 24 or 32 bytes.
func newCMACKey(key []byte) *cmacKey {
	k := &cmacKey{block: newAES(key)}
	k.block.Encrypt(k.subkey[:], k.subkey[:])
	double(&k.subkey)
	return k
}

// sum returns the CMAC of each block.
func (k *cmacKey) sum(blocks [2]custody.Block) ([2]custody.Block, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.block == nil {
		return [2]custody.Block{}, custody.ErrUnloaded
	}
	for i := range blocks {
		b := blocks[i][:]
		subtle.XORBytes(b, b, k.subkey[:])
		k.block.Encrypt(b, b)
	}
	return blocks, nil
}

// wipe waits for the uses of the key that are under way and forgets it. The key schedule is
// left to the garbage collector, as Go gives no access to it.
func (k *cmacKey) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.block = nil
	clear(k.subkey[:])
}

// double multiplies b by x in GF(2¹²⁸), in constant time.
func double(b *custody.Block) {
	carry := b[0] >> 7
	for i := range len(b) - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	last := len(b) - 1
	b[last] = b[last]<<1 ^ carry*0x87
}

// newAES returns AES under key, whose size has been checked.
func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("software: " + err.Error())
	}
	return block
}
