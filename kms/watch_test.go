package kms_test

import (
	"errors"
	"testing"
	"time"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/kms"
)

// rootOf is the CRN of a key of the house.
func (h *house) rootOf(ref kms.Ref) crn.CRN { return h.CRN.Child("key", ref.Key) }

// patient is a house whose watches wait until something changes.
func patient(t *testing.T) *house {
	return newHouse(t, func(c *kms.Config) { c.WatchWait = time.Hour })
}

func TestWatchEndsWhenSomethingChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, h *house, ref kms.Ref) error
		want   error
	}{
		{"disabled", func(t *testing.T, h *house, ref kms.Ref) error { return h.Disable(t.Context(), h.owner, ref) }, kms.ErrState},
		{"rotated", func(t *testing.T, h *house, ref kms.Ref) error {
			return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{})
		}, nil},
		{"deleted", func(t *testing.T, h *house, ref kms.Ref) error {
			_, err := h.Delete(t.Context(), h.owner, ref)
			return err
		}, kms.ErrDeleted},
		{"authorization withdrawn", func(t *testing.T, h *house, ref kms.Ref) error {
			h.Access.Revoke(h.storage(ref).Identity)
			h.Hub.DropAll() // as for any change of what decides
			return nil
		}, iam.ErrForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := patient(t)
			ref, other := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{})
			who, roots := h.storage(ref), []crn.CRN{h.rootOf(ref), h.rootOf(other)}
			h.storage(other)
			first, err := h.Watch(t.Context(), who, roots, "")
			wantError(t, err, nil)
			wantError(t, first.Keys[0].Failure, nil)
			wantError(t, c.change(t, h, ref), nil)
			next, err := h.Watch(t.Context(), who, roots, first.Cursor) // returns, though it may wait for an hour
			wantError(t, err, nil)
			wantError(t, next.Keys[0].Failure, c.want)
			if next.Cursor == first.Cursor || next.Keys[0].Version == first.Keys[0].Version {
				t.Errorf("nothing is different: %+v", next)
			}

			if c.want == iam.ErrForbidden {
				return // whom no change concerns any more
			}
			changed := make(chan error, 1)
			go func() { changed <- h.Disable(t.Context(), h.owner, other) }()
			last, err := h.Watch(t.Context(), who, roots, next.Cursor)
			wantError(t, errors.Join(err, <-changed), nil)
			if !errors.Is(last.Keys[1].Failure, kms.ErrState) {
				t.Errorf("a change while it waits: %+v", last)
			}
		})
	}
}

func TestWatchEndsAfterAWhileWithoutAnEvent(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.WatchWait = time.Nanosecond })
	ref := h.create(t, kms.NewKey{})
	who, roots := h.storage(ref), []crn.CRN{h.rootOf(ref)}
	before := h.Log.Len()
	first, err := h.Watch(t.Context(), who, roots, "")
	wantError(t, err, nil)
	if h.Log.Len() != before+1 {
		t.Errorf("%d events when the watch began", h.Log.Len()-before)
	}
	for range 3 {
		next, err := h.Watch(t.Context(), who, roots, first.Cursor)
		wantError(t, err, nil)
		if next.Cursor != first.Cursor {
			t.Error("another cursor though nothing has changed")
		}
	}
	if h.Log.Len() != before+1 {
		t.Errorf("%d events while it goes on", h.Log.Len()-before-1)
	}
	for name, c := range map[string]struct {
		who    iam.Caller
		cursor string
	}{
		"another caller":  {h.owner, first.Cursor},
		"a cursor of own": {who, "asked.answered"},
		"a part of one":   {who, first.Cursor[:10]},
		"only the end":    {who, first.Cursor[len(first.Cursor)-43:]},
	} {
		before := h.Log.Len()
		_, err := h.Watch(t.Context(), c.who, roots, c.cursor)
		wantError(t, err, nil)
		if h.Log.Len() != before+1 {
			t.Errorf("%s: the watch goes on", name)
		}
	}
}

func TestWatchTellsStrangersNothing(t *testing.T) {
	h := patient(t)
	ref := h.create(t, kms.NewKey{})
	root := h.rootOf(ref)
	who := h.storage(ref)
	foreign, elsewhere := root, root
	foreign.Scope, elsewhere.Location = "a/00000000000000000000000000000000", "eu-de"
	roots := []crn.CRN{root, foreign, elsewhere, root.Child("key", "00000000-0000-4000-8000-000000000000"), root.Child("ring", ref.Key)}
	got, err := h.Watch(t.Context(), who, roots, "")
	wantError(t, err, nil)
	for i, k := range got.Keys {
		if want := i == 0; (k.Failure == nil) != want || !want && !errors.Is(k.Failure, iam.ErrForbidden) {
			t.Errorf("%v: %v", roots[i], k.Failure)
		}
	}
	for name, roots := range map[string][]crn.CRN{"no keys": nil, "too many": make([]crn.CRN, kms.MaxWatched+1)} {
		if _, err := h.Watch(t.Context(), who, roots, ""); !errors.Is(err, kms.ErrParameter) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
