package objects

import (
	"context"
	"errors"
	"fmt"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// DeleteBucket removes an empty bucket and its registration.
func (s *Service) DeleteBucket(ctx context.Context, who iam.Caller, name string) error {
	return s.visit(ctx, who, name, operation{action: ActionDeleteBucket, change: true, act: func(v *visit) error {
		leave, err := s.acts.enter(ctx, string(v.bucket.ID))
		if err != nil {
			return err
		}
		defer leave()
		b, err := s.hide(ctx, v)
		if err != nil {
			return err
		}
		// What has begun goes on when the client goes away.
		ctx := context.WithoutCancel(ctx)
		if err := s.clear(ctx, who, b, v.event); err != nil {
			return errors.Join(err, s.reveal(ctx, who, b))
		}
		return nil
	}})
}

// hide marks an empty bucket as being deleted: from then on nobody sees it, and nothing is put into it.
func (s *Service) hide(ctx context.Context, v *visit) (b Bucket, err error) {
	err = decidedAnew(func() error {
		if b, err = s.fresh(ctx, v); err != nil {
			return err
		}
		u, err := s.Usage(ctx, b)
		if err != nil {
			return err
		}
		if !u.empty() {
			return ErrNotEmpty
		}
		b.State, b.Updated = BucketDeleting, v.now
		if err := s.Store.UpdateBucket(ctx, b, nil); err != nil {
			return raced(fmt.Errorf("storing bucket %q: %w", b.Name, err))
		}
		b.Revision++
		return nil
	})
	return b, err
}

// clear takes the registrations of a hidden bucket back and removes it, or keeps the row for as long as
// its name is to stay reserved. It commits the event.
func (s *Service) clear(ctx context.Context, who iam.Caller, b Bucket, ev *audit.Event) error {
	if err := s.unregisterAll(ctx, who, &b); err != nil {
		return err
	}
	if s.NameWait <= 0 {
		if err := s.Store.RemoveBucket(ctx, b, ev); err != nil {
			return fmt.Errorf("removing bucket %q: %w", b.Name, err)
		}
		return nil
	}
	u, err := s.Usage(ctx, b)
	if err != nil {
		return err
	}
	if !u.empty() {
		return ErrNotEmpty // a write that was under way has come to its end
	}
	if err := s.Store.UpdateBucket(ctx, b, ev); err != nil {
		return fmt.Errorf("storing bucket %q: %w", b.Name, err)
	}
	return nil
}

// reveal brings a hidden bucket back, which could not be removed.
func (s *Service) reveal(ctx context.Context, who iam.Caller, b Bucket) error {
	// Without the key service the bucket comes back all the same, and the follower of rotations
	// registers it again.
	if err := s.registerAll(ctx, who, &b); err != nil {
		s.Logger.WarnContext(ctx, "a bucket that could not be deleted could not be registered again", "bucket", b.Name, "error", err)
	}
	b.State = BucketActive
	if err := s.Store.UpdateBucket(ctx, b, nil); err != nil {
		return fmt.Errorf("storing bucket %q: %w", b.Name, err)
	}
	return nil
}

// settle finishes what a crash has interrupted on a bucket: one that was being made is undone, as nobody
// was told that it exists, and one that was being deleted is removed. An act that another server is at
// fails, as what it writes next has another revision by then.
func (s *Service) settle(ctx context.Context, id BucketID) error {
	leave, err := s.acts.enter(ctx, string(id))
	if err != nil {
		return err
	}
	defer leave()
	return s.discard(ctx, id)
}

// discard is settle for who works on the bucket.
func (s *Service) discard(ctx context.Context, id BucketID) error {
	b, err := s.Store.BucketByID(ctx, id)
	switch {
	case fault.KindOf(err) == fault.NotFound, err == nil && b.State == BucketActive:
		return nil
	case err != nil:
		return fmt.Errorf("reading bucket %s: %w", id, err)
	}
	who, reserved := iam.ServerCaller(b.Account), b.State == BucketDeleting && s.Now().Before(b.Updated.Add(s.NameWait))
	unseen := b.State == BucketCreating
	if unseen {
		b.State = BucketDeleting // or its maker could still let it be seen when the registrations are gone
		if err := s.Store.UpdateBucket(ctx, b, nil); err != nil {
			return fmt.Errorf("storing bucket %q: %w", b.Name, err)
		}
		b.Revision++
	}
	if reserved {
		return nil
	}
	if err := s.unregisterAll(ctx, who, &b); err != nil {
		return err
	}
	if unseen {
		err = s.Store.RemoveBucket(ctx, b, nil)
	} else {
		err = s.removeByItself(ctx, who, b)
	}
	if errors.Is(err, ErrNotEmpty) {
		return s.reveal(ctx, who, b)
	}
	if err != nil {
		return fmt.Errorf("removing bucket %q: %w", b.Name, err)
	}
	return nil
}

// removeByItself removes a hidden bucket, and records that the server did: who asked for it has not been
// answered.
func (s *Service) removeByItself(ctx context.Context, who iam.Caller, b Bucket) error {
	action := recordedAs(ActionDeleteBucket)
	ev := who.Event(action, audit.Target{ID: b.CRN().String(), Name: b.Name, TypeURI: typeURI(action)})
	ev.LogSourceCRN = b.instanceCRN().String()
	on := iam.Object{Account: b.Account, Service: crn.ObjectStorage, Instance: string(b.Instance), Type: "bucket", Resource: b.Name}
	door := s.door
	door.Decide = ownWork{}
	return door.Change(ctx, who, ActionDeleteBucket, on, ev, func() error { return s.Store.RemoveBucket(ctx, b, ev) })
}

// ownWork allows what the server does by itself.
type ownWork struct{}

// Allow implements iam.Decider.
func (ownWork) Allow(context.Context, iam.Caller, iam.Action, iam.Object) error { return nil }
