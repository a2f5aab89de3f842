package objects_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"strongroom/iam"
	"strongroom/objects"
)

// TestSubresources calls each operation on the newest version and, where there is such an action, on one
// that is named: which action decides, and what the operation does.
func TestSubresources(t *testing.T) {
	s := newStand(t, false)
	locked, err := s.CreateBucket(t.Context(), s.who, objects.NewBucket{Name: "locked", Instance: s.instance.ID, Lock: true})
	if err != nil {
		t.Fatal(err)
	}
	s.bucket = locked
	made := s.put(t, "key", []byte("content"))
	ctx, who, until := t.Context(), s.who, s.Clock.Now().Add(time.Hour)
	for _, c := range []struct {
		name              string
		action, versioned iam.Action
		call              func(objects.VersionID) (objects.Object, error)
		holds             func(objects.Object) bool
	}{
		{
			"set tags", objects.ActionObjectPutTagging, objects.ActionObjectPutTaggingVersion,
			func(v objects.VersionID) (objects.Object, error) {
				return s.SetTags(ctx, who, "locked", "key", v, map[string]string{"a": "b"})
			},
			func(o objects.Object) bool { return o.Tags["a"] == "b" && o.ETag == made.ETag },
		},
		{
			"tags", objects.ActionObjectGetTagging, objects.ActionObjectGetTaggingVersion,
			func(v objects.VersionID) (objects.Object, error) { return s.Tags(ctx, who, "locked", "key", v) },
			func(o objects.Object) bool { return o.Tags["a"] == "b" },
		},
		{
			"remove tags", objects.ActionObjectDeleteTagging, objects.ActionObjectDeleteTaggingVersion,
			func(v objects.VersionID) (objects.Object, error) { return s.SetTags(ctx, who, "locked", "key", v, nil) },
			func(o objects.Object) bool { return len(o.Tags) == 0 && o.ETag == made.ETag },
		},
		{
			"set ACL", objects.ActionObjectPutACL, objects.ActionObjectPutACLVersion,
			func(v objects.VersionID) (objects.Object, error) {
				return s.SetObjectACL(ctx, who, "locked", "key", v, objects.ACLPublicRead)
			},
			func(o objects.Object) bool { return o.ACL == objects.ACLPublicRead },
		},
		{
			"ACL", objects.ActionObjectGetACL, objects.ActionObjectGetACLVersion,
			func(v objects.VersionID) (objects.Object, error) {
				o, b, err := s.ObjectACL(ctx, who, "locked", "key", v)
				if err == nil && b.ID != locked.ID {
					t.Errorf("ACL of bucket %s", b.ID)
				}
				return o, err
			},
			func(o objects.Object) bool { return o.ACL == objects.ACLPublicRead },
		},
		{
			"set retention", objects.ActionObjectPutObjectLockRetention, objects.ActionObjectPutObjectLockRetentionVersion,
			func(v objects.VersionID) (objects.Object, error) {
				return s.SetLockRetention(ctx, who, "locked", "key", v, objects.Governance, until, false)
			},
			func(o objects.Object) bool { return o.Lock == objects.Lock{Mode: objects.Governance, Until: until} },
		},
		{
			"retention", objects.ActionObjectGetObjectLockRetention, objects.ActionObjectGetObjectLockRetentionVersion,
			func(v objects.VersionID) (objects.Object, error) {
				return s.LockRetention(ctx, who, "locked", "key", v)
			},
			func(o objects.Object) bool { return o.Lock.Until.Equal(until) },
		},
		{
			"set hold", objects.ActionObjectPutObjectLockLegalHold, objects.ActionObjectPutObjectLockLegalHoldVersion,
			func(v objects.VersionID) (objects.Object, error) {
				return s.SetLockHold(ctx, who, "locked", "key", v, true)
			},
			func(o objects.Object) bool { return o.Lock.Hold && o.Lock.Mode == objects.Governance },
		},
		{
			"hold", objects.ActionObjectGetObjectLockLegalHold, objects.ActionObjectGetObjectLockLegalHoldVersion,
			func(v objects.VersionID) (objects.Object, error) { return s.LockHold(ctx, who, "locked", "key", v) },
			func(o objects.Object) bool { return o.Lock.Hold },
		},
	} {
		for v, action := range map[objects.VersionID]iam.Action{"": c.action, made.Version: c.versioned} {
			s.Access.Asked()
			s.Log.Take()
			o, err := c.call(v)
			if err != nil || !c.holds(o) {
				t.Errorf("%s of %q: %+v, %v", c.name, v, o, err)
			}
			if asked := s.Access.Asked(); len(asked) != 1 || asked[0].Action != action {
				t.Errorf("%s of %q: decided %v, want %s", c.name, v, asked, action)
			}
			if evs := s.Log.Take(); len(evs) != 1 || evs[0].Outcome != "success" {
				t.Errorf("%s of %q: %d events", c.name, v, len(evs))
			}
		}
		if _, err := c.call("0123456789abcdef0123456789abcdef"); !errors.Is(err, objects.ErrNoVersion) {
			t.Errorf("%s of no version: got %v, want ErrNoVersion", c.name, err)
		}
	}
	if b, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || string(b) != "content" {
		t.Errorf("the content after all: %q, %v", b, err)
	}

	shorter := until.Add(-time.Minute)
	if _, err := s.SetLockRetention(ctx, who, "locked", "key", "", objects.Governance, shorter, false); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("shorter: got %v, want ErrProtected", err)
	}
	s.Access.Asked()
	if _, err := s.SetLockRetention(ctx, who, "locked", "key", "", "", time.Time{}, true); err != nil {
		t.Errorf("removal by bypass: %v", err)
	}
	if asked := s.Access.Asked(); len(asked) != 2 || asked[1].Action != objects.ActionObjectBypassGovernanceRetention {
		t.Errorf("the bypass was decided as %v", asked)
	}
	if _, err := s.LockRetention(ctx, who, "locked", "key", ""); !errors.Is(err, objects.ErrNoRetention) {
		t.Errorf("without retention: got %v, want ErrNoRetention", err)
	}
}

