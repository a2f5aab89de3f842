package objects

import (
	"context"
)

// RefuseDelete returns ErrInUse while an instance has buckets.
func (s *Service) RefuseDelete(ctx context.Context, id InstanceID) error {
	panic("objects: not built")
}

// DestroyInstance removes all buckets of an instance with everything in them.
func (s *Service) DestroyInstance(ctx context.Context, id InstanceID) error {
	panic("objects: not built")
}

// Reconcile finishes or undoes what a crash has interrupted: buckets that are being created or deleted.
func (s *Service) Reconcile(ctx context.Context) error {
	panic("objects: not built")
}
