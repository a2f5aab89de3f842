package objects

import (
	"context"
	"io"

	"strongroom/iam"
)

// StartUpload begins an upload in parts.
func (s *Service) StartUpload(ctx context.Context, who iam.Caller, u StartUpload) (Upload, error) {
	panic("objects: not built")
}

// PutPart stores a part from body, or from another object.
func (s *Service) PutPart(ctx context.Context, who iam.Caller, p PartWrite, body io.Reader) (Part, error) {
	panic("objects: not built")
}

// Parts lists the parts of an open upload.
func (s *Service) Parts(ctx context.Context, who iam.Caller, l ListParts) (PartListing, error) {
	panic("objects: not built")
}

// CompleteUpload makes the object. Completing twice with the same list succeeds for a day.
func (s *Service) CompleteUpload(ctx context.Context, who iam.Caller, c Complete) (Object, error) {
	panic("objects: not built")
}

// AbortUpload gives an upload up and removes its parts.
func (s *Service) AbortUpload(ctx context.Context, who iam.Caller, bucket, key string, id UploadID) error {
	panic("objects: not built")
}

// Uploads lists the open uploads of a bucket.
func (s *Service) Uploads(ctx context.Context, who iam.Caller, l ListUploads) (UploadListing, error) {
	panic("objects: not built")
}
