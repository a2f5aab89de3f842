package objects

import (
	"context"
	"time"

	"strongroom/iam"
)

// LockRetention returns a version for its Object Lock retention, or ErrNoRetention.
func (s *Service) LockRetention(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, error) {
	seen, _, err := s.consult(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectGetObjectLockRetention, versioned: ActionObjectGetObjectLockRetentionVersion,
	}, func(v *visit, row *Row) error {
		switch {
		case v.bucket.Lock == nil:
			return ErrNotLockable
		case row.Lock.Mode == "":
			return ErrNoRetention
		}
		return nil
	})
	return seen, err
}

// SetLockRetention sets mode and date, within the rules of cos-api.md section 14; an empty mode removes it.
func (s *Service) SetLockRetention(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, mode LockMode, until time.Time, bypass bool) (Object, error) {
	return s.amend(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectPutObjectLockRetention, versioned: ActionObjectPutObjectLockRetentionVersion,
	}, func(v *visit, row *Row) error {
		if v.bucket.Lock == nil {
			return ErrNotLockable
		}
		next, takes, err := row.Lock.retain(mode, until, v.now)
		if err != nil {
			return err
		}
		v.request("mode", clip(string(mode)))
		if !until.IsZero() {
			v.request("retainUntilDate", until.UTC().Format(time.RFC3339))
		}
		row.Lock = next
		return s.permit(ctx, v, takes, bypass)
	})
}

// LockHold returns a version for its Object Lock legal hold, or ErrNoRetention if there never was one.
func (s *Service) LockHold(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, error) {
	seen, _, err := s.consult(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectGetObjectLockLegalHold, versioned: ActionObjectGetObjectLockLegalHoldVersion,
	}, func(v *visit, row *Row) error {
		switch {
		case v.bucket.Lock == nil:
			return ErrNotLockable
		case !row.Lock.Hold && !row.Lock.Lifted:
			return ErrNoRetention
		}
		return nil
	})
	return seen, err
}

// SetLockHold sets or lifts it.
func (s *Service) SetLockHold(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, on bool) (Object, error) {
	return s.amend(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectPutObjectLockLegalHold, versioned: ActionObjectPutObjectLockLegalHoldVersion,
	}, func(v *visit, row *Row) error {
		if v.bucket.Lock == nil {
			return ErrNotLockable
		}
		v.request("legalHold", on)
		row.Lock.Hold, row.Lock.Lifted = on, !on
		return nil
	})
}
