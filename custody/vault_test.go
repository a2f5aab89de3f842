package custody_test

import (
	"bytes"
	"errors"
	"testing"

	"strongroom/custody"
)

func TestVaultOpensForTheSameRowOnly(t *testing.T) {
	m := openModule(t)
	key := makeKey(t, m)
	v := custody.NewVault(m, key)
	sealed, err := v.Seal(t.Context(), "pepper", "1", custody.NewSecret([]byte(hidden)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Open(t.Context(), "pepper", "1", sealed)
	if err != nil || string(got.Reveal()) != hidden {
		t.Errorf("opened to %d bytes, %v", got.Len(), err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() (custody.Secret, error){
		"another kind":   func() (custody.Secret, error) { return v.Open(t.Context(), "signing", "1", sealed) },
		"another ID":     func() (custody.Secret, error) { return v.Open(t.Context(), "pepper", "2", sealed) },
		"moved boundary": func() (custody.Secret, error) { return v.Open(t.Context(), "pepper1", "", sealed) },
		"a changed byte": func() (custody.Secret, error) { return v.Open(t.Context(), "pepper", "1", changed) },
		"no box":         func() (custody.Secret, error) { return v.Open(t.Context(), "pepper", "1", nil) },
		"another key": func() (custody.Secret, error) {
			return custody.NewVault(m, makeKey(t, m)).Open(t.Context(), "pepper", "1", sealed)
		},
	} {
		if got, err := open(); !errors.Is(err, custody.ErrUnreadable) || got.Len() != 0 {
			t.Errorf("%s: %d bytes, %v, want ErrUnreadable", name, got.Len(), err)
		}
	}
	m.Unload(key)
	if _, err := v.Open(t.Context(), "pepper", "1", sealed); !errors.Is(err, custody.ErrUnloaded) || errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("opening without the key: %v, want ErrUnloaded", err)
	}
}
