package kms_test

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

const account iam.AccountID = "0123456789abcdef0123456789abcdef"

// house is a service with one instance and the owner of its account.
type house struct {
	*kmstest.Rig
	kms.Instance
	owner iam.Caller
}

func newHouse(t testing.TB, configure ...func(*kms.Config)) *house {
	t.Helper()
	h := &house{Rig: kmstest.New(t, configure...), owner: iamtest.Caller(account, "owner")}
	h.owner.Owner = true
	h.Instance = h.NewInstance(t, account)
	return h
}

// ref names a key of the instance.
func (h *house) ref(key string) kms.Ref { return kms.Ref{Instance: h.ID, Key: key} }

// create makes a key and returns how to name it.
func (h *house) create(t testing.TB, n kms.NewKey) kms.Ref {
	t.Helper()
	if n.Name == "" {
		n.Name = "key"
	}
	out, err := h.Create(t.Context(), h.owner, h.ref(""), n)
	if err != nil {
		t.Fatal(err)
	}
	return h.ref(string(out.Key.ID))
}

func (h *house) wrap(t testing.TB, ref kms.Ref, plaintext string, aad ...string) string {
	t.Helper()
	w, err := h.Wrap(t.Context(), h.owner, ref, secret(plaintext), aad)
	if err != nil {
		t.Fatal(err)
	}
	return w.Ciphertext
}

func (h *house) unwrap(t testing.TB, ref kms.Ref, ciphertext string, aad ...string) string {
	t.Helper()
	u, err := h.Unwrap(t.Context(), h.owner, ref, ciphertext, aad)
	if err != nil {
		t.Fatal(err)
	}
	return string(u.Plaintext.Reveal())
}

func secret(s string) custody.Secret { return custody.NewSecret([]byte(s)) }

// wantError fails unless err is want.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("got %v, want %v", err, want)
	}
}

// day is long enough to reach the expiration dates of tests.
const day = 24 * time.Hour

// operations are all that can be done with one key.
func operations(h *house, who iam.Caller, ref kms.Ref, wrapped string) map[string]error {
	ctx := context.Background()
	errs := map[string]error{}
	_, _, errs["get"] = h.Get(ctx, who, ref)
	_, errs["metadata"] = h.Metadata(ctx, who, ref)
	_, _, errs["versions"] = h.Versions(ctx, who, ref, kms.VersionsRequest{Limit: 10})
	_, _, errs["all versions"] = h.Versions(ctx, who, ref, kms.VersionsRequest{Limit: 10, AnyState: true})
	_, errs["wrap"] = h.Wrap(ctx, who, ref, custody.Secret{}, nil)
	_, errs["unwrap"] = h.Unwrap(ctx, who, ref, wrapped, nil)
	_, errs["rewrap"] = h.Rewrap(ctx, who, ref, wrapped, nil)
	errs["rotate"] = h.Rotate(ctx, who, ref, kms.NewVersion{})
	_, errs["delete"] = h.Delete(ctx, who, ref)
	return errs
}

func fromHex(t testing.TB, s string) custody.Secret {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return custody.NewSecret(b)
}
