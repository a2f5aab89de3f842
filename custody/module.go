package custody

import (
	"context"
	"errors"
	"math"
)

var (
	// ErrUnreadable says that sealed data did not open: changed, moved, sealed under another key
	// or for another purpose. It tells no kind of failure from another, on purpose.
	ErrUnreadable = errors.New("sealed data does not open")

	// ErrUnloaded says that a handle names no key that is loaded in the module.
	ErrUnloaded = errors.New("key is not loaded in the crypto module")

	// ErrBinding says that a binding is incomplete or does not fit the operation.
	ErrBinding = errors.New("invalid key binding")

	// ErrClosed says that the module has been closed.
	ErrClosed = errors.New("crypto module is closed")
)

// BlockSize is the size in bytes of the messages that a module computes a CMAC of, and of the CMAC.
const BlockSize = 16

// Block is a message of one AES block, or the CMAC of one.
type Block = [BlockSize]byte

// Module is a crypto module: handles in, handles out. No method returns key material.
//
// All methods may be called at the same time from several goroutines. Errors of a module that
// cannot be reached or was closed are never ErrUnreadable: that a key does not open is only said
// after it was tried.
type Module interface {
	// Info describes the module. It is fixed while the module is open.
	Info() Info

	// Make draws a fresh key of b.Size bytes inside the module, and returns its handle and the
	// form in which it is stored, sealed under parent. The parent of an instance key is Root. A
	// key must not be used before its sealed form is durable.
	Make(ctx context.Context, parent Handle, b Binding) (Handle, Sealed, error)

	// Import is Make for material that was brought from outside: b.Size bytes, b.Origin is
	// OriginImported. The module keeps no reference to material, the caller wipes it.
	Import(ctx context.Context, parent Handle, b Binding, material Secret) (Handle, Sealed, error)

	// Load brings a stored key back and returns a new handle for it, also when the same key is
	// loaded already. It fails with ErrUnreadable unless s was made by Make or Import under the
	// same parent and binding.
	Load(ctx context.Context, parent Handle, b Binding, s Sealed) (Handle, error)

	// CMAC returns the AES-CMAC (NIST SP 800-38B) under h of each of two messages of one block.
	// Two, by value, because that is what a sealing derives its key from: one call to the module
	// for each sealing, and no allocation to carry it.
	CMAC(ctx context.Context, h Handle, blocks [2]Block) ([2]Block, error)

	// Unload forgets a loaded key. When it returns, no operation uses the key any more and its
	// handle gives ErrUnloaded. A handle that is not loaded, Root included, is left alone.
	Unload(h Handle)

	// Close unloads all keys and releases the module.
	Close() error
}

// Info describes a crypto module.
type Info struct {
	Kind       string     // "software" or "pkcs11"
	Name       string     // as the operator calls it; instances name the module that keeps their key
	Generation uint32     // of the masters, from 1; part of every binding
	Protection Protection // what keeps the masters when the module is closed
	Recovery   bool       // whether stored keys carry a second copy under a recovery key
}

// Protection says what stands between a copy of the data folder and the keys.
type Protection string

const (
	// ProtectionPassphrase: the masters are sealed by a passphrase, which is given at each start.
	ProtectionPassphrase Protection = "passphrase"

	// ProtectionKeyFile: the masters are sealed by a key file that lies outside the data folder.
	ProtectionKeyFile Protection = "key-file"

	// ProtectionUnsealed: the key file lies in the data folder, so that who copies the folder has
	// the keys.
	ProtectionUnsealed Protection = "unsealed"
)

// Handle names a key that is loaded in a module. It means nothing to another module or after the
// module was closed. Its two lowest bits tell the size of the key, which every sealing binds;
// the zero Handle is never a loaded key.
type Handle uint64

// Root stands for the masters of the module, as the parent of instance keys.
const Root Handle = math.MaxUint64

// NewHandle returns the handle for the key with this serial number and size in bytes (16, 24 or
// 32). It is for implementations of Module, which never use a serial number twice.
func NewHandle(serial uint64, size int) Handle {
	if !validSize(size) {
		panic("custody: key size must be 16, 24 or 32 bytes")
	}
	return Handle(serial<<2 | uint64(size/8-1))
}

// Size returns the size in bytes of the key that h names, or 0 when h can name none.
func (h Handle) Size() int {
	if class := int(h & 3); class != 0 {
		return 8 * (class + 1)
	}
	return 0
}

// validSize reports whether size is that of an AES key.
func validSize(size int) bool { return size == 16 || size == 24 || size == 32 }
