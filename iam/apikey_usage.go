package iam

import (
	"context"
	"sync"
	"time"
)

// KeyUse counts what an API key was used for.
type KeyUse struct {
	Key   APIKeyID
	Count int64
	Last  time.Time
}

// usage gathers uses of API keys between two flushes, so that a request does not
// write to the database. A crash loses the last minute of these counters; the
// audit log has each use.
type usage struct {
	mu   sync.Mutex
	uses map[APIKeyID]KeyUse // guarded by mu
}

func (u *usage) note(id APIKeyID, at time.Time) {
	u.add(KeyUse{Key: id, Count: 1, Last: at})
}

func (u *usage) add(use KeyUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.uses == nil {
		u.uses = map[APIKeyID]KeyUse{}
	}
	known := u.uses[use.Key]
	use.Count += known.Count
	if use.Last.Before(known.Last) {
		use.Last = known.Last
	}
	u.uses[use.Key] = use
}

// take empties the gathering.
func (u *usage) take() []KeyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]KeyUse, 0, len(u.uses))
	for _, use := range u.uses {
		all = append(all, use)
	}
	u.uses = nil
	return all
}

// addTo brings the counters of a key up to date.
func (u *usage) addTo(k *APIKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	use := u.uses[k.ID]
	k.AuthnCount += use.Count
	if use.Last.After(k.LastAuthn) {
		k.LastAuthn = use.Last
	}
}

// Flush writes to the store how often API keys were used. Run does so once a
// minute and at its end.
func (s *Identities) Flush(ctx context.Context) error {
	uses := s.usage.take()
	if len(uses) == 0 {
		return nil
	}
	if err := s.store.AddUses(ctx, uses); err != nil {
		for _, use := range uses {
			s.usage.add(use)
		}
		return err
	}
	return nil
}
