package objects_test

import (
	"bytes"
	"io"
	"testing"

	"strongroom/objects"
	"strongroom/objects/objectstest"
)

const account = "account-1"

// stand is an object store with one bucket, and a user who may do everything there.
type stand struct {
	*objectstest.Rig
	bucket objects.Bucket
}

func newStand(t *testing.T, root bool) *stand {
	t.Helper()
	r := objectstest.New(t)
	name := ""
	if root {
		name = r.Roots.NewRoot(account).String()
	}
	return &stand{Rig: r, bucket: r.NewBucket(t, r.NewInstance(account), name)}
}

func (s *stand) write(key string) objects.Write {
	return objects.Write{Bucket: s.bucket.Name, Key: key, Expect: objects.Expect{Size: -1}}
}

func (s *stand) put(t *testing.T, key string, content []byte) objects.Object {
	t.Helper()
	o, err := s.Put(t.Context(), objectstest.Caller(account, "user"), s.write(key), bytes.NewReader(content))
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
	return o
}

func (s *stand) get(t *testing.T, r objects.Read) ([]byte, *objects.Content, error) {
	t.Helper()
	r.Bucket = s.bucket.Name
	c, err := s.Get(t.Context(), objectstest.Caller(account, "user"), r)
	if err != nil {
		return nil, c, err
	}
	b, err := io.ReadAll(c)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return b, c, err
}

func TestPutGet(t *testing.T) {
	s := newStand(t, true)
	for _, size := range []int{0, 1, 100, 1 << 20, 3<<20 + 5} {
		content := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		o := s.put(t, "key", content)
		got, c, err := s.get(t, objects.Read{Key: "key"})
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d: %v, %v, %v", size, o, c, err)
		}
	}
}
