package objects_test

import (
	"errors"
	"fmt"
	"testing"

	"strongroom/objects"
	"strongroom/objects/objectstest"
)

func TestInstanceIsDeletedWhenItHasNoBuckets(t *testing.T) {
	s := newStage(t)
	if err := s.RefuseDelete(t.Context(), s.in.ID); err != nil {
		t.Errorf("without buckets: %v", err)
	}
	s.NewBucket(t, s.who, s.in, "bucket", "")
	if err := s.RefuseDelete(t.Context(), s.in.ID); !errors.Is(err, objects.ErrInUse) {
		t.Errorf("with a bucket: %v", err)
	}
}

// TestNothingIsLeftOfADestroyedInstance destroys one with versions, markers and uploads in it, crashing
// at every step on the way.
func TestNothingIsLeftOfADestroyedInstance(t *testing.T) {
	s := newStage(t)
	other := s.NewInstance("acme")
	s.NewBucket(t, s.who, other, "other", s.root.String())
	s.put(t, "other", "stays")
	for _, name := range []string{"plain", "versioned"} {
		s.NewBucket(t, s.who, s.in, name, s.root.String())
	}
	s.configure(t, "versioned", objects.SetVersioning(objects.VersioningEnabled))
	for _, bucket := range []string{"plain", "versioned"} {
		for n := range 5 {
			s.put(t, bucket, fmt.Sprint(n%3))
		}
		if _, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: bucket, Key: "0"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.StartUpload(t.Context(), s.who, objects.StartUpload{Write: objects.Write{Bucket: bucket, Key: "u"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.CloseInstance(s.in)
	for n := 0; ; n++ {
		s.Store.Steps.CrashAt(n%4, n%2 == 0)
		err := s.DestroyInstance(t.Context(), s.in.ID)
		s.Store.Steps.Reset()
		s.Restart()
		if err == nil {
			break
		}
		if !errors.Is(err, objectstest.ErrBroken) || n > 40 {
			t.Fatalf("try %d: %v", n, err)
		}
	}
	for _, table := range []string{"buckets", "bucket_keys", "objects"} {
		if n := s.CountRows(t, `SELECT count(*) FROM `+table); n != 1 {
			t.Errorf("%d rows of %s are left, want that of the other instance", n, table)
		}
	}
	if n := s.CountRows(t, `SELECT count(*) FROM uploads`); n != 0 || s.RootKeys.Registrations() != 1 {
		t.Errorf("%d uploads and %d registrations are left", n, s.RootKeys.Registrations())
	}
}

func TestReconcileLeavesBucketsThatAreWhole(t *testing.T) {
	s := newStage(t)
	for n := range 120 { // more than are read at a time
		s.Clock.Advance(1)
		if n%60 == 0 {
			s.in = s.NewInstance("acme")
		}
		s.NewBucket(t, s.who, s.in, fmt.Sprintf("bucket-%d", n), "")
	}
	if err := s.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.CountRows(t, `SELECT count(*) FROM buckets WHERE state = 'active'`); n != 120 {
		t.Errorf("%d buckets are left", n)
	}
}
