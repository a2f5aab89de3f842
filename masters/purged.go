package masters

import (
	"context"
	"fmt"
	"slices"
	"time"

	"strongroom/audit"
	"strongroom/iam"
)

// Purged is a key whose live record is gone, or an instance whose key was destroyed. Copies of it,
// in older backups, open until the generations that have wrapped it are gone.
type Purged struct {
	Instance   string
	Key        string // empty for the whole instance
	Account    iam.AccountID
	Created    time.Time
	Purged     time.Time
	Generation uint32 // the newest that has wrapped it
}

// Remains says what still opens copies of something that was purged.
type Remains struct {
	Purged
	// Generations are those whose masters could still open a copy, the oldest first.
	Generations []uint32
	// RecoverySets are those whose shares could, by anyone who holds enough of them and a copy.
	RecoverySets []string
	// Seals are the modules in software whose old master files could, in a backup or another copy of
	// the data folder, by who has the key file or passphrase of then.
	Seals []string
	// Shredded is when the last of all went; zero while there are any.
	Shredded time.Time
}

// remains finds out what still opens copies of p. Any generation that was in use between its making
// and its purging may have wrapped it.
func (p Purged) remains(all []Generation) Remains {
	r := Remains{Purged: p}
	sets := map[string]bool{}
	for _, g := range all {
		if g.State == Making || g.Number > p.Generation || (!g.Retired.IsZero() && g.Retired.Before(p.Created)) {
			continue
		}
		if g.State != Retired {
			r.Generations = append(r.Generations, g.Number)
		}
		if set := g.Recovery.Set; set != "" && g.Disposed.IsZero() && !sets[set] {
			sets[set] = true
			r.RecoverySets = append(r.RecoverySets, set)
		}
		if g.InFile && g.Unsealed.IsZero() && !slices.Contains(r.Seals, g.Module) {
			r.Seals = append(r.Seals, g.Module)
		}
		r.Shredded = later(r.Shredded, later(g.Retired, later(g.Disposed, g.Unsealed)))
	}
	if r.Generations != nil || r.RecoverySets != nil || r.Seals != nil {
		r.Shredded = time.Time{}
	}
	return r
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// PurgedPage is a page of what was purged.
type PurgedPage struct {
	Items []Remains
	Next  Purged // the last of the page, behind which the next begins; zero at the end
	// Expected is when what is not shredded yet will be, if masters are replaced as often as the
	// operator means to and old ones retired at once; zero if no interval is set. It says nothing of
	// shares and seals, which only their holders can destroy.
	Expected time.Time
	Total    int       // how much was purged in all
	Deleted  int       // keys that are deleted and not purged yet
	LastGone time.Time // when the last of them was deleted; zero if there is none
}

// Purged lists what was purged, the oldest first, with what still opens copies of it.
func (s *Custodian) Purged(ctx context.Context, who iam.Caller, after Purged, limit int) (PurgedPage, error) {
	var page PurgedPage
	err := s.read(ctx, who, ActionRead, func(ev *audit.Event) (err error) {
		page, err = s.purged(ctx, after, limit)
		ev.ResponseData = map[string]any{"totalResources": len(page.Items)}
		return err
	})
	return page, err
}

func (s *Custodian) purged(ctx context.Context, after Purged, limit int) (page PurgedPage, err error) {
	all, err := s.store.Generations(ctx)
	if err != nil {
		return page, fmt.Errorf("reading the generations of masters: %w", err)
	}
	items, err := s.store.Purged(ctx, after, limit)
	if err != nil {
		return page, fmt.Errorf("reading what was purged: %w", err)
	}
	for _, p := range items {
		page.Items = append(page.Items, p.remains(all))
	}
	if len(items) == limit {
		page.Next = items[limit-1]
	}
	if g, ok := currentOf(all); ok && s.interval > 0 {
		page.Expected = later(g.Created.Add(s.interval), s.now())
	}
	if page.Total, err = s.store.CountPurged(ctx); err != nil {
		return page, fmt.Errorf("counting what was purged: %w", err)
	}
	if page.Deleted, page.LastGone, err = s.store.Deleted(ctx); err != nil {
		return page, fmt.Errorf("counting deleted keys: %w", err)
	}
	return page, nil
}
