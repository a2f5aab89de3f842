//go:build cgo && pkcs11

package token

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/oaep"
	"strongroom/custody/pkcs11/wire"
)

// MakePair draws an RSA pair, and returns the public half (PKIX, DER) and the private half as the
// wrap master wraps it (PKCS #8, AES key wrap with padding).
func (t *Token) MakePair(generation uint32, bits int) (public, private []byte, err error) {
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, generation)
		if err != nil {
			return err
		}
		public, private, err = l.makePair(s, m, bits)
		return err
	})
	return public, private, err
}

func (l *link) makePair(s session, m masters, bits int) (public, private []byte, err error) {
	pad, err := l.padding()
	if err != nil {
		return nil, nil, err
	}
	half, secret, err := l.GenerateKeyPair(s, mechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN), []attribute{
		attr(pkcs11.CKA_TOKEN, false),
		attr(pkcs11.CKA_MODULUS_BITS, bits),
		attr(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		attr(pkcs11.CKA_ENCRYPT, true),
		attr(pkcs11.CKA_VERIFY, false),
		attr(pkcs11.CKA_WRAP, false),
	}, without(privateHalf(true), pkcs11.CKA_KEY_TYPE))
	if err != nil {
		return nil, nil, fail("C_GenerateKeyPair", err)
	}
	defer l.destroy(s, half, secret)
	attrs, err := l.GetAttributeValue(s, half, []attribute{attr(pkcs11.CKA_MODULUS, nil), attr(pkcs11.CKA_PUBLIC_EXPONENT, nil)})
	if err != nil {
		return nil, nil, fail("C_GetAttributeValue", err)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(attrs[0].Value), E: int(new(big.Int).SetBytes(attrs[1].Value).Int64())}
	if key.N.BitLen() != bits {
		return nil, nil, fmt.Errorf("%w: RSA pair of %d bits came with %d", wire.ErrUnsupported, bits, key.N.BitLen())
	}
	if public, err = x509.MarshalPKIXPublicKey(key); err != nil {
		return nil, nil, fmt.Errorf("encoding a public key: %w", err)
	}
	private, err = l.wrap(s, m.wrap, pad, secret)
	return public, private, err
}

// privateHalf is the template of the private half of a pair, which decrypts and does nothing else.
func privateHalf(extractable bool) []attribute {
	return []attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
		attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
		attr(pkcs11.CKA_TOKEN, false),
		attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_SENSITIVE, true),
		attr(pkcs11.CKA_EXTRACTABLE, extractable),
		attr(pkcs11.CKA_DECRYPT, true),
		attr(pkcs11.CKA_SIGN, false),
		attr(pkcs11.CKA_UNWRAP, false),
	}
}

// The mechanisms under which vendors have AES key wrap with padding (RFC 5649): the number of
// PKCS#11 3.0, and that of earlier drafts, which some give to this and some to another padding.
const (
	keyWrapKWP = 0x210B
	keyWrapPad = 0x210A
)

// padding returns the mechanism of AES key wrap with padding, as it was configured or as the token
// lists it.
func (l *link) padding() (uint, error) {
	if l.hello.WrapPad != 0 {
		return l.hello.WrapPad, nil
	}
	for _, m := range []uint{keyWrapKWP, keyWrapPad} {
		if l.mechanisms[m] {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%w: it lists no AES key wrap with padding, in which private keys are wrapped", wire.ErrUnsupported)
}

// Receive takes in key material that was encrypted to the public half of a pair, and returns its
// size and the key wrapped under the masters of another generation.
func (t *Token) Receive(generation uint32, private []byte, in custody.Transported, nonce []byte, to uint32) (size int, w custody.Wrapped, err error) {
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, to)
		if err != nil {
			return err
		}
		material, err := l.decryptOAEP(s, generation, private, in.Material)
		if err != nil {
			return err
		}
		defer material.Wipe()
		if size = material.Len(); !validWrapped(make([]byte, size+wrapOverhead)) {
			return custody.ErrTransported
		}
		if err := in.CheckNonce(material, nonce); err != nil {
			return err
		}
		w, err = l.take(s, m, to, material.Reveal())
		return err
	})
	return size, w, err
}

// decryptOAEP decrypts with the private half of a pair: in the token where it knows OAEP with
// SHA-256, and else with RSA in the token and the padding here. In both cases the plaintext passes
// through the memory of this process.
func (l *link) decryptOAEP(s session, generation uint32, private, encrypted []byte) (custody.Secret, error) {
	m, err := l.mastersOf(s, generation)
	if err != nil {
		return custody.Secret{}, err
	}
	pad, err := l.padding()
	if err != nil {
		return custody.Secret{}, err
	}
	key, err := l.unwrap(s, m.wrap, pad, private, privateHalf(false))
	if err != nil {
		return custody.Secret{}, err
	}
	defer l.destroy(s, key)
	size, err := l.modulusSize(s, key)
	if err != nil {
		return custody.Secret{}, err
	}
	if len(encrypted) != size {
		return custody.Secret{}, custody.ErrTransported
	}
	out := custody.NewSecret(make([]byte, size))
	defer out.Wipe()
	if l.oaepSHA256(s, key) {
		params := pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, pkcs11.CKZ_DATA_SPECIFIED, nil)
		n, err := l.decrypt(s, pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, params), key, encrypted, out.Reveal())
		if err != nil {
			return custody.Secret{}, l.undecryptable(s, err)
		}
		return custody.NewSecret(append([]byte(nil), out.Reveal()[:n]...)), nil
	}
	n, err := l.decrypt(s, pkcs11.NewMechanism(pkcs11.CKM_RSA_X_509, nil), key, encrypted, out.Reveal())
	if err != nil {
		return custody.Secret{}, l.undecryptable(s, err)
	}
	// A token may leave zeros at the beginning out.
	encoded := custody.NewSecret(make([]byte, size))
	defer encoded.Wipe()
	copy(encoded.Reveal()[size-n:], out.Reveal()[:n])
	message, ok := oaep.Decode(encoded.Reveal())
	if !ok {
		return custody.Secret{}, custody.ErrTransported
	}
	return custody.NewSecret(append([]byte(nil), message...)), nil
}

func (l *link) modulusSize(s session, key object) (int, error) {
	attrs, err := l.GetAttributeValue(s, key, []attribute{attr(pkcs11.CKA_MODULUS, nil)})
	if err != nil {
		return 0, fail("C_GetAttributeValue", err)
	}
	return (new(big.Int).SetBytes(attrs[0].Value).BitLen() + 7) / 8, nil
}

// oaepSHA256 reports whether the token knows OAEP with SHA-256, by trying. An operation that was
// begun to find out is ended with an input that cannot be one.
func (l *link) oaepSHA256(s session, key object) bool {
	if !l.mechanisms[pkcs11.CKM_RSA_PKCS_OAEP] || l.noOAEP.Load() {
		return false
	}
	params := pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, pkcs11.CKZ_DATA_SPECIFIED, nil)
	err := l.DecryptInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, params)}, key)
	if err != nil {
		l.noOAEP.Store(true)
		return false
	}
	_, _ = l.Decrypt(s, []byte{0})
	return true
}

// undecryptable says what a failed decryption means: that the material is wrong, if the token works.
func (l *link) undecryptable(s session, err error) error {
	if errors.Is(err, wire.ErrUnsupported) {
		return err
	}
	if lost := l.alive(s); lost != nil {
		return lost
	}
	return custody.ErrTransported
}
