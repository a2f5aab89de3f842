package custody

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
)

// Transport is what a module can do that receives key material under a public key of its own: the
// material is encrypted by its owner and is in the clear nowhere but in the module. It is found by
// type assertion; a module without it takes imports in the clear alone.
type Transport interface {
	// MakeTransport draws an RSA pair of TransportBits inside the module, which takes seconds, and
	// returns it sealed under Root and the newest masters: it belongs to nobody yet.
	MakeTransport(ctx context.Context) (TransportKey, error)

	// BindTransport gives a pair that MakeTransport made to an instance: it returns the private key
	// sealed under parent, the key of the instance, and bound to b, whose generation is k's.
	BindTransport(ctx context.Context, k TransportKey, parent Handle, b TransportBinding) (Sealed, error)

	// Receive is Import for material that was encrypted to the public half of the pair sealed in
	// private. b.Size is zero, as only the module learns it: the handle tells it; b.Generation is
	// that of the pair or a newer one of the same module. It fails with
	// ErrTransported when the material does not decrypt or is no key, with ErrNonceSealing when the
	// nonce was not sealed under the material, and with ErrNonce when it is another nonce than the
	// one given.
	Receive(ctx context.Context, parent Handle, private Sealed, at TransportBinding, nonce []byte, b Binding, in Transported) (Handle, Sealed, error)
}

// How the receiving of key material fails.
var (
	ErrTransported  = errors.New("transported key material does not decrypt to a key")
	ErrNonceSealing = errors.New("nonce was not sealed under the transported key material")
	ErrNonce        = errors.New("nonce is not that of the transport key")
)

// Sizes of what key material travels in.
const (
	TransportBits   = 4096                // of the RSA modulus
	TransportedSize = TransportBits / 8   // bytes of encrypted material
	SealedNonceSize = nonceSize + tagSize // bytes
	TransportNonce  = nonceSize           // bytes, of the nonce and of the initialization vector
)

// TransportKey is an RSA pair whose private half only its module can use.
type TransportKey struct {
	Public     []byte // PKIX, DER
	Generation uint32 // of the masters that keep it
	Sealed     Sealed // the private half, under Root
}

// Context returns what the private half is sealed with while the pair belongs to nobody: its own
// public half.
func (k TransportKey) Context() []byte {
	return Context("", string(k.Public), strconv.FormatUint(uint64(k.Generation), 10))
}

// TransportBinding is what the private half of a transport key is bound to.
type TransportBinding struct {
	Account    string
	Instance   string
	Token      string // ID of the import token
	Generation uint32 // of the module's masters
}

// Context returns the encoding of the binding that the private half is sealed with.
func (b TransportBinding) Context() []byte {
	return Context(b.Account, b.Instance, b.Token, strconv.FormatUint(uint64(b.Generation), 10))
}

// SealPrivate makes the stored form of the private half of a transport key from its PKCS #8 form as
// the wrap master of that generation wrapped it (AES key wrap with padding, RFC 5649, as tokens wrap
// private keys). It is for implementations of Transport; bound is a Context of this file.
func SealPrivate(ctx context.Context, m Module, parent Handle, generation uint32, bound, wrapped []byte) (Sealed, error) {
	plaintext := append([]byte{copiesMaster}, wrapped...)
	box, err := Seal(ctx, m, sealingKey(parent, generation), PurposeTransportKey, bound, plaintext)
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// OpenPrivate undoes SealPrivate.
func OpenPrivate(ctx context.Context, m Module, parent Handle, generation uint32, bound []byte, s Sealed) ([]byte, error) {
	box, err := ParseBox(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	plaintext, err := Open(ctx, m, sealingKey(parent, generation), PurposeTransportKey, bound, box)
	if err != nil {
		return nil, err
	}
	inner := plaintext.Reveal() // ciphertext of the wrap master, no secret
	if len(inner) < 2 || inner[0] != copiesMaster {
		return nil, ErrUnreadable
	}
	return inner[1:], nil
}

// Transported is key material on its way to a module. It is no secret.
type Transported struct {
	Material    []byte          // RSA-OAEP with SHA-256 and an empty label
	SealedNonce []byte          // AES-GCM of the nonce under the material itself, without additional data
	IV          [nonceSize]byte // of that sealing
}

// SealTransported encrypts key material of 16, 24 or 32 bytes for the module that holds the private
// half of public (PKIX, DER), and proves knowledge of the nonce. It is the part of the owner of the
// material, who needs no module for it.
func SealTransported(public, nonce []byte, material Secret) (Transported, error) {
	parsed, err := x509.ParsePKIXPublicKey(public)
	key, ok := parsed.(*rsa.PublicKey)
	switch {
	case err != nil:
		return Transported{}, fmt.Errorf("reading the transport key: %w", err)
	case !ok:
		return Transported{}, fmt.Errorf("reading the transport key: %T is no RSA key", parsed)
	case !validSize(material.Len()):
		return Transported{}, fmt.Errorf("key material of %d bytes, not 16, 24 or 32", material.Len())
	case len(nonce) != nonceSize:
		return Transported{}, fmt.Errorf("nonce of %d bytes, not %d", len(nonce), nonceSize)
	}
	var t Transported
	if t.Material, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, key, material.Reveal(), nil); err != nil {
		return Transported{}, fmt.Errorf("encrypting key material: %w", err)
	}
	sealed := newGCM(material.Reveal()).Seal(nil, nil, nonce, nil)
	copy(t.IV[:], sealed)
	t.SealedNonce = sealed[nonceSize:]
	return t, nil
}

// CheckNonce holds the rules of the nonce that came with material: ErrNonceSealing unless it was
// sealed under it, ErrNonce unless it is want. It is for implementations of Transport.
func (t Transported) CheckNonce(material Secret, want []byte) error {
	if len(t.SealedNonce) != SealedNonceSize {
		return ErrNonceSealing
	}
	nonce, err := openGCM(material.Reveal(), Box{Nonce: t.IV, Ciphertext: t.SealedNonce})
	if err != nil {
		return ErrNonceSealing
	}
	defer nonce.Wipe()
	if subtle.ConstantTimeCompare(nonce.Reveal(), want) != 1 {
		return ErrNonce
	}
	return nil
}

// checkSize is how much of a material ID people compare, in bytes.
const checkSize = 4

// CheckValue is a part of a material ID, in hexadecimal, by which people recognise key material
// that they brought: 32 bits, public like the ID.
func (id MaterialID) CheckValue() string { return id.String()[:2*checkSize] }

// IdentifySecret is Identify for material that is not in a module: its owner's view of what was, or
// will be, imported.
func IdentifySecret(material Secret) (MaterialID, error) {
	if !validSize(material.Len()) {
		return MaterialID{}, fmt.Errorf("identifying key material: %d bytes are no AES key", material.Len())
	}
	key := NewCMACKey(material.Reveal())
	defer key.Wipe()
	block := kdfBlock(1, labelMaterial, materialContext)
	out, err := key.Sum([2]Block{block, block})
	return MaterialID(out[0]), err
}
