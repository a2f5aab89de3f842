//go:build cgo && pkcs11

package pkcs11_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
)

func examine(t *testing.T, o pkcs11.Options) pkcs11.Report {
	t.Helper()
	r, err := pkcs11.Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// finding returns the findings about something, as lines.
func finding(r pkcs11.Report, about string) string {
	var b strings.Builder
	for _, f := range r.Findings() {
		if f.About == about {
			b.WriteString(string(f.Grade) + " " + f.Text + "\n")
		}
	}
	return b.String()
}

func TestTokenIsExamined(t *testing.T) {
	o := newToken(t)
	r := examine(t, o.Options)
	if !r.Usable() || r.Status.Protection != custody.ProtectionBasic || !strings.HasPrefix(r.Verdict(), "BASIC.") {
		t.Errorf("SoftHSM is usable: %v, %s, %s", r.Usable(), r.Status.Protection, r.Verdict())
	}
	if r.Status.Token.Model != "SoftHSM v2" || r.Speed.Wraps < 10 || r.Speed.Unwraps < 10 || r.Speed.Makes < 10 {
		t.Errorf("token %+v, speed %+v", r.Status.Token, r.Speed)
	}
	for about, want := range map[string]string{
		"CKM_AES_CMAC":               "good sealing",
		"CKM_AES_KEY_WRAP":           "good wrapping",
		"CKO_DATA":                   "good keeping the anchor",
		"CKM_RSA_PKCS_KEY_PAIR_GEN":  "good drawing import keys",
		"CKM_RSA_X_509":              "good secure import",
		"CKM_RSA_PKCS_OAEP":          "note secure import",
		"secure import":              "passes through its memory",
		"masters":                    "none yet",
		"extraction of a master":     "good reading its value was refused: C_GetAttributeValue: CKR_ATTRIBUTE_SENSITIVE",
		"extraction of a loaded key": "good wrapping it under a key that was brought was refused",
		"extraction of a stored key": "note unwrapping it as an extractable key, and wrapping that under a key that was brought succeeded",
	} {
		if got := finding(r, about); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", about, got, want)
		}
	}

	m := open(t, o.Options)
	if _, err := m.MakeMasters(t.Context(), 1, custody.Recovery{Set: "set-1", Key: custody.RandomSecret(custody.RecoveryKeySize)}); err != nil {
		t.Fatal(err)
	}
	if got := m.Info().Protection; got != custody.ProtectionBasic {
		t.Errorf("protection of the module is %s", got)
	}
	r = examine(t, o.Options)
	for about, want := range map[string]string{
		"wrap master of generation 1": "good CKA_NEVER_EXTRACTABLE",
		"seal master of generation 1": "good private, sensitive, not extractable",
		"recovery key":                "good private, sensitive, not extractable",
		"extraction of a master":      "good reading the value of the seal master was refused",
	} {
		if got := finding(r, about); !strings.Contains(got, want) {
			t.Errorf("with masters: %s: %q, want %q", about, got, want)
		}
	}
	if !r.Usable() {
		t.Error("a token with our own masters is not usable")
	}
}

func TestExaminationLeavesNothing(t *testing.T) {
	o := newToken(t)
	count := func() int {
		files := 0
		tokens, err := os.ReadDir(o.token.Folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range tokens {
			objects, err := os.ReadDir(o.token.Folder + "/" + dir.Name())
			if err != nil {
				t.Fatal(err)
			}
			files += len(objects)
		}
		return files
	}
	before := count()
	examine(t, o.Options)
	if after := count(); after != before {
		t.Errorf("%d files in the token before, %d after", before, after)
	}
}

func TestExaminationOfNoTokenFails(t *testing.T) {
	o := newToken(t)
	o.Token = "other"
	if _, err := pkcs11.Examine(t.Context(), o.Options); !errors.Is(err, custody.ErrUnavailable) {
		t.Errorf("examining a token that is not there: %v", err)
	}
}
