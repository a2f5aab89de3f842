package objects_test

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"

	"strongroom/objects"
)

// between has do come once, before a step of the store.
func (s *stand) between(step string, do func()) {
	var come atomic.Bool
	s.Store.Steps.Before(func(now string) error {
		if now == step && come.CompareAndSwap(false, true) {
			do()
		}
		return nil
	})
}

// TestNewObjectIsProtectedByTheNewestConfiguration changes what a bucket does with new versions after a write
// was decided and before it is stored.
func TestNewObjectIsProtectedByTheNewestConfiguration(t *testing.T) {
	byDefault := objects.SetLock(objects.LockConfig{Mode: objects.Governance, Days: 1})
	locked := func(o objects.Object) bool { return o.Lock.Mode == objects.Governance }
	versioned := func(t *testing.T, s *stand) {
		s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningEnabled))
	}
	put := func(t *testing.T, s *stand) (objects.Object, error) {
		return s.Put(t.Context(), s.who, s.write("key"), bytes.NewReader([]byte("x")))
	}
	copied := func(t *testing.T, s *stand) (objects.Object, error) {
		done, err := s.Copy(t.Context(), s.who, objects.Copy{Write: s.write("key"), From: objects.Read{Bucket: "source", Key: "key"}})
		return done.Object, err
	}
	policy := objects.SetProtection(objects.Protection{Default: 1, Maximum: 9})
	retained := func(o objects.Object) bool { return o.Retention != nil && o.Retention.Seconds == 24*60*60 }
	for name, c := range map[string]struct {
		before  func(*testing.T, *stand)
		change  objects.Change
		write   func(*testing.T, *stand) (objects.Object, error)
		covered func(objects.Object) bool
	}{
		"lock, put":    {versioned, byDefault, put, locked},
		"lock, copy":   {versioned, byDefault, copied, locked},
		"policy, put":  {nil, policy, put, retained},
		"policy, copy": {nil, policy, copied, retained},
		"lock, completion": {versioned, byDefault, func(t *testing.T, s *stand) (objects.Object, error) {
			u := s.begin(t, "key", nil)
			return s.CompleteUpload(t.Context(), s.who, s.completion(u, s.part(t, u, 1, []byte("x"))))
		}, locked},
		"versions, put": {nil, objects.SetVersioning(objects.VersioningEnabled), put, func(o objects.Object) bool {
			return o.Version != objects.NullVersion
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, false)
			s.NewBucket(t, s.who, s.instance, "source", "")
			w := s.write("key")
			w.Bucket = "source"
			if _, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("x"))); err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				c.before(t, s)
			}
			s.between("PutVersion", func() { s.configure(t, objects.ActionBucketPutObjectLockConfiguration, c.change) })
			made, err := c.write(t, s)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := s.Head(t.Context(), s.who, objects.Read{Bucket: "bucket", Key: "key"})
			if err != nil || !c.covered(made) || !c.covered(seen.Object) {
				t.Errorf("made %+v %+v, stored %+v %+v, %v", made.Lock, made.Retention, seen.Lock, seen.Retention, err)
			}
		})
	}
}

// TestMarkerFollowsTheNewestConfiguration has versions switched on again while a removal makes a marker.
func TestMarkerFollowsTheNewestConfiguration(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "key", []byte("x"))
	s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningSuspended))
	s.between("PutVersion", func() {
		s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningEnabled))
	})
	done, err := s.remove(t, "key", "")
	if err != nil || !done.Marker || done.Version == objects.NullVersion {
		t.Errorf("%+v, %v; want a marker with a version of its own", done, err)
	}
	if _, _, err := s.get(t, objects.Read{Key: "key", Version: objects.NullVersion}); err != nil {
		t.Errorf("what it hides: %v", err)
	}
}

// TestFirstRetentionPolicyMeetsAWrite refuses the policy if an object came before it after all.
func TestFirstRetentionPolicyMeetsAWrite(t *testing.T) {
	s := newStand(t, false)
	s.between("UpdateEmptyBucket", func() { s.put(t, "key", []byte("x")) })
	_, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutProtection, "bucket",
		objects.SetProtection(objects.Protection{Default: 1, Maximum: 9}))
	if !errors.Is(err, objects.ErrState) {
		t.Errorf("%v, want ErrState", err)
	}
	if b, err := s.Bucket(t.Context(), s.who, objects.ActionBucketGetProtection, "bucket"); err != nil || b.Protection != nil {
		t.Errorf("policy %+v, %v; want none", b.Protection, err)
	}
}
