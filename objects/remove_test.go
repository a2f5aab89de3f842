package objects_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

func (s *stand) remove(t testing.TB, key string, v objects.VersionID) (objects.Removed, error) {
	t.Helper()
	return s.Remove(t.Context(), s.who, objects.Remove{Bucket: s.bucket.Name, Key: key, Version: v})
}

func (s *stand) configure(t testing.TB, action iam.Action, change objects.Change) {
	t.Helper()
	if _, err := s.Configure(t.Context(), s.who, action, s.bucket.Name, change); err != nil {
		t.Fatal(err)
	}
}

func (s *stand) gone(t testing.TB, key string) {
	t.Helper()
	if _, _, err := s.get(t, objects.Read{Key: key}); !errors.Is(err, objects.ErrNoObject) {
		t.Errorf("reading %q: got %v, want ErrNoObject", key, err)
	}
}

// TestRemove removes from a bucket that keeps no versions, also while its key is of no use any more.
func TestRemove(t *testing.T) {
	for name, state := range map[string]error{"usable": nil, "disabled": objects.ErrRootDisabled, "deleted": objects.ErrRootDeleted} {
		s := newStand(t, false)
		s.put(t, "key", fill(2000, 1))
		s.RootKeys.Fail(s.root, state)
		s.Log.Take()
		done, err := s.remove(t, "key", "")
		if err != nil || done != (objects.Removed{Key: "key"}) {
			t.Errorf("key %s: %+v, %v", name, done, err)
		}
		s.gone(t, "key")
		if n := s.dispersed(t); n != 0 {
			t.Errorf("key %s: %d blobs live", name, n)
		}
		s.Log.Take()
		if done, err = s.remove(t, "key", ""); err != nil || done != (objects.Removed{Key: "key"}) {
			t.Errorf("key %s, again: %+v, %v", name, done, err)
		}
		if evs := s.Log.Take(); len(evs) != 1 || evs[0].Outcome != "success" {
			t.Errorf("key %s: %d events of a removal of nothing", name, len(evs))
		}
	}
}

// TestRemoveOfVersions walks through markers and versions.
func TestRemoveOfVersions(t *testing.T) {
	s := newStand(t, false)
	old := s.put(t, "key", []byte("null"))
	s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningEnabled))
	first := s.put(t, "key", []byte("first"))
	marker, err := s.remove(t, "key", "")
	if err != nil || !marker.Made || !marker.Marker || marker.Version == "" || marker.Version == first.Version {
		t.Fatalf("marker: %+v, %v", marker, err)
	}
	s.gone(t, "key")
	if b, _, err := s.get(t, objects.Read{Key: "key", Version: old.Version}); err != nil || string(b) != "null" {
		t.Errorf("the version before: %q, %v", b, err)
	}
	if done, err := s.remove(t, "key", marker.Version); err != nil || !done.Marker || done.Made || done.Version != marker.Version {
		t.Errorf("removing the marker: %+v, %v", done, err)
	}
	if b, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || string(b) != "first" {
		t.Errorf("without the marker: %q, %v", b, err)
	}
	if done, err := s.remove(t, "key", first.Version); err != nil || done != (objects.Removed{Key: "key", Version: first.Version}) {
		t.Errorf("removing a version: %+v, %v", done, err)
	}
	if b, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || string(b) != "null" {
		t.Errorf("after that: %q, %v", b, err)
	}
	if _, err := s.remove(t, "key", first.Version); err != nil {
		t.Errorf("the same version again: %v", err)
	}
	if _, err := s.remove(t, "key", "latest"); !errors.Is(err, objects.ErrArgument) {
		t.Errorf("what is no version ID: got %v, want ErrArgument", err)
	}
	if done, err := s.remove(t, "nothing", ""); err != nil || !done.Made {
		t.Errorf("of nothing: %+v, %v", done, err)
	}

	s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningSuspended))
	if done, err := s.remove(t, "key", ""); err != nil || !done.Made || done.Version != objects.NullVersion {
		t.Errorf("suspended: %+v, %v", done, err)
	}
	s.gone(t, "key")
	if _, _, err := s.get(t, objects.Read{Key: "key", Version: objects.NullVersion}); !errors.Is(err, objects.ErrDeleteMarker) {
		t.Errorf("the null version: got %v, want ErrDeleteMarker", err)
	}
}

