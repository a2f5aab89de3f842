package s3

import (
	"context"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

// getLogging says that no access log is written into a bucket: the audit log has everything.
func (f *face) getLogging(ctx context.Context, q *request) (httpface.Answer, error) {
	if _, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket); err != nil {
		return httpface.Answer{}, err
	}
	return newDocument("BucketLoggingStatus").answer(), nil
}

func (f *face) putLogging(context.Context, *request) (httpface.Answer, error) {
	return httpface.Answer{}, objects.ErrNotImplement
}
