package objects_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

// keysOf returns the root keys that the keys of a bucket are under, in the order they were made.
func (s *stage) keysOf(t testing.TB, bucket string) (roots []crn.CRN) {
	t.Helper()
	b, err := s.Store.Bucket(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.Store.BucketKeys(t.Context(), b.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Pending {
			t.Errorf("key %s of bucket %q is pending", k.ID, bucket)
		}
		roots = append(roots, k.Root)
	}
	return roots
}

func TestEncryptionOfABucketCanBeSet(t *testing.T) {
	s := newStage(t)
	second := s.RootKeys.NewRoot("acme")
	alias := s.RootKeys.Alias(second, "second")
	b := s.NewBucket(t, s.who, s.in, "bucket", s.root.String())
	var keys []objects.BucketKeyID
	for _, c := range []struct {
		root string
		want crn.CRN
		made int
	}{
		{second.String(), second, 2},
		{second.String(), second, 2},
		{alias.String(), second, 2},
		{"", crn.CRN{}, 3},
		{s.root.String(), s.root, 3},
		{"", crn.CRN{}, 3},
	} {
		s.Clock.Advance(1)
		view, err := s.SetEncryption(t.Context(), s.who, "bucket", c.root)
		if err != nil || view.Root != c.want {
			t.Fatalf("setting %q: %v, %v", c.root, view.Root, err)
		}
		seen, err := s.Bucket(t.Context(), s.who, objects.ActionBucketGetEncryption, "bucket")
		if err != nil || seen.Root != c.want || seen.Key != view.Key {
			t.Errorf("after %q: %v, %v", c.root, seen.Root, err)
		}
		if roots := s.keysOf(t, "bucket"); len(roots) != c.made {
			t.Errorf("after %q it has keys under %v", c.root, roots)
		}
		keys = append(keys, view.Key)
	}
	if keys[0] != keys[2] || keys[3] != keys[5] || keys[4] != b.Key {
		t.Errorf("keys are not used again: %v", keys)
	}
	for _, root := range []crn.CRN{s.root, second} {
		if _, ok := s.RootKeys.Registration(root, b.CRN()); !ok {
			t.Errorf("no registration at %v", root)
		}
	}
	if err := s.DeleteBucket(t.Context(), s.who, "bucket"); err != nil || s.RootKeys.Registrations() != 0 {
		t.Errorf("deletion: %v, with %d registrations left", err, s.RootKeys.Registrations())
	}
}

func TestEncryptionIsDecidedByItsAction(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.Access.Strict()
	s.Access.Grant(objectstest.Grant{Actions: []iam.Action{objects.ActionBucketPutEncryption}})
	if _, err := s.SetEncryption(t.Context(), s.who, "bucket", s.root.String()); err != nil {
		t.Errorf("setting: %v", err)
	}
	if _, err := s.SetEncryption(t.Context(), s.who, "bucket", ""); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("removing: %v", err)
	}
}

// TestAnotherKeyIsRegisteredOrNotUsed crashes at every step of adding a key to a bucket, and tries again.
func TestAnotherKeyIsRegisteredOrNotUsed(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "steps", "")
	set := func(bucket string) error {
		_, err := s.SetEncryption(t.Context(), s.who, bucket, s.root.String())
		return err
	}
	s.Store.Steps.Reset()
	if err := set("steps"); err != nil {
		t.Fatal(err)
	}
	for n, step := range s.Store.Steps.Names() {
		for _, happens := range []bool{false, true} {
			name := fmt.Sprintf("crash-%d-%v", n, happens)
			s.Store.Steps.Reset()
			b := s.NewBucket(t, s.who, s.in, name, "")
			s.Store.Steps.CrashAt(n, happens)
			if err := set(name); !errors.Is(err, objectstest.ErrBroken) {
				t.Fatalf("%s (%s): %v", name, step, err)
			}
			s.Store.Steps.Reset()
			s.Restart()
			seen, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, name)
			_, registered := s.RootKeys.Registration(s.root, b.CRN())
			if err != nil || seen.Root == s.root && !registered {
				t.Errorf("%s (%s): %v, sealed under %v, registered %v", name, step, err, seen.Root, registered)
			}
			if n%2 == 0 { // half of them go without another try
				if err := set(name); err != nil {
					t.Errorf("%s (%s): setting it again: %v", name, step, err)
				}
				if roots := s.keysOf(t, name); len(roots) != 2 {
					t.Errorf("%s (%s): keys under %v", name, step, roots)
				}
				if _, ok := s.RootKeys.Registration(s.root, b.CRN()); !ok {
					t.Errorf("%s (%s): no registration", name, step)
				}
			}
			if err := s.DeleteBucket(t.Context(), s.who, name); err != nil {
				t.Errorf("%s (%s): deletion: %v", name, step, err)
			}
			if _, ok := s.RootKeys.Registration(s.root, b.CRN()); ok {
				t.Errorf("%s (%s): the deleted bucket is still registered", name, step)
			}
		}
	}
}

func TestKeyThatCannotBeRegisteredIsTakenBack(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.Store.Steps.Before(func(step string) error {
		if step == "Register" {
			return objects.ErrUnauthorized
		}
		return nil
	})
	if _, err := s.SetEncryption(t.Context(), s.who, "bucket", s.root.String()); !errors.Is(err, objects.ErrUnauthorized) {
		t.Fatalf("setting it: %v", err)
	}
	if roots := s.keysOf(t, "bucket"); !slices.Equal(roots, []crn.CRN{{}}) {
		t.Errorf("keys under %v", roots)
	}
}

func TestOneKeyForManyObjectsWithARootKeyOfTheirOwn(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	done := make(chan error)
	for n := range 8 {
		go func() {
			o, err := s.Put(t.Context(), s.who, objects.Write{
				Bucket: "bucket", Key: fmt.Sprint(n), Expect: objects.Expect{Size: -1},
				Encryption: objects.Encryption{Root: s.root.String()},
			}, strings.NewReader("content"))
			if err == nil && o.Root != s.root {
				err = fmt.Errorf("object %d is under %v", n, o.Root)
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if roots := s.keysOf(t, "bucket"); len(roots) != 2 || s.RootKeys.Registrations() != 1 {
		t.Errorf("keys under %v and %d registrations", roots, s.RootKeys.Registrations())
	}
}
