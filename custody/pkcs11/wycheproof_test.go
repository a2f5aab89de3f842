//go:build cgo && pkcs11

package pkcs11_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"strongroom/custody"
)

// hexBytes is written in hexadecimal.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(nil, text)
	return err
}

// TestWycheproofKeyWrap has the token unwrap the vectors for AES key wrap: the published key goes in
// as the key of a transfer, and each published wrapping as a key that is handed on.
func TestWycheproofKeyWrap(t *testing.T) {
	data, err := fs.ReadFile(wycheproof.TestVectors, "aes_wrap_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			KeySize int
			Tests   []struct {
				TcID         int
				Key, Msg, Ct hexBytes
				Result       string
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	m := open(t, newToken(t).Options)
	makeMasters(t, m, 1)
	intake, err := m.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer intake.Close()
	parsed, err := x509.ParsePKIXPublicKey(intake.Public())
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, group := range file.TestGroups {
		if group.KeySize != 8*custody.TransferKeySize {
			continue
		}
		for _, v := range group.Tests {
			key, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, parsed.(*rsa.PublicKey), v.Key, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := intake.Open(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			b := custody.Binding{
				Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
				Generation: 1, Origin: custody.OriginImported, Size: len(v.Msg),
			}
			if b.Check(custody.Root) != nil {
				if b.Size = 16; v.Result == "valid" {
					continue // a size that no key has
				}
			}
			ran++
			sealed, err := intake.Store(t.Context(), custody.Root, b, v.Ct)
			if v.Result != "valid" { // "acceptable" is what one may refuse
				if !errors.Is(err, custody.ErrUnreadable) {
					t.Errorf("%d: %v, want ErrUnreadable", v.TcID, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%d: %v", v.TcID, err)
				continue
			}
			h, err := m.Load(t.Context(), custody.Root, b, sealed)
			if err != nil {
				t.Errorf("%d: %v", v.TcID, err)
				continue
			}
			got, err := custody.Identify(t.Context(), m, h)
			if want, werr := custody.IdentifySecret(custody.NewSecret(v.Msg)); err != nil || werr != nil || got != want {
				t.Errorf("%d: unwrapped to another key: %v, %v", v.TcID, err, werr)
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d vectors ran", ran)
	}
}
