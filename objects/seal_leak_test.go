package objects

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"testing"
)

// TestTooFewSlicesRevealNothing plays who has come by the data key of an object and by all of its sealed
// segment but for one slice of four. Counter mode opens what it has byte by byte, which is what the
// all-or-nothing transform is there to prevent.
func TestTooFewSlicesRevealNothing(t *testing.T) {
	const slices = 4
	plain := make([]byte, 64<<10)
	_, _ = rand.Read(plain)
	for _, allOrNothing := range []bool{false, true} {
		s := sealsOf(allOrNothing)
		sealed := s.seal(nil, plain, 0, true)
		for missing := 1; missing < slices; missing++ { // the first has the nonce, without which nothing opens
			has := bytes.Clone(sealed)
			size := (len(sealed) + slices - 1) / slices
			clear(has[missing*size : min((missing+1)*size, len(has))])
			got := s.guess(t, has)
			if revealed := bytes.Contains(got, plain[:1<<10]); revealed == allOrNothing {
				t.Errorf("all-or-nothing %v, without slice %d: content is revealed: %v", allOrNothing, missing, revealed)
			}
			if _, err := s.open(nil, has, 0, true); err == nil {
				t.Errorf("all-or-nothing %v: opened without slice %d", allOrNothing, missing)
			}
		}
		if !bytes.Equal(s.guess(t, sealed), plain) {
			t.Errorf("all-or-nothing %v: the attack does not work on a whole segment", allOrNothing)
		}
	}
}

// guess decrypts a sealed segment, whatever of it is there, with the data key and no regard for its tag.
func (s *segments) guess(t *testing.T, sealed []byte) []byte {
	t.Helper()
	key := s.key.Reveal()
	if s.allOrNothing {
		body := sealed[:len(sealed)-saltSize]
		digest := sha256.Sum256(body)
		salt := make([]byte, saltSize)
		subtle.XORBytes(salt, sealed[len(body):], digest[:])
		var err error
		if key, err = hkdf.Key(sha256.New, key, salt, string(s.bound(0, true)), dataKeySize); err != nil {
			t.Fatal(err)
		}
		sealed = body
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	const first = 2 // the counter of the first block of content; the one before makes the tag
	counter := append(bytes.Clone(sealed[:nonceSize]), 0, 0, 0, first)
	got := make([]byte, len(sealed)-nonceSize-tagSize)
	cipher.NewCTR(block, counter).XORKeyStream(got, sealed[nonceSize:len(sealed)-tagSize])
	return got
}
