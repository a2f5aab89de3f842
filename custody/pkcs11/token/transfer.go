//go:build cgo && pkcs11

package token

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// minTransferRSA is the least size of the receiver's modulus in bits: 128 bits of strength.
const minTransferRSA = 3072

// ExportKey draws a transfer key, and returns it as the wrap master wraps it, and encrypted to the
// receiver (RSA-OAEP with SHA-256).
func (t *Token) ExportKey(generation uint32, to []byte) (wrapped, encrypted []byte, err error) {
	parsed, err := x509.ParsePKIXPublicKey(to)
	public, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok || public.N.BitLen() < minTransferRSA {
		return nil, nil, fmt.Errorf("%w: the receiver's key is no RSA key of %d bits or more", custody.ErrBinding, minTransferRSA)
	}
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, generation)
		if err != nil {
			return err
		}
		wrapped, encrypted, err = l.exportKey(s, m, public)
		if isCode(err, pkcs11.CKR_ARGUMENTS_BAD) || errors.Is(err, wire.ErrUnsupported) {
			wrapped, encrypted, err = l.exportKeyHere(s, m, public)
		}
		return err
	})
	return wrapped, encrypted, err
}

// exportKey does it in the token.
func (l *link) exportKey(s session, m masters, public *rsa.PublicKey) (wrapped, encrypted []byte, err error) {
	receiver, err := l.publicKey(s, public)
	if err != nil {
		return nil, nil, err
	}
	defer l.destroy(s, receiver)
	key, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, custody.TransferKeySize)))
	if err != nil {
		return nil, nil, err
	}
	defer l.destroy(s, key)
	params := pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, pkcs11.CKZ_DATA_SPECIFIED, nil)
	encrypted, err = l.WrapKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, params)}, receiver, key)
	if err != nil {
		return nil, nil, fail("C_WrapKey", err)
	}
	wrapped, err = l.wrap(s, m.wrap, keyWrap, key)
	return wrapped, encrypted, err
}

// publicKey takes a public key in, for wrapping.
func (l *link) publicKey(s session, public *rsa.PublicKey) (object, error) {
	return l.create(s, []attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
		attr(pkcs11.CKA_TOKEN, false),
		attr(pkcs11.CKA_MODULUS, public.N.Bytes()),
		attr(pkcs11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(public.E)).Bytes()),
		attr(pkcs11.CKA_WRAP, true),
		attr(pkcs11.CKA_ENCRYPT, false),
		attr(pkcs11.CKA_VERIFY, false),
	})
}

// exportKeyHere does it in the memory of this process, for a token that does not know OAEP with
// SHA-256.
func (l *link) exportKeyHere(s session, m masters, public *rsa.PublicKey) (wrapped, encrypted []byte, err error) {
	key := custody.RandomSecret(custody.TransferKeySize)
	defer key.Wipe()
	if encrypted, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, public, key.Reveal(), nil); err != nil {
		return nil, nil, fmt.Errorf("encrypting a transfer key: %w", err)
	}
	wrapped, err = l.wrapTransfer(s, m, key)
	return wrapped, encrypted, err
}

// wrapTransfer wraps a transfer key under the wrap master.
func (l *link) wrapTransfer(s session, m masters, key custody.Secret) ([]byte, error) {
	o, err := l.create(s, append(passing(), attr(pkcs11.CKA_VALUE, key.Reveal())))
	if err != nil {
		return nil, err
	}
	defer l.destroy(s, o)
	return l.wrap(s, m.wrap, keyWrap, o)
}

// transferKey brings a transfer key back, for one use.
func (l *link) transferKey(s session, generation uint32, wrapped []byte, uses ...uint) (object, error) {
	m, err := l.mastersOf(s, generation)
	if err != nil {
		return 0, err
	}
	return l.unwrap(s, m.wrap, keyWrap, wrapped, aesKey(false, false, uses...))
}

// Export wraps a key under a transfer key.
func (t *Token) Export(generation uint32, wrapped []byte, transferGeneration uint32, transfer []byte) (out []byte, err error) {
	err = t.use(func(l *link, s session) error {
		by, err := l.transferKey(s, transferGeneration, transfer, pkcs11.CKA_WRAP)
		if err != nil {
			return err
		}
		defer l.destroy(s, by)
		key, err := l.pass(s, generation, wrapped)
		if err != nil {
			return err
		}
		defer l.destroy(s, key)
		out, err = l.wrap(s, by, keyWrap, key)
		return err
	})
	return out, err
}

// IntakeKey takes a transfer key in that was encrypted to a pair of this token.
func (t *Token) IntakeKey(generation uint32, private, encrypted []byte) (wrapped []byte, err error) {
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, generation)
		if err != nil {
			return err
		}
		key, err := l.decryptOAEP(s, generation, private, encrypted)
		if err != nil {
			return err
		}
		defer key.Wipe()
		if key.Len() != custody.TransferKeySize {
			return custody.ErrTransported
		}
		wrapped, err = l.wrapTransfer(s, m, key)
		return err
	})
	return wrapped, err
}

// Intake takes in a key that Export wrapped in another token.
func (t *Token) Intake(transferGeneration uint32, transfer, wrapped []byte, to uint32) (w custody.Wrapped, err error) {
	err = t.use(func(l *link, s session) error {
		if !validWrapped(wrapped) {
			return fmt.Errorf("%w: %d bytes of wrapped key", custody.ErrUnreadable, len(wrapped))
		}
		m, err := l.mastersOf(s, to)
		if err != nil {
			return err
		}
		// Wrapping is for the attempt that tells a key that does not unwrap from a token that does not work.
		by, err := l.transferKey(s, transferGeneration, transfer, pkcs11.CKA_UNWRAP, pkcs11.CKA_WRAP)
		if err != nil {
			return err
		}
		defer l.destroy(s, by)
		key, err := l.unwrap(s, by, keyWrap, wrapped, passing())
		if err != nil {
			return err
		}
		defer l.destroy(s, key)
		w, err = l.keep(s, m, to, key)
		return err
	})
	return w, err
}
