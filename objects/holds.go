package objects

import (
	"context"
	"time"

	"strongroom/iam"
)

// Holds returns an object for the legal holds of its retention policy (?legalHold), or ErrNoRetention.
func (s *Service) Holds(ctx context.Context, who iam.Caller, bucket, key string) (Object, error) {
	seen, _, err := s.consult(ctx, who, subresource{bucket: bucket, key: key, action: ActionObjectGetLegalHold},
		func(_ *visit, row *Row) error {
			if row.Retain == nil {
				return ErrNoRetention
			}
			return nil
		})
	return seen, err
}

// ChangeHolds adds or removes one legal hold by its ID.
func (s *Service) ChangeHolds(ctx context.Context, who iam.Caller, bucket, key, id string, add bool) (Object, error) {
	r := subresource{bucket: bucket, key: key, action: ActionObjectPostLegalHold}
	return s.amendRetention(ctx, who, r, func(v *visit, was Retention) (Retention, error) {
		if add {
			v.request("addLegalHold", clip(id))
			return was.hold(id, v.now)
		}
		v.request("removeLegalHold", clip(id))
		return was.release(id)
	})
}

// ExtendRetention makes the retention longer, by exactly one of the ways of cos-api.md section 15.
func (s *Service) ExtendRetention(ctx context.Context, who iam.Caller, bucket, key string, e Extension) (Object, error) {
	r := subresource{bucket: bucket, key: key, action: ActionObjectPostExtendRetention}
	return s.amendRetention(ctx, who, r, func(v *visit, was Retention) (Retention, error) {
		next, err := was.extend(e, *v.bucket.Protection, v.now)
		if err == nil && !next.Until.IsZero() {
			v.request("retentionExpirationDate", next.Until.Format(time.RFC3339))
		}
		return next, err
	})
}

// amendRetention is amend for the retention of an object, which must have one.
func (s *Service) amendRetention(ctx context.Context, who iam.Caller, r subresource, change func(*visit, Retention) (Retention, error)) (Object, error) {
	return s.amend(ctx, who, r, func(v *visit, row *Row) error {
		if row.Retain == nil || v.bucket.Protection == nil {
			return ErrRequest.On("", "the object has no retention")
		}
		next, err := change(v, *row.Retain)
		row.Retain = &next
		return err
	})
}
