package objects_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

// stage is an object store with an account, an instance and a root key in it.
type stage struct {
	*objectstest.Rig
	who  iam.Caller
	in   objects.Instance
	root crn.CRN
}

func newStage(t testing.TB, configure ...func(*objects.ServiceConfig)) *stage {
	t.Helper()
	r := objectstest.New(t, configure...)
	return &stage{
		Rig: r, who: iamtest.Caller("acme", "ana"),
		in: r.NewInstance("acme"), root: r.RootKeys.NewRoot("acme"),
	}
}

// put stores a small object.
func (s *stage) put(t testing.TB, bucket, key string) objects.Object {
	t.Helper()
	o, err := s.Put(t.Context(), s.who, objects.Write{Bucket: bucket, Key: key, Expect: objects.Expect{Size: -1}}, strings.NewReader(key))
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
	return o
}

func (s *stage) configure(t testing.TB, bucket string, change objects.Change) objects.Bucket {
	t.Helper()
	b, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutVersioning, bucket, change)
	if err != nil {
		t.Fatalf("configuring bucket %q: %v", bucket, err)
	}
	return b
}

func TestNewBucketIsAsItWasAskedFor(t *testing.T) {
	s := newStage(t)
	alias := s.RootKeys.Alias(s.root, "payments")
	for _, c := range []struct {
		new  objects.NewBucket
		want objects.BucketView
	}{
		{
			objects.NewBucket{Name: "plain"},
			objects.BucketView{Bucket: objects.Bucket{Location: "us-south-standard"}},
		},
		{
			objects.NewBucket{Name: "as-aws-asks", Location: "us-south"},
			objects.BucketView{Bucket: objects.Bucket{Location: "us-south-standard"}},
		},
		{
			objects.NewBucket{Name: "sealed", Location: "eu-de-smart", Root: s.root.String()},
			objects.BucketView{Bucket: objects.Bucket{Location: "eu-de-smart"}, Root: s.root},
		},
		{
			objects.NewBucket{Name: "by-alias", Root: alias.String(), ACL: objects.ACLPublicRead},
			objects.BucketView{
				Bucket: objects.Bucket{Location: "us-south-standard", Config: objects.Config{ACL: objects.ACLPublicRead}},
				Root:   s.root,
			},
		},
		{
			objects.NewBucket{Name: "locked", Root: s.root.String(), Lock: true},
			objects.BucketView{
				Bucket: objects.Bucket{Location: "us-south-standard", Config: objects.Config{
					Versioning: objects.VersioningEnabled, Lock: &objects.LockConfig{},
				}},
				Root: s.root,
			},
		},
	} {
		c.new.Instance = s.in.ID
		made, err := s.CreateBucket(t.Context(), s.who, c.new)
		if err != nil {
			t.Fatalf("%s: %v", c.new.Name, err)
		}
		got, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, c.new.Name)
		if err != nil {
			t.Fatalf("%s: %v", c.new.Name, err)
		}
		c.want.ID, c.want.Key, c.want.Name, c.want.Instance, c.want.Account = made.ID, made.Key, c.new.Name, s.in.ID, "acme"
		c.want.Profile, c.want.State = "4of6", objects.BucketActive
		c.want.Created, c.want.Updated, c.want.Revision = s.Clock.Now(), s.Clock.Now(), made.Revision
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.new.Name, diff)
		}
		if c.new.Root == "" {
			continue
		}
		reg, ok := s.RootKeys.Registration(s.root, got.CRN())
		if !ok || reg.Prevent != c.new.Lock {
			t.Errorf("%s: registration %+v, %v", c.new.Name, reg, ok)
		}
	}
	if n := s.RootKeys.Registrations(); n != 3 {
		t.Errorf("%d registrations, want those of three buckets", n)
	}
}

