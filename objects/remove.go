package objects

import (
	"context"

	"strongroom/iam"
)

// Remove deletes an object: it adds a marker in a versioned bucket, and removes a version that is named for good.
// That there is nothing is no failure.
func (s *Service) Remove(ctx context.Context, who iam.Caller, r Remove) (Removed, error) {
	panic("objects: not built")
}

// RemoveMany is Remove for up to MaxPage objects of one bucket, each decided by itself; Err of each says how it went.
func (s *Service) RemoveMany(ctx context.Context, who iam.Caller, bucket string, list []Remove) ([]Removed, error) {
	panic("objects: not built")
}
