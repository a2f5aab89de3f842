package iam_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/go-jose/go-jose/v4"
)

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

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWycheproofRS256 verifies signatures of others as access tokens are
// verified: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017).
func TestWycheproofRS256(t *testing.T) {
	var file struct {
		TestGroups []struct {
			PublicKeyDER string `json:"publicKeyDer"`
			Tests        []struct {
				TcID             int
				Msg, Sig, Result string
				Comment          string
			}
		}
	}
	readVectors(t, "rsa_signature_2048_sha256_test.json", &file)
	ran := 0
	for _, g := range file.TestGroups {
		key, err := x509.ParsePKIXPublicKey(unhex(t, g.PublicKeyDER))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range g.Tests {
			digest := sha256.Sum256(unhex(t, v.Msg))
			err := rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, digest[:], unhex(t, v.Sig))
			// "acceptable" is for encodings that some take and nobody must.
			if v.Result != "acceptable" && (err == nil) != (v.Result == "valid") {
				t.Errorf("%d (%s): %v, want %s", v.TcID, v.Comment, err, v.Result)
			}
			ran++
		}
	}
	if ran < 200 {
		t.Errorf("only %d vectors", ran)
	}
}

// TestWycheproofJWS gives tokens of every kind to the library that reads ours,
// asking for RS256 alone: nothing signed in another way may pass. What a key's
// own metadata says of its use is not looked at: our keys have one use.
func TestWycheproofJWS(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Comment string
			Public  json.RawMessage
			Private json.RawMessage
			Tests   []struct {
				TcID    int
				JWS     json.RawMessage
				Result  string
				Comment string
			}
		}
	}
	readVectors(t, "json_web_signature_test.json", &file)
	passed := 0
	for _, g := range file.TestGroups {
		raw := g.Public
		if raw == nil {
			raw = g.Private
		}
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil {
			continue // a kind of key that the library does not read verifies nothing
		}
		for _, v := range g.Tests {
			var text string
			if json.Unmarshal(v.JWS, &text) != nil {
				continue // the JSON serialization, which no client of ours sends
			}
			parsed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
			if err == nil {
				_, err = parsed.Verify(key)
			}
			if err != nil {
				continue
			}
			passed++
			if alg := parsed.Signatures[0].Protected.Algorithm; alg != string(jose.RS256) {
				t.Errorf("%s %d (%s) passes with algorithm %s", g.Comment, v.TcID, v.Comment, alg)
			}
			if strings.HasPrefix(g.Comment, "rs256") && v.Result != "valid" {
				t.Errorf("%s %d (%s) passes, which is %s", g.Comment, v.TcID, v.Comment, v.Result)
			}
		}
	}
	if passed == 0 {
		t.Error("no good token passed either")
	}
}

// TestWycheproofHMAC checks the MAC by which API keys and rows are recognised:
// HMAC-SHA-256 (FIPS 198-1).
func TestWycheproofHMAC(t *testing.T) {
	var file struct {
		TestGroups []struct {
			TagSize int
			Tests   []struct {
				TcID                  int
				Key, Msg, Tag, Result string
			}
		}
	}
	readVectors(t, "hmac_sha256_test.json", &file)
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			m := hmac.New(sha256.New, unhex(t, v.Key))
			m.Write(unhex(t, v.Msg))
			if got := hmac.Equal(m.Sum(nil)[:g.TagSize/8], unhex(t, v.Tag)); got != (v.Result == "valid") {
				t.Errorf("%d: %v, want %s", v.TcID, got, v.Result)
			}
		}
	}
}
