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
// repeated every few seconds: it reads the keys of all buckets, and asks for each root key once.
func (s *Service) FollowRotations(ctx context.Context) error {
	running, err := s.Store.RunningJobs(ctx)
	if err != nil {
		return fmt.Errorf("reading the jobs that run: %w", err)
	}
	r := rotations{newest: map[rootUse]string{}, busy: map[BucketID]bool{}, usage: map[wrappedData]amount{}}
	for _, j := range running {
		r.busy[j.Bucket] = r.busy[j.Bucket] || j.Kind == JobRewrap || j.Kind == JobRekey
	}
	report := s.census.due(s.Now())
	for after := BucketID(""); ; {
		page, err := s.Store.BucketsAfter(ctx, after, bucketsAtOnce)
		if err != nil {
			return fmt.Errorf("reading buckets: %w", err)
		}
		for i := range page {
			after = page[i].ID
			if err := s.followBucket(ctx, &page[i], &r, report); err != nil {
				return err
			}
		}
		if len(page) < bucketsAtOnce {
			break
		}
	}
	if report {
		s.tellUsage(ctx, r.usage)
	}
	return nil
}

// rotations is one round of looking for root keys that were rotated.
type rotations struct {
	newest map[rootUse]string     // version of each root key; empty if it cannot be used now
	busy   map[BucketID]bool      // keys are being changed by a job
	usage  map[wrappedData]amount // of customers' root keys
}

// followBucket starts a rewrap of a bucket if one of its root keys was rotated, and counts what
// depends on them if asked to. Root keys that cannot be used now are looked at again in the next round.
func (s *Service) followBucket(ctx context.Context, b *Bucket, r *rotations, count bool) error {
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
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	rotated := false
	for _, k := range keys {
		if k.Pending {
			continue
		}
		if count {
			if err := s.countUsage(ctx, b, instance, k, r.usage); err != nil {
				return err
			}
		}
		of := rootUse{instance, s.rootOf(k)}
		version, known := r.newest[of]
		if !known {
			version, _ = s.RootKeys.Version(ctx, instance, of.root) // why not, who uses the bucket hears
			r.newest[of] = version
		}
		rotated = rotated || version != "" && version != k.Wrapped.Version
	}
	if !rotated || r.busy[b.ID] {
		return nil
	}
	return s.rewrapByItself(ctx, b)
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
