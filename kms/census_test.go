package kms_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
)

func (h *house) census(t testing.TB, ref kms.Ref) []kms.VersionCensus {
	t.Helper()
	all, err := h.Census(t.Context(), h.owner, ref)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCensusTellsTheLastUseOfEachVersion(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	other := iamtest.Caller(account, "other")
	other.Owner = true
	wrapped := h.wrap(t, ref, "data key")
	first := h.Clock.Now()
	h.Clock.Advance(time.Minute)
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	if all := h.census(t, ref); len(all) != 2 || all[0].Wrapped != (kms.LastUse{}) || all[1].Unwrapped != (kms.LastUse{}) {
		t.Fatalf("versions that were not used: %+v", all)
	}
	if _, err := h.Unwrap(t.Context(), other, ref, wrapped, nil); err != nil {
		t.Fatal(err)
	}
	want := func(when string) {
		t.Helper()
		now := h.Clock.Now()
		all := h.census(t, ref)
		got := []kms.LastUse{all[0].Wrapped, all[0].Unwrapped, all[1].Wrapped, all[1].Unwrapped}
		// Unwrapping what an older version had wrapped returns it wrapped by the newest.
		expect := []kms.LastUse{{At: now, By: other.Identity}, {}, {At: first, By: h.owner.Identity}, {At: now, By: other.Identity}}
		if diff := cmp.Diff(expect, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	want("before it is written")
	for range 2 {
		wantError(t, h.FlushUses(t.Context()), nil)
		want("after it was written")
	}
	server2 := *h
	server2.Service = kms.New(h.Config())
	h = &server2
	want("on another server")
}

func TestRefusedUseDoesNotCount(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key", "a")
	_, err := h.Unwrap(t.Context(), h.owner, ref, wrapped, []string{"b"})
	wantError(t, err, kms.ErrUnreadable)
	if all := h.census(t, ref); !all[0].Unwrapped.At.IsZero() {
		t.Errorf("%+v", all[0])
	}
}

func TestServicesSayHowMuchDataDependsOnAVersion(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	service := iam.Caller{
		Kind: iam.KindInstance, Account: account, Owner: true, Trail: h.owner.Trail,
		Instance: crn.Of(crn.ObjectStorage, "global", string(account), "b0a1", "", ""),
	}
	id := kms.VersionID(ref.Key)
	report := func(who iam.Caller, v kms.VersionID, objects, bytes int64) error {
		return h.ReportData(t.Context(), who, ref, v, objects, bytes)
	}
	wantError(t, report(h.owner, id, 1, 1), kms.ErrServiceOnly)
	wantError(t, report(service, "absent", 1, 1), kms.ErrField)
	wantError(t, report(service, id, -1, 1), kms.ErrField)
	wantError(t, report(service, id, 1, 10), nil)
	wantError(t, report(service, id, 3, 1<<40), nil)
	got := h.census(t, ref)[0].Data
	if len(got) != 1 || got[0].Objects != 3 || got[0].Bytes != 1<<40 || got[0].Service != service.Instance.String() {
		t.Errorf("%+v", got)
	}
	wantError(t, report(service, id, 0, 0), nil)
	if got := h.census(t, ref)[0].Data; len(got) != 0 {
		t.Errorf("nothing depends on it, but: %+v", got)
	}
}

func TestUsesAreBounded(t *testing.T) {
	h := newHouse(t)
	at := h.Clock.Now()
	for i := range 2 * kms.MaxNotedUses {
		h.NoteUse(kms.VersionID(fmt.Sprintf("%08x", i)), "IBMid-1", at)
	}
	if n := h.NotedUses(); n != kms.MaxNotedUses {
		t.Errorf("%d uses are held, want %d", n, kms.MaxNotedUses)
	}
}

func TestOlderUseDoesNotReplaceANewer(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	id, at := kms.VersionID(ref.Key), h.Clock.Now()
	h.wrap(t, ref, "data key")
	h.NoteUse(id, "IBMid-late", at.Add(-time.Second))
	wantError(t, h.FlushUses(t.Context()), nil)
	h.NoteUse(id, "IBMid-late", at.Add(-time.Second))
	wantError(t, h.FlushUses(t.Context()), nil)
	if got := h.census(t, ref)[0].Wrapped; got.By != h.owner.Identity || !got.At.Equal(at) {
		t.Errorf("last use %+v", got)
	}
}

func TestUsesOfKeysThatAreGoneAreNotKept(t *testing.T) {
	h := newHouse(t)
	h.NoteUse("absent", "IBMid-1", h.Clock.Now())
	wantError(t, h.FlushUses(t.Context()), nil)
	if uses, err := h.DB.Keys().Uses(t.Context(), "", ""); err != nil || len(uses) != 0 {
		t.Errorf("%v, %v", uses, err)
	}
}

// BenchmarkNoteUse measures what the census adds to a wrapping.
func BenchmarkNoteUse(b *testing.B) {
	h := newHouse(b)
	at := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.NoteUse("0c5c0f5e-6f0a-4f6e-8a53-0b61a1a8d001", "IBMid-1", at)
		}
	})
}
