package objects_test

import (
	"testing"

	"strongroom/objects"
	"strongroom/objects/objectstest"
)

func TestNewBucketIsSeen(t *testing.T) {
	r := objectstest.New(t)
	who := objectstest.Caller("acme", "ana")
	in := r.NewInstance("acme")
	root := r.RootKeys.NewRoot("acme")
	for _, n := range []objects.NewBucket{{Name: "plain", Instance: in.ID}, {Name: "locked-up", Instance: in.ID, Root: root.String(), Lock: true, Location: "eu-de-smart"}} {
		if _, err := r.CreateBucket(t.Context(), who, n); err != nil {
			t.Fatal(err)
		}
		b, err := r.Bucket(t.Context(), who, objects.ActionBucketHead, n.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Root.String(); n.Root != "" && got != n.Root {
			t.Errorf("root key %s", got)
		}
	}
}
