package objects

import (
	"context"
	"fmt"

	"strongroom/fault"
)

// find returns a version of an object, empty for the newest, which may be a delete marker. It fails
// with ErrNoObject or ErrNoVersion.
func (s *Service) find(ctx context.Context, bucket BucketID, key string, id VersionID) (Row, error) {
	if err := id.check(); err != nil {
		return Row{}, err
	}
	var row Row
	var err error
	absent := ErrNoObject
	if id == "" {
		row, err = s.Store.Latest(ctx, bucket, key)
	} else {
		absent = ErrNoVersion
		row, err = s.Store.Version(ctx, bucket, key, id)
	}
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return Row{}, absent
	case err != nil:
		return Row{}, fmt.Errorf("reading object %q: %w", clip(key), err)
	}
	return row, nil
}

// findContent is find for what a delete marker has not: a marker that hides an object is as if there
// were none, and one that is asked for by its ID is ErrDeleteMarker.
func (s *Service) findContent(ctx context.Context, bucket BucketID, key string, id VersionID) (Row, error) {
	row, err := s.find(ctx, bucket, key, id)
	switch {
	case err != nil:
		return Row{}, err
	case row.Marker && id == "":
		return row, ErrNoObject
	case row.Marker:
		return row, ErrDeleteMarker
	}
	return row, nil
}
