package software_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"strongroom/custody"
	"strongroom/custody/software"
)

// hexBytes is written in hexadecimal.
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

// TestWycheproofCMAC runs the vectors of one block; a module knows no other messages.
func TestWycheproofCMAC(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID          int
				Key, Msg, Tag hexBytes
				Result        string
			}
		}
	}
	readVectors(t, "aes_cmac_test.json", &file)
	m := create(t, keyFileOptions(t))
	ran := 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			if len(v.Msg) != custody.BlockSize {
				continue
			}
			ran++
			h, _, err := m.Import(t.Context(), custody.Root, custody.Binding{
				Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
				Generation: m.Info().Generation, Origin: custody.OriginImported, Size: len(v.Key),
			}, custody.NewSecret(v.Key))
			if err != nil {
				t.Fatal(err)
			}
			out, err := m.CMAC(t.Context(), h, [2]custody.Block{custody.Block(v.Msg)})
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Equal(out[0][:], v.Tag); got != (v.Result == "valid") {
				t.Errorf("%d: CMAC = %x; it is %s that it equals %x", v.TcID, out[0], v.Result, v.Tag)
			}
		}
	}
	if ran < 80 {
		t.Errorf("only %d vectors ran", ran)
	}
}

func TestWycheproofKeyWrap(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID         int
				Key, Msg, Ct hexBytes
				Result       string
			}
		}
	}
	readVectors(t, "aes_wrap_test.json", &file)
	ran := 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			ran++
			// A key of 8 bytes, which the set leaves open, is none of ours.
			valid := v.Result == "valid"
			got, err := software.UnwrapKey(v.Key, v.Ct)
			if valid != (err == nil) || valid && !bytes.Equal(got, v.Msg) {
				t.Errorf("%d: unwrapped to %x, %v, want %x, %s", v.TcID, got, err, v.Msg, v.Result)
			}
			if err != nil && !errors.Is(err, custody.ErrUnreadable) {
				t.Errorf("%d: %v, want ErrUnreadable", v.TcID, err)
			}
			if valid {
				if got := software.WrapKey(v.Key, v.Msg); !bytes.Equal(got, v.Ct) {
					t.Errorf("%d: wrapped to %x, want %x", v.TcID, got, v.Ct)
				}
			}
		}
	}
	if ran < 160 {
		t.Errorf("only %d vectors ran", ran)
	}
}

func TestWycheproofKeyWrapWithPadding(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID         int
				Key, Msg, Ct hexBytes
				Result       string
			}
		}
	}
	readVectors(t, "aes_kwp_test.json", &file)
	ran := 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			ran++
			// Messages of no bytes, which the set leaves open, are none of ours.
			valid := v.Result == "valid" || v.Result == "acceptable" && len(v.Msg) > 0
			got, err := software.UnwrapPadded(v.Key, v.Ct)
			if valid != (err == nil) || valid && !bytes.Equal(got, v.Msg) {
				t.Errorf("%d: unwrapped to %x, %v, want %x, %s", v.TcID, got, err, v.Msg, v.Result)
			}
			if err != nil && !errors.Is(err, custody.ErrUnreadable) {
				t.Errorf("%d: %v, want ErrUnreadable", v.TcID, err)
			}
			if valid {
				if got := software.WrapPadded(v.Key, v.Msg); !bytes.Equal(got, v.Ct) {
					t.Errorf("%d: wrapped to %x, want %x", v.TcID, got, v.Ct)
				}
			}
		}
	}
	if ran < 200 {
		t.Errorf("only %d vectors ran", ran)
	}
}

// TestWycheproofOAEP decrypts with keys of all sizes that the set has. A vector with a label was not
// made for us, and must not decrypt.
func TestWycheproofOAEP(t *testing.T) {
	ran := 0
	for _, name := range []string{
		"rsa_oaep_2048_sha256_mgf1sha256_test.json",
		"rsa_oaep_3072_sha256_mgf1sha256_test.json",
		"rsa_oaep_4096_sha256_mgf1sha256_test.json",
	} {
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
		readVectors(t, name, &file)
		for _, group := range file.TestGroups {
			for _, v := range group.Tests {
				ran++
				valid := v.Result == "valid" && len(v.Label) == 0
				got, err := software.DecryptOAEP(group.PrivateKeyPkcs8, v.Ct)
				if valid != (err == nil) || valid && !bytes.Equal(got, v.Msg) {
					t.Errorf("%s: %d: decrypted to %x, %v, want %x, %s", name, v.TcID, got, err, v.Msg, v.Result)
				}
				if err != nil && !errors.Is(err, custody.ErrTransported) {
					t.Errorf("%s: %d: %v, want ErrTransported", name, v.TcID, err)
				}
			}
		}
	}
	if ran < 80 {
		t.Errorf("only %d vectors ran", ran)
	}
}

// TestRFC3394KeyWrap has the examples of RFC 3394, sections 4.1 to 4.6.
func TestRFC3394KeyWrap(t *testing.T) {
	const (
		kek = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		key = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	)
	for _, v := range []struct {
		kekSize, keySize int
		wrapped          string
	}{
		{16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
	} {
		kek, _ := hex.DecodeString(kek[:2*v.kekSize])
		key, _ := hex.DecodeString(key[:2*v.keySize])
		if got := hex.EncodeToString(software.WrapKey(kek, key)); got != v.wrapped {
			t.Errorf("%d bytes under %d: wrapped to %s, want %s", v.keySize, v.kekSize, got, v.wrapped)
		}
	}
}

func TestWycheproofPBKDF2(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID               int
				Password, Salt, DK hexBytes
				IterationCount     int
				Result             string
			}
		}
	}
	readVectors(t, "pbkdf2_hmacsha256_test.json", &file)
	ran := 0
	for _, group := range file.TestGroups {
		for _, v := range group.Tests {
			ran++
			got, err := software.PassphraseKey(v.Password, v.Salt, v.IterationCount)
			if err != nil {
				t.Fatal(err)
			}
			// Keys of one hash length or less are prefixes of one another.
			n := min(len(got), len(v.DK))
			if !bytes.Equal(got[:n], v.DK[:n]) {
				t.Errorf("%d: derived %x, want %x", v.TcID, got, v.DK)
			}
		}
	}
	if ran < 60 {
		t.Errorf("only %d vectors ran", ran)
	}
}
