package objects

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"strongroom/iam"
)

// actionTransition is taken by the server alone.
const actionTransition iam.Action = "cloud-object-storage.object.transition"

// verdict is what becomes of a version or upload now, and by which rule. A nil act leaves it.
type verdict struct {
	action iam.Action
	key    string
	rule   string
	act    func(context.Context, *visit) error
	gone   bool // the version is not there when the act is done
}

// judgeVersions judges a page of versions, newest first within a key, and does what is due.
func (s *Service) judgeVersions(ctx context.Context, v *visit, j *Job, at lifecycleCursor, day time.Time) (lifecycleCursor, error) {
	rows, _, err := s.Store.List(ctx, v.bucket.ID, List{Versions: true, After: at.After, Version: at.Version, Limit: lifecyclePage})
	if err != nil {
		return at, fmt.Errorf("listing versions: %w", err)
	}
	// The row beyond the page only tells whether there is another version below the one before it.
	judged := rows[:min(len(rows), lifecyclePage)]
	verdicts := make([]verdict, len(judged))
	places := []lifecycleCursor{at}
	for i := range judged {
		r := &judged[i]
		if r.Latest {
			at.Newer, at.Since = 0, time.Time{}
		}
		alone := r.Latest && (i+1 == len(rows) || rows[i+1].Key != r.Key)
		if verdicts[i], err = s.ageOut(ctx, v, r, alone, at, day); err != nil {
			return at, err
		}
		if !r.Latest {
			at.Newer++
		}
		at.After, at.Version, at.Since = r.Key, r.Version, r.Modified
		places = append(places, at)
	}
	left, err := s.execute(ctx, v, verdicts)
	if err != nil {
		return at, err
	}
	j.Done += int64(len(judged))
	if len(judged) == len(rows) {
		return lifecycleCursor{Uploads: true}, nil
	}
	return lastLeft(places, left), nil
}

// lastLeft is the place of the last version of a page that is still there, or else the one before the
// page. What was removed behind it has made the next one noncurrent, if it is of the same key.
func lastLeft(places []lifecycleCursor, left []bool) lifecycleCursor {
	i, end := len(left), places[len(left)]
	for i > 0 && !left[i-1] {
		i--
	}
	at := places[i]
	if end.After == at.After {
		at.Since, at.Newer = end.Since, end.Newer
	}
	return at
}

// ageOut says what is due for a version.
func (s *Service) ageOut(ctx context.Context, v *visit, r *Row, alone bool, at lifecycleCursor, day time.Time) (verdict, error) {
	rules := v.bucket.Lifecycle
	tags, err := s.tagsFor(ctx, v, r)
	if err != nil {
		return verdict{}, err
	}
	var when time.Time
	var rule string
	version := r.Version
	switch {
	case r.Marker && r.Latest && alone:
		when, rule = markerExpiryOf(rules, r.Key, r.Modified)
	case r.Marker && r.Latest: // it hides what is below it
	case r.Latest:
		version = ""
		when, rule = expiryOf(rules, r.Key, r.Size, r.Modified, tags)
	default:
		when, rule = noncurrentExpiryOf(rules, r.Key, r.Size, tags, at.Since, at.Newer)
	}
	if !when.IsZero() && !when.After(day) && v.mayExpire(r, version) {
		return s.expiry(v, r, version, rule), nil
	}
	if a := r.Archive; !a.Archived() && !a.Due.IsZero() && !a.Due.After(v.now) {
		return s.transition(r), nil
	}
	return verdict{}, nil
}

