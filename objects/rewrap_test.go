package objects_test

import (
	"errors"
	"strconv"
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

// follow is a round of FollowRotations, and how many statements it sends to the store.
func (h *jobHouse) follow() uint64 {
	h.t.Helper()
	before := h.DB.Statements()
	if err := h.FollowRotations(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	return h.DB.Statements() - before
}

// rewraps returns how many rewraps there are of the bucket.
func (h *jobHouse) rewraps() int {
	h.t.Helper()
	jobs, err := h.Jobs(h.t.Context(), h.owner, jobBucket)
	if err != nil {
		h.t.Fatal(err)
	}
	return len(jobs)
}

// TestFollowingRotationsCostsNothingWhileNothingHappens counts what a round asks of the store.
func TestFollowingRotationsCostsNothingWhileNothingHappens(t *testing.T) {
	h := newJobHouse(t)
	for i := range 9 {
		h.NewBucket(t, h.owner, h.instance, "another-"+strconv.Itoa(i), h.RootKeys.NewRoot(h.owner.Account).String())
		h.NewBucket(t, h.owner, h.instance, "plain-"+strconv.Itoa(i), "")
	}
	h.follow()
	if n := h.follow(); n != 0 {
		t.Errorf("a round in which nothing has happened sends %d statements", n)
	}
	h.Clock.Advance(time.Minute)
	if n := h.follow(); n != 2 {
		t.Errorf("a look at all 19 buckets sends %d statements, want 2", n)
	}
	if n := h.follow(); n != 0 {
		t.Errorf("the round after it sends %d statements", n)
	}
	h.RootKeys.Rotate(h.root)
	if h.follow(); h.rewraps() != 1 {
		t.Error("the rotation was not seen in the next round")
	}
}

// TestRotationIsFollowedHoweverItIsSeen: a rotation of which the round before could not know.
func TestRotationIsFollowedHoweverItIsSeen(t *testing.T) {
	for name, happen := range map[string]func(*jobHouse){
		"while the key could not be used": func(h *jobHouse) {
			h.RootKeys.Down(true)
			h.follow()
			h.RootKeys.Rotate(h.root)
			h.RootKeys.Down(false)
		},
		"while the server was down": func(h *jobHouse) {
			h.RootKeys.Rotate(h.root)
			h.Restart()
		},
		"before a bucket was committed while the key could not be used": func(h *jobHouse) {
			h.RootKeys.Down(true)
			h.follow()
			k := h.keys()[0]
			k.Wrapped.Version = "an older one"
			if err := h.DB.Objects().UpdateBucketKey(h.t.Context(), k, nil); err != nil {
				h.t.Fatal(err)
			}
			if h.follow(); h.rewraps() != 0 {
				h.t.Error("a rewrap was started that cannot succeed")
			}
			h.RootKeys.Down(false)
		},
		"before a bucket was committed": func(h *jobHouse) {
			k := h.keys()[0]
			k.Wrapped.Version = "an older one"
			if err := h.DB.Objects().UpdateBucketKey(h.t.Context(), k, nil); err != nil {
				h.t.Fatal(err)
			}
		},
		"while the instance was deleted": func(h *jobHouse) {
			h.CloseInstance(h.instance)
			h.Clock.Advance(time.Minute)
			h.follow()
			h.RootKeys.Rotate(h.root)
			h.follow()
			h.OpenInstance(h.instance)
			h.Clock.Advance(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newJobHouse(t)
			h.follow()
			happen(h)
			h.follow()
			if n := h.rewraps(); n != 1 {
				t.Errorf("%d rewraps, want 1", n)
			}
		})
	}
}

// TestRotationDuringARewrapIsFollowedAfterIt: the rewrap that runs may have read the version before.
func TestRotationDuringARewrapIsFollowedAfterIt(t *testing.T) {
	h := newJobHouse(t)
	h.follow()
	h.RootKeys.Rotate(h.root)
	h.follow()
	var newest string
	h.Store.Steps.Before(func(step string) error {
		if step == "Register" && newest == "" { // the key is wrapped by then, and the job still runs
			h.follow()
			newest = h.RootKeys.Rotate(h.root)
			h.follow()
		}
		return nil
	})
	for range 3 {
		if err := h.WorkJobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.follow()
	}
	if k := h.keys()[0]; newest == "" || k.Wrapped.Version != newest {
		t.Errorf("the key is wrapped by version %q, want %q", k.Wrapped.Version, newest)
	}
}

// TestRotationIsFollowedWhenTheStoreWentBack: caches are told to forget, and not which bucket is another now.
func TestRotationIsFollowedWhenTheStoreWentBack(t *testing.T) {
	h := newJobHouse(t)
	h.Exec(t, `CREATE TABLE saved AS SELECT * FROM bucket_keys`)
	h.RootKeys.Rotate(h.root)
	h.follow()
	if err := h.WorkJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.follow()
	h.Exec(t, `DELETE FROM bucket_keys; INSERT INTO bucket_keys SELECT * FROM saved; DROP TABLE saved`)
	h.Hub.DropAll()
	h.follow()
	if n := h.rewraps(); n != 2 {
		t.Errorf("%d rewraps, want another one", n)
	}
}
