package objects

import (
	"context"
	"errors"
	"fmt"

	"strongroom/fault"
	"strongroom/iam"
)

const (
	// emptied is how many rows of a bucket are removed in one transaction.
	emptied = 1000
	// scanned is how many buckets are read at a time by work on all of them.
	scanned = 100
)

// RefuseDelete returns ErrInUse while an instance has buckets. One that is being made counts.
func (s *Service) RefuseDelete(ctx context.Context, id InstanceID) error {
	n, err := s.Store.CountBuckets(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("counting the buckets of instance %s: %w", id, err)
	case n > 0:
		return ErrInUse
	}
	return nil
}

// DestroyInstance removes all buckets of an instance with everything in them. It is a step of the
// reclamation of the instance, which has been decided and recorded, and may be repeated.
func (s *Service) DestroyInstance(ctx context.Context, id InstanceID) error {
	return s.eachBucket(ctx, func(b Bucket) error {
		if b.Instance != id {
			return nil
		}
		return s.destroy(ctx, b.ID)
	})
}

// destroy removes a bucket with everything in it. Its keys go last, with the row: what a crash leaves
// is found again.
func (s *Service) destroy(ctx context.Context, id BucketID) error {
	leave, err := s.acts.enter(ctx, string(id))
	if err != nil {
		return err
	}
	defer leave()
	b, err := s.Store.BucketByID(ctx, id)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("reading bucket %s: %w", id, err)
	}
	if b.State != BucketDeleting {
		b.State, b.Updated = BucketDeleting, s.Now()
		if err := s.Store.UpdateBucket(ctx, b, nil); err != nil {
			return fmt.Errorf("storing bucket %q: %w", b.Name, err)
		}
		b.Revision++
	}
	for more := true; more; {
		if more, err = s.Store.EmptyBucket(ctx, id, emptied); err != nil {
			return fmt.Errorf("emptying bucket %q: %w", b.Name, err)
		}
		s.Blobs.Wake()
	}
	if err := s.unregisterAll(ctx, iam.ServerCaller(b.Account), &b); err != nil {
		return err
	}
	if err := s.Store.RemoveBucket(ctx, b, nil); err != nil {
		return fmt.Errorf("removing bucket %q: %w", b.Name, err)
	}
	return nil
}

// Reconcile finishes or undoes what a crash has interrupted: buckets that are being created or deleted.
// What this process is at is left alone. One bucket that cannot be settled does not keep others from it,
// and one whose root key cannot be asked about waits for another time.
func (s *Service) Reconcile(ctx context.Context) error {
	var failed error
	err := s.eachBucket(ctx, func(b Bucket) error {
		if b.State == BucketActive || s.acts.busy(string(b.ID)) {
			return nil
		}
		switch err := s.settle(ctx, b.ID); {
		case err == nil, fault.KindOf(err) == fault.Stale: // another server is at it
		case keyUnavailable(err):
			s.Logger.WarnContext(ctx, "a bucket waits for its root key to be settled", "bucket", b.Name, "state", b.State, "error", err)
		default:
			failed = errors.Join(failed, err)
		}
		return ctx.Err()
	})
	return errors.Join(failed, err)
}

// eachBucket calls do with the buckets of all instances, in any state.
func (s *Service) eachBucket(ctx context.Context, do func(Bucket) error) error {
	for after := BucketID(""); ; {
		page, err := s.Store.BucketsAfter(ctx, after, scanned)
		if err != nil {
			return fmt.Errorf("reading buckets: %w", err)
		}
		for _, b := range page {
			if err := do(b); err != nil {
				return err
			}
		}
		if len(page) < scanned {
			return nil
		}
		after = page[len(page)-1].ID
	}
}
