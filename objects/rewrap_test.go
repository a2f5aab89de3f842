package objects_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"strongroom/objects"
)

func TestRotationIsFollowed(t *testing.T) {
	h := newJobHouse(t)
	all := contents(3)
	for key, content := range all {
		h.put(key, content)
	}
	newest := h.RootKeys.Rotate(h.root)
	if err := h.FollowRotations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.FollowRotations(t.Context()); err != nil { // while the job runs
		t.Fatal(err)
	}
	jobs, err := h.Jobs(t.Context(), h.owner, jobBucket)
	if err != nil || len(jobs) != 1 || jobs[0].Kind != objects.JobRewrap || jobs[0].By != "" {
		t.Fatalf("jobs %+v, %v", jobs, err)
	}
	if j := h.finish(jobs[0].ID); j.State != objects.JobDone || j.Done != 1 {
		t.Errorf("job: %+v", j)
	}
	for _, k := range h.keys() {
		if k.Wrapped.Version != newest {
			t.Errorf("a key is wrapped by version %s, want %s", k.Wrapped.Version, newest)
		}
	}
	b := h.bucket()
	r, ok := h.RootKeys.Registration(h.root, b.CRN())
	if !ok || r.Version != newest || r.Objects != int64(len(all)) {
		t.Errorf("registration: %+v", r)
	}
	h.want(all)
	if err := h.FollowRotations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if jobs, _ = h.Jobs(t.Context(), h.owner, jobBucket); len(jobs) != 1 {
		t.Errorf("%d jobs after all was done", len(jobs))
	}
}

func TestFailedRewrapIsNotStartedAgainAtOnce(t *testing.T) {
	h := newJobHouse(t)
	k := h.keys()[0]
	k.Wrapped.Ciphertext = strings.ToUpper(k.Wrapped.Ciphertext[:20]) + "00" + k.Wrapped.Ciphertext[22:]
	if err := h.DB.Objects().UpdateBucketKey(t.Context(), k, nil); err != nil {
		t.Fatal(err)
	}
	h.RootKeys.Rotate(h.root)
	count := func() int {
		t.Helper()
		if err := errors.Join(h.FollowRotations(t.Context()), h.WorkJobs(t.Context())); err != nil {
			t.Fatal(err)
		}
		jobs, err := h.Jobs(t.Context(), h.owner, jobBucket)
		if err != nil || len(jobs) == 0 || jobs[0].State != objects.JobFailed || len(jobs[0].Findings) == 0 {
			t.Fatalf("jobs %+v, %v", jobs, err)
		}
		return len(jobs)
	}
	if first, second := count(), count(); first != 1 || second != 1 {
		t.Errorf("%d and %d jobs", first, second)
	}
	h.Clock.Advance(2 * time.Hour)
	if got := count(); got != 2 {
		t.Errorf("%d jobs two hours later", got)
	}
}

func TestRewrapWaitsForTheKeyService(t *testing.T) {
	h := newJobHouse(t)
	newest := h.RootKeys.Rotate(h.root)
	j, err := h.StartRewrap(t.Context(), h.owner, jobBucket)
	if err != nil {
		t.Fatal(err)
	}
	h.RootKeys.Down(true)
	if err := h.WorkJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j, err = h.Job(t.Context(), h.owner, jobBucket, j.ID); err != nil || j.State != objects.JobRunning {
		t.Fatalf("without the key service: %+v, %v", j, err)
	}
	h.RootKeys.Down(false)
	if j = h.finish(j.ID); j.State != objects.JobDone || h.keys()[0].Wrapped.Version != newest {
		t.Errorf("with it: %+v", j)
	}
}

func TestRewrapIsFinishedAfterACrashAtAnyStep(t *testing.T) {
	h := newJobHouse(t)
	h.put("a", "content")
	for n, reached := 0, true; reached; n++ {
		for _, happens := range []bool{false, true} {
			newest := h.RootKeys.Rotate(h.root)
			j, err := h.StartRewrap(t.Context(), h.owner, jobBucket)
			if err != nil {
				t.Fatal(err)
			}
			h.Store.Steps.CrashAt(n, happens)
			if err := h.WorkJobs(t.Context()); err != nil {
				t.Fatal(err)
			}
			steps := h.Store.Steps.Names()
			h.Store.Steps.Reset()
			h.Restart()
			if reached = len(steps) > n; !reached {
				break
			}
			if j = h.finish(j.ID); j.State != objects.JobDone || j.Done != 1 {
				t.Errorf("crash at %v: %+v", steps[:n+1], j)
			}
			r, _ := h.RootKeys.Registration(h.root, h.bucketCRN())
			if h.keys()[0].Wrapped.Version != newest || r.Version != newest || r.Objects != 1 {
				t.Errorf("crash at %v: registration %+v", steps[:n+1], r)
			}
			h.want(map[string]string{"a": "content"})
		}
	}
}
