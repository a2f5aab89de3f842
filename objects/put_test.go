package objects_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

const account = "account-1"

// stand is an object store with one bucket, and a user who may do everything there.
type stand struct {
	*objectstest.Rig
	who      iam.Caller
	instance objects.Instance
	root     crn.CRN // of the bucket
	bucket   objects.Bucket
}

// newStand returns one whose bucket is under a customer's root key, with a profile that transforms all or
// nothing if that is asked for. Each configure may change what it is made of.
func newStand(t testing.TB, allOrNothing bool, configure ...func(*objects.ServiceConfig)) *stand {
	t.Helper()
	r := objectstest.New(t, append(configure, func(c *objects.ServiceConfig) {
		c.Profiles = slices.Clone(c.Profiles)
		c.Profiles[0].AllOrNothing = allOrNothing
	})...)
	s := &stand{Rig: r, who: iamtest.Caller(account, "user"), root: r.RootKeys.NewRoot(account)}
	s.instance = r.NewInstance(account)
	s.bucket = r.NewBucket(t, s.who, s.instance, "bucket", s.root.String())
	return s
}

func (s *stand) write(key string) objects.Write {
	return objects.Write{Bucket: s.bucket.Name, Key: key, Expect: objects.Expect{Size: -1}}
}

func (s *stand) put(t testing.TB, key string, content []byte) objects.Object {
	t.Helper()
	o, err := s.Put(t.Context(), s.who, s.write(key), bytes.NewReader(content))
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
	return o
}

func (s *stand) get(t testing.TB, r objects.Read) ([]byte, *objects.Content, error) {
	t.Helper()
	r.Bucket = s.bucket.Name
	c, err := s.Get(t.Context(), s.who, r)
	if err != nil {
		return nil, c, err
	}
	b, err := io.ReadAll(c)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return b, c, err
}
