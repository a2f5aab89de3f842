package software

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"strongroom/custody"
)

var _ custody.Transport = (*Module)(nil)

// MakeTransport implements custody.Transport.
func (m *Module) MakeTransport(ctx context.Context) (custody.TransportKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, custody.TransportBits)
	if err != nil {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	var k custody.TransportKey
	if k.Public, err = x509.MarshalPKIXPublicKey(&private.PublicKey); err != nil {
		return custody.TransportKey{}, fmt.Errorf("encoding a transport key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return custody.TransportKey{}, fmt.Errorf("encoding a transport key: %w", err)
	}
	defer clear(der)
	k.Sealed, err = m.sealTransport(ctx, custody.Root, m.unbound(k.Public), der)
	return k, err
}

// unbound is what a transport key is bound to that belongs to nobody: its own public half.
func (m *Module) unbound(public []byte) []byte {
	return custody.Context("", string(public), strconv.FormatUint(uint64(m.info.Generation), 10))
}

// BindTransport implements custody.Transport.
func (m *Module) BindTransport(ctx context.Context, k custody.TransportKey, parent custody.Handle, b custody.TransportBinding) (custody.Sealed, error) {
	if err := m.checkTransport(parent, b); err != nil {
		return nil, err
	}
	der, err := m.openTransport(ctx, custody.Root, m.unbound(k.Public), k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening a transport key: %w", err)
	}
	defer clear(der)
	return m.sealTransport(ctx, parent, b.Context(), der)
}

func (m *Module) checkTransport(parent custody.Handle, b custody.TransportBinding) error {
	switch {
	case parent == custody.Root:
		return fmt.Errorf("%w: a transport key belongs under an instance key", custody.ErrBinding)
	case b.Account == "" || b.Instance == "" || b.Token == "":
		return fmt.Errorf("%w: account, instance or token is empty", custody.ErrBinding)
	case b.Generation != m.info.Generation:
		return fmt.Errorf("%w: master generation %d, the module has %d", custody.ErrBinding, b.Generation, m.info.Generation)
	}
	return nil
}

// Receive implements custody.Transport.
func (m *Module) Receive(ctx context.Context, parent custody.Handle, private custody.Sealed, at custody.TransportBinding,
	nonce []byte, b custody.Binding, in custody.Transported,
) (custody.Handle, custody.Sealed, error) {
	if err := m.checkTransport(parent, at); err != nil {
		return 0, nil, err
	}
	if b.Size != 0 {
		return 0, nil, fmt.Errorf("receiving a key: %w: size %d is not known before", custody.ErrBinding, b.Size)
	}
	der, err := m.openTransport(ctx, parent, at.Context(), private)
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
	if err := b.Check(parent, m.info.Generation); err != nil {
		return 0, nil, fmt.Errorf("receiving a key: %w", err)
	}
	if err := in.CheckNonce(material, nonce); err != nil {
		return 0, nil, err
	}
	return m.Import(ctx, parent, b, material)
}

// decryptTransported returns the key that was encrypted to a transport key.
func decryptTransported(der, encrypted []byte) (custody.Secret, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return custody.Secret{}, fmt.Errorf("reading a transport key: %w", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return custody.Secret{}, fmt.Errorf("reading a transport key: %T is no RSA key", parsed)
	}
	b, err := rsa.DecryptOAEP(sha256.New(), nil, private, encrypted, nil)
	material := custody.NewSecret(b)
	if err != nil || (len(b) != 16 && len(b) != 24 && len(b) != 32) {
		material.Wipe()
		return custody.Secret{}, custody.ErrTransported
	}
	return material, nil
}

// copiesMaster is the first byte of what a sealed transport key holds, as of any stored key: one
// wrapped copy follows, under the wrap master.
const copiesMaster = 1

// sealTransport makes the stored form of a private key in PKCS #8. AES key wrap takes whole blocks
// of 8 bytes, so the length goes before it and zeros behind.
func (m *Module) sealTransport(ctx context.Context, parent custody.Handle, bound, der []byte) (custody.Sealed, error) {
	padded := binary.BigEndian.AppendUint32(make([]byte, 0, len(der)+2*wrapBlock), uint32(len(der)))
	padded = append(padded, der...)
	padded = append(padded, make([]byte, -len(padded)&(wrapBlock-1))...)
	defer clear(padded)
	wrapped, err := m.wrap(padded)
	if err != nil {
		return nil, err
	}
	box, err := custody.Seal(ctx, m, parent, custody.PurposeTransportKey, bound, slices.Insert(wrapped, 0, copiesMaster))
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// openTransport undoes sealTransport. The caller clears what it returns.
func (m *Module) openTransport(ctx context.Context, parent custody.Handle, bound []byte, s custody.Sealed) ([]byte, error) {
	box, err := custody.ParseBox(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", custody.ErrUnreadable, err)
	}
	wrapped, err := custody.Open(ctx, m, parent, custody.PurposeTransportKey, bound, box)
	if err != nil {
		return nil, err
	}
	inner := wrapped.Reveal() // ciphertext of the wrap master, no secret
	if len(inner) == 0 || inner[0] != copiesMaster {
		return nil, custody.ErrUnreadable
	}
	padded, err := m.unwrap(inner[1:])
	if err != nil {
		return nil, err
	}
	const prefix = 4
	defer clear(padded)
	n := int(binary.BigEndian.Uint32(padded))
	if n > len(padded)-prefix {
		return nil, custody.ErrUnreadable
	}
	return slices.Clone(padded[prefix : prefix+n]), nil
}