// TestRemoveOfLockedVersion shows that a version stays until its lock is gone, and who may bypass it.
func TestRemoveOfLockedVersion(t *testing.T) {
	s := newStand(t, false)
	locked, err := s.CreateBucket(t.Context(), s.who, objects.NewBucket{Name: "locked", Instance: s.instance.ID, Lock: true})
	if err != nil {
		t.Fatal(err)
	}
	s.bucket = locked
	until := s.Clock.Now().Add(time.Hour)
	governed, strict := s.put(t, "governed", []byte("x")), s.put(t, "strict", []byte("x"))
	for o, mode := range map[*objects.Object]objects.LockMode{&governed: objects.Governance, &strict: objects.Compliance} {
		if _, err := s.SetLockRetention(t.Context(), s.who, "locked", o.Key, "", mode, until, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.remove(t, "strict", ""); err != nil {
		t.Errorf("a marker: %v", err)
	}
	try := func(who iam.Caller, o objects.Object, bypass bool) error {
		_, err := s.Remove(t.Context(), who, objects.Remove{Bucket: "locked", Key: o.Key, Version: o.Version, Bypass: bypass})
		return err
	}
	clerk := iamtest.Caller("elsewhere", "clerk")
	s.Access.Grant(objectstest.Grant{Identity: clerk.Identity, Actions: []iam.Action{objects.ActionObjectDeleteVersion}})
	if err := try(s.who, governed, false); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("governance: got %v, want ErrProtected", err)
	}
	if err := try(clerk, governed, true); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("bypass without the right: got %v, want ErrForbidden", err)
	}
	if err := try(s.who, strict, true); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("compliance, bypassed: got %v, want ErrProtected", err)
	}
	if err := try(s.who, governed, true); err != nil {
		t.Errorf("bypass: %v", err)
	}
	if ev := s.Log.Last(); ev.RequestData["bypassGovernanceRetention"] != true {
		t.Errorf("the bypass is not recorded: %v", ev.RequestData)
	}
	s.Clock.Advance(time.Hour)
	if err := try(s.who, strict, false); err != nil {
		t.Errorf("after the date: %v", err)
	}
}

// TestRemoveOfRetainedObject covers the retention policy, its holds and an object that is locked while it
// is being removed.
func TestRemoveOfRetainedObject(t *testing.T) {
	s := newStand(t, false)
	s.configure(t, objects.ActionBucketPutProtection, objects.SetProtection(objects.Protection{Minimum: 0, Default: 1, Maximum: 9}))
	s.put(t, "key", []byte("x"))
	if _, err := s.remove(t, "key", ""); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("before its time: got %v, want ErrProtected", err)
	}
	s.Clock.Advance(24 * time.Hour)
	if _, err := s.ChangeHolds(t.Context(), s.who, "bucket", "key", "court", true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.remove(t, "key", ""); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("under a hold: got %v, want ErrProtected", err)
	}
	if _, err := s.ChangeHolds(t.Context(), s.who, "bucket", "key", "court", false); err != nil {
		t.Fatal(err)
	}
	var come atomic.Bool
	s.Store.Steps.Before(func(step string) error {
		if step == "RemoveVersion" && come.CompareAndSwap(false, true) {
			if _, err := s.ChangeHolds(t.Context(), s.who, "bucket", "key", "late", true); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if _, err := s.remove(t, "key", ""); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("held meanwhile: got %v, want ErrProtected", err)
	}
	if _, err := s.ChangeHolds(t.Context(), s.who, "bucket", "key", "late", false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.remove(t, "key", ""); err != nil {
		t.Errorf("after all: %v", err)
	}
}

func TestRemoveOnCondition(t *testing.T) {
	s := newStand(t, false)
	o := s.put(t, "key", []byte("x"))
	try := func(key string, match ...string) error {
		_, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "bucket", Key: key, Conditions: objects.Conditions{Match: match}})
		return err
	}
	if err := try("key", "0123"); !errors.Is(err, objects.ErrPrecondition) {
		t.Errorf("another ETag: got %v, want ErrPrecondition", err)
	}
	if err := try("nothing", "*"); !errors.Is(err, objects.ErrNoObject) {
		t.Errorf("any of nothing: got %v, want ErrNoObject", err)
	}
	if err := try("key", "0123", o.ETag); err != nil {
		t.Error(err)
	}
	s.gone(t, "key")
}

// TestRemoveMany decides each object by itself and answers in order.
func TestRemoveMany(t *testing.T) {
	s := newStand(t, false)
	keys := []string{"mine/1", "theirs", "mine/2", "mine/none"}
	var list []objects.Remove
	for _, k := range keys {
		if k != "mine/none" {
			s.put(t, k, []byte("x"))
		}
		list = append(list, objects.Remove{Key: k})
	}
	clerk := iamtest.Caller("elsewhere", "clerk")
	s.Access.Grant(objectstest.Grant{Identity: clerk.Identity, Actions: []iam.Action{objects.ActionObjectPostMultiDelete}})
	s.Access.Grant(objectstest.Grant{Identity: clerk.Identity, Path: "mine/", Actions: []iam.Action{objects.ActionObjectDelete}})
	s.Log.Take()
	done, err := s.RemoveMany(t.Context(), clerk, "bucket", list)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range done {
		if d.Key != keys[i] || (d.Err != nil) != (keys[i] == "theirs") {
			t.Errorf("%s: %+v", keys[i], d)
		}
	}
	s.gone(t, "mine/1")
	if _, _, err := s.get(t, objects.Read{Key: "theirs"}); err != nil {
		t.Errorf("what could not be removed: %v", err)
	}
	if _, err := s.RemoveMany(t.Context(), clerk, "bucket", make([]objects.Remove, 1001)); !errors.Is(err, objects.ErrArgument) {
		t.Errorf("1001 at once: got %v, want ErrArgument", err)
	}
}
