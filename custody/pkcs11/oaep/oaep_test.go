package oaep_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"testing"

	"github.com/c2sp/wycheproof"

	"strongroom/custody/pkcs11/oaep"
)

// hexBytes is written in hexadecimal.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(nil, text)
	return err
}

// raw is RSA decryption without any padding, as a token does it.
func raw(t testing.TB, key *rsa.PrivateKey, ciphertext []byte) (encoded []byte, ok bool) {
	t.Helper()
	c := new(big.Int).SetBytes(ciphertext)
	if len(ciphertext) != key.Size() || c.Cmp(key.N) >= 0 {
		return nil, false
	}
	return c.Exp(c, key.D, key.N).FillBytes(make([]byte, key.Size())), true
}

// TestWycheproof decrypts with keys of all sizes that the set has. A vector with a label was not made
// for us, and must not decode.
func TestWycheproof(t *testing.T) {
	ran := 0
	for _, name := range []string{
		"rsa_oaep_2048_sha256_mgf1sha256_test.json",
		"rsa_oaep_3072_sha256_mgf1sha256_test.json",
		"rsa_oaep_4096_sha256_mgf1sha256_test.json",
	} {
		data, err := fs.ReadFile(wycheproof.TestVectors, name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			TestGroups []struct {
				PrivateKeyPkcs8 hexBytes
				Tests           []struct {
					TcID           int
					Msg, Ct, Label hexBytes
					Result         string
				}
			}
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for _, group := range file.TestGroups {
			parsed, err := x509.ParsePKCS8PrivateKey(group.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range group.Tests {
				ran++
				encoded, ok := raw(t, parsed.(*rsa.PrivateKey), v.Ct)
				var got []byte
				if ok {
					got, ok = oaep.Decode(encoded)
				}
				if valid := v.Result == "valid" && len(v.Label) == 0; ok != valid || ok && !bytes.Equal(got, v.Msg) {
					t.Errorf("%s: %d: decoded to %x, %v, want %x, %s", name, v.TcID, got, ok, v.Msg, v.Result)
				}
			}
		}
	}
	if ran < 80 {
		t.Errorf("only %d vectors ran", ran)
	}
}

// TestEveryBitCounts changes each byte of an encoding once.
func TestEveryBitCounts(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("0123456789abcdef")
	ciphertext, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, message, nil)
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ := raw(t, key, ciphertext)
	if got, ok := oaep.Decode(bytes.Clone(encoded)); !ok || !bytes.Equal(got, message) {
		t.Fatalf("decoded to %x, %v", got, ok)
	}
	end := len(encoded) - len(message)
	for i := range encoded {
		changed := bytes.Clone(encoded)
		changed[i] ^= 0x80
		got, ok := oaep.Decode(changed)
		if i < end && ok {
			t.Errorf("byte %d changed: decoded to %x", i, got)
		}
		if i >= end && ok && bytes.Equal(got, message) {
			t.Errorf("byte %d of the message changed, and it is the same", i-end)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, oaep.Overhead))
	f.Add(make([]byte, 512))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		size := len(encoded)
		message, ok := oaep.Decode(encoded)
		if ok && len(message) > size-oaep.Overhead {
			t.Errorf("message of %d bytes out of %d", len(message), size)
		}
		if !ok && message != nil {
			t.Error("refused, and yet returned")
		}
	})
}
