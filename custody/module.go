package custody

import (
	"context"
	"errors"

	"strongroom/fault"
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

	// ErrUnavailable says that the module cannot work now: the token was pulled, its agent is being
	// started again, an operation of it failed. Nothing was said about any key; trying again helps.
	ErrUnavailable = fault.New(fault.Unavailable, "the crypto module that keeps the keys cannot be reached; try again")
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
	// Info describes the module. It changes only when its masters do.
	Info() Info

	// Make draws a fresh key of b.Size bytes inside the module, and returns its handle and the
	// form in which it is stored, sealed under parent and wrapped by the masters of b.Generation,
	// which the module holds. The parent of an instance key is Root. A key must not be used before
	// its sealed form is durable.
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
	Generation uint32     // of the newest masters, from 1; 0 while the module has none
	Protection Protection // what keeps the masters
	Recovery   string     // names the recovery key under which keys of that generation have a second copy; empty if none
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

	// ProtectionStrict: the masters are in a token that gives no key out, not even wrapped under a
	// key that somebody brings.
	ProtectionStrict Protection = "hsm-strict"

	// ProtectionBasic: the masters are in a token that keeps keys from being read, but not from
	// being wrapped out by code that runs with its PIN.
	ProtectionBasic Protection = "hsm-basic"

	// ProtectionShares: the masters were put together from recovery shares and are in the memory of
	// this process alone.
	ProtectionShares Protection = "shares"
)
