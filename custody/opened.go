package custody

import "fmt"

// Opened is a key in the memory of this process under which small things are sealed with the one
// seal, such as the key of a bucket, which the object store has had unwrapped. What it seals is what
// Seal makes in a module that holds the same key. It is safe for concurrent use.
type Opened struct {
	cmac *CMACKey
	size int
}

// NewOpened keeps no reference to key, which has 16, 24 or 32 bytes; the caller wipes it.
func NewOpened(key Secret) (*Opened, error) {
	if !validSize(key.Len()) {
		return nil, fmt.Errorf("opening a key: %d bytes are no AES key", key.Len())
	}
	return &Opened{cmac: NewCMACKey(key.Reveal()), size: key.Len()}, nil
}

// Seal is Seal under this key. The plaintext may have up to MaxPlaintext bytes.
func (o *Opened) Seal(p Purpose, bound, plaintext []byte) (Box, error) {
	return seal(o.cmac.Sum, o.size, p, bound, plaintext)
}

// Open is Open under this key: it fails with ErrUnreadable, and with ErrUnloaded after Wipe.
func (o *Opened) Open(p Purpose, bound []byte, b Box) (Secret, error) {
	return open(o.cmac.Sum, o.size, p, bound, b)
}

// Wipe forgets the key, after the uses of it that are under way.
func (o *Opened) Wipe() { o.cmac.Wipe() }
