package kms_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/kms"
)

func TestRotationAddsAVersion(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := []string{h.wrap(t, ref, "data key")}
	for range 5 {
		h.Clock.Advance(time.Minute)
		wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
		wrapped = append(wrapped, h.wrap(t, ref, "data key"))
	}
	for i, w := range wrapped {
		if got := h.unwrap(t, ref, w); got != "data key" {
			t.Errorf("version %d unwraps to %q", i+1, got)
		}
	}
	page, total, err := h.Versions(t.Context(), h.owner, ref, kms.VersionsRequest{Limit: 3, Offset: 4})
	if err != nil || total != 6 || len(page) != 2 || page[0].Number != 2 || string(page[1].ID) != ref.Key {
		t.Errorf("%v: %d in all, page %+v", err, total, page)
	}
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil || k.Newest.Number != 6 || !k.Rotated.Equal(h.Clock.Now()) || !k.Updated.Equal(k.Rotated) {
		t.Errorf("%v: %+v", err, k)
	}
}

func TestMaterialOfRotation(t *testing.T) {
	h := newHouse(t)
	generated, imported := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{Payload: custody.RandomSecret(16)})
	for _, c := range []struct {
		ref  kms.Ref
		size int
		want error
	}{
		{generated, 0, nil},
		{generated, 32, kms.ErrParameter},
		{imported, 0, kms.ErrNeedPayload},
		{imported, 31, kms.ErrField},
		{imported, 32, nil},
	} {
		wantError(t, h.Rotate(t.Context(), h.owner, c.ref, kms.NewVersion{Payload: custody.RandomSecret(c.size)}), c.want)
	}
}

func TestWaitBetweenRotations(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.RotationWait = time.Hour })
	ref := h.create(t, kms.NewKey{})
	rotate := func() error { return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}) }
	wantError(t, rotate(), nil) // creation does not count
	h.Clock.Advance(time.Hour - time.Nanosecond)
	wantError(t, rotate(), kms.ErrRotatedAgain)
	h.Clock.Advance(time.Nanosecond)
	wantError(t, rotate(), nil)
}

// TestRacingChangesLoseNothing lets rotations, wraps and a deletion run at the same time.
func TestRacingChangesLoseNothing(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	const rotations = 8
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		wrapped []string
	)
	for range rotations {
		wg.Go(func() { wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil) })
		wg.Go(func() {
			for range 10 {
				w, err := h.Wrap(t.Context(), h.owner, ref, secret("data key"), nil)
				wantError(t, err, nil)
				mu.Lock()
				wrapped = append(wrapped, w.Ciphertext)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, w := range wrapped {
		if got := h.unwrap(t, ref, w); got != "data key" {
			t.Fatalf("got %q", got)
		}
	}
	if _, total, err := h.Versions(t.Context(), h.owner, ref, kms.VersionsRequest{Limit: 1}); err != nil || total != rotations+1 {
		t.Errorf("%d versions, %v", total, err)
	}

	deleted := 0
	for range 4 {
		wg.Go(func() {
			err := h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{})
			if err != nil && !errors.Is(err, kms.ErrDeleted) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			_, err := h.Delete(t.Context(), h.owner, ref)
			if err != nil && !errors.Is(err, kms.ErrDeleted) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				deleted++
			}
		})
	}
	wg.Wait()
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil || deleted != 1 || k.State != kms.Destroyed {
		t.Errorf("%v: deleted %d times, state %d", err, deleted, k.State)
	}
	_, total, err := h.Versions(t.Context(), h.owner, ref, kms.VersionsRequest{Limit: 1, AnyState: true})
	if err != nil || total != k.Newest.Number {
		t.Errorf("%v: %d versions, the key says %d", err, total, k.Newest.Number)
	}
}
