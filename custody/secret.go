package custody

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret shows of itself, whatever it is asked.
const redacted = "[secret]"

// errSecretEncoded keeps a Secret out of JSON and every other text form, even when it is a field
// of something that is encoded as a whole.
var errSecretEncoded = errors.New("a secret has no encoded form")

// Secret holds secret bytes: key material, a passphrase, a data key. It prints, logs and formats
// as "[secret]" and refuses to be encoded; the bytes are reached by [Secret.Reveal] alone, which
// makes the places that see them easy to find. Copies of a Secret share their bytes. The zero
// value is an empty secret.
type Secret struct {
	b []byte
}

// NewSecret returns a Secret that holds b and owns it from then on.
func NewSecret(b []byte) Secret { return Secret{b} }

// RandomSecret returns size fresh random bytes.
func RandomSecret(size int) Secret {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return Secret{b}
}

// Reveal returns the bytes themselves, not a copy: they change when the Secret is wiped.
func (s Secret) Reveal() []byte { return s.b }

// Len returns the number of bytes.
func (s Secret) Len() int { return len(s.b) }

// Equal reports whether both hold the same bytes, in time that depends on their lengths alone.
func (s Secret) Equal(o Secret) bool { return subtle.ConstantTimeCompare(s.b, o.b) == 1 }

// Wipe overwrites the bytes with zeros, in all copies of the Secret.
func (s Secret) Wipe() { clear(s.b) }

// Format writes "[secret]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[secret]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails.
func (s Secret) MarshalJSON() ([]byte, error) { return nil, errSecretEncoded }

// MarshalText always fails.
func (s Secret) MarshalText() ([]byte, error) { return nil, errSecretEncoded }
