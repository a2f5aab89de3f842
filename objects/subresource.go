package objects

import (
	"context"
	"fmt"

	"strongroom/iam"
)

// subresource is what is asked of one version of an object beside its content.
type subresource struct {
	bucket, key string
	version     VersionID  // empty for the newest
	action      iam.Action // on the newest
	versioned   iam.Action // on a version that is named; empty if there is no such action
}

func (r *subresource) asked() iam.Action {
	if r.version != "" && r.versioned != "" {
		return r.versioned
	}
	return r.action
}

// consult takes a reading of a version through the door. Check may refuse what the version has not;
// nil refuses nothing. The version is returned as its readers see it, with an opaque ETag while the key
// of the bucket cannot be used.
func (s *Service) consult(ctx context.Context, who iam.Caller, r subresource, check func(*visit, *Row) error) (Object, Bucket, error) {
	var seen Object
	var bucket Bucket
	err := s.visit(ctx, who, r.bucket, operation{
		action: r.asked(), key: r.key,
		act: func(v *visit) error {
			row, err := s.findContent(ctx, v.bucket.ID, r.key, r.version)
			if err != nil {
				return err
			}
			v.named(row)
			if check != nil {
				if err := check(v, &row); err != nil {
					return err
				}
			}
			bucket = v.bucket
			seen, err = s.view(ctx, v, &row)
			return err
		},
	})
	return seen, bucket, err
}

// amend takes a change of a version through the door that moves no bytes: change alters the row, anew
// when somebody else's write was first.
func (s *Service) amend(ctx context.Context, who iam.Caller, r subresource, change func(*visit, *Row) error) (Object, error) {
	var seen Object
	err := s.visit(ctx, who, r.bucket, operation{
		action: r.asked(), key: r.key, change: true,
		act: func(v *visit) error {
			return decidedAnew(func() error {
				row, err := s.findContent(ctx, v.bucket.ID, r.key, r.version)
				if err != nil {
					return err
				}
				v.named(row)
				if err := change(v, &row); err != nil {
					return err
				}
				// Seen first: what was committed must not be answered with a failure.
				if seen, err = s.view(ctx, v, &row); err != nil {
					return err
				}
				if err := s.Store.UpdateVersion(ctx, row, v.event); err != nil {
					return raced(fmt.Errorf("changing version %s: %w", row.Version, err))
				}
				return nil
			})
		},
	})
	return seen, err
}

// named says in the event of a visit which version it was about.
func (v *visit) named(row Row) {
	if row.Version != NullVersion {
		v.respond("versionId", string(row.Version))
	}
}
