package objects

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"strongroom/iam"
)

// Remove deletes an object: it adds a marker in a versioned bucket, and removes a version that is named for good.
// That there is nothing is no failure.
//
// The key of the bucket is not needed: what can no longer be read can still be removed. Only a condition
// on the ETag is then one on the opaque ETag, which is what readers see.
func (s *Service) Remove(ctx context.Context, who iam.Caller, r Remove) (Removed, error) {
	action := ActionObjectDelete
	if r.Version != "" {
		action = ActionObjectDeleteVersion
	}
	var done Removed
	err := s.visit(ctx, who, r.Bucket, operation{
		action: action, key: r.Key, change: true,
		act: func(v *visit) (err error) {
			done, err = s.remove(ctx, v, r)
			return err
		},
	})
	return done, err
}

// removals is how many objects of one request are removed at a time, so that their commits share syncs.
const removals = 8

// RemoveMany is Remove for up to MaxPage objects of one bucket, each decided by itself; Err of each says how it went.
func (s *Service) RemoveMany(ctx context.Context, who iam.Caller, bucket string, list []Remove) ([]Removed, error) {
	err := s.visit(ctx, who, bucket, operation{
		action: ActionObjectPostMultiDelete,
		act: func(v *visit) error {
			if len(list) > MaxPage {
				return ErrArgument.On("Object", "at most 1000 objects are removed at once")
			}
			v.respond("objects", len(list))
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	out := make([]Removed, len(list))
	var group errgroup.Group
	group.SetLimit(removals)
	for i, r := range list {
		r.Bucket = bucket
		group.Go(func() error {
			done, err := s.Remove(ctx, who, r)
			if err != nil {
				done = Removed{Key: r.Key, Version: r.Version, Err: err}
			}
			out[i] = done
			return nil
		})
	}
	return out, group.Wait()
}

// remove removes what a request names, again from a new reading when somebody else was first. It
// commits the event of the visit.
func (s *Service) remove(ctx context.Context, v *visit, r Remove) (done Removed, err error) {
	err = decidedAnew(func() error {
		if err := s.renew(ctx, v); err != nil {
			return err
		}
		row, err := s.find(ctx, v.bucket.ID, r.Key, r.Version)
		there := !errors.Is(err, ErrNoObject) && !errors.Is(err, ErrNoVersion)
		if err != nil && there {
			return err
		}
		done, err = s.removeOnce(ctx, v, r, row, there)
		return err
	})
	return done, err
}

// removeOnce is remove from one reading of the version that the request means, if there is one.
func (s *Service) removeOnce(ctx context.Context, v *visit, r Remove, row Row, there bool) (Removed, error) {
	if err := s.checkRemoval(ctx, v, r, row, there); err != nil {
		return Removed{}, err
	}
	done := Removed{Key: r.Key, Version: r.Version}
	switch {
	case r.Version == "" && v.bucket.Versioning != "":
		return s.mark(ctx, v, r, row, there)
	case !there:
		return done, s.unchanged(ctx, v)
	}
	done.Marker = row.Marker
	v.respond("versionId", string(row.Version))
	if err := s.Store.RemoveVersion(ctx, row, v.event); err != nil {
		return Removed{}, raced(fmt.Errorf("removing version %s: %w", row.Version, err))
	}
	s.Blobs.Wake()
	return done, nil
}

// checkRemoval says why the version that a request means must stay, or nil.
func (s *Service) checkRemoval(ctx context.Context, v *visit, r Remove, row Row, there bool) error {
	if r.Conditions.onWrite() {
		seen := Object{}
		if there && !row.Marker {
			var err error
			if seen, err = s.view(ctx, v, &row); err != nil {
				return err
			}
		}
		if err := r.Conditions.write(seen.ETag, there && !row.Marker); err != nil {
			return err
		}
	}
	if !there {
		return nil
	}
	if row.Retain.Protects(v.now) {
		return ErrProtected
	}
	if r.Version == "" && v.bucket.Versioning != "" {
		return nil // nothing is lost: a marker hides it
	}
	return s.permit(ctx, v, row.Lock.removal(v.now), r.Bypass)
}

// permit says whether the caller of a visit may do what takes this permission. A bypass is decided by
// itself, and shows in the event.
func (s *Service) permit(ctx context.Context, v *visit, takes permission, bypass bool) error {
	switch {
	case takes == free:
		return nil
	case takes == never || !bypass:
		return ErrProtected
	}
	v.request("bypassGovernanceRetention", true)
	return s.decide(ctx, v, ActionObjectBypassGovernanceRetention)
}

// mark makes a delete marker the newest version. Where versions are kept no longer, it takes the place
// of the one without an ID.
func (s *Service) mark(ctx context.Context, v *visit, r Remove, row Row, there bool) (Removed, error) {
	marker := Row{
		Bucket: v.bucket.ID, Key: r.Key, Version: v.bucket.nextVersion(v.now), Marker: true,
		Modified: v.now, Opaque: newHex32(), Write: newHex32(),
	}
	v.respond("versionId", string(marker.Version))
	v.respond("deleteMarker", map[string]any{"created": true})
	put := PutVersion{Row: marker, BucketRevision: v.bucket.Revision, Event: v.event}
	if there {
		put.Expected = &row
	} else {
		put.Absent = true
	}
	if _, err := s.Store.PutVersion(ctx, put); err != nil {
		return Removed{}, raced(fmt.Errorf("marking %q deleted: %w", clip(r.Key), err))
	}
	if marker.Version == NullVersion {
		s.Blobs.Wake()
	}
	return Removed{Key: r.Key, Version: marker.Version, Marker: true, Made: true}, nil
}

// unchanged records a change that had nothing to do: there is no transaction to commit its event with.
func (s *Service) unchanged(ctx context.Context, v *visit) error {
	if err := s.Log.Append(context.WithoutCancel(ctx), v.event); err != nil {
		return errors.Join(iam.ErrUnrecordable, err)
	}
	return nil
}
