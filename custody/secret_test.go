package custody_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"strongroom/custody"
)

const hidden = "correct-horse"

func TestSecretShowsNothing(t *testing.T) {
	s := custody.NewSecret([]byte(hidden))
	type record struct {
		Name   string
		Secret custody.Secret
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T%v", "%10s", "%o"} {
		for _, value := range []any{s, &s, record{"n", s}, &record{"n", s}, []custody.Secret{s}, map[string]custody.Secret{"k": s}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(verb, "T") {
				text = fmt.Sprintf(verb, value, value)
			}
			for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprint([]byte(hidden))} {
				if strings.Contains(text, strings.Trim(form, "[]")) {
					t.Errorf("%s of %T shows the secret: %s", verb, value, text)
				}
			}
		}
	}
	if got := fmt.Sprintf("%x", s); got != "[secret]" {
		t.Errorf("formatted as %q", got)
	}
	if got := fmt.Errorf("with %w and %v", fmt.Errorf("%s", s), s).Error(); strings.Contains(got, hidden) {
		t.Errorf("error shows the secret: %s", got)
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	s := custody.NewSecret([]byte(hidden))
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("message", "secret", s, "pointer", &s, slog.Group("g", "secret", s),
			"record", struct{ Secret custody.Secret }{s}, "list", []custody.Secret{s})
	}
	if strings.Contains(out.String(), hidden) || !strings.Contains(out.String(), "[secret]") {
		t.Errorf("logged as %s", out.String())
	}
}

func TestSecretIsNotEncoded(t *testing.T) {
	s := custody.NewSecret([]byte(hidden))
	for _, value := range []any{s, &s, struct{ Secret custody.Secret }{s}, []custody.Secret{s}} {
		if out, err := json.Marshal(value); err == nil {
			t.Errorf("%T encoded as JSON: %s", value, out)
		}
	}
	if out, err := xml.Marshal(s); err == nil {
		t.Errorf("encoded as XML: %s", out)
	}
	if _, err := s.MarshalText(); err == nil || strings.Contains(err.Error(), hidden) {
		t.Errorf("encoded as text, or shown: %v", err)
	}
}

func TestSecretHoldsItsBytes(t *testing.T) {
	owned := []byte(hidden)
	s := custody.NewSecret(owned)
	same := s
	if !s.Equal(custody.NewSecret([]byte(hidden))) || s.Equal(custody.NewSecret([]byte("correct-horsf"))) || s.Equal(custody.NewSecret(nil)) {
		t.Error("Equal does not compare the bytes")
	}
	if s.Len() != len(hidden) || &s.Reveal()[0] != &owned[0] {
		t.Error("the Secret does not hold the bytes it was given")
	}
	s.Wipe()
	if !bytes.Equal(same.Reveal(), make([]byte, len(hidden))) {
		t.Error("Wipe leaves a copy of the Secret readable")
	}
	if a, b := custody.RandomSecret(32), custody.RandomSecret(32); a.Len() != 32 || a.Equal(b) {
		t.Error("random secrets repeat, or have another size")
	}
	var zero custody.Secret
	zero.Wipe()
	if zero.Len() != 0 || zero.Reveal() != nil {
		t.Error("the zero Secret is not empty")
	}
}
