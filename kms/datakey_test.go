package kms_test

import (
	"testing"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

func TestGeneratedDataKeyIsNotShown(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	out, err := h.Generate(t.Context(), h.owner, ref, []string{"a"})
	if err != nil || out.Drawn.Len() != 0 {
		t.Fatalf("%v: %d bytes in the clear", err, out.Drawn.Len())
	}
	if ev := h.Log.Last(); ev.Action != "kms.secrets.wrap" || ev.RequestData["plaintextReturned"] != false {
		t.Errorf("event %+v", ev)
	}
	if n := len(h.unwrap(t, ref, out.Ciphertext, "a")); n != kms.DataKeySize {
		t.Errorf("data key of %d bytes", n)
	}
}

func TestTransferHandsADataKeyToAnotherKey(t *testing.T) {
	h := newHouse(t)
	from := h.create(t, kms.NewKey{})
	there := kms.Ref{Instance: h.NewInstance(t, account).ID}
	made, err := h.Create(t.Context(), h.owner, there, kms.NewKey{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	there.Key = string(made.Key.ID)
	out, err := h.Transfer(t.Context(), h.owner, from, kms.Transfer{
		Ciphertext: h.wrap(t, from, "data key", "a"), AAD: []string{"a"}, To: there, ToAAD: []string{"b"},
	})
	if err != nil || string(out.Version) != from.Key || string(out.Newest) != there.Key {
		t.Fatalf("%v: %+v", err, out)
	}
	if got := h.unwrap(t, there, out.Ciphertext, "b"); got != "data key" {
		t.Errorf("unwraps to %q", got)
	}
	_, err = h.Unwrap(t.Context(), h.owner, from, out.Ciphertext, []string{"b"})
	wantError(t, err, kms.ErrUnreadable)
	_, err = h.Transfer(t.Context(), h.owner, from, kms.Transfer{Ciphertext: out.Ciphertext, To: there})
	wantError(t, err, kms.ErrUnreadable)
}

// TestTransferNeedsToUnwrap shows that who may only rewrap cannot hand a data key to a key that
// it may unwrap by.
func TestTransferNeedsToUnwrap(t *testing.T) {
	h := newHouse(t)
	from, to := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, from, "data key")
	clerk := iamtest.Caller(account, "clerk")
	grant := func(key kms.Ref, actions ...string) {
		g := kmstest.Grant{Identity: clerk.Identity, Account: account, Instance: h.ID, Key: key.Key}
		for _, a := range actions {
			g.Actions = append(g.Actions, iam.Action(a))
		}
		h.Access.Grant(g)
	}
	transfer := func() error {
		_, err := h.Transfer(t.Context(), clerk, from, kms.Transfer{Ciphertext: wrapped, To: to})
		return err
	}
	grant(from, "kms.secrets.rewrap")
	grant(to, "kms.secrets.wrap", "kms.secrets.unwrap")
	if transfer() == nil {
		t.Error("allowed without the permission to unwrap")
	}
	grant(from, "kms.secrets.unwrap")
	wantError(t, transfer(), nil)
	h.Access.Revoke(clerk.Identity)
	grant(from, "kms.secrets.unwrap")
	if transfer() == nil {
		t.Error("allowed without the permission to wrap by the other key")
	}
}
