package objects

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"strongroom/fault"
)

// lifecyclePage is how many versions or uploads are judged at a time.
const lifecyclePage = 500

// RunLifecycle applies the lifecycle rules of all buckets that are due, once after each midnight UTC.
// Each bucket has a job for each day, which goes on where it was when the server has stopped.
func (s *Service) RunLifecycle(ctx context.Context) error {
	day := midnight(s.Now())
	if s.applied.Load() == day.Unix() {
		return nil
	}
	failed := s.endLifecycles(ctx, day)
	err := s.eachBucket(ctx, func(b Bucket) error {
		if b.State != BucketActive || len(b.Lifecycle) == 0 {
			return nil
		}
		if err := s.applyLifecycle(ctx, b, day); err != nil {
			failed = errors.Join(failed, fmt.Errorf("applying the lifecycle of bucket %q: %w", b.Name, err))
		}
		return ctx.Err()
	})
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	s.applied.Store(day.Unix())
	return nil
}

// endLifecycles ends jobs of earlier days that have not come to their end: that of this day begins anew.
func (s *Service) endLifecycles(ctx context.Context, day time.Time) error {
	jobs, err := s.Store.RunningJobs(ctx)
	if err != nil {
		return fmt.Errorf("reading running jobs: %w", err)
	}
	for _, j := range jobs {
		if j.Kind != JobLifecycle || !j.Created.Before(day) {
			continue
		}
		j.State, j.Updated = JobFailed, s.Now()
		j.find("the next day began before all objects were judged")
		if err := s.Store.UpdateJob(ctx, j); err != nil && fault.KindOf(err) != fault.Stale {
			return fmt.Errorf("ending job %s: %w", j.ID, err)
		}
	}
	return nil
}

// lifecycleJob is the ID of the job of a bucket for a day, the same on every server.
func lifecycleJob(b BucketID, day time.Time) string {
	return uuid.NewHash(sha256.New(), uuid.Nil, []byte("lifecycle "+string(b)+" "+day.Format(time.DateOnly)), 8).String()
}

// applyLifecycle judges everything in a bucket by its rules, page by page.
func (s *Service) applyLifecycle(ctx context.Context, b Bucket, day time.Time) error {
	j, err := s.beginLifecycle(ctx, b, day)
	if err != nil || j.State != JobRunning {
		return err
	}
	for j.State == JobRunning {
		err := s.lifecycleStep(ctx, &j, day)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			j.State = JobFailed // the bucket, or its instance, is not there any more
			j.find("the bucket was deleted")
		case err != nil:
			return err
		}
		j.Updated = s.Now()
		err = s.Store.UpdateJob(ctx, j)
		switch kind := fault.KindOf(err); {
		case err != nil && (kind == fault.Stale || kind == fault.NotFound):
			return nil // another server is at it, or the bucket is gone with its jobs
		case err != nil:
			return fmt.Errorf("storing job %s: %w", j.ID, err)
		}
		j.Revision++
	}
	return nil
}

// beginLifecycle returns the job of a bucket for a day, which it creates if it is not there yet.
func (s *Service) beginLifecycle(ctx context.Context, b Bucket, day time.Time) (Job, error) {
	id := lifecycleJob(b.ID, day)
	j, err := s.Store.Job(ctx, id)
	if fault.KindOf(err) == fault.NotFound {
		u, uerr := s.Usage(ctx, b)
		if uerr != nil {
			return Job{}, uerr
		}
		now := s.Now()
		err = s.Store.CreateJob(ctx, Job{
			ID: id, Bucket: b.ID, Name: b.Name, Kind: JobLifecycle, State: JobRunning,
			Total: u.Objects + u.DeleteMarkers + u.Uploads, Created: now, Updated: now,
		}, nil)
		if err == nil || errors.Is(err, ErrBusy) { // another server was first
			j, err = s.Store.Job(ctx, id)
		}
	}
	if err != nil {
		return Job{}, fmt.Errorf("reading job %s: %w", id, err)
	}
	return j, nil
}

// lifecycleCursor is how far a job has come. It names the last version that was judged and is still
// there; what is behind it in the list has not been judged.
type lifecycleCursor struct {
	Uploads bool      `json:",omitempty"` // all versions are judged, and uploads follow
	After   string    `json:",omitempty"`
	Version VersionID `json:",omitempty"`
	Upload  UploadID  `json:",omitempty"`
	Newer   int       `json:",omitempty"` // noncurrent versions of the key up to that version
	Since   time.Time `json:",omitzero"`  // when that version was written: the next older one is noncurrent since then
}

// lifecycleStep judges a page.
func (s *Service) lifecycleStep(ctx context.Context, j *Job, day time.Time) error {
	v, err := s.background(ctx, j.Name)
	if err != nil {
		return err
	}
	if v.bucket.ID != j.Bucket {
		return ErrNoBucket
	}
	if _, err := s.instance(ctx, &v.bucket); err != nil {
		return err
	}
	var at lifecycleCursor
	if j.Cursor != "" {
		if err := json.Unmarshal([]byte(j.Cursor), &at); err != nil {
			return fmt.Errorf("reading the cursor of job %s: %w", j.ID, err)
		}
	}
	step := s.judgeVersions
	if at.Uploads {
		step = s.judgeUploads
	}
	if at, err = step(ctx, v, j, at, day); err != nil || j.State != JobRunning {
		return err
	}
	text, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("encoding the cursor of job %s: %w", j.ID, err)
	}
	j.Cursor = string(text)
	return nil
}
