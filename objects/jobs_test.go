package objects_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

// jobHouse is an object store with a bucket whose root key is a customer's.
type jobHouse struct {
	*objectstest.Rig
	t        *testing.T
	owner    iam.Caller
	instance objects.Instance
	root     crn.CRN
}

const jobBucket = "photos"

func newJobHouse(t *testing.T) *jobHouse {
	t.Helper()
	const account = "0123456789abcdef0123456789abcdef"
	h := &jobHouse{Rig: objectstest.New(t), t: t, owner: iamtest.Caller(account, "owner")}
	h.instance = h.NewInstance(account)
	h.root = h.RootKeys.NewRoot(account)
	h.NewBucket(t, h.owner, h.instance, jobBucket, h.root.String())
	return h
}

func (h *jobHouse) put(key, content string, change ...func(*objects.Write)) {
	h.t.Helper()
	w := objects.Write{Bucket: jobBucket, Key: key, Expect: objects.Expect{Size: int64(len(content))}}
	for _, c := range change {
		c(&w)
	}
	if _, err := h.Put(h.t.Context(), h.owner, w, strings.NewReader(content)); err != nil {
		h.t.Fatalf("putting %s: %v", key, err)
	}
}

func (h *jobHouse) get(key string) (string, error) {
	c, err := h.Get(h.t.Context(), h.owner, objects.Read{Bucket: jobBucket, Key: key})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), errors.Join(err, c.Close())
}

func (h *jobHouse) want(contents map[string]string) {
	h.t.Helper()
	for key, want := range contents {
		if got, err := h.get(key); err != nil || got != want {
			h.t.Errorf("%s: got %d bytes, %v, want %d", key, len(got), err, len(want))
		}
	}
}

// finish works on jobs and returns the one, which must have come to its end.
func (h *jobHouse) finish(id string) objects.Job {
	h.t.Helper()
	if err := h.WorkJobs(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	j, err := h.Job(h.t.Context(), h.owner, jobBucket, id)
	if err != nil {
		h.t.Fatal(err)
	}
	if j.State == objects.JobRunning {
		h.t.Fatalf("the job still runs: %+v", j)
	}
	return j
}

func (h *jobHouse) bucket() objects.Bucket {
	h.t.Helper()
	b, err := h.DB.Objects().Bucket(h.t.Context(), jobBucket)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h *jobHouse) bucketCRN() crn.CRN {
	b := h.bucket()
	return b.CRN()
}

func (h *jobHouse) keys() []objects.BucketKey {
	h.t.Helper()
	keys, err := h.DB.Objects().BucketKeys(h.t.Context(), h.bucket().ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return keys
}

// contents are small and large objects, whose bytes are embedded and dispersed.
func contents(n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		size := 100
		if i%4 == 3 {
			size = 5000 + i
		}
		all[fmt.Sprintf("object-%03d", i)] = strings.Repeat(fmt.Sprintf("%03d.", i), size/4)
	}
	all["large"] = strings.Repeat("0123456789abcdef", 3<<16) // three segments
	all["empty"] = ""
	return all
}
