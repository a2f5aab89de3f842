package objects_test

import (
	"bytes"
	"errors"
	"testing"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
)

// TestOnlyTheExpectedOwnerIsReached: a request that is confined to an instance or an account does nothing
// in a bucket of another, whatever its caller may do there and however public it is.
func TestOnlyTheExpectedOwnerIsReached(t *testing.T) {
	s := newStand(t, false)
	ctx := t.Context()
	s.put(t, "key", []byte("x"))
	up := s.begin(t, "upload", nil)
	s.configure(t, objects.ActionBucketPutACL, objects.SetACL(objects.ACLPublicRead))
	ops := map[string]func(iam.Caller) error{
		"put": func(who iam.Caller) error {
			_, err := s.Put(ctx, who, s.write("key"), bytes.NewReader([]byte("x")))
			return err
		},
		"get": func(who iam.Caller) error {
			c, err := s.Get(ctx, who, objects.Read{Bucket: "bucket", Key: "key"})
			if err == nil {
				err = c.Close()
			}
			return err
		},
		"head": func(who iam.Caller) error {
			_, err := s.Head(ctx, who, objects.Read{Bucket: "bucket", Key: "key"})
			return err
		},
		"tags": func(who iam.Caller) error {
			_, err := s.Tags(ctx, who, "bucket", "key", "")
			return err
		},
		"set tags": func(who iam.Caller) error {
			_, err := s.SetTags(ctx, who, "bucket", "key", "", map[string]string{"a": "b"})
			return err
		},
		"part": func(who iam.Caller) error {
			_, err := s.PutPart(ctx, who, s.partWrite(up, 1), bytes.NewReader([]byte("x")))
			return err
		},
		"copy": func(who iam.Caller) error {
			_, err := s.Copy(ctx, who, objects.Copy{Write: s.write("copy"), From: objects.Read{Bucket: "bucket", Key: "key"}})
			return err
		},
		"list": func(who iam.Caller) error {
			_, err := s.List(ctx, who, objects.List{Bucket: "bucket", Limit: 1})
			return err
		},
		"bucket": func(who iam.Caller) error {
			_, err := s.Bucket(ctx, who, objects.ActionBucketHead, "bucket")
			return err
		},
		"configure": func(who iam.Caller) error {
			_, err := s.Configure(ctx, who, objects.ActionBucketPutQuota, "bucket", objects.SetQuota(1<<30))
			return err
		},
		"remove": func(who iam.Caller) error {
			_, err := s.Remove(ctx, who, objects.Remove{Bucket: "bucket", Key: "nothing"})
			return err
		},
		"remove many": func(who iam.Caller) error {
			_, err := s.RemoveMany(ctx, who, "bucket", []objects.Remove{{Key: "nothing"}})
			return err
		},
	}
	for _, within := range []string{"", string(s.instance.ID), account} {
		who := s.who
		who.Within = within
		for name, op := range ops {
			if err := op(who); err != nil {
				t.Errorf("%s within %q: %v", name, within, err)
			}
		}
	}
	for _, within := range []string{"account-2", "bucket", s.instance.CRN.String()} {
		who, eve := s.who, iamtest.Caller("account-2", "eve")
		who.Within, eve.Within = within, within
		for name, op := range ops {
			if err := op(who); !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("%s within %q: %v, want ErrForbidden", name, within, err)
			}
		}
		for _, name := range []string{"list", "bucket"} {
			if err := ops[name](eve); !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("%s of what is public, within %q: %v, want ErrForbidden", name, within, err)
			}
		}
	}
}

// TestOwnersOfACopy: what is expected of the target says nothing of the source, and the other way round.
func TestOwnersOfACopy(t *testing.T) {
	s := newStand(t, false)
	there := s.NewInstance(account)
	s.NewBucket(t, s.who, there, "source", "")
	w := s.write("key")
	w.Bucket = "source"
	if _, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	up := s.begin(t, "upload", nil)
	here, from := string(s.instance.ID), string(there.ID)
	for _, c := range []struct {
		target, source string
		ok             bool
	}{{"", "", true}, {here, from, true}, {here, "", true}, {"", from, true}, {here, here, false}, {from, from, false}, {from, "", false}, {"", here, false}} {
		who := s.who
		who.Within = c.target
		read := objects.Read{Bucket: "source", Key: "key", Owner: c.source}
		_, err := s.Copy(t.Context(), who, objects.Copy{Write: s.write("copy"), From: read})
		part := s.partWrite(up, 1)
		part.From = &read
		_, perr := s.PutPart(t.Context(), who, part, nil)
		for what, err := range map[string]error{"object": err, "part": perr} {
			if c.ok && err != nil || !c.ok && !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("%s to %q from %q: %v", what, c.target, c.source, err)
			}
		}
	}
}
