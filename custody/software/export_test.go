package software

import (
	"strongroom/custody"
)

// WrapKey is AES key wrap under kek.
func WrapKey(kek, key []byte) []byte { return wrapKey(newAES(kek), key) }

// UnwrapKey undoes WrapKey.
func UnwrapKey(kek, wrapped []byte) ([]byte, error) { return unwrapKey(newAES(kek), wrapped) }

// WrapPadded is AES key wrap with padding under kek.
func WrapPadded(kek, key []byte) []byte { return wrapPadded(newAES(kek), key) }

// UnwrapPadded undoes WrapPadded.
func UnwrapPadded(kek, wrapped []byte) ([]byte, error) { return unwrapPadded(newAES(kek), wrapped) }

// DecryptOAEP decrypts with a private key in PKCS #8.
var DecryptOAEP = decryptOAEP

// PassphraseKey derives the key that seals masters, with any number of rounds.
func PassphraseKey(passphrase, salt []byte, rounds int) ([]byte, error) {
	return kdf{Salt: salt, Rounds: rounds}.key(custody.NewSecret(passphrase))
}

// ReencodeMasterFile parses a master file and encodes it again.
func ReencodeMasterFile(data []byte) ([]byte, error) {
	f, err := parseMasterFile(data)
	if err != nil {
		return nil, err
	}
	return f.encode()
}
