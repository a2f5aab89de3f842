package objects

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// defaultMaxBuckets is how many buckets an instance can have unless it is set otherwise.
const defaultMaxBuckets = 100

// Buckets lists the buckets of an instance.
func (s *Service) Buckets(ctx context.Context, who iam.Caller, l ListBuckets) (page []Bucket, more bool, err error) {
	v, _ := s.approachInstance(ctx, who, l.Instance, ActionListBuckets, "")
	err = s.pass(ctx, v, operation{action: ActionListBuckets, act: func(v *visit) error {
		if l.Limit < 0 {
			return ErrArgument.On("max-keys", "less than 0")
		}
		limit := l.Limit
		if limit > 0 {
			l.Limit++ // one more tells whether there are more
		}
		if page, err = s.Store.Buckets(ctx, l); err != nil {
			return fmt.Errorf("listing the buckets of instance %s: %w", l.Instance, err)
		}
		if limit > 0 && len(page) > limit {
			page, more = page[:limit], true
		}
		v.respond("buckets", len(page))
		return nil
	}})
	if err != nil {
		return nil, false, err
	}
	return page, more, nil
}

// Bucket returns a bucket for reading what the action names: its head, location, one of its configurations.
func (s *Service) Bucket(ctx context.Context, who iam.Caller, action iam.Action, name string) (BucketView, error) {
	var view BucketView
	err := s.visit(ctx, who, name, operation{
		action: action,
		public: func(v *visit) bool { return action == ActionBucketHead && v.bucket.openToAll(v.bucket.ACL) },
		act: func(v *visit) error {
			view = v.view()
			return nil
		},
	})
	return view, err
}

// view is the bucket of a visit as a reader sees it.
func (v *visit) view() BucketView { return BucketView{Bucket: v.bucket, Root: v.held.root} }

// Usage counts what a bucket holds; it is for callers that Bucket has let through.
func (s *Service) Usage(ctx context.Context, b Bucket) (Usage, error) {
	u, err := s.Store.Usage(ctx, b.ID)
	if err != nil {
		return Usage{}, fmt.Errorf("counting what bucket %q holds: %w", b.Name, err)
	}
	return u, nil
}

// Configure changes the configuration of a bucket, under the action of that change.
func (s *Service) Configure(ctx context.Context, who iam.Caller, action iam.Action, name string, change Change) (b Bucket, err error) {
	err = s.visit(ctx, who, name, operation{action: action, change: true, act: func(v *visit) error {
		b, err = s.reconfigure(ctx, v, change)
		return err
	}})
	return b, err
}

// reconfigure stores a change with the event of the visit, anew when somebody else was first.
func (s *Service) reconfigure(ctx context.Context, v *visit, change Change) (b Bucket, err error) {
	err = decidedAnew(func() error {
		was, err := s.fresh(ctx, v)
		if err != nil {
			return err
		}
		b = was
		if err := change(&b, v.now); err != nil {
			return err
		}
		b.Updated = v.now
		v.tellChange(&was, &b)
		if err := s.checkFirstProtection(ctx, &was, &b); err != nil {
			return err
		}
		return s.storeConfig(ctx, v, &was, &b)
	})
	return b, err
}

// fresh reads the bucket of a visit again from the store, for a change.
func (s *Service) fresh(ctx context.Context, v *visit) (Bucket, error) {
	b, err := s.Store.BucketByID(ctx, v.bucket.ID)
	switch {
	case fault.KindOf(err) == fault.NotFound, err == nil && b.State != BucketActive:
		return Bucket{}, ErrNoBucket
	case err != nil:
		return Bucket{}, fmt.Errorf("reading bucket %q: %w", v.bucket.Name, err)
	}
	return b, nil
}

// tellChange adds to the event what readers of the audit log look for in a change.
func (v *visit) tellChange(was, is *Bucket) {
	if is.Firewall != nil && is.Firewall != was.Firewall {
		v.request("allowedIp", is.Firewall.AllowedIP)
	}
	if is.Quota != was.Quota {
		v.request("hardQuota", is.Quota)
	}
	if is.Versioning != was.Versioning {
		v.request("versioning", string(is.Versioning))
	}
}

// errNotFirst refuses the first retention policy of a bucket in which there is, or was a moment ago, something
// that the policy would not cover.
var errNotFirst = ErrState.On("", "the first retention policy needs an empty bucket")

// checkFirstProtection refuses the first retention policy of a bucket that holds something.
func (s *Service) checkFirstProtection(ctx context.Context, was, is *Bucket) error {
	if was.Protection != nil || is.Protection == nil {
		return nil
	}
	u, err := s.Usage(ctx, *is)
	if err != nil {
		return err
	}
	if !u.empty() {
		return errNotFirst
	}
	return nil
}

func (u Usage) empty() bool { return u.Objects == 0 && u.DeleteMarkers == 0 && u.Uploads == 0 }

