//go:build cgo && pkcs11

package token

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Which keys an attempt is about.
const (
	aMaster    = "a master"
	aLoadedKey = "a loaded key"
	aStoredKey = "a stored key"
)

// judge says what attempts at an extraction show.
func judge(attempts []wire.Attempt) custody.Protection {
	if slices.ContainsFunc(attempts, func(a wire.Attempt) bool { return a.Possible }) {
		return custody.ProtectionBasic
	}
	return custody.ProtectionStrict
}

// attempt is one way in which code that runs with the PIN might take a key out.
type attempt struct {
	what, key string
	grave     bool         // a token that allows it protects nothing
	try       func() error // nil: the key came out
}

// extract tries to take keys out of the token. What it changes are session objects of its own: a wrap
// master like the real ones, and keys that protect nothing. With enough, the first success ends it.
func (l *link) extract(s session, enough bool) ([]wire.Attempt, error) {
	master, err := l.makeWrapMaster(s, attr(pkcs11.CKA_TOKEN, false))
	if err != nil {
		return nil, err
	}
	defer l.destroy(s, master)
	first, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, masterSize)))
	if err != nil {
		return nil, err
	}
	defer l.destroy(s, first)
	stored, err := l.wrap(s, master, keyWrap, first)
	if err != nil {
		return nil, err
	}
	loaded, err := l.unwrap(s, master, keyWrap, stored, working())
	if err != nil {
		return nil, err
	}
	defer l.destroy(s, loaded)
	attempts := append(l.passive(s, master, loaded), l.wrapping(s, master, loaded, stored)...)
	if m, ok := l.newest(); ok { // of the real ones nothing is tried that would change them
		attempts = append(attempts,
			attempt{"reading the value of the wrap master", aMaster, true, func() error { return l.read(s, m.wrap) }},
			attempt{"reading the value of the seal master", aMaster, true, func() error { return l.read(s, m.seal) }},
		)
	}
	var done []wire.Attempt
	for _, a := range attempts {
		err := a.try()
		var f *failure
		switch {
		case err == nil:
			done = append(done, wire.Attempt{What: a.what, Key: a.key, Possible: true, Grave: a.grave})
		case errors.Is(err, custody.ErrUnavailable) && !isCode(err, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_ARGUMENTS_BAD):
			return nil, err
		case errors.As(err, &f):
			done = append(done, wire.Attempt{What: a.what, Key: a.key, Detail: f.Error()})
		default:
			done = append(done, wire.Attempt{What: a.what, Key: a.key, Detail: err.Error()})
		}
		if err == nil && enough {
			break
		}
	}
	return done, nil
}

// passive are attempts without a key of the attacker's.
func (l *link) passive(s session, master, loaded object) []attempt {
	set := func(o object, kind uint, to bool) func() error {
		return func() error {
			return fail("C_SetAttributeValue", l.SetAttributeValue(s, o, []attribute{attr(kind, to)}))
		}
	}
	return []attempt{
		{"reading its value", aMaster, true, func() error { return l.read(s, master) }},
		{"reading its value", aLoadedKey, true, func() error { return l.read(s, loaded) }},
		{"making it extractable", aMaster, true, set(master, pkcs11.CKA_EXTRACTABLE, true)},
		{"making it extractable", aLoadedKey, false, set(loaded, pkcs11.CKA_EXTRACTABLE, true)},
		{"making it readable", aMaster, true, set(master, pkcs11.CKA_SENSITIVE, false)},
		{"copying it as an extractable key", aMaster, true, func() error { return l.copyOut(s, master) }},
		{"copying it as an extractable key", aLoadedKey, false, func() error { return l.copyOut(s, loaded) }},
		{"decrypting stored keys with it", aMaster, false, func() error { return l.decryptWith(s, master) }},
	}
}

