package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"strongroom/fault"
	"strongroom/iam"
)

const (
	maxFindings = 100              // of a job
	shownJobs   = 100              // of a list
	jobsAtOnce  = 4                // that work at the same time in this process
	jobsEvery   = 10 * time.Second // how often jobs that wait are tried again
	jobsKept    = 30 * 24 * time.Hour
	uploadsKept = 24 * time.Hour // after their completion, so that completing twice succeeds
)

// works knows which jobs are worked on in this process.
type works struct {
	wake chan struct{} // holds a token after a job was started

	mu     sync.Mutex
	active map[string]bool // by ID; guarded by mu
}

func newWorks() *works { return &works{wake: make(chan struct{}, 1), active: map[string]bool{}} }

// take reports whether a job is nobody's, and makes it the caller's until give.
func (w *works) take(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.active[id] || len(w.active) >= jobsAtOnce {
		return false
	}
	w.active[id] = true
	return true
}

func (w *works) give(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.active, id)
}

// started tells RunJobs that there is more to do.
func (w *works) started() {
	select {
	case w.wake <- struct{}{}:
	default: // it has been told and has not looked yet
	}
}

// StartRewrap has the keys of a bucket wrapped by the newest versions of their root keys, in the
// background. That is also done by itself when a root key was rotated.
func (s *Service) StartRewrap(ctx context.Context, who iam.Caller, bucket string) (Job, error) {
	return s.startJob(ctx, who, bucket, ActionBucketRewrap, func(*visit) (Job, error) {
		return Job{Kind: JobRewrap}, nil
	})
}

