package audit_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// TestWycheproofECDSA verifies signatures of others, good and bad, as checkpoints are verified:
// ECDSA on P-256 with SHA-256, in ASN.1 (FIPS 186-5).
func TestWycheproofECDSA(t *testing.T) {
	data, err := fs.ReadFile(wycheproof.TestVectors, "ecdsa_secp256r1_sha256_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			PublicKeyDER string `json:"publicKeyDer"`
			Tests        []struct {
				TcID     int
				Msg, Sig string
				Result   string
				Comment  string
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, g := range file.TestGroups {
		der, err := hex.DecodeString(g.PublicKeyDER)
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range g.Tests {
			msg, merr := hex.DecodeString(v.Msg)
			sig, serr := hex.DecodeString(v.Sig)
			if merr != nil || serr != nil {
				t.Fatal(merr, serr)
			}
			digest := sha256.Sum256(msg)
			if got := ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], sig); got != (v.Result == "valid") {
				t.Errorf("%d (%s): verified %v, want %s", v.TcID, v.Comment, got, v.Result)
			}
			ran++
		}
	}
	if ran < 400 {
		t.Errorf("only %d vectors", ran)
	}
}