func TestBucketThatMayNotBeIsRefused(t *testing.T) {
	s := newStage(t, func(c *objects.ServiceConfig) { c.MaxBuckets = 3 })
	other := s.NewInstance("other")
	stranger := iamtest.Caller("other", "eve")
	s.NewBucket(t, s.who, s.in, "mine", "")
	s.NewBucket(t, stranger, other, "theirs", "")
	disabled, deleted, barred := s.RootKeys.NewRoot("acme"), s.RootKeys.NewRoot("acme"), s.RootKeys.NewRoot("acme")
	s.RootKeys.Fail(disabled, objects.ErrRootDisabled)
	s.RootKeys.Fail(deleted, objects.ErrRootDeleted)
	s.RootKeys.Bar(barred, s.in.CRN, true)
	hyper := s.root
	hyper.Service = "hs-crypto"
	for _, c := range []struct {
		name string
		who  iam.Caller
		new  objects.NewBucket
		want error
	}{
		{"its own name", s.who, objects.NewBucket{Name: "mine"}, objects.ErrBucketYours},
		{"another's name", s.who, objects.NewBucket{Name: "theirs"}, objects.ErrBucketTaken},
		{"bad name", s.who, objects.NewBucket{Name: "Mine"}, objects.ErrBucketName},
		{"bad location", s.who, objects.NewBucket{Name: "new", Location: "moon"}, objects.ErrLocation},
		{"another region", s.who, objects.NewBucket{Name: "new", Location: "us-east"}, objects.ErrLocation},
		{"part of the region", s.who, objects.NewBucket{Name: "new", Location: "us"}, objects.ErrLocation},
		{"bad ACL", s.who, objects.NewBucket{Name: "new", ACL: "public-read-write"}, objects.ErrArgument},
		{"foreign instance", stranger, objects.NewBucket{Name: "new"}, iam.ErrForbidden},
		{"unknown instance", s.who, objects.NewBucket{Name: "new", Instance: "none"}, iam.ErrForbidden},
		{"no CRN", s.who, objects.NewBucket{Name: "new", Root: "key"}, objects.ErrArgument},
		{"CRN of no key", s.who, objects.NewBucket{Name: "new", Root: s.in.CRN.String()}, objects.ErrRootUnknown},
		{"CRN of an instance of keys", s.who, objects.NewBucket{Name: "new", Root: s.root.Child("", "").String()}, objects.ErrArgument},
		{"other service", s.who, objects.NewBucket{Name: "new", Root: hyper.String()}, objects.ErrRequest},
		{"unknown key", s.who, objects.NewBucket{Name: "new", Root: s.root.Child("key", "none").String()}, objects.ErrRootUnknown},
		{"disabled key", s.who, objects.NewBucket{Name: "new", Root: disabled.String()}, objects.ErrRootUnusable},
		{"deleted key", s.who, objects.NewBucket{Name: "new", Root: deleted.String()}, objects.ErrRootUnusable},
		{"key without authorization", s.who, objects.NewBucket{Name: "new", Root: barred.String()}, objects.ErrRootUnknown},
	} {
		if c.new.Instance == "" {
			c.new.Instance = s.in.ID
		}
		if _, err := s.CreateBucket(t.Context(), c.who, c.new); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if ev := s.Log.Last(); ev == nil || ev.Outcome != audit.Failure || ev.Action != "cloud-object-storage.bucket.create" {
			t.Errorf("%s: recorded as %+v", c.name, ev)
		}
	}
	s.RootKeys.Down(true)
	_, err := s.CreateBucket(t.Context(), s.who, objects.NewBucket{Name: "new", Instance: s.in.ID, Root: s.root.String()})
	if !errors.Is(err, objects.ErrRootService) {
		t.Errorf("without the key service: %v", err)
	}
	s.RootKeys.Down(false)
	s.NewBucket(t, s.who, s.in, "second", "")
	s.NewBucket(t, s.who, s.in, "third", "")
	if _, err := s.CreateBucket(t.Context(), s.who, objects.NewBucket{Name: "fourth", Instance: s.in.ID}); !errors.Is(err, objects.ErrTooMany) {
		t.Errorf("a fourth bucket: %v", err)
	}
	if n := s.CountRows(t, `SELECT count(*) FROM buckets`); n != 4 || s.RootKeys.Registrations() != 0 {
		t.Errorf("%d buckets and %d registrations are left", n, s.RootKeys.Registrations())
	}
}

// TestBucketIsWholeOrNotThere crashes at every step of making a bucket, before it has happened and after,
// and starts again.
func TestBucketIsWholeOrNotThere(t *testing.T) {
	s := newStage(t)
	create := func(name string) error {
		_, err := s.CreateBucket(t.Context(), s.who, objects.NewBucket{Name: name, Instance: s.in.ID, Root: s.root.String()})
		return err
	}
	s.Store.Steps.Reset()
	if err := create("whole"); err != nil {
		t.Fatal(err)
	}
	steps := s.Store.Steps.Names()
	if !slices.Contains(steps, "Register") {
		t.Fatalf("steps are %v", steps)
	}
	for n := range steps {
		for _, happens := range []bool{false, true} {
			name := fmt.Sprintf("crash-%d-%v", n, happens)
			s.Store.Steps.CrashAt(n, happens)
			if err := create(name); !errors.Is(err, objectstest.ErrBroken) {
				t.Fatalf("%s (%s): %v", name, steps[n], err)
			}
			s.Store.Steps.Reset()
			s.Restart()
			if err := s.Reconcile(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			made := n == len(steps)-1 && happens // the commit by which it is seen
			_, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, name)
			_, registered := s.RootKeys.Registration(s.root, bucketCRN(s.in, name))
			switch {
			case made && (err != nil || !registered):
				t.Errorf("%s (%s): %v, registered %v", name, steps[n], err, registered)
			case !made && (!errors.Is(err, objects.ErrNoBucket) || registered):
				t.Errorf("%s (%s): %v, registered %v", name, steps[n], err, registered)
			case !made:
				if err := create(name); err != nil {
					t.Errorf("%s: making it again: %v", name, err)
				}
			}
		}
	}
	if n := s.CountRows(t, `SELECT count(*) FROM buckets WHERE state <> 'active'`); n != 0 {
		t.Errorf("%d buckets are half done", n)
	}
}