// startJob passes the door with the beginning of a job, which plan describes.
func (s *Service) startJob(ctx context.Context, who iam.Caller, bucket string, action iam.Action, plan func(*visit) (Job, error)) (Job, error) {
	var j Job
	err := s.visit(ctx, who, bucket, operation{action: action, change: true, act: func(v *visit) (err error) {
		if j, err = plan(v); err != nil {
			return err
		}
		j.By = string(who.Identity)
		return s.addJob(ctx, v, &j)
	}})
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// addJob stores a new job on the bucket of a visit, with its event.
func (s *Service) addJob(ctx context.Context, v *visit, j *Job) error {
	j.ID, j.State, j.Revision = uuid.NewString(), JobRunning, 1
	j.Bucket, j.Name = v.bucket.ID, v.bucket.Name
	j.Created, j.Updated = v.now, v.now
	v.respond("jobId", j.ID)
	if err := s.Store.CreateJob(ctx, *j, v.event); err != nil {
		return err
	}
	s.works.started()
	return nil
}

// Job returns a job of a bucket; Jobs lists the newest.
func (s *Service) Job(ctx context.Context, who iam.Caller, bucket, id string) (Job, error) {
	var j Job
	err := s.visit(ctx, who, bucket, operation{action: ActionBucketGetJobs, act: func(v *visit) (err error) {
		j, err = s.Store.Job(ctx, id)
		switch {
		case fault.KindOf(err) == fault.NotFound || err == nil && j.Bucket != v.bucket.ID:
			return ErrNoJob
		case err != nil:
			return fmt.Errorf("reading a job of bucket %q: %w", v.bucket.Name, err)
		}
		return nil
	}})
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// Jobs lists the jobs of a bucket, the newest first, at most 100.
func (s *Service) Jobs(ctx context.Context, who iam.Caller, bucket string) ([]Job, error) {
	var list []Job
	err := s.visit(ctx, who, bucket, operation{action: ActionBucketGetJobs, act: func(v *visit) (err error) {
		if list, err = s.Store.Jobs(ctx, v.bucket.ID, shownJobs); err != nil {
			return fmt.Errorf("reading the jobs of bucket %q: %w", v.bucket.Name, err)
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// RunJobs goes on with the jobs that run, until ctx ends; it wakes when one is started.
func (s *Service) RunJobs(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	t := time.NewTicker(jobsEvery)
	defer t.Stop()
	for {
		running, err := s.Store.RunningJobs(ctx)
		if err != nil {
			return fmt.Errorf("reading the jobs that run: %w", err)
		}
		for _, j := range running {
			if s.works.take(j.ID) {
				working.Go(func() {
					if s.work(ctx, j) {
						s.works.started() // another may have its place
					}
				})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.works.wake:
		case <-t.C:
		}
	}
}

// WorkJobs goes on with each of the jobs that run now, one after the other, until it is at its end
// or has to wait.
func (s *Service) WorkJobs(ctx context.Context) error {
	running, err := s.Store.RunningJobs(ctx)
	if err != nil {
		return fmt.Errorf("reading the jobs that run: %w", err)
	}
	for _, j := range running {
		if s.works.take(j.ID) {
			s.work(ctx, j)
		}
	}
	return nil
}

// work goes on with a job that was taken, and reports whether it has come to its end. A job that
// cannot go on at the moment stays as it is.
func (s *Service) work(ctx context.Context, j Job) (ended bool) {
	defer s.works.give(j.ID)
	var err error
	switch j.Kind {
	case JobRewrap:
		err = s.rewrap(ctx, &j)
	case JobRekey:
		err = s.rekey(ctx, &j)
	case JobVerify:
		err = s.verify(ctx, &j)
	case JobLifecycle:
		return false // RunLifecycle is who works on it
	default:
		err = fmt.Errorf("there is no work called %q", j.Kind)
	}
	switch {
	case err == nil:
		j.State = JobDone
	case ctx.Err() != nil:
		return false
	case passes(err):
		s.Logger.WarnContext(ctx, "a job on a bucket waits", "job", j.ID, "kind", j.Kind, "bucket", j.Name, "error", err)
		return false
	default:
		j.State = JobFailed
		j.find(explained(err))
		s.Logger.ErrorContext(ctx, "a job on a bucket failed", "job", j.ID, "kind", j.Kind, "bucket", j.Name, "error", err)
	}
	if err := s.saveJob(ctx, &j); err != nil {
		s.Logger.WarnContext(ctx, "the end of a job is not written yet", "job", j.ID, "error", err)
		return false
	}
	return true
}

// passes reports whether a failure is of the moment, so that the job can go on later from where it is.
func passes(err error) bool {
	if errors.Is(err, ErrRootUnreadable) || errors.Is(err, ErrDamaged) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable, fault.Stale:
		return true
	}
	return errors.Is(err, ErrBusy)
}

// explained is what the owner of a bucket may hear of a failure.
func explained(err error) string {
	if text, ok := fault.Explain(err); ok {
		return text
	}
	return "internal error; the log of the server has the details"
}

// find adds a finding, unless it was found before or there are too many.
func (j *Job) find(text string) {
	if len(j.Findings) < maxFindings && !slices.Contains(j.Findings, text) {
		j.Findings = append(j.Findings, text)
	}
}

// saveJob stores how far a job has come.
func (s *Service) saveJob(ctx context.Context, j *Job) error {
	j.Updated = s.Now()
	if err := s.Store.UpdateJob(ctx, *j); err != nil {
		return fmt.Errorf("storing a job on bucket %q: %w", j.Name, err)
	}
	j.Revision++
	return nil
}

// requester is on whose behalf a job uses root keys: who asked for it, or the server.
func (j *Job) requester(b *Bucket) iam.Caller {
	if j.By == "" {
		return iam.ServerCaller(b.Account)
	}
	return iam.Caller{Identity: iam.IdentityID(j.By), Kind: iam.KindOf(iam.IdentityID(j.By)), Account: b.Account}
}

// bucketOf returns the bucket of a job, if it is there for its users.
func (s *Service) bucketOf(ctx context.Context, j *Job) (Bucket, error) {
	b, err := s.Store.BucketByID(ctx, j.Bucket)
	switch {
	case fault.KindOf(err) == fault.NotFound || err == nil && b.State != BucketActive:
		return Bucket{}, ErrNoBucket
	case err != nil:
		return Bucket{}, fmt.Errorf("reading bucket %q: %w", j.Name, err)
	}
	return b, nil
}

// Forget removes what is kept of completed uploads and old jobs.
func (s *Service) Forget(ctx context.Context) error {
	now := s.Now()
	if err := s.Store.ForgetUploads(ctx, now.Add(-uploadsKept)); err != nil {
		return fmt.Errorf("forgetting completed uploads: %w", err)
	}
	if err := s.Store.ForgetJobs(ctx, now.Add(-jobsKept)); err != nil {
		return fmt.Errorf("forgetting old jobs: %w", err)
	}
	return nil
}
