package kms_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"strongroom/kms"
)

func TestWhatEachStateAllows(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, h *house, ref kms.Ref)
		want  map[string]error
	}{
		{"active", func(*testing.T, *house, kms.Ref) {}, nil},
		{"suspended", func(t *testing.T, h *house, ref kms.Ref) {
			k, err := h.DB.Keys().Key(t.Context(), h.ID, kms.KeyID(ref.Key))
			wantError(t, err, nil)
			k.State = kms.Suspended
			wantError(t, h.DB.Keys().UpdateKey(t.Context(), k, nil, nil), nil)
		}, map[string]error{
			"versions": kms.ErrState, "wrap": kms.ErrState, "unwrap": kms.ErrState,
			"rewrap": kms.ErrState, "rotate": kms.ErrState,
		}},
		{"deactivated", func(_ *testing.T, h *house, _ kms.Ref) { h.Clock.Advance(day) }, map[string]error{
			"versions": kms.ErrState, "wrap": kms.ErrState,
		}},
		{"destroyed", func(t *testing.T, h *house, ref kms.Ref) {
			_, err := h.Delete(t.Context(), h.owner, ref)
			wantError(t, err, nil)
		}, map[string]error{
			"versions": kms.ErrDeleted, "wrap": kms.ErrDeleted, "unwrap": kms.ErrDeleted,
			"rewrap": kms.ErrDeleted, "rotate": kms.ErrDeleted, "delete": kms.ErrDeleted,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			ref := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)})
			wrapped := h.wrap(t, ref, "data key")
			c.setup(t, h, ref)
			for name, err := range operations(h, h.owner, ref, wrapped) {
				if want := c.want[name]; !cmp.Equal(err, want, cmpopts.EquateErrors()) {
					t.Errorf("%s: got %v, want %v", name, err, want)
				}
			}
		})
	}
}

func TestKeyStopsWrappingAtItsExpirySecond(t *testing.T) {
	h := newHouse(t)
	expires := h.Clock.Now().Add(time.Hour + 700*time.Millisecond)
	ref := h.create(t, kms.NewKey{Expires: expires})
	h.Clock.Advance(time.Hour - time.Nanosecond)
	wrapped := h.wrap(t, ref, "data key")
	h.Clock.Advance(time.Nanosecond)
	_, err := h.Wrap(t.Context(), h.owner, ref, secret("data key"), nil)
	wantError(t, err, kms.ErrState)
	if got := h.unwrap(t, ref, wrapped); got != "data key" {
		t.Errorf("an expired key unwraps to %q", got)
	}
	k, err := h.Metadata(t.Context(), h.owner, ref)
	wantError(t, err, nil)
	if k.StateAt(h.Clock.Now()) != kms.Deactivated || !k.Expires.Equal(expires.Truncate(time.Second)) {
		t.Errorf("state %d, expires %s", k.StateAt(h.Clock.Now()), k.Expires)
	}
}

func TestStandardKeysAreNotUsedLikeRootKeys(t *testing.T) {
	h := newHouse(t)
	wrapped := h.wrap(t, h.create(t, kms.NewKey{}), "data key")
	ref := h.create(t, kms.NewKey{Extractable: true})
	want := map[string]error{
		"versions": kms.ErrNotRoot, "all versions": kms.ErrNotRoot, "wrap": kms.ErrNotRoot,
		"unwrap": kms.ErrNotRoot, "rewrap": kms.ErrNotRoot, "rotate": kms.ErrNotRoot,
	}
	for name, err := range operations(h, h.owner, ref, wrapped) {
		if !cmp.Equal(err, want[name], cmpopts.EquateErrors()) {
			t.Errorf("%s: got %v, want %v", name, err, want[name])
		}
	}
	if _, err := h.Wrap(t.Context(), h.owner, ref, secret("x"), nil); err == nil {
		t.Error("a deleted standard key wrapped")
	}
}
