package kms_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"strongroom/kms"
)

// vector is the example of docs/formats.md.
type vector struct {
	Key       string
	AAD       []string
	Text      string
	Plaintext string
}

func readVector(t testing.TB) vector {
	t.Helper()
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```json wrapped-data-key\n")
	text, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/formats.md has no vector of a wrapped data key")
	}
	var v vector
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDocumentedVectorUnwraps(t *testing.T) {
	h, v := newHouse(t), readVector(t)
	ref := h.create(t, kms.NewKey{Payload: fromHex(t, v.Key)})
	got := h.unwrap(t, ref, v.Text, v.AAD...)
	if want := fromHex(t, v.Plaintext); got != string(want.Reveal()) {
		t.Errorf("got %x", got)
	}
}

func TestEnvelopeHasItsDocumentedForm(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	inner, err := base64.StdEncoding.DecodeString(h.wrap(t, ref, "0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	var e struct{ Ciphertext, IV, Version, Handle, Material string }
	if err := json.Unmarshal(inner, &e); err != nil {
		t.Fatal(err)
	}
	sealed, _ := base64.StdEncoding.DecodeString(e.Ciphertext)
	iv, _ := base64.StdEncoding.DecodeString(e.IV)
	if len(sealed) != 32+16+16 || len(iv) != 24 || e.Version != "strongroom/1" || e.Handle != ref.Key || len(e.Material) != 32 {
		t.Errorf("%s", inner)
	}
}

func FuzzWrapped(f *testing.F) {
	v := readVector(f)
	inner, _ := base64.StdEncoding.DecodeString(v.Text)
	f.Add(v.Text)
	f.Add("")
	f.Add("wdek")
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"ciphertext":"","iv":"","version":"4.0.0","handle":""}`)))
	f.Add(base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(string(inner)))))
	f.Add(base64.StdEncoding.EncodeToString(append(inner, ' ')))
	f.Fuzz(func(t *testing.T, text string) {
		again, err := kms.ParseEnvelope(text)
		if err == nil && again != text {
			t.Errorf("two texts for one envelope: %q and %q", text, again)
		}
	})
}
