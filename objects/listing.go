package objects

import (
	"context"
	"fmt"

	"strongroom/iam"
)

// List lists objects or versions. While the key of the bucket cannot be used it shows names, sizes,
// dates and opaque ETags.
func (s *Service) List(ctx context.Context, who iam.Caller, l List) (Listing, error) {
	action := ActionBucketGet
	if l.Versions {
		action = ActionBucketGetVersions
	}
	var page Listing
	err := s.visit(ctx, who, l.Bucket, operation{
		action: action,
		data:   &iam.Data{Prefix: &l.Prefix, Delimiter: &l.Delimiter},
		public: func(v *visit) bool { return !l.Versions && v.bucket.openToAll(v.bucket.ACL) },
		act: func(v *visit) (err error) {
			if err := l.check(); err != nil {
				return err
			}
			page, err = s.list(ctx, v, l)
			return err
		},
	})
	return page, err
}

// check refuses what cannot be listed, and takes more than a page holds as a page.
func (l *List) check() error {
	switch {
	case l.Limit < 0:
		return ErrArgument.On("max-keys", "less than 0")
	case l.Version != "" && l.After == "":
		return ErrArgument.On("version-id-marker", "it needs a key-marker")
	}
	l.Limit = min(l.Limit, MaxPage)
	return l.Version.check()
}

func (s *Service) list(ctx context.Context, v *visit, l List) (Listing, error) {
	page := Listing{Bucket: v.view()}
	if l.Limit == 0 {
		return page, nil
	}
	rows, prefixes, err := s.Store.List(ctx, v.bucket.ID, l)
	if err != nil {
		return Listing{}, fmt.Errorf("listing bucket %q: %w", v.bucket.Name, err)
	}
	rows, prefixes = page.cut(rows, prefixes, l.Limit)
	page.Prefixes = prefixes
	if page.Objects, err = s.viewAll(ctx, v, rows); err != nil {
		return Listing{}, err
	}
	return page, nil
}

// cut takes what is more than a page away, which tells that there is more, and notes where it ends.
func (p *Listing) cut(rows []Row, prefixes []string, limit int) ([]Row, []string) {
	if len(rows)+len(prefixes) <= limit {
		return rows, prefixes
	}
	p.Truncated = true
	lastRow, lastPrefix := len(rows)-1, len(prefixes)-1
	if lastRow < 0 || lastPrefix >= 0 && prefixes[lastPrefix] > rows[lastRow].Key {
		prefixes = prefixes[:lastPrefix]
	} else {
		rows = rows[:lastRow]
	}
	if n := len(prefixes); n > 0 {
		p.Next = prefixes[n-1]
	}
	if n := len(rows); n > 0 && rows[n-1].Key > p.Next {
		p.Next, p.NextVersion = rows[n-1].Key, rows[n-1].Version
	}
	return rows, prefixes
}

// viewAll is view for the rows of a page. When a key cannot be used it is not asked for again, so that a
// key service that cannot be reached costs one page one attempt.
func (s *Service) viewAll(ctx context.Context, v *visit, rows []Row) ([]Object, error) {
	list := make([]Object, 0, len(rows))
	shut := map[BucketKeyID]bool{}
	for i := range rows {
		r := &rows[i]
		if shut[r.SealedBy] {
			list = append(list, v.bucket.object(r, nil))
			continue
		}
		o, err := s.view(ctx, v, r)
		if err != nil {
			return nil, err
		}
		shut[r.SealedBy] = o.Sealed
		list = append(list, o)
	}
	return list, nil
}
