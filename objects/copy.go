package objects

import (
	"context"

	"strongroom/iam"
)

// Copy writes an object from another, which may have other keys and belong to another instance.
func (s *Service) Copy(ctx context.Context, who iam.Caller, c Copy) (Copied, error) {
	panic("objects: not built")
}
