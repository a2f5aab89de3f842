package objects

import (
	"context"
	"errors"
	"time"

	"strongroom/iam"
)

// Setting is one change of configuration, with the action that it needs.
type Setting struct {
	Action iam.Action
	Change Change
}

// ETag names the revision of the bucket, without quotes.
func (b *Bucket) ETag() string { return iam.EntityTag(string(b.ID), b.Revision) }

// ConfigureAll changes several parts of a bucket's configuration together, if the caller may change
// each of them, or nothing. At least one setting is needed. match is the ETag that the bucket must
// have, or "*" or empty for any; another is ErrPrecondition.
func (s *Service) ConfigureAll(ctx context.Context, who iam.Caller, name, match string, settings []Setting) (Bucket, error) {
	for _, further := range settings[1:] {
		if err := s.mayConfigure(ctx, who, name, further.Action); err != nil {
			return Bucket{}, err
		}
	}
	return s.Configure(ctx, who, settings[0].Action, name, func(b *Bucket, now time.Time) error {
		if match != "" && match != "*" && match != b.ETag() {
			return ErrPrecondition
		}
		for _, setting := range settings {
			if err := setting.Change(b, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// mayConfigure decides about one of several actions on a bucket. Only a refusal is recorded by itself:
// the event of the first action speaks for all that are allowed.
func (s *Service) mayConfigure(ctx context.Context, who iam.Caller, name string, action iam.Action) error {
	op := operation{action: action}
	v := s.approach(ctx, who, name, op)
	err := s.decider(v, op).Allow(ctx, who, action, v.object)
	if err == nil {
		return nil
	}
	op.act = func(*visit) error { return err }
	return s.pass(ctx, v, op)
}

// Allows reports whether a caller may do something to a bucket that it has been shown, for answers
// that leave out what it may not see. It is not recorded.
func (s *Service) Allows(ctx context.Context, who iam.Caller, action iam.Action, name string) (bool, error) {
	op := operation{action: action}
	v := s.approach(ctx, who, name, op)
	err := s.decider(v, op).Allow(ctx, who, action, v.object)
	if errors.Is(err, iam.ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}

// beyondFirewall reports whether an action is possible from every address: those of the resource
// configuration are, so that no owner is locked out by a mistake in the firewall (cos-api.md, section 22).
func beyondFirewall(action iam.Action) bool {
	switch action {
	case ActionBucketGetBasic, ActionBucketGetFirewall, ActionBucketPutFirewall, ActionBucketGetQuota, ActionBucketPutQuota,
		ActionBucketGetActivityTracking, ActionBucketPutActivityTracking,
		ActionBucketGetMetricsMonitoring, ActionBucketPutMetricsMonitoring:
		return true
	}
	return false
}
