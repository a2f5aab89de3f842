package objects

import (
	"context"
	"errors"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// operation is what is asked of a bucket or of an object in it.
type operation struct {
	action iam.Action
	key    string    // of the object; empty for the bucket itself
	data   *iam.Data // what a listing names, for the rules of policies; nil takes the key
	change bool      // act commits a change together with the event
	stream bool      // act answers later: recorded as pending first, then v.end says how it went
	// public says whether a caller that no policy lets may have it all the same, by a canned ACL. It is
	// only asked then, and may look the object up; nil means no.
	public func(*visit) bool
	act    func(*visit) error
}

// visit is one operation on its way through the door.
type visit struct {
	who    iam.Caller
	now    time.Time
	held   *heldBucket // nil if there is no such bucket
	bucket Bucket
	object iam.Object
	event  *audit.Event
	cause  error // why what the request is for cannot be known

	// end concludes a stream; it must be called once, with the error that broke it off or nil.
	end func(error) error
}

// visit takes an operation on a bucket through the door: it finds the bucket, decides, acts and sees
// that the outcome is recorded. A bucket that is not there is told from one that is forbidden, as
// names are one public namespace (cos-api.md, section 3.1).
func (s *Service) visit(ctx context.Context, who iam.Caller, bucket string, op operation) error {
	v := s.approach(ctx, who, bucket, op)
	return s.pass(ctx, v, op)
}

// approach finds out what is needed for the decision and for the record, and decides nothing.
func (s *Service) approach(ctx context.Context, who iam.Caller, bucket string, op operation) *visit {
	v := &visit{who: who, now: s.Now()}
	v.event = who.Event(recordedAs(op.action), audit.Target{TypeURI: typeURI(recordedAs(op.action)), Name: clip(bucket)})
	v.event.DataEvent = strings.Contains(string(op.action), ".object.")
	v.object = iam.Object{Service: crn.ObjectStorage, Type: "bucket", Resource: bucket, Data: op.data}
	if op.key != "" {
		v.event.Target.Name = clip(bucket + "/" + op.key)
		if v.object.Data == nil {
			v.object.Data = &iam.Data{Path: &op.key}
		}
	}
	held, err := s.hold(ctx, bucket)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		v.cause = ErrNoBucket
		return v
	case err != nil:
		v.cause = err
		return v
	}
	v.held, v.bucket = held, held.bucket
	in, err := s.Instances.ObjectInstance(ctx, v.bucket.Instance)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		v.cause = ErrNoBucket // its instance is deleted, and may be restored
		return v
	case err != nil:
		v.cause = err
		return v
	}
	v.object.Account, v.object.Instance, v.object.ResourceGroup = in.Account, string(in.ID), in.ResourceGroup
	v.event.LogSourceCRN = in.CRN.String()
	v.event.Target.ID = v.bucket.CRN().String()
	v.event.Target.ResourceGroupID = in.ResourceGroup
	if v.event.ResponseData == nil {
		v.event.ResponseData = map[string]any{}
	}
	v.event.ResponseData["serviceInstanceId"] = string(in.ID)
	v.event.ResponseData["bucketLocation"] = v.bucket.Location
	return v
}

// pass takes a visit through the door.
func (s *Service) pass(ctx context.Context, v *visit, op operation) error {
	door := s.door
	door.Decide = s.decider(v, op)
	act := func() error { return op.act(v) }
	switch {
	case op.stream:
		end, err := door.Begin(ctx, v.who, op.action, v.object, v.event)
		if err != nil {
			return err
		}
		v.end = end
		if err := act(); err != nil {
			return end(err)
		}
		return nil
	case op.change:
		return door.Change(ctx, v.who, op.action, v.object, v.event, act)
	}
	return door.Read(ctx, v.who, op.action, v.object, v.event, act)
}

// decide asks whether the caller of a visit may do something further, such as bypass governance
// retention, without an event of its own.
func (s *Service) decide(ctx context.Context, v *visit, action iam.Action) error {
	return s.Decider.Allow(ctx, v.who, action, v.object)
}

// decider decides about a visit: what cannot be known is refused for that reason, a bucket of another
// owner than the caller expects and an address that the bucket does not allow for those, then policies
// are asked, and last what is open to everybody.
func (s *Service) decider(v *visit, op operation) iam.Decider {
	return deciderFunc(func(ctx context.Context, who iam.Caller, action iam.Action, on iam.Object) error {
		if v.cause != nil {
			return v.cause
		}
		if !who.Reaches(on) {
			return iam.ErrForbidden
		}
		if !beyondFirewall(action) {
			if err := v.bucket.Firewall.check(who); err != nil {
				return err
			}
		}
		err := s.Decider.Allow(ctx, who, action, on)
		if errors.Is(err, iam.ErrForbidden) && op.public != nil && op.public(v) {
			return nil
		}
		return err
	})
}

type deciderFunc func(context.Context, iam.Caller, iam.Action, iam.Object) error

// Allow implements iam.Decider.
func (f deciderFunc) Allow(ctx context.Context, who iam.Caller, action iam.Action, on iam.Object) error {
	return f(ctx, who, action, on)
}

// openToAll reports whether the canned ACL of the bucket lets everybody read.
func (b *Bucket) openToAll(acl ACL) bool {
	return acl == ACLPublicRead && (b.PublicAccess == nil || !b.PublicAccess.IgnorePublicACLs)
}

// typeURI is the CADF type of what an action is done to: the action without its verb.
func typeURI(a iam.Action) string {
	s := string(a)
	return strings.ReplaceAll(s[:strings.LastIndexByte(s, '.')], ".", "/")
}

// clip bounds what a caller can put into an event.
func clip(s string) string {
	const longest = 256
	if len(s) > longest {
		return s[:longest]
	}
	return s
}
