package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

const (
	bucketsAtOnce = 500       // of a page of all buckets
	rewrapAgain   = time.Hour // after a rewrap that was started by itself has failed
)

// rootUse is a root key as one instance uses it.
type rootUse struct{ instance, root crn.CRN }

// FollowRotations starts a rewrap for each bucket with a key whose root key was rotated, and from
// time to time tells the key service how much data depends on which version. It is one round, to be
// repeated every few seconds: it asks for each root key in use, and reads nothing of the store unless
// one has another version now, a bucket has changed, or it is time to look at all of them.
func (s *Service) FollowRotations(ctx context.Context) error {
	f := s.following
	f.turn.Lock()
	defer f.turn.Unlock()
	now := s.Now()
	report := s.census.due(now)
	changed, all := f.take(now)
	var err error
	if s.rotated(ctx, f.newest) || all || report {
		if err = s.followAll(ctx, report); err == nil {
			f.looked(now)
		}
	} else {
		err = s.followChanged(ctx, changed)
	}
	if err != nil {
		f.lookAgain() // what has changed is not remembered any more
	}
	return err
}

// rotated asks for the versions of root keys, notes them, and reports whether one has another now. It
// stops at none, so that what cannot be used now is seen to have come back.
func (s *Service) rotated(ctx context.Context, newest map[rootUse]string) (rotated bool) {
	for of, was := range newest {
		is, _ := s.RootKeys.Version(ctx, of.instance, of.root) // why not, who uses the bucket hears
		newest[of] = is
		rotated = rotated || is != "" && is != was
	}
	return rotated
}

// followAll looks at all buckets, page by page with their keys.
func (s *Service) followAll(ctx context.Context, report bool) error {
	r := rotations{newest: map[rootUse]string{}, usage: map[wrappedData]amount{}, count: report}
	for after := BucketID(""); ; {
		page, err := s.Store.BucketsAfter(ctx, after, bucketsAtOnce)
		if err != nil {
			return fmt.Errorf("reading buckets: %w", err)
		}
		if len(page) == 0 {
			break
		}
		keys, err := s.Store.KeysOfBuckets(ctx, page[0].ID, page[len(page)-1].ID)
		if err != nil {
			return fmt.Errorf("reading the keys of buckets: %w", err)
		}
		of := map[BucketID][]BucketKey{}
		for _, k := range keys {
			of[k.Bucket] = append(of[k.Bucket], k)
		}
		for i := range page {
			after = page[i].ID
			if err := s.followBucket(ctx, &page[i], of[after], &r); err != nil {
				return err
			}
		}
		if len(page) < bucketsAtOnce {
			break
		}
	}
	s.following.newest = r.newest
	if report {
		s.tellUsage(ctx, r.usage)
	}
	return nil
}

// followChanged looks at some buckets, by their names.
func (s *Service) followChanged(ctx context.Context, names map[string]bool) error {
	r := rotations{newest: s.following.newest}
	for name := range names {
		b, err := s.Store.Bucket(ctx, name)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading bucket %q: %w", name, err)
		}
		keys, err := s.Store.BucketKeys(ctx, b.ID)
		if err != nil {
			return fmt.Errorf("reading the keys of bucket %q: %w", name, err)
		}
		if err := s.followBucket(ctx, &b, keys, &r); err != nil {
			return err
		}
	}
	return nil
}

// rotations is one round of looking for root keys that were rotated.
type rotations struct {
	newest map[rootUse]string     // version of each root key; empty if it cannot be used now
	busy   map[BucketID]bool      // keys are being changed by a job; nil until somebody asks
	count  bool                   // fill usage
	usage  map[wrappedData]amount // of customers' root keys
}

// followBucket starts a rewrap of a bucket if one of its root keys was rotated, and counts what
// depends on them if asked to. Root keys that cannot be used now are looked at when they can.
func (s *Service) followBucket(ctx context.Context, b *Bucket, keys []BucketKey, r *rotations) error {
	if b.State != BucketActive {
		return nil
	}
	instance, err := s.instance(ctx, b)
	if fault.KindOf(err) == fault.NotFound {
		return nil // deleted, and may be restored
	}
	if err != nil {
		return err
	}
	rotated := false
	for _, k := range keys {
		if k.Pending {
			continue
		}
		if r.count {
			if err := s.countUsage(ctx, b, instance, k, r.usage); err != nil {
				return err
			}
		}
		of := rootUse{instance, s.rootOf(k)}
		version, known := r.newest[of]
		if !known {
			version, _ = s.RootKeys.Version(ctx, instance, of.root) // as in rotated
			r.newest[of] = version
		}
		rotated = rotated || version != "" && version != k.Wrapped.Version
	}
	if !rotated {
		return nil
	}
	busy, err := s.changingKeys(ctx, r, b.ID)
	if err != nil {
		return err
	}
	if busy {
		s.following.note(b.Name) // the job may have begun by the version before
		return nil
	}
	return s.rewrapByItself(ctx, b)
}

// changingKeys reports whether a job changes the keys of a bucket.
func (s *Service) changingKeys(ctx context.Context, r *rotations, id BucketID) (bool, error) {
	if r.busy == nil {
		running, err := s.Store.RunningJobs(ctx)
		if err != nil {
			return false, fmt.Errorf("reading the jobs that run: %w", err)
		}
		r.busy = map[BucketID]bool{}
		for _, j := range running {
			r.busy[j.Bucket] = r.busy[j.Bucket] || j.Kind == JobRewrap || j.Kind == JobRekey
		}
	}
	return r.busy[id], nil
}

// rewrapByItself starts a rewrap that nobody asked for, unless the one before has failed lately. It
// is recorded as the server's own.
func (s *Service) rewrapByItself(ctx context.Context, b *Bucket) error {
	before, err := s.Store.Jobs(ctx, b.ID, shownJobs)
	if err != nil {
		return fmt.Errorf("reading the jobs of bucket %q: %w", b.Name, err)
	}
	i := slices.IndexFunc(before, func(j Job) bool { return j.Kind == JobRewrap && j.By == "" })
	if i >= 0 && before[i].State == JobFailed && s.Now().Before(before[i].Updated.Add(rewrapAgain)) {
		return nil
	}
	v, err := s.background(ctx, b.Name)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return nil // it is being deleted
	case err != nil:
		return err
	}
	v.event = v.who.Event(ActionBucketRewrap, audit.Target{
		ID: b.CRN().String(), TypeURI: typeURI(ActionBucketRewrap), Name: b.Name,
	})
	v.event.LogSourceCRN = b.instanceCRN().String()
	v.object = iam.Object{
		Account: b.Account, Service: crn.ObjectStorage, Instance: string(b.Instance), Type: "bucket", Resource: b.Name,
	}
	door := s.door
	door.Decide = deciderFunc(func(context.Context, iam.Caller, iam.Action, iam.Object) error { return nil })
	err = door.Change(ctx, v.who, ActionBucketRewrap, v.object, v.event, func() error {
		return s.addJob(ctx, v, &Job{Kind: JobRewrap})
	})
	if errors.Is(err, ErrBusy) {
		return nil // one was started meanwhile
	}
	return err
}
