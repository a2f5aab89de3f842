package software

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"sync"

	"strongroom/custody"
)

var (
	_ custody.Source      = (*Module)(nil)
	_ custody.Destination = (*Module)(nil)
)

// transferKey is the key of a transfer, in locked memory. The zero value has none yet.
type transferKey struct {
	mu     sync.RWMutex // held for writing to set and to forget
	memory []byte       // nil before and after
}

// set takes the key in; the caller wipes key.
func (k *transferKey) set(key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	memory, err := lockedMemory(len(key))
	if err != nil {
		return fmt.Errorf("reserving memory for a transfer key: %w", err)
	}
	copy(memory, key)
	k.memory = memory
	return nil
}

// use calls f with the key, or fails with ErrTransfer.
func (k *transferKey) use(f func(key []byte) error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.memory == nil {
		return custody.ErrTransfer
	}
	return f(k.memory[:custody.TransferKeySize])
}

// forget wipes the key. A second time does nothing.
func (k *transferKey) forget() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.memory == nil {
		return nil
	}
	clear(k.memory)
	err := freeMemory(k.memory)
	k.memory = nil
	return err
}

// export is the sending side of a transfer.
type export struct {
	m         *Module
	encrypted []byte // the key, for the receiving module
	key       transferKey
}

// Export implements custody.Source.
func (m *Module) Export(_ context.Context, to []byte) (custody.Export, error) {
	parsed, err := x509.ParsePKIXPublicKey(to)
	public, ok := parsed.(*rsa.PublicKey)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the key of the receiving module: %w", err)
	case !ok || public.N.BitLen() != custody.TransportBits:
		return nil, fmt.Errorf("reading the key of the receiving module: no RSA key of %d bits", custody.TransportBits)
	}
	key := custody.RandomSecret(custody.TransferKeySize)
	defer key.Wipe()
	e := &export{m: m}
	if e.encrypted, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, public, key.Reveal(), nil); err != nil {
		return nil, fmt.Errorf("encrypting a transfer key: %w", err)
	}
	if err := e.key.set(key.Reveal()); err != nil {
		return nil, err
	}
	return e, nil
}

// Key implements custody.Export.
func (e *export) Key() []byte { return e.encrypted }

// Wrap implements custody.Export.
func (e *export) Wrap(ctx context.Context, parent custody.Handle, b custody.Binding, s custody.Sealed) (wrapped []byte, err error) {
	key, err := e.m.open(ctx, parent, b, s)
	if err != nil {
		return nil, fmt.Errorf("sending a key: %w", err)
	}
	defer clear(key)
	err = e.key.use(func(transfer []byte) error {
		wrapped = wrapKey(newAES(transfer), key)
		return nil
	})
	return wrapped, err
}

// Close implements custody.Export.
func (e *export) Close() error { return e.key.forget() }

// intake is the receiving side of a transfer.
type intake struct {
	m      *Module
	public []byte
	key    transferKey

	mu      sync.Mutex
	private *rsa.PrivateKey // nil once the transfer is open or closed
}

// Accept implements custody.Destination. It takes seconds, as it makes an RSA pair.
func (m *Module) Accept(context.Context) (custody.Intake, error) {
	private, err := rsa.GenerateKey(rand.Reader, custody.TransportBits)
	if err != nil {
		return nil, fmt.Errorf("making a key for a transfer: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding the key of a transfer: %w", err)
	}
	return &intake{m: m, public: public, private: private}, nil
}

// Public implements custody.Intake.
func (in *intake) Public() []byte { return in.public }

// Open implements custody.Intake.
func (in *intake) Open(_ context.Context, encrypted []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.private == nil {
		return custody.ErrTransfer
	}
	key, err := rsa.DecryptOAEP(sha256.New(), nil, in.private, encrypted, nil)
	defer clear(key)
	if err != nil || len(key) != custody.TransferKeySize {
		return custody.ErrTransported
	}
	in.private = nil
	return in.key.set(key)
}

// Store implements custody.Intake.
func (in *intake) Store(ctx context.Context, parent custody.Handle, b custody.Binding, wrapped []byte) (custody.Sealed, error) {
	if err := in.m.check(parent, b); err != nil {
		return nil, fmt.Errorf("taking a key in: %w", err)
	}
	var key []byte
	err := in.key.use(func(transfer []byte) (err error) {
		key, err = unwrapKey(newAES(transfer), wrapped)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("taking a key in: %w", err)
	}
	defer clear(key)
	if len(key) != b.Size {
		return nil, fmt.Errorf("taking a key in: %w", custody.ErrUnreadable)
	}
	return in.m.seal(ctx, parent, b, key)
}

// Close implements custody.Intake.
func (in *intake) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.private = nil
	return in.key.forget()
}
