package objects

import (
	"context"

	"strongroom/iam"
)

// List lists objects or versions.
func (s *Service) List(ctx context.Context, who iam.Caller, l List) (Listing, error) {
	panic("objects: not built")
}
