package kms_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

// storage is an object storage instance that may use one key.
func (h *house) storage(ref kms.Ref) iam.Caller {
	instance := crn.Of(crn.ObjectStorage, "global", string(account), "storage", "", "")
	who := iam.Caller{
		Identity: iam.InstanceIdentity(instance), Kind: iam.KindInstance, Account: account, Instance: instance,
	}
	h.Access.Grant(kmstest.Grant{
		Identity: who.Identity, Account: account, Instance: h.ID, Key: ref.Key, Actions: []iam.Action{kms.ActionUnwrap},
	})
	return who
}

func TestStandingIsWhatUnwrapWouldSay(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, h *house, ref kms.Ref) error
		want   error
	}{
		{"active", func(*testing.T, *house, kms.Ref) error { return nil }, nil},
		{"rotated", func(t *testing.T, h *house, ref kms.Ref) error {
			return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{})
		}, nil},
		{"expired", func(_ *testing.T, h *house, _ kms.Ref) error { h.Clock.Advance(day); return nil }, nil},
		{"disabled", func(t *testing.T, h *house, ref kms.Ref) error {
			return h.Disable(t.Context(), h.owner, ref)
		}, kms.ErrState},
		{"deleted", func(t *testing.T, h *house, ref kms.Ref) error {
			_, err := h.Delete(t.Context(), h.owner, ref)
			return err
		}, kms.ErrDeleted},
		{"purged", func(t *testing.T, h *house, ref kms.Ref) error {
			_, err := h.Delete(t.Context(), h.owner, ref)
			h.Clock.Advance(kms.PurgeAfter)
			return errors.Join(err, h.Tick(t.Context()))
		}, kms.ErrKeyNotFound},
		{"authorization withdrawn", func(_ *testing.T, h *house, ref kms.Ref) error {
			h.Access.Revoke(h.storage(ref).Identity)
			return nil
		}, iam.ErrForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			ref := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)})
			who := h.storage(ref)
			wrapped := h.wrap(t, ref, "bucket key")
			wantError(t, h.Standing(t.Context(), who, ref), nil)
			wantError(t, c.change(t, h, ref), nil)
			events := h.Log.Len()
			wantError(t, h.Standing(t.Context(), who, ref), c.want)
			if h.Log.Len() != events {
				t.Error("asking for the standing left an event")
			}
			if c.want != kms.ErrKeyNotFound { // which unwrapping does not tell who is authorized for one key
				_, err := h.Unwrap(t.Context(), who, ref, wrapped, nil)
				wantError(t, err, c.want)
			}
		})
	}
}

func TestStandingOfOtherThings(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	standard := h.create(t, kms.NewKey{Extractable: true})
	who := h.storage(ref)
	for name, c := range map[string]struct {
		who  iam.Caller
		ref  kms.Ref
		want error
	}{
		"a standard key":       {h.owner, standard, kms.ErrNotRoot},
		"a key without grant":  {who, standard, iam.ErrForbidden},
		"no such key":          {who, h.ref("00000000-0000-4000-8000-000000000000"), iam.ErrForbidden},
		"no such key, owner":   {h.owner, h.ref("00000000-0000-4000-8000-000000000000"), kms.ErrKeyNotFound},
		"no such instance":     {who, kms.Ref{Instance: "other", Key: ref.Key}, iam.ErrForbidden},
		"nobody":               {iam.Caller{}, ref, iam.ErrForbidden},
		"the owner of account": {h.owner, ref, nil},
	} {
		if err := h.Standing(t.Context(), c.who, c.ref); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestNewestVersionFollowsRotation(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	who := h.storage(ref)
	first, err := h.NewestVersion(t.Context(), who, ref)
	wantError(t, err, nil)
	if string(first) != ref.Key {
		t.Errorf("the first version is %s, want the ID of the key", first)
	}
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	second, err := h.NewestVersion(t.Context(), who, ref)
	wantError(t, err, nil)
	w, err := h.Wrap(t.Context(), h.owner, ref, secret("x"), nil)
	wantError(t, err, nil)
	if second == first || second != w.Version {
		t.Errorf("after a rotation the newest version is %s, and %s wraps", second, w.Version)
	}
}

// countingStore counts how often a key is read.
type countingStore struct {
	kms.Store
	reads atomic.Int64
}

func (c *countingStore) Record(ctx context.Context, in kms.InstanceID, id kms.KeyID) (kms.Record, error) {
	c.reads.Add(1)
	return c.Store.Record(ctx, in, id)
}

func TestStandingReadsTheStoreOnlyWithoutLease(t *testing.T) {
	var store *countingStore
	var clock atomicDuration
	hub := lease.Leased(clock.load)
	h := newHouse(t, func(c *kms.Config) {
		store = &countingStore{Store: c.Store}
		c.Store, c.Hub = store, hub
	})
	ref := h.create(t, kms.NewKey{})
	who := h.storage(ref)
	ask := func(n int) int64 {
		before := store.reads.Load()
		for range n {
			wantError(t, h.Standing(t.Context(), who, ref), nil)
		}
		return store.reads.Load() - before
	}
	if got := ask(3); got != 3 {
		t.Errorf("without the lease three questions read %d times", got)
	}
	hub.Extend(time.Second)
	if got := ask(10); got != 1 {
		t.Errorf("under the lease ten questions read %d times, want once", got)
	}
	clock.store(2 * time.Second)
	if got := ask(2); got != 2 {
		t.Errorf("after the lease two questions read %d times", got)
	}
}

func BenchmarkStanding(b *testing.B) {
	h := newHouse(b)
	ref := h.create(b, kms.NewKey{})
	who := h.storage(ref)
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Standing(b.Context(), who, ref); err != nil {
			b.Fatal(err)
		}
	}
}
