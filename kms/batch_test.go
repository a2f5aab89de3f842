package kms_test

import (
	"errors"
	"fmt"
	"testing"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

func TestBatchHasAnOutcomeAndAnEventForEachItem(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	items := make([]kms.WrapItem, kms.MaxBatch)
	for i := range items {
		items[i] = kms.WrapItem{Plaintext: secret(fmt.Sprintf("data key %d", i)), AAD: []string{fmt.Sprint(i)}}
	}
	items[1].Plaintext = custody.Secret{}
	items[2].Plaintext = custody.RandomSecret(7501)
	items[0].Unread = kms.ErrField.On("plaintext", "base64")
	before := h.Log.Len()
	wrapped, err := h.WrapBatch(t.Context(), h.owner, ref, items)
	if err != nil || len(wrapped) != len(items) || h.Log.Len()-before != len(items) {
		t.Fatalf("%v: %d outcomes and %d events for %d items", err, len(wrapped), h.Log.Len()-before, len(items))
	}
	if wrapped[1].Result.Drawn.Len() != kms.DataKeySize || !errors.Is(wrapped[2].Err, kms.ErrField) || wrapped[0].Err == nil {
		t.Errorf("%d bytes drawn; too long: %v; not read: %v", wrapped[1].Result.Drawn.Len(), wrapped[2].Err, wrapped[0].Err)
	}
	sealed := make([]kms.UnwrapItem, 0, len(items))
	for i := 3; i < len(items); i++ {
		sealed = append(sealed, kms.UnwrapItem{Ciphertext: wrapped[i].Result.Ciphertext, AAD: items[i].AAD})
	}
	sealed[5].AAD = nil
	sealed[6].Ciphertext = "nonsense"
	again, err := h.RewrapBatch(t.Context(), h.owner, ref, sealed)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := h.UnwrapBatch(t.Context(), h.owner, ref, sealed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		switch i {
		case 5:
			wantError(t, opened[i].Err, kms.ErrUnreadable)
			wantError(t, again[i].Err, kms.ErrUnreadable)
		case 6:
			wantError(t, opened[i].Err, kms.ErrField)
			wantError(t, again[i].Err, kms.ErrField)
		default:
			want := fmt.Sprintf("data key %d", i+3)
			if got := string(opened[i].Result.Plaintext.Reveal()); got != want || opened[i].Err != nil {
				t.Fatalf("item %d: %q, %v", i, got, opened[i].Err)
			}
			if got := h.unwrap(t, ref, again[i].Result.Ciphertext, sealed[i].AAD...); got != want {
				t.Fatalf("item %d, rewrapped: %q", i, got)
			}
		}
	}
}

func TestBatchFailsAsAWholeForItsKey(t *testing.T) {
	h := newHouse(t)
	ref, standard := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{Extractable: true})
	nobody := iamtest.Caller(account, "nobody")
	for name, c := range map[string]struct {
		who   iam.Caller
		ref   kms.Ref
		items int
		want  error
	}{
		"no permission": {nobody, ref, 2, iam.ErrForbidden},
		"no key":        {h.owner, h.ref("absent"), 2, kms.ErrKeyNotFound},
		"standard key":  {h.owner, standard, 2, kms.ErrNotRoot},
		"no items":      {h.owner, ref, 0, kms.ErrField},
		"too many":      {h.owner, ref, kms.MaxBatch + 1, kms.ErrField},
	} {
		before := h.Log.Len()
		out, err := h.WrapBatch(t.Context(), c.who, c.ref, make([]kms.WrapItem, c.items))
		if !errors.Is(err, c.want) || out != nil {
			t.Errorf("%s: %d outcomes, %v, want %v", name, len(out), err, c.want)
		}
		if n := h.Log.Len() - before; n != 1 {
			t.Errorf("%s: %d events, want 1", name, n)
		}
	}
	unread := []kms.WrapItem{{Unread: kms.ErrField}, {}, {}}
	out, err := h.WrapBatch(t.Context(), h.owner, standard, unread)
	if !errors.Is(err, kms.ErrNotRoot) || out != nil {
		t.Errorf("standard key, found after an item that could not be read: %d outcomes, %v", len(out), err)
	}
}

// TestTransferBatchGoesOnPastOtherKeys shows that what is wrong with a key that an item goes to is
// the outcome of that item alone, also of the first, and that the key which they come from decides
// about all.
func TestTransferBatchGoesOnPastOtherKeys(t *testing.T) {
	h := newHouse(t)
	from, to, standard := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{Extractable: true})
	foreign := kms.Ref{Instance: h.NewInstance(t, "f00f00f00f00f00f00f00f00f00f00f0").ID, Key: to.Key}
	sealed := h.wrap(t, from, "data key", "a")
	item := func(to kms.Ref) kms.Transfer { return kms.Transfer{Ciphertext: sealed, AAD: []string{"a"}, To: to} }
	items := []kms.Transfer{
		item(h.ref("absent")), item(to), item(standard), item(foreign), item(to), item(to), item(from),
	}
	items[4].AAD = nil
	items[5].Unread = kms.ErrField
	before := h.Log.Len()
	out, err := h.TransferBatch(t.Context(), h.owner, from, items)
	if err != nil || len(out) != len(items) {
		t.Fatalf("%d outcomes, %v", len(out), err)
	}
	for i, want := range []error{kms.ErrKeyNotFound, nil, kms.ErrNotRoot, iam.ErrForbidden, kms.ErrUnreadable, kms.ErrField, nil} {
		if !errors.Is(out[i].Err, want) {
			t.Errorf("item %d: %v, want %v", i, out[i].Err, want)
		}
	}
	// Two events for each item that was unwrapped, one more for the account of the foreign instance.
	if n := h.Log.Len() - before; n != 2*5+2+1 {
		t.Errorf("%d events", n)
	}
	if got := h.unwrap(t, to, out[1].Result.Ciphertext); got != "data key" {
		t.Errorf("transferred: %q", got)
	}

	clerk := iamtest.Caller(account, "clerk")
	h.Access.Grant(kmstest.Grant{Identity: clerk.Identity, Account: account, Instance: h.ID, Actions: []iam.Action{kms.ActionRewrap, kms.ActionWrap}})
	if out, err := h.TransferBatch(t.Context(), clerk, from, items); !errors.Is(err, iam.ErrForbidden) || out != nil {
		t.Errorf("who may not unwrap: %d outcomes, %v", len(out), err)
	}
	if out, err := h.TransferBatch(t.Context(), h.owner, from, make([]kms.Transfer, kms.MaxBatch+1)); !errors.Is(err, kms.ErrField) || out != nil {
		t.Errorf("too many: %d outcomes, %v", len(out), err)
	}
}

func TestBatchThatCannotBeRecordedIsRefused(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	h.Log.Break(true)
	out, err := h.WrapBatch(t.Context(), h.owner, ref, make([]kms.WrapItem, 2))
	if !errors.Is(err, iam.ErrUnrecordable) || out != nil {
		t.Errorf("%d outcomes, %v", len(out), err)
	}
}

func BenchmarkWrapBatch(b *testing.B) {
	h := newHouse(b)
	ref := h.create(b, kms.NewKey{})
	items := make([]kms.WrapItem, kms.MaxBatch)
	for i := range items {
		items[i].Plaintext = custody.RandomSecret(kms.DataKeySize)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.WrapBatch(b.Context(), h.owner, ref, items); err != nil {
			b.Fatal(err)
		}
	}
}
