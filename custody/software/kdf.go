package software

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"strongroom/custody"
)

const (
	kdfName = "pbkdf2-hmac-sha256"
	kdfSalt = 32 // bytes

	// kdfRounds is what new master files get, and the least that is read.
	kdfRounds = 600_000

	// maxKDFRounds keeps a changed file from holding up the start for more than some seconds.
	maxKDFRounds = 10_000_000

	kekSize = 32
)

// kdf says how a passphrase becomes the key that seals the masters.
type kdf struct {
	Name   string `json:"name"`
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
}

func newKDF() *kdf {
	salt := make([]byte, kdfSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the process instead
	return &kdf{Name: kdfName, Salt: salt, Rounds: kdfRounds}
}

func (k kdf) check() error {
	switch {
	case k.Name != kdfName:
		return fmt.Errorf("unknown kdf %q", k.Name)
	case len(k.Salt) != kdfSalt:
		return fmt.Errorf("kdf salt of %d bytes, not %d", len(k.Salt), kdfSalt)
	case k.Rounds < kdfRounds || k.Rounds > maxKDFRounds:
		return fmt.Errorf("%d kdf rounds, not between %d and %d", k.Rounds, kdfRounds, maxKDFRounds)
	}
	return nil
}

// key derives the key. The caller clears it.
func (k kdf) key(passphrase custody.Secret) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, string(passphrase.Reveal()), k.Salt, k.Rounds, kekSize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key from the passphrase: %w", err)
	}
	return key, nil
}
