package kms_test

import (
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/kms"
)

func TestEveryStoredKeyIsOpened(t *testing.T) {
	h := newHouse(t)
	root := h.create(t, kms.NewKey{})
	h.create(t, kms.NewKey{Payload: custody.RandomSecret(16)})
	h.create(t, kms.NewKey{Extractable: true, Payload: secret("standard material")})
	wantError(t, h.Rotate(t.Context(), h.owner, root, kms.NewVersion{}), nil)
	fresh := kms.New(h.Config()) // which has nothing loaded
	done, err := fresh.VerifyKeys(t.Context())
	if want := (kms.Verified{InstanceKeys: 1, RootVersions: 3, Standard: 1}); err != nil || done != want {
		t.Errorf("verified %+v, %v, want %+v", done, err, want)
	}
}

// TestKeysThatDoNotOpenAreNamed has lost the masters of all keys.
func TestKeysThatDoNotOpenAreNamed(t *testing.T) {
	h := newHouse(t)
	root := h.create(t, kms.NewKey{})
	h.create(t, kms.NewKey{Extractable: true, Payload: secret("standard material")})
	if err := h.Module.DestroyMasters(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	done, err := kms.New(h.Config()).VerifyKeys(t.Context())
	if err == nil || !strings.Contains(err.Error(), "3 keys do not open") || !strings.Contains(err.Error(), string(root.Key)) {
		t.Errorf("verified %+v, %v", done, err)
	}
}