// tagsFor returns the tags of a version if a rule asks for tags. While they cannot be read the version
// is as if it had none.
func (s *Service) tagsFor(ctx context.Context, v *visit, r *Row) (map[string]string, error) {
	if r.Marker || !asksForTags(v.bucket.Lifecycle) {
		return nil, nil
	}
	rec, err := s.openRecord(ctx, v, r)
	switch {
	case keyUnavailable(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the tags of %q: %w", clip(r.Key), err)
	}
	return rec.Tags, nil
}

func asksForTags(rules []LifecycleRule) bool {
	for i := range rules {
		if len(rules[i].Tags) > 0 && rules[i].Enabled {
			return true
		}
	}
	return false
}

// mayExpire reports whether a version is not protected from going, named or by a marker: what is stays
// until it is not any more.
func (v *visit) mayExpire(r *Row, version VersionID) bool {
	hidden := version == "" && v.bucket.Versioning != ""
	return !r.Retain.Protects(v.now) && (hidden || r.Lock.removal(v.now) == free)
}

// expiry is the verdict that a version goes: for good if it is named, or else as who deletes the object
// would have it, by a marker where versions are kept.
func (s *Service) expiry(v *visit, r *Row, version VersionID, rule string) verdict {
	action := ActionObjectDelete
	if version != "" {
		action = ActionObjectDeleteVersion
	}
	row := *r
	d := verdict{action: action, key: r.Key, rule: rule}
	// A marker without an ID takes the place of the version without one.
	d.gone = version != "" || v.bucket.Versioning != VersioningEnabled && r.Version == NullVersion
	d.act = func(ctx context.Context, v *visit) error {
		_, err := s.removeOnce(ctx, v, Remove{Bucket: v.bucket.Name, Key: row.Key, Version: version}, row, true)
		return err
	}
	return d
}

// transition is the verdict that a version goes to the archive.
func (s *Service) transition(r *Row) verdict {
	row := *r
	return verdict{action: actionTransition, key: r.Key, act: func(ctx context.Context, v *visit) error {
		row.Archive.At = v.now
		v.request("storageClass", row.Archive.Storage)
		return raced(s.Store.UpdateVersion(ctx, row, v.event))
	}}
}

// judgeUploads gives up the uploads of a page that were begun too long ago.
func (s *Service) judgeUploads(ctx context.Context, v *visit, j *Job, at lifecycleCursor, day time.Time) (lifecycleCursor, error) {
	rows, _, err := s.Store.ListUploads(ctx, v.bucket.ID, ListUploads{After: at.After, AfterUpload: at.Upload, Limit: lifecyclePage})
	if err != nil {
		return at, fmt.Errorf("listing uploads: %w", err)
	}
	more := len(rows) > lifecyclePage
	rows = rows[:min(len(rows), lifecyclePage)]
	verdicts := make([]verdict, len(rows))
	for i, u := range rows {
		if when, rule := abortOf(v.bucket.Lifecycle, u.Key, u.Started); !when.IsZero() && !when.After(day) {
			verdicts[i] = verdict{
				action: ActionObjectDeleteUpload, key: u.Key, rule: rule,
				act: func(ctx context.Context, v *visit) error {
					v.respond("uploadId", string(u.ID))
					if err := s.Store.RemoveUpload(ctx, u, v.event); err != nil {
						return raced(err)
					}
					s.Blobs.Wake()
					return nil
				},
			}
		}
	}
	if _, err := s.execute(ctx, v, verdicts); err != nil {
		return at, err
	}
	j.Done += int64(len(rows))
	if !more {
		j.State, j.Cursor = JobDone, ""
		return at, nil
	}
	// An upload that is gone is no place to go on from: the list goes on with the first of its key, and
	// judges again what is left of it.
	last := rows[len(rows)-1]
	return lifecycleCursor{Uploads: true, After: last.Key, Upload: last.ID}, nil
}

// execute does what was decided about a page, some at a time so that commits share syncs, and says which
// versions are still there. What is protected, or was changed meanwhile, is left to the next day.
func (s *Service) execute(ctx context.Context, v *visit, verdicts []verdict) (left []bool, err error) {
	left = make([]bool, len(verdicts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for i, d := range verdicts {
		left[i] = true
		if d.act == nil {
			continue
		}
		group.Go(func() error {
			err := s.byItself(ctx, v, d)
			switch {
			case err == nil:
				left[i] = !d.gone
			case !errors.Is(err, ErrProtected) && !errors.Is(err, errRaced):
				return fmt.Errorf("%s of %q: %w", d.action, clip(d.key), err)
			}
			return nil
		})
	}
	return left, group.Wait()
}

// byItself takes a change that the server makes by itself through the door, so that it is recorded like
// any other.
func (s *Service) byItself(ctx context.Context, at *visit, d verdict) error {
	v := s.approach(ctx, at.who, at.bucket.Name, operation{action: d.action, key: d.key})
	if v.cause != nil {
		return v.cause
	}
	if v.bucket.ID != at.bucket.ID {
		return ErrNoBucket
	}
	if d.rule != "" {
		v.request("lifecycleRule", d.rule)
	}
	door := s.door
	door.Decide = ownWork{}
	return door.Change(ctx, v.who, d.action, v.object, v.event, func() error { return d.act(ctx, v) })
}