// TestHoldThatWasLiftedIsToldFromNone: who asks for a legal hold hears that it is off only when somebody has said so.
func TestHoldThatWasLiftedIsToldFromNone(t *testing.T) {
	s := newStand(t, false)
	s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningEnabled))
	s.configure(t, objects.ActionBucketPutObjectLockConfiguration, objects.SetLock(objects.LockConfig{}))
	s.put(t, "never", []byte("x"))
	s.put(t, "lifted", []byte("x"))
	w := s.write("off")
	w.Lock.Lifted = true
	if _, err := s.Put(t.Context(), s.who, w, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		if _, err := s.SetLockHold(t.Context(), s.who, "bucket", "lifted", "", on); err != nil {
			t.Fatal(err)
		}
	}
	until := s.Clock.Now().Add(time.Hour)
	if _, err := s.SetLockRetention(t.Context(), s.who, "bucket", "lifted", "", objects.Governance, until, false); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]error{"never": objects.ErrNoRetention, "lifted": nil, "off": nil} {
		o, err := s.LockHold(t.Context(), s.who, "bucket", key, "")
		if !errors.Is(err, want) || o.Lock.Hold {
			t.Errorf("%s: %+v, %v; want %v", key, o.Lock, err, want)
		}
	}
}

// TestSubresourcesRefuse covers what a bucket or the state of its key does not allow.
func TestSubresourcesRefuse(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "key", []byte("x"))
	ctx, who := t.Context(), s.who
	s.configure(t, objects.ActionBucketPutPublicAccessBlock, objects.SetPublicAccess(&objects.PublicAccessBlock{BlockPublicACLs: true}))
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	_, err := s.SetObjectACL(ctx, who, "bucket", "key", "", objects.ACLPublicRead)
	check("public ACL", err, objects.ErrPublicBlocked)
	_, err = s.SetLockHold(ctx, who, "bucket", "key", "", true)
	check("hold without lock", err, objects.ErrNotLockable)
	_, err = s.LockRetention(ctx, who, "bucket", "key", "")
	check("retention without lock", err, objects.ErrNotLockable)
	_, err = s.Holds(ctx, who, "bucket", "key")
	check("holds without policy", err, objects.ErrNoRetention)
	_, err = s.ChangeHolds(ctx, who, "bucket", "key", "x", true)
	check("hold without policy", err, objects.ErrRequest)
	_, err = s.ExtendRetention(ctx, who, "bucket", "key", objects.Extension{Add: seconds(1)})
	check("extension without policy", err, objects.ErrRequest)
	_, err = s.SetTags(ctx, who, "bucket", "key", "", map[string]string{"ibm:x": ""})
	check("tags", err, objects.ErrTag)
	_, err = s.Tags(ctx, who, "bucket", "none", "")
	check("tags of nothing", err, objects.ErrNoObject)
	_, err = s.RestoreArchived(ctx, who, "bucket", "key", "", 1, "")
	check("restoration of what is not archived", err, objects.ErrNotArchived)

	s.RootKeys.Fail(s.root, objects.ErrRootDisabled)
	_, err = s.Tags(ctx, who, "bucket", "key", "")
	check("tags under a disabled key", err, objects.ErrRootDisabled)
	_, err = s.SetTags(ctx, who, "bucket", "key", "", map[string]string{"a": "b"})
	check("setting tags under a disabled key", err, objects.ErrRootDisabled)
	o, err := s.SetObjectACL(ctx, who, "bucket", "key", "", objects.ACLPrivate)
	check("ACL under a disabled key", err, nil)
	if !o.Sealed {
		t.Error("the ETag is shown while the key is disabled")
	}
}

// TestHoldsAndExtension drives the retention of an object through its operations.
func TestHoldsAndExtension(t *testing.T) {
	s := newStand(t, false)
	s.configure(t, objects.ActionBucketPutProtection, objects.SetProtection(objects.Protection{Minimum: 0, Default: 1, Maximum: 9}))
	s.put(t, "key", []byte("x"))
	ctx, who := t.Context(), s.who
	for _, id := range []string{"a", "b"} {
		if _, err := s.ChangeHolds(ctx, who, "bucket", "key", id, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.ChangeHolds(ctx, who, "bucket", "key", "a", true); !errors.Is(err, objects.ErrHolds) {
		t.Errorf("the same hold: got %v, want ErrHolds", err)
	}
	if _, err := s.ChangeHolds(ctx, who, "bucket", "key", "a", false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ExtendRetention(ctx, who, "bucket", "key", objects.Extension{Add: seconds(day)}); err != nil {
		t.Fatal(err)
	}
	o, err := s.Holds(ctx, who, "bucket", "key")
	if err != nil || o.Retention.Seconds != 2*day || !slices.EqualFunc(o.Retention.Holds, []string{"b"}, func(h objects.Hold, id string) bool { return h.ID == id }) {
		t.Errorf("got %+v, %v", o.Retention, err)
	}
}