func bucketCRN(in objects.Instance, name string) crn.CRN { return in.CRN.Child("bucket", name) }

// TestDeletionIsWholeOrNotThere crashes at every step of deleting a bucket.
func TestDeletionIsWholeOrNotThere(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "steps", s.root.String())
	s.Store.Steps.Reset()
	if err := s.DeleteBucket(t.Context(), s.who, "steps"); err != nil {
		t.Fatal(err)
	}
	for n, step := range s.Store.Steps.Names() {
		for _, happens := range []bool{false, true} {
			name := fmt.Sprintf("crash-%d-%v", n, happens)
			s.Store.Steps.Reset()
			s.NewBucket(t, s.who, s.in, name, s.root.String())
			s.Store.Steps.CrashAt(n, happens)
			if err := s.DeleteBucket(t.Context(), s.who, name); !errors.Is(err, objectstest.ErrBroken) {
				t.Fatalf("%s (%s): %v", name, step, err)
			}
			s.Store.Steps.Reset()
			s.Restart()
			if err := s.Reconcile(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, name)
			_, registered := s.RootKeys.Registration(s.root, bucketCRN(s.in, name))
			if there := err == nil; there != registered || there != (n == 0 && !happens) {
				t.Errorf("%s (%s): %v, registered %v", name, step, err, registered)
			}
			recorded := slices.ContainsFunc(s.Log.Take(), func(ev *audit.Event) bool {
				return ev.Action == "cloud-object-storage.bucket.delete" && ev.Outcome == audit.Success && ev.Target.Name == name
			})
			if recorded != (err != nil) {
				t.Errorf("%s (%s): recorded %v", name, step, recorded)
			}
		}
	}
	if n := s.CountRows(t, `SELECT count(*) FROM buckets WHERE state <> 'active'`); n != 0 {
		t.Errorf("%d buckets are half done", n)
	}
}

func TestDeletionIsRefusedWhileThereIsSomething(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "full", s.root.String())
	s.put(t, "full", "a")
	if err := s.DeleteBucket(t.Context(), s.who, "full"); !errors.Is(err, objects.ErrNotEmpty) {
		t.Fatalf("deleting it: %v", err)
	}
	// A write that was under way comes to its end between the look at the bucket and its removal.
	if _, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "full", Key: "a"}); err != nil {
		t.Fatal(err)
	}
	late := true
	s.Store.Steps.Before(func(step string) error {
		if step == "UpdateBucket" && late {
			late = false
			s.put(t, "full", "b")
		}
		return nil
	})
	if err := s.DeleteBucket(t.Context(), s.who, "full"); !errors.Is(err, objects.ErrNotEmpty) {
		t.Fatalf("deleting it: %v", err)
	}
	s.Store.Steps.Reset()
	if _, err := s.Head(t.Context(), s.who, objects.Read{Bucket: "full", Key: "b"}); err != nil {
		t.Errorf("the late object: %v", err)
	}
	if _, ok := s.RootKeys.Registration(s.root, bucketCRN(s.in, "full")); !ok {
		t.Error("the bucket lost its registration")
	}
}

// TestBucketIsDeletedInEveryKeyState holds what cos-api.md, section 20.6 says of metadata.
func TestBucketIsDeletedInEveryKeyState(t *testing.T) {
	for _, failure := range []error{nil, objects.ErrRootDisabled, objects.ErrRootDeleted, objects.ErrUnauthorized} {
		s := newStage(t)
		s.NewBucket(t, s.who, s.in, "vault", s.root.String())
		s.RootKeys.Fail(s.root, failure)
		if _, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, "vault"); err != nil {
			t.Errorf("%v: head: %v", failure, err)
		}
		if err := s.DeleteBucket(t.Context(), s.who, "vault"); err != nil {
			t.Errorf("%v: deletion: %v", failure, err)
		}
	}
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "vault", s.root.String())
	s.RootKeys.Down(true)
	if err := s.DeleteBucket(t.Context(), s.who, "vault"); !errors.Is(err, objects.ErrRootService) {
		t.Errorf("without the key service: %v", err)
	}
	if _, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, "vault"); err != nil {
		t.Errorf("head after that: %v", err)
	}
}