// storeConfig stores a changed bucket. Where the change is one that root keys may not be deleted under,
// the key service hears of it first, or the change does not come about.
func (s *Service) storeConfig(ctx context.Context, v *visit, was, is *Bucket) error {
	guard := is.prevents() && !was.prevents()
	if guard {
		if err := s.registerAll(ctx, v.who, is); err != nil {
			return err
		}
	}
	store := s.Store.UpdateBucket
	if was.Protection == nil && is.Protection != nil {
		store = s.Store.UpdateEmptyBucket // nothing has come in since checkFirstProtection
	}
	err := store(ctx, *is, v.event)
	if err == nil {
		is.Revision++
		return nil
	}
	if guard {
		if undo := s.registerAll(context.WithoutCancel(ctx), v.who, was); undo != nil {
			s.Logger.WarnContext(ctx, "root keys stay registered as not to be deleted", "bucket", is.Name, "error", undo)
		}
	}
	if errors.Is(err, ErrNotEmpty) {
		return errNotFirst
	}
	return raced(fmt.Errorf("storing bucket %q: %w", is.Name, err))
}

// SetEncryption sets the root key of new objects (?encryption): the CRN of a key or of an alias, or
// empty for the provider's. Objects that are there keep theirs: StartRekey moves them.
func (s *Service) SetEncryption(ctx context.Context, who iam.Caller, bucket, root string) (BucketView, error) {
	action := ActionBucketPutEncryption
	if root == "" {
		action = ActionBucketDeleteEncryption
	}
	var view BucketView
	err := s.visit(ctx, who, bucket, operation{action: action, change: true, act: func(v *visit) error {
		k, err := s.keyUnder(ctx, who, v.bucket, root)
		if err != nil {
			return err
		}
		v.request("rootKey", s.rootOf(k).String())
		view.Root = k.Root
		view.Bucket, err = s.reconfigure(ctx, v, func(b *Bucket, _ time.Time) error {
			b.Key = k.ID
			return nil
		})
		return err
	}})
	return view, err
}

// Refuse records and returns the failure of a request that could not be understood, unless its caller
// may not even try. Without a bucket, or for one that is still to be made, there is nothing to decide about.
func (s *Service) Refuse(ctx context.Context, who iam.Caller, action iam.Action, bucket, key string, cause error) error {
	op := operation{action: action, key: key, act: func(*visit) error { return cause }}
	if bucket == "" || action == ActionCreateBucket {
		v, _ := s.approachInstance(ctx, who, "", action, bucket)
		v.cause = cause
		return s.pass(ctx, v, op)
	}
	return s.visit(ctx, who, bucket, op)
}

// CORS returns the rules of a bucket for a preflight, which needs no caller; none if there is no such bucket.
func (s *Service) CORS(ctx context.Context, bucket string) ([]CORSRule, error) {
	held, err := s.hold(ctx, bucket)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return held.bucket.CORS, nil
}

// Site returns the website configuration of a bucket to who serves it to anybody; ErrNoConfig or ErrNoBucket without.
func (s *Service) Site(ctx context.Context, bucket string) (Website, error) {
	held, err := s.hold(ctx, bucket)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return Website{}, ErrNoBucket
	case err != nil:
		return Website{}, err
	case held.bucket.Website == nil:
		return Website{}, ErrNoConfig
	}
	return *held.bucket.Website, nil
}

// approachInstance is approach for what is asked of an instance: its list of buckets, or a bucket that is
// not there yet. The zero Instance comes back with a cause in the visit.
func (s *Service) approachInstance(ctx context.Context, who iam.Caller, id InstanceID, action iam.Action, bucket string) (*visit, Instance) {
	v := &visit{who: who, now: s.Now()}
	v.event = who.Event(recordedAs(action), audit.Target{TypeURI: typeURI(recordedAs(action)), Name: clip(bucket)})
	v.request("serviceInstanceId", clip(string(id)))
	v.object = iam.Object{Service: crn.ObjectStorage, Instance: string(id)}
	if bucket != "" {
		v.object.Type, v.object.Resource = "bucket", bucket
	}
	if id == "" {
		return v, Instance{} // who comes without one knows the cause
	}
	in, err := s.Instances.ObjectInstance(ctx, id)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		v.cause = iam.ErrForbidden // unknown and foreign instances look the same
		return v, Instance{}
	case err != nil:
		v.cause = fmt.Errorf("looking up instance %s: %w", clip(string(id)), err)
		return v, Instance{}
	}
	v.object.Account, v.object.ResourceGroup = in.Account, in.ResourceGroup
	v.event.LogSourceCRN = in.CRN.String()
	v.event.Target.ID = v.event.LogSourceCRN
	v.event.Target.ResourceGroupID = in.ResourceGroup
	v.respond("serviceInstanceId", string(in.ID))
	return v, in
}
