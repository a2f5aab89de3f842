package objects

import (
	"context"

	"strongroom/iam"
)

// Get finds an object to be read. The caller of Get closes the content. With some failures comes a
// Content that cannot be read, for what answers have to say all the same: with ErrNoObject where the
// newest version is a delete marker, and with ErrDeleteMarker, its Marker, Version and Modified; with
// ErrNotModified the Object; with ErrRange its Size.
func (s *Service) Get(ctx context.Context, who iam.Caller, r Read) (*Content, error) {
	panic("objects: not built")
}

// Head is Get without the content. It succeeds while the key of the bucket cannot be used, with an opaque ETag.
func (s *Service) Head(ctx context.Context, who iam.Caller, r Read) (*Content, error) {
	panic("objects: not built")
}
