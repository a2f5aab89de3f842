package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// CreateBucket makes a bucket, with its wrapped key and the registration at the key service, or nothing.
//
// A bucket under a customer's root key is a row in state creating first, which nobody sees, so that a
// crash leaves something to undo by; what is registered is in force before the bucket can be seen.
func (s *Service) CreateBucket(ctx context.Context, who iam.Caller, n NewBucket) (b Bucket, err error) {
	v, in := s.approachInstance(ctx, who, n.Instance, ActionCreateBucket, n.Name)
	err = s.pass(ctx, v, operation{action: ActionCreateBucket, change: true, act: func(v *visit) error {
		if err := s.checkNew(&n); err != nil {
			return err
		}
		// One at a time in an instance, or they would pass the limit together.
		leave, err := s.acts.enter(ctx, "instance "+string(in.ID))
		if err != nil {
			return err
		}
		defer leave()
		if err := s.checkRoom(ctx, in.ID); err != nil {
			return err
		}
		b, err = s.create(ctx, v, in, n)
		return err
	}})
	return b, err
}

// checkNew checks what a request says of a new bucket, and adds what it does not say.
func (s *Service) checkNew(n *NewBucket) error {
	n.Location = s.locate(n.Location)
	if err := checkBucketName(n.Name, s.StrictNames); err != nil {
		return err
	}
	if err := checkLocation(n.Location); err != nil {
		return err
	}
	return n.ACL.allowedBy(nil)
}

// checkRoom refuses another bucket in an instance that has as many as it can have.
func (s *Service) checkRoom(ctx context.Context, id InstanceID) error {
	n, err := s.Store.CountBuckets(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("counting the buckets of instance %s: %w", id, err)
	case n >= cmp.Or(s.MaxBuckets, defaultMaxBuckets):
		return ErrTooMany
	}
	return nil
}

// create makes the bucket and commits the event of the visit.
func (s *Service) create(ctx context.Context, v *visit, in Instance, n NewBucket) (Bucket, error) {
	if err := s.checkName(ctx, n); err != nil {
		return Bucket{}, err
	}
	b := Bucket{
		ID: BucketID(uuid.NewString()), Name: n.Name, Instance: in.ID, Account: in.Account,
		Location: n.Location, Profile: s.profileFor(n.Location), State: BucketActive,
		Created: v.now, Updated: v.now, Config: Config{ACL: n.ACL},
	}
	if n.Lock {
		b.Versioning, b.Lock = VersioningEnabled, &LockConfig{}
	}
	root, alias, err := s.rootNamed(ctx, v.who, &b, nil, n.Root)
	if err != nil {
		return Bucket{}, unknownRoot(err)
	}
	k, err := s.newKey(ctx, v.who, &b, root)
	if err != nil {
		return Bucket{}, unknownRoot(err)
	}
	k.Alias, b.Key = alias, k.ID
	v.event.Target.ID = b.CRN().String()
	v.respond("bucketLocation", b.Location)
	if root == (crn.CRN{}) {
		return s.createAtOnce(ctx, v, b, k)
	}
	v.request("rootKey", root.String())
	return s.createRegistered(ctx, v, b, k)
}

// unknownRoot says of a root key that may not be used by the instance what is said of one that does not
// exist: who makes a bucket has no rights on keys to see the difference (cos-api.md, section 20.3).
func unknownRoot(err error) error {
	if errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrRootDeleted) {
		return ErrRootUnknown
	}
	if errors.Is(err, ErrRootDisabled) {
		return ErrRootUnusable
	}
	return err
}

// profileFor returns the name of the profile by which the objects of a location are dispersed.
func (s *Service) profileFor(location string) string {
	if name := s.Select(location); name != "" {
		return name
	}
	return s.Profiles[0].Name
}

// checkName refuses a name that is taken. What a crash has left under it is cleared away first.
func (s *Service) checkName(ctx context.Context, n NewBucket) error {
	other, err := s.Store.Bucket(ctx, n.Name)
	if err == nil && other.State != BucketActive && !s.acts.busy(string(other.ID)) {
		if err := s.settle(ctx, other.ID); err != nil {
			return err
		}
		other, err = s.Store.Bucket(ctx, n.Name)
	}
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("looking for bucket %q: %w", n.Name, err)
	case other.State == BucketActive && other.Instance == n.Instance:
		return ErrBucketYours
	}
	return ErrBucketTaken
}

// createAtOnce stores a bucket under the provider's root key, which nobody has to be told of.
func (s *Service) createAtOnce(ctx context.Context, v *visit, b Bucket, k BucketKey) (Bucket, error) {
	if err := s.Store.CreateBucket(ctx, b, k, v.event); err != nil {
		return Bucket{}, fmt.Errorf("storing bucket %q: %w", b.Name, err)
	}
	return s.Store.BucketByID(ctx, b.ID)
}

// createRegistered stores a bucket unseen, registers it, and lets it be seen; or it undoes all that.
func (s *Service) createRegistered(ctx context.Context, v *visit, b Bucket, k BucketKey) (Bucket, error) {
	leave, err := s.acts.enter(ctx, string(b.ID))
	if err != nil {
		return Bucket{}, err
	}
	defer leave()
	b.State = BucketCreating
	if err := s.Store.CreateBucket(ctx, b, k, nil); err != nil {
		return Bucket{}, fmt.Errorf("storing bucket %q: %w", b.Name, err)
	}
	if b, err = s.publish(ctx, v, b, k); err == nil {
		return b, nil
	}
	if undo := s.discard(context.WithoutCancel(ctx), b.ID); undo != nil {
		s.Logger.WarnContext(ctx, "a bucket that could not be made stays to be cleared away", "bucket", b.Name, "error", undo)
	}
	return Bucket{}, unknownRoot(err)
}

// publish registers an unseen bucket and lets it be seen. It returns the bucket as far as it is known
// also with a failure.
func (s *Service) publish(ctx context.Context, v *visit, b Bucket, k BucketKey) (Bucket, error) {
	stored, err := s.Store.BucketByID(ctx, b.ID)
	if err != nil {
		return b, fmt.Errorf("reading bucket %q: %w", b.Name, err)
	}
	if err := s.register(ctx, v.who, &stored, k); err != nil {
		return b, err
	}
	stored.State = BucketActive
	if err := s.Store.UpdateBucket(ctx, stored, v.event); err != nil {
		return b, fmt.Errorf("storing bucket %q: %w", b.Name, err)
	}
	stored.Revision++
	return stored, nil
}
