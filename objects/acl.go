package objects

import (
	"context"

	"strongroom/iam"
)

// ObjectACL returns a version for its ACL; the bucket gives the owner.
func (s *Service) ObjectACL(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, Bucket, error) {
	return s.consult(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectGetACL, versioned: ActionObjectGetACLVersion,
	}, nil)
}

// SetObjectACL replaces it, unless the bucket blocks public ACLs.
func (s *Service) SetObjectACL(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, acl ACL) (Object, error) {
	return s.amend(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectPutACL, versioned: ActionObjectPutACLVersion,
	}, func(v *visit, row *Row) error {
		row.ACL = acl
		return acl.allowedBy(v.bucket.PublicAccess)
	})
}
