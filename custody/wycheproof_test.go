package custody_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"strongroom/custody"
)

// hexBytes is written in hexadecimal, in vectors of others and in our own.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(nil, text)
	return err
}

func readVectors(t *testing.T, name string, v any) {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// TestWycheproofGCM opens what others sealed. Vectors with additional data, or with nonces that are
// not 12 bytes, are for uses of AES-GCM that the seal does not have.
func TestWycheproofGCM(t *testing.T) {
	var file struct {
		TestGroups []struct {
			IVSize, TagSize int
			Tests           []struct {
				TcID                       int
				Key, IV, AAD, Msg, Ct, Tag hexBytes
				Result                     string
			}
		}
	}
	readVectors(t, "aes_gcm_test.json", &file)
	ran := 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			if group.IVSize != 96 || group.TagSize != 128 || len(v.AAD) > 0 {
				continue
			}
			ran++
			box := custody.Box{Nonce: [12]byte(v.IV), Ciphertext: append(v.Ct, v.Tag...)}
			got, err := custody.OpenGCM(v.Key, box)
			if valid := v.Result == "valid"; valid != (err == nil) || valid && !bytes.Equal(got.Reveal(), v.Msg) {
				t.Errorf("%d: opened to %x, %v, want %x, %s", v.TcID, got.Reveal(), err, v.Msg, v.Result)
			}
		}
	}
	if ran < 140 {
		t.Errorf("only %d vectors ran", ran)
	}
}

// TestWycheproofHKDF compares as many bytes as a seal derives: shorter outputs are prefixes of
// longer ones.
func TestWycheproofHKDF(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID                 int
				IKM, Salt, Info, OKM hexBytes
				Result               string
			}
		}
	}
	readVectors(t, "hkdf_sha256_test.json", &file)
	ran := 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			if v.Result != "valid" {
				continue // of sizes that a seal never asks for
			}
			ran++
			prk, err := hkdf.Extract(sha256.New, v.IKM, v.Salt)
			if err != nil {
				t.Fatal(err)
			}
			got, err := custody.Expand(prk, string(v.Info))
			if err != nil {
				t.Fatal(err)
			}
			n := min(len(got), len(v.OKM))
			if !bytes.Equal(got[:n], v.OKM[:n]) {
				t.Errorf("%d: expanded to %x, want %x", v.TcID, got, v.OKM)
			}
		}
	}
	if ran < 80 {
		t.Errorf("only %d vectors ran", ran)
	}
}
