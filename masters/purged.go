package masters

import (
	"time"

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
	// Shredded is when the last of both went; zero while there are any.
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
		r.Shredded = later(r.Shredded, later(g.Retired, g.Disposed))
	}
	if r.Generations != nil || r.RecoverySets != nil {
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
