package objectstest

import (
	"context"

	"strongroom/audit"
	"strongroom/iam/iamtest"
	"strongroom/objects"
)

// Store is a store whose writes are steps, and whose events are kept in a log too when they are committed.
type Store struct {
	objects.Store
	Steps *Steps
	log   *iamtest.Log
}

// NewStore returns a store in front of another.
func NewStore(behind objects.Store, log *iamtest.Log) *Store {
	s := &Store{Store: behind, Steps: &Steps{}, log: log}
	s.Steps.Reset()
	return s
}

// write does a step and keeps its event.
func (s *Store) write(name string, ev *audit.Event, step func() error) error {
	return s.Steps.do(name, func() error {
		if err := step(); err != nil {
			return err
		}
		if ev != nil {
			s.log.Keep(ev)
		}
		return nil
	})
}

// CreateBucket implements objects.Store.
func (s *Store) CreateBucket(ctx context.Context, b objects.Bucket, k objects.BucketKey, ev *audit.Event) error {
	return s.write("CreateBucket", ev, func() error { return s.Store.CreateBucket(ctx, b, k, ev) })
}

// UpdateBucket implements objects.Store.
func (s *Store) UpdateBucket(ctx context.Context, b objects.Bucket, ev *audit.Event) error {
	return s.write("UpdateBucket", ev, func() error { return s.Store.UpdateBucket(ctx, b, ev) })
}

// UpdateEmptyBucket implements objects.Store.
func (s *Store) UpdateEmptyBucket(ctx context.Context, b objects.Bucket, ev *audit.Event) error {
	return s.write("UpdateEmptyBucket", ev, func() error { return s.Store.UpdateEmptyBucket(ctx, b, ev) })
}

// RemoveBucket implements objects.Store.
func (s *Store) RemoveBucket(ctx context.Context, b objects.Bucket, ev *audit.Event) error {
	return s.write("RemoveBucket", ev, func() error { return s.Store.RemoveBucket(ctx, b, ev) })
}

// EmptyBucket implements objects.Store.
func (s *Store) EmptyBucket(ctx context.Context, id objects.BucketID, limit int) (more bool, err error) {
	err = s.write("EmptyBucket", nil, func() error {
		more, err = s.Store.EmptyBucket(ctx, id, limit)
		return err
	})
	return more, err
}

// AddBucketKey implements objects.Store.
func (s *Store) AddBucketKey(ctx context.Context, k objects.BucketKey, ev *audit.Event) error {
	return s.write("AddBucketKey", ev, func() error { return s.Store.AddBucketKey(ctx, k, ev) })
}

// UpdateBucketKey implements objects.Store.
func (s *Store) UpdateBucketKey(ctx context.Context, k objects.BucketKey, ev *audit.Event) error {
	return s.write("UpdateBucketKey", ev, func() error { return s.Store.UpdateBucketKey(ctx, k, ev) })
}

// RemoveBucketKey implements objects.Store.
func (s *Store) RemoveBucketKey(ctx context.Context, k objects.BucketKey, ev *audit.Event) error {
	return s.write("RemoveBucketKey", ev, func() error { return s.Store.RemoveBucketKey(ctx, k, ev) })
}

// PutVersion implements objects.Store.
func (s *Store) PutVersion(ctx context.Context, p objects.PutVersion) (r objects.Row, err error) {
	err = s.write("PutVersion", p.Event, func() error {
		r, err = s.Store.PutVersion(ctx, p)
		return err
	})
	return r, err
}

// RemoveVersion implements objects.Store.
func (s *Store) RemoveVersion(ctx context.Context, r objects.Row, ev *audit.Event) error {
	return s.write("RemoveVersion", ev, func() error { return s.Store.RemoveVersion(ctx, r, ev) })
}

// UpdateVersion implements objects.Store.
func (s *Store) UpdateVersion(ctx context.Context, r objects.Row, ev *audit.Event) error {
	return s.write("UpdateVersion", ev, func() error { return s.Store.UpdateVersion(ctx, r, ev) })
}

// ReplaceContent implements objects.Store.
func (s *Store) ReplaceContent(ctx context.Context, r objects.Row, parts []objects.PartRow) error {
	return s.write("ReplaceContent", nil, func() error { return s.Store.ReplaceContent(ctx, r, parts) })
}

// CreateUpload implements objects.Store.
func (s *Store) CreateUpload(ctx context.Context, u objects.UploadRow, ev *audit.Event) error {
	return s.write("CreateUpload", ev, func() error { return s.Store.CreateUpload(ctx, u, ev) })
}

// PutPart implements objects.Store.
func (s *Store) PutPart(ctx context.Context, u objects.UploadRow, p objects.PartRow, quota int64, ev *audit.Event) error {
	return s.write("PutPart", ev, func() error { return s.Store.PutPart(ctx, u, p, quota, ev) })
}

// RemoveUpload implements objects.Store.
func (s *Store) RemoveUpload(ctx context.Context, u objects.UploadRow, ev *audit.Event) error {
	return s.write("RemoveUpload", ev, func() error { return s.Store.RemoveUpload(ctx, u, ev) })
}

// UpdateUpload implements objects.Store.
func (s *Store) UpdateUpload(ctx context.Context, u objects.UploadRow) error {
	return s.write("UpdateUpload", nil, func() error { return s.Store.UpdateUpload(ctx, u) })
}

// CreateJob implements objects.Store.
func (s *Store) CreateJob(ctx context.Context, j objects.Job, ev *audit.Event) error {
	return s.write("CreateJob", ev, func() error { return s.Store.CreateJob(ctx, j, ev) })
}

// UpdateJob implements objects.Store.
func (s *Store) UpdateJob(ctx context.Context, j objects.Job) error {
	return s.write("UpdateJob", nil, func() error { return s.Store.UpdateJob(ctx, j) })
}
