package objects_test

import (
	"slices"
	"strings"
	"testing"

	"strongroom/objects"
)

// verified runs a verification.
func (h *jobHouse) verified(sample int) objects.Job {
	h.t.Helper()
	j, err := h.StartVerify(h.t.Context(), h.owner, jobBucket, sample)
	if err != nil {
		h.t.Fatal(err)
	}
	j = h.finish(j.ID)
	if j.State != objects.JobDone {
		h.t.Errorf("job: %+v", j)
	}
	return j
}

func TestVerifyFindsWhatIsNotSealed(t *testing.T) {
	h := newJobHouse(t)
	all := contents(4)
	for key, content := range all {
		h.put(key, content)
	}
	if j := h.verified(0); j.Bad != 0 || j.Done != int64(len(all)) || j.Bytes < int64(len(all["large"])) {
		t.Errorf("of what is whole: %+v", j)
	}
	// Every blob in turn: the plaintext itself, one byte flipped, gone.
	for _, id := range h.Blobs.IDs() {
		stored := h.Blobs.Stored(id)
		flipped := slices.Clone(stored)
		flipped[len(flipped)/2] ^= 1
		plain := []byte(strings.Repeat("plaintext!", len(stored)/10+1))[:len(stored)]
		for what, bad := range map[string][]byte{"plaintext": plain, "flipped": flipped} {
			h.Blobs.Store(id, bad)
			if j := h.verified(0); j.Bad != 1 || j.Done != int64(len(all)) || len(j.Findings) != 2 {
				t.Errorf("%s: %+v", what, j)
			}
		}
		h.Blobs.Lose(id)
		if j := h.verified(0); j.Bad != 1 {
			t.Errorf("lost: %+v", j)
		}
		h.Blobs.Store(id, stored)
	}
}

func TestVerifyFindsSwappedRecords(t *testing.T) {
	h := newJobHouse(t)
	h.put("a", "one")
	h.put("b", "two")
	store := h.DB.Objects()
	a, aerr := store.Latest(t.Context(), h.bucket().ID, "a")
	b, berr := store.Latest(t.Context(), h.bucket().ID, "b")
	if aerr != nil || berr != nil {
		t.Fatal(aerr, berr)
	}
	a.Record, a.DataKey = b.Record, b.DataKey
	if err := store.UpdateVersion(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	if j := h.verified(0); j.Bad != 1 || !slices.ContainsFunc(j.Findings, func(f string) bool { return strings.Contains(f, `"a"`) }) {
		t.Errorf("job: %+v", j)
	}
}

func TestVerifyDrawsASampleOfTheSizeThatWasAsked(t *testing.T) {
	h := newJobHouse(t)
	all := contents(30)
	for key, content := range all {
		h.put(key, content)
	}
	for _, sample := range []int{1, 7, len(all), 2 * len(all)} {
		if j := h.verified(sample); j.Done != int64(min(sample, len(all))) || j.Total != j.Done {
			t.Errorf("sample of %d: %+v", sample, j)
		}
	}
}

func TestVerifyTellsTheLevelOfProtection(t *testing.T) {
	h := newJobHouse(t)
	h.put("a", "content")
	other := h.RootKeys.NewRoot(h.instance.Account)
	for _, c := range []struct {
		name string
		do   func() (objects.Job, error)
		want string
	}{
		{"as it was made", nil, objects.LevelReencrypted},
		{"rekeyed", func() (objects.Job, error) {
			return h.StartRekey(t.Context(), h.owner, jobBucket, other.String(), false)
		}, objects.LevelRekeyed},
		{"reencrypted", func() (objects.Job, error) {
			return h.StartRekey(t.Context(), h.owner, jobBucket, other.String(), true)
		}, objects.LevelReencrypted},
	} {
		if c.do != nil {
			j, err := c.do()
			if err != nil {
				t.Fatal(err)
			}
			h.finish(j.ID)
		}
		if j := h.verified(0); len(j.Findings) != 1 || j.Findings[0] != "protection level: "+c.want {
			t.Errorf("%s: %v", c.name, j.Findings)
		}
	}
}

func TestJobsOfABucketAreItsOwn(t *testing.T) {
	h := newJobHouse(t)
	h.NewBucket(t, h.owner, h.instance, "other", "")
	j := h.verified(0)
	if _, err := h.Job(t.Context(), h.owner, "other", j.ID); err != objects.ErrNoJob {
		t.Errorf("asked of another bucket: %v", err)
	}
	if _, err := h.Job(t.Context(), h.owner, jobBucket, "nothing"); err != objects.ErrNoJob {
		t.Errorf("no such job: %v", err)
	}
	stranger := h.owner
	stranger.Account = "ffffffffffffffffffffffffffffffff"
	if _, err := h.Jobs(t.Context(), stranger, jobBucket); err == nil {
		t.Error("a stranger sees the jobs")
	}
}
