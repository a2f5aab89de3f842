package objects

import (
	"context"
)

// RunLifecycle applies the lifecycle rules of all buckets that are due, once after each midnight UTC.
func (s *Service) RunLifecycle(ctx context.Context) error {
	panic("objects: not built")
}
