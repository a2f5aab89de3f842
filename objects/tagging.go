package objects

import (
	"context"
	"maps"

	"strongroom/iam"
)

// Tags returns the tags of a version. They are sealed, so the key of the bucket is needed.
func (s *Service) Tags(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (Object, error) {
	seen, _, err := s.consult(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectGetTagging, versioned: ActionObjectGetTaggingVersion,
	}, func(v *visit, row *Row) error {
		_, err := s.openRecord(ctx, v, row)
		return err
	})
	return seen, err
}

// SetTags replaces the tags of a version; none removes them (recorded as their deletion).
func (s *Service) SetTags(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, tags map[string]string) (Object, error) {
	r := subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectPutTagging, versioned: ActionObjectPutTaggingVersion,
	}
	if len(tags) == 0 {
		r.action, r.versioned = ActionObjectDeleteTagging, ActionObjectDeleteTaggingVersion
	}
	return s.amend(ctx, who, r, func(v *visit, row *Row) error {
		if err := checkTags(tags); err != nil {
			return err
		}
		record, err := s.openRecord(ctx, v, row)
		if err != nil {
			return err
		}
		record.Tags = maps.Clone(tags)
		return s.sealRecord(ctx, v, row, record)
	})
}
