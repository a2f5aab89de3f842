package objects_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

// TestPrivateObjectInPlaceOfAPublicOneIsNotShown: an object that everybody may read is replaced, while
// somebody reads it, by one that nobody else may. What was decided about the first says nothing of it.
func TestPrivateObjectInPlaceOfAPublicOneIsNotShown(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	put := func(acl objects.ACL, content string) {
		t.Helper()
		w := objects.Write{Bucket: "bucket", Key: "page", ACL: acl, Expect: objects.Expect{Size: -1}}
		if _, err := s.Put(t.Context(), s.who, w, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	put(objects.ACLPublicRead, strings.Repeat("open ", 1000))
	s.Blobs.Before(func(step objectstest.Step) error {
		if step.Act == objectstest.ActRead {
			s.Blobs.Before(nil)
			put(objects.ACLPrivate, strings.Repeat("secret ", 1000))
			s.Blobs.Lose(step.Blob) // as when it is collected
		}
		return nil
	})
	got, err := s.Get(t.Context(), iamtest.Caller("other", "eve"), objects.Read{Bucket: "bucket", Key: "page"})
	if !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("reading on: %v", err)
	}
	if got != nil && got.ReadCloser != nil {
		content, _ := io.ReadAll(got)
		t.Errorf("a stranger reads %.20q", content)
	}
}
