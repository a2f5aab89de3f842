package objects

import (
	"context"

	"strongroom/iam"
)

// StartRewrap, StartRekey and StartVerify begin a background job on a bucket.
func (s *Service) StartRewrap(ctx context.Context, who iam.Caller, bucket string) (Job, error) {
	panic("objects: not built")
}

// StartRekey moves a bucket to the root key that root names, or to the provider's if it is empty.
func (s *Service) StartRekey(ctx context.Context, who iam.Caller, bucket, root string, reencrypt bool) (Job, error) {
	panic("objects: not built")
}

// StartVerify verifies a sample of the objects of a bucket, or all if sample is 0.
func (s *Service) StartVerify(ctx context.Context, who iam.Caller, bucket string, sample int) (Job, error) {
	panic("objects: not built")
}

// Job returns a job of a bucket; Jobs lists the newest.
func (s *Service) Job(ctx context.Context, who iam.Caller, bucket, id string) (Job, error) {
	panic("objects: not built")
}

// Jobs lists the jobs of a bucket, the newest first.
func (s *Service) Jobs(ctx context.Context, who iam.Caller, bucket string) ([]Job, error) {
	panic("objects: not built")
}

// RunJobs goes on with the jobs that run, until ctx ends; it wakes when one is started.
func (s *Service) RunJobs(ctx context.Context) error {
	panic("objects: not built")
}

// FollowRotations starts a rewrap for each bucket key whose root key was rotated, and reports usage to the key service.
func (s *Service) FollowRotations(ctx context.Context) error {
	panic("objects: not built")
}

// Forget removes what is kept of completed uploads and old jobs.
func (s *Service) Forget(ctx context.Context) error {
	panic("objects: not built")
}
