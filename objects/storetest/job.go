package storetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/objects"
)

func aJob(b objects.Bucket, kind objects.JobKind) objects.Job {
	return objects.Job{
		ID: uuid.NewString(), Bucket: b.ID, Name: b.Name, Kind: kind, State: objects.JobRunning,
		Created: start(), Updated: start(), By: "IBMid-1",
	}
}

func testJobs(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	rekey := aJob(b, objects.JobRekey)
	rekey.Root = crn.Of(crn.KeyProtect, "us-south", "account-1", "instance-2", "key", "root")
	rekey.From, rekey.To, rekey.Reencrypt = "from", "to", true
	ok(t, g.CreateJob(t.Context(), rekey, event("rekey")))
	rekey.Revision = 1
	wantSame(t, "as stored", must[objects.Job](t)(g.Job(t.Context(), rekey.ID)), rekey)
	rewrap := aJob(b, objects.JobRewrap)
	wantErr(t, "two that change keys", g.CreateJob(t.Context(), rewrap, event("busy")), objects.ErrBusy)
	verify := aJob(b, objects.JobVerify)
	verify.Created = start().Add(time.Second)
	ok(t, g.CreateJob(t.Context(), verify, nil))
	other, _ := newBucket(t, g, "another")
	ok(t, g.CreateJob(t.Context(), aJob(other, objects.JobRekey), nil))

	ids := func(all []objects.Job) (ids []string) {
		for _, j := range all {
			ids = append(ids, j.ID)
		}
		return ids
	}
	wantSame(t, "of the bucket", ids(must[[]objects.Job](t)(g.Jobs(t.Context(), b.ID, 10))), []string{verify.ID, rekey.ID})
	wantSame(t, "the newest", ids(must[[]objects.Job](t)(g.Jobs(t.Context(), b.ID, 1))), []string{verify.ID})
	if running := must[[]objects.Job](t)(g.RunningJobs(t.Context())); len(running) != 3 {
		t.Errorf("%d jobs run, want 3", len(running))
	}

	rekey.State, rekey.Done, rekey.Findings, rekey.Cursor = objects.JobDone, 7, []string{"found"}, "cursor"
	ok(t, g.UpdateJob(t.Context(), rekey))
	wantKind(t, "an old revision", g.UpdateJob(t.Context(), rekey), fault.Stale)
	rekey.Revision++
	wantSame(t, "updated", must[objects.Job](t)(g.Job(t.Context(), rekey.ID)), rekey)
	ok(t, g.CreateJob(t.Context(), rewrap, nil))
	none := aJob(b, objects.JobVerify)
	wantKind(t, "updating no job", g.UpdateJob(t.Context(), none), fault.NotFound)

	ok(t, g.ForgetJobs(t.Context(), start()))
	must[objects.Job](t)(g.Job(t.Context(), rekey.ID))
	ok(t, g.ForgetJobs(t.Context(), start().Add(time.Hour)))
	_, err := g.Job(t.Context(), rekey.ID)
	wantKind(t, "forgotten", err, fault.NotFound)
	must[objects.Job](t)(g.Job(t.Context(), verify.ID)) // runs
	wantEvents(t, g, "rekey")
}
