package software

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"strongroom/custody"
)

var _ custody.Transport = (*Module)(nil)

// MakeTransport implements custody.Transport.
func (m *Module) MakeTransport(ctx context.Context) (custody.TransportKey, error) {
	k := custody.TransportKey{Generation: m.Info().Generation}
	if err := m.holds(k.Generation); err != nil {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	private, err := rsa.GenerateKey(rand.Reader, custody.TransportBits)
	if err != nil {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	if k.Public, err = x509.MarshalPKIXPublicKey(&private.PublicKey); err != nil {
		return custody.TransportKey{}, fmt.Errorf("encoding a transport key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return custody.TransportKey{}, fmt.Errorf("encoding a transport key: %w", err)
	}
	defer clear(der)
	if k.Sealed, err = m.sealPrivate(ctx, custody.Root, k.Generation, k.Context(), der); err != nil {
		return custody.TransportKey{}, fmt.Errorf("sealing a transport key: %w", err)
	}
	return k, nil
}

// BindTransport implements custody.Transport.
func (m *Module) BindTransport(ctx context.Context, k custody.TransportKey, parent custody.Handle, b custody.TransportBinding) (custody.Sealed, error) {
	if err := m.checkTransport(parent, b); err != nil {
		return nil, err
	}
	if b.Generation != k.Generation {
		return nil, fmt.Errorf("%w: generation %d for a transport key of generation %d", custody.ErrBinding, b.Generation, k.Generation)
	}
	der, err := m.openPrivate(ctx, custody.Root, k.Generation, k.Context(), k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening a transport key: %w", err)
	}
	defer clear(der)
	return m.sealPrivate(ctx, parent, b.Generation, b.Context(), der)
}

func (m *Module) checkTransport(parent custody.Handle, b custody.TransportBinding) error {
	switch {
	case parent == custody.Root:
		return fmt.Errorf("%w: a transport key belongs under an instance key", custody.ErrBinding)
	case b.Account == "" || b.Instance == "" || b.Token == "":
		return fmt.Errorf("%w: account, instance or token is empty", custody.ErrBinding)
	}
	return m.holds(b.Generation)
}

// Receive implements custody.Transport.
func (m *Module) Receive(ctx context.Context, parent custody.Handle, private custody.Sealed, at custody.TransportBinding,
	nonce []byte, b custody.Binding, in custody.Transported,
) (custody.Handle, custody.Sealed, error) {
	if err := m.checkTransport(parent, at); err != nil {
		return 0, nil, err
	}
	if b.Size != 0 || b.Generation < at.Generation {
		return 0, nil, fmt.Errorf("receiving a key: %w: size %d before it is known, or generation %d under a transport key of %d",
			custody.ErrBinding, b.Size, b.Generation, at.Generation)
	}
	der, err := m.openPrivate(ctx, parent, at.Generation, at.Context(), private)
	if err != nil {
		return 0, nil, fmt.Errorf("opening a transport key: %w", err)
	}
	defer clear(der)
	material, err := decryptTransported(der, in.Material)
	if err != nil {
		return 0, nil, err
	}
	defer material.Wipe()
	b.Size = material.Len()
	if err := in.CheckNonce(material, nonce); err != nil {
		return 0, nil, err
	}
	return m.Import(ctx, parent, b, material)
}

// decryptTransported returns the key that was encrypted to a transport key.
func decryptTransported(der, encrypted []byte) (custody.Secret, error) {
	b, err := decryptOAEP(der, encrypted)
	material := custody.NewSecret(b)
	if err == nil && len(b) != 16 && len(b) != 24 && len(b) != 32 {
		err = custody.ErrTransported
	}
	if err != nil {
		material.Wipe()
		return custody.Secret{}, err
	}
	return material, nil
}

// decryptOAEP decrypts with a private key in PKCS #8: RSA-OAEP with SHA-256, also in its mask, and
// an empty label. Whatever does not decrypt gives ErrTransported. The caller clears what it returns.
func decryptOAEP(der, encrypted []byte) ([]byte, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading a transport key: %w", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading a transport key: %T is no RSA key", parsed)
	}
	b, err := rsa.DecryptOAEP(sha256.New(), nil, private, encrypted, nil)
	if err != nil {
		return nil, custody.ErrTransported
	}
	return b, nil
}

// sealPrivate makes the stored form of a private key in PKCS #8.
func (m *Module) sealPrivate(ctx context.Context, parent custody.Handle, generation uint32, bound, der []byte) (custody.Sealed, error) {
	var wrapped []byte
	err := m.use(generation, func(keys generationKeys) error {
		wrapped = wrapPadded(newAES(keys.wrap()), der)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return custody.SealPrivate(ctx, m, parent, generation, bound, wrapped)
}

// openPrivate undoes sealPrivate. The caller clears what it returns.
func (m *Module) openPrivate(ctx context.Context, parent custody.Handle, generation uint32, bound []byte, s custody.Sealed) (der []byte, err error) {
	if err := m.holds(generation); err != nil {
		return nil, err
	}
	wrapped, err := custody.OpenPrivate(ctx, m, parent, generation, bound, s)
	if err != nil {
		return nil, err
	}
	err = m.use(generation, func(keys generationKeys) error {
		der, err = unwrapPadded(newAES(keys.wrap()), wrapped)
		return err
	})
	return der, err
}