func TestNameStaysReservedForAWhile(t *testing.T) {
	s := newStage(t, func(c *objects.ServiceConfig) { c.NameWait = 15 * time.Minute })
	s.NewBucket(t, s.who, s.in, "name", s.root.String())
	if err := s.DeleteBucket(t.Context(), s.who, "name"); err != nil {
		t.Fatal(err)
	}
	if ev := s.Log.Last(); ev.Action != "cloud-object-storage.bucket.delete" || ev.Outcome != audit.Success {
		t.Errorf("recorded as %+v", ev)
	}
	if n := s.RootKeys.Registrations(); n != 0 {
		t.Errorf("%d registrations are left", n)
	}
	again := objects.NewBucket{Name: "name", Instance: s.in.ID}
	if _, err := s.CreateBucket(t.Context(), s.who, again); !errors.Is(err, objects.ErrBucketTaken) {
		t.Errorf("making it again at once: %v", err)
	}
	if err := s.RefuseDelete(t.Context(), s.in.ID); err != nil {
		t.Errorf("deleting the instance: %v", err)
	}
	s.Clock.Advance(15 * time.Minute)
	if _, err := s.CreateBucket(t.Context(), s.who, again); err != nil {
		t.Errorf("making it again later: %v", err)
	}
}

func TestListOfBuckets(t *testing.T) {
	s := newStage(t)
	other := s.NewInstance("acme")
	for _, name := range []string{"bb", "aa", "ab", "cc"} {
		s.NewBucket(t, s.who, s.in, name+"-bucket", "")
	}
	s.NewBucket(t, s.who, other, "ac-elsewhere", "")
	for _, c := range []struct {
		list objects.ListBuckets
		want []string
		more bool
	}{
		{objects.ListBuckets{}, []string{"aa-bucket", "ab-bucket", "bb-bucket", "cc-bucket"}, false},
		{objects.ListBuckets{Limit: 4}, []string{"aa-bucket", "ab-bucket", "bb-bucket", "cc-bucket"}, false},
		{objects.ListBuckets{Limit: 3}, []string{"aa-bucket", "ab-bucket", "bb-bucket"}, true},
		{objects.ListBuckets{After: "ab-bucket", Limit: 1}, []string{"bb-bucket"}, true},
		{objects.ListBuckets{Prefix: "a"}, []string{"aa-bucket", "ab-bucket"}, false},
	} {
		c.list.Instance = s.in.ID
		page, more, err := s.Buckets(t.Context(), s.who, c.list)
		var names []string
		for _, b := range page {
			names = append(names, b.Name)
		}
		if diff := cmp.Diff(c.want, names); diff != "" || more != c.more || err != nil {
			t.Errorf("%+v: more %v, %v (-want +got):\n%s", c.list, more, err, diff)
		}
	}
	if _, _, err := s.Buckets(t.Context(), iamtest.Caller("other", "eve"), objects.ListBuckets{Instance: s.in.ID}); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("a stranger's list: %v", err)
	}
}

func TestBucketsOfAClosedInstanceAreNotThere(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.CloseInstance(s.in)
	if _, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, "bucket"); !errors.Is(err, objects.ErrNoBucket) {
		t.Errorf("while it is closed: %v", err)
	}
	s.OpenInstance(s.in)
	if _, err := s.Bucket(t.Context(), s.who, objects.ActionBucketHead, "bucket"); err != nil {
		t.Errorf("when it is restored: %v", err)
	}
}

func TestRefusedRequestIsRecorded(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	cause := objects.ErrArgument.On("body", "not understood")
	for _, c := range []struct {
		name   string
		who    iam.Caller
		action iam.Action
		bucket string
		want   error
	}{
		{"of the owner", s.who, objects.ActionBucketPutCORS, "bucket", objects.ErrArgument},
		{"of a stranger", iamtest.Caller("other", "eve"), objects.ActionBucketPutCORS, "bucket", iam.ErrForbidden},
		{"without a bucket", s.who, objects.ActionListBuckets, "", objects.ErrArgument},
		{"for a bucket to be made", s.who, objects.ActionCreateBucket, "new", objects.ErrArgument},
		{"for a bucket that is not there", s.who, objects.ActionBucketPutCORS, "none", objects.ErrNoBucket},
	} {
		s.Log.Take()
		if err := s.Refuse(t.Context(), c.who, c.action, c.bucket, "", cause); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if events := s.Log.Take(); len(events) == 0 || events[0].Outcome != audit.Failure {
			t.Errorf("%s: recorded as %+v", c.name, events)
		}
	}
}
