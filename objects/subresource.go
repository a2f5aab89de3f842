package objects

import (
	"context"
	"time"

	"strongroom/iam"
)

// Tags returns the tags of a version.
func (s *Service) Tags(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, error) {
	panic("objects: not built")
}

// SetTags replaces the tags of a version; none removes them (recorded as their deletion).
func (s *Service) SetTags(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, tags map[string]string) (Object, error) {
	panic("objects: not built")
}

// ObjectACL returns a version for its ACL; the bucket gives the owner.
func (s *Service) ObjectACL(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, Bucket, error) {
	panic("objects: not built")
}

// SetObjectACL replaces it, unless the bucket blocks public ACLs.
func (s *Service) SetObjectACL(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, acl ACL) (Object, error) {
	panic("objects: not built")
}

// LockRetention returns a version for its Object Lock retention, or ErrNoRetention.
func (s *Service) LockRetention(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, error) {
	panic("objects: not built")
}

// SetLockRetention sets mode and date, within the rules of cos-api.md section 14; an empty mode removes it.
func (s *Service) SetLockRetention(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, mode LockMode, until time.Time, bypass bool) (Object, error) {
	panic("objects: not built")
}

// LockHold returns a version for its Object Lock legal hold.
func (s *Service) LockHold(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, error) {
	panic("objects: not built")
}

// SetLockHold sets or lifts it.
func (s *Service) SetLockHold(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, on bool) (Object, error) {
	panic("objects: not built")
}

// Holds returns an object for the legal holds of its retention policy (?legalHold), or ErrNoRetention.
func (s *Service) Holds(ctx context.Context, who iam.Caller, bucket, key string) (Object, error) {
	panic("objects: not built")
}

// ChangeHolds adds or removes one legal hold by its ID.
func (s *Service) ChangeHolds(ctx context.Context, who iam.Caller, bucket, key, id string, add bool) (Object, error) {
	panic("objects: not built")
}

// ExtendRetention makes the retention longer, by exactly one of the ways of cos-api.md section 15.
func (s *Service) ExtendRetention(ctx context.Context, who iam.Caller, bucket, key string, e Extension) (Object, error) {
	panic("objects: not built")
}

// RestoreArchived makes an archived object readable for some days.
func (s *Service) RestoreArchived(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, days int, tier string) (Object, error) {
	panic("objects: not built")
}
