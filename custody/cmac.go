package custody

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"sync"
)

// CMACKey is a key in the memory of this process, ready to compute AES-CMAC (NIST SP 800-38B) of
// messages of exactly one block. Such messages need the first of the two subkeys only. It is safe
// for concurrent use.
type CMACKey struct {
	mu     sync.RWMutex // held for writing to wipe
	block  cipher.Block // nil once wiped
	subkey Block
}

// NewCMACKey keeps no reference to key, which has 16, 24 or 32 bytes.
func NewCMACKey(key []byte) *CMACKey {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("custody: " + err.Error()) // the size was checked by who made or loaded the key
	}
	k := &CMACKey{block: block}
	k.block.Encrypt(k.subkey[:], k.subkey[:])
	double(&k.subkey)
	return k
}

// Sum returns the CMAC of each block, or ErrUnloaded after Wipe.
func (k *CMACKey) Sum(blocks [2]Block) ([2]Block, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.block == nil {
		return [2]Block{}, ErrUnloaded
	}
	for i := range blocks {
		b := blocks[i][:]
		subtle.XORBytes(b, b, k.subkey[:])
		k.block.Encrypt(b, b)
	}
	return blocks, nil
}

// Wipe waits for the uses of the key that are under way and forgets it. The key schedule is
// left to the garbage collector, as Go gives no access to it.
func (k *CMACKey) Wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.block = nil
	clear(k.subkey[:])
}

// double multiplies b by x in GF(2¹²⁸), in constant time.
func double(b *Block) {
	carry := b[0] >> 7
	for i := range len(b) - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	last := len(b) - 1
	b[last] = b[last]<<1 ^ carry*0x87
}
