package iam

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"strongroom/custody"
)

const (
	pepperSize  = 32  // bytes
	drawnKey    = 33  // bytes of a value that we draw: 44 characters
	minOwnValue = 32  // characters of a value that a caller brings
	maxKeyValue = 256 // characters
)

// Digest is what is stored of the value of an API key: its HMAC-SHA-256 under
// the pepper. Values are long and random, so no slow hash is needed; the pepper
// keeps a copy of the database from confirming a guess.
type Digest [sha256.Size]byte

func (s *Identities) digest(value string) Digest {
	m := hmac.New(sha256.New, s.pepper.Reveal())
	m.Write([]byte(value))
	return Digest(m.Sum(nil))
}

// drawValue draws 44 characters of [A-Za-z0-9_-], 264 bits.
func drawValue() custody.Secret {
	raw := make([]byte, drawnKey)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	value := make([]byte, base64.RawURLEncoding.EncodedLen(drawnKey))
	base64.RawURLEncoding.Encode(value, raw)
	clear(raw)
	return custody.NewSecret(value)
}

// checkKeyValue judges a value that a caller brought: it has to be as hard to guess
// as its hash is quick to compute, as far as length can tell.
func checkKeyValue(value custody.Secret) error {
	distinct := map[byte]bool{}
	for _, c := range value.Reveal() {
		if c <= ' ' || c > '~' {
			return ErrIdentityInvalid.On("apikey", "may hold printable ASCII characters without spaces only")
		}
		distinct[c] = true
	}
	const minDistinct = 8
	switch {
	case value.Len() < minOwnValue:
		return ErrIdentityInvalid.On("apikey", "a value of your own needs 32 characters or more")
	case value.Len() > maxKeyValue:
		return ErrIdentityInvalid.On("apikey", "is longer than 256 characters")
	case len(distinct) < minDistinct:
		return ErrIdentityInvalid.On("apikey", "repeats few characters and could be guessed")
	}
	return nil
}