// wrapping are attempts to have a key wrapped under another, whose value the attacker knows.
func (l *link) wrapping(s session, master, loaded object, stored []byte) []attempt {
	brought := func(key object) error {
		by, err := l.create(s, append(aesKey(false, false, pkcs11.CKA_WRAP), attr(pkcs11.CKA_VALUE, make([]byte, masterSize))))
		if err != nil {
			return err
		}
		defer l.destroy(s, by)
		_, err = l.wrap(s, by, keyWrap, key)
		return err
	}
	unwrapped := func(then func(object) error) func() error {
		return func() error {
			key, err := l.UnwrapKey(s, mechanism(keyWrap), master, stored, passing())
			if err != nil {
				return fail("C_UnwrapKey", err)
			}
			defer l.destroy(s, key)
			return then(key)
		}
	}
	return []attempt{
		{"wrapping it under a key that was brought", aMaster, true, func() error { return brought(master) }},
		{"wrapping it under a key that was brought", aLoadedKey, true, func() error { return brought(loaded) }},
		{"unwrapping it as a readable key", aStoredKey, false, func() error { return l.unwrapReadable(s, master, stored) }},
		{"unwrapping it as an extractable key, and wrapping that under a key that was brought", aStoredKey, false, unwrapped(brought)},
		{"unwrapping it as an extractable key, and wrapping that under a key that also decrypts", aStoredKey, false, unwrapped(func(key object) error { return l.wrapAndDecrypt(s, key) })},
		{"unwrapping it as an extractable key, and wrapping that under a public key that was brought", aStoredKey, false, unwrapped(func(key object) error { return l.wrapPublic(s, key) })},
	}
}

func (l *link) read(s session, o object) error {
	attrs, err := l.GetAttributeValue(s, o, []attribute{attr(pkcs11.CKA_VALUE, nil)})
	if err == nil && len(attrs) == 1 && len(attrs[0].Value) > 0 {
		clear(attrs[0].Value)
		return nil
	}
	if err == nil {
		return fmt.Errorf("%w: the value is empty", wire.ErrUnsupported)
	}
	return fail("C_GetAttributeValue", err)
}

func (l *link) copyOut(s session, o object) error {
	c, err := l.CopyObject(s, o, []attribute{attr(pkcs11.CKA_TOKEN, false), attr(pkcs11.CKA_EXTRACTABLE, true)})
	if err == nil {
		l.destroy(s, c)
	}
	return fail("C_CopyObject", err)
}

func (l *link) decryptWith(s session, o object) error {
	if err := l.DecryptInit(s, mechanism(pkcs11.CKM_AES_ECB), o); err != nil {
		return fail("C_DecryptInit", err)
	}
	_, err := l.Decrypt(s, make([]byte, blockSize))
	return fail("C_Decrypt", err)
}

func (l *link) unwrapReadable(s session, master object, stored []byte) error {
	template := append(without(passing(), pkcs11.CKA_SENSITIVE), attr(pkcs11.CKA_SENSITIVE, false))
	key, err := l.UnwrapKey(s, mechanism(keyWrap), master, stored, template)
	if err != nil {
		return fail("C_UnwrapKey", err)
	}
	defer l.destroy(s, key)
	return l.read(s, key)
}

func (l *link) wrapAndDecrypt(s session, key object) error {
	by, err := l.generate(s, append(aesKey(false, false, pkcs11.CKA_WRAP, pkcs11.CKA_DECRYPT), attr(pkcs11.CKA_VALUE_LEN, masterSize)))
	if err != nil {
		return err
	}
	defer l.destroy(s, by)
	if _, err := l.wrap(s, by, keyWrap, key); err != nil {
		return err
	}
	return l.decryptWith(s, by)
}

// attackerBits is the size of a public key that is accepted by tokens of any policy.
const attackerBits = 3072

func (l *link) wrapPublic(s session, key object) error {
	// Nobody has the private half of a random modulus, which the token cannot know.
	modulus := make([]byte, attackerBits/8)
	_, _ = rand.Read(modulus)
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	public := rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
	by, err := l.publicKey(s, &public)
	if err != nil {
		return err
	}
	defer l.destroy(s, by)
	for _, hash := range []uint{pkcs11.CKM_SHA256, pkcs11.CKM_SHA_1} {
		mgf := uint(pkcs11.CKG_MGF1_SHA256)
		if hash == pkcs11.CKM_SHA_1 {
			mgf = pkcs11.CKG_MGF1_SHA1
		}
		params := pkcs11.NewOAEPParams(hash, mgf, pkcs11.CKZ_DATA_SPECIFIED, nil)
		_, err = l.WrapKey(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, params)}, by, key)
		if err == nil {
			return nil
		}
	}
	return fail("C_WrapKey", err)
}
