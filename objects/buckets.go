package objects

import (
	"context"

	"strongroom/iam"
)

// Buckets lists the buckets of an instance.
func (s *Service) Buckets(ctx context.Context, who iam.Caller, l ListBuckets) (page []Bucket, more bool, err error) {
	panic("objects: not built")
}

// CreateBucket makes a bucket, with its wrapped key and the registration at the key service, or nothing.
func (s *Service) CreateBucket(ctx context.Context, who iam.Caller, n NewBucket) (Bucket, error) {
	panic("objects: not built")
}

// Bucket returns a bucket for reading what the action names: its head, location, one of its configurations.
func (s *Service) Bucket(ctx context.Context, who iam.Caller, action iam.Action, name string) (BucketView, error) {
	panic("objects: not built")
}

// Configure changes the configuration of a bucket, under the action of that change.
func (s *Service) Configure(ctx context.Context, who iam.Caller, action iam.Action, name string, change Change) (Bucket, error) {
	panic("objects: not built")
}

// DeleteBucket removes an empty bucket and its registration.
func (s *Service) DeleteBucket(ctx context.Context, who iam.Caller, name string) error {
	panic("objects: not built")
}

// Usage counts what a bucket holds; it is for callers that Bucket has let through.
func (s *Service) Usage(ctx context.Context, b Bucket) (Usage, error) {
	panic("objects: not built")
}

// Refuse records and returns the failure of a request that could not be understood, unless its caller may not even try.
func (s *Service) Refuse(ctx context.Context, who iam.Caller, action iam.Action, bucket, key string, cause error) error {
	panic("objects: not built")
}

// CORS returns the rules of a bucket for a preflight, which needs no caller; none if there is no such bucket.
func (s *Service) CORS(ctx context.Context, bucket string) ([]CORSRule, error) {
	panic("objects: not built")
}

// Site returns the website configuration of a bucket to who serves it to anybody; ErrNoConfig or ErrNoBucket without.
func (s *Service) Site(ctx context.Context, bucket string) (Website, error) {
	panic("objects: not built")
}
