package kms

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"strongroom/audit"
	"strongroom/iam"
)

// Use is what a key version was used for.
type Use string

// The uses that are told apart. Rewrapping is both: of the version that had wrapped, and of the one
// that wraps now.
const (
	UseWrap   Use = "wrap"
	UseUnwrap Use = "unwrap"
)

// VersionUse tells when a key version was last used for something, and by whom.
type VersionUse struct {
	Instance InstanceID
	Key      KeyID
	Version  VersionID
	Use      Use
	At       time.Time
	By       iam.IdentityID
}

// VersionData is how much data a service says depends on a key version.
type VersionData struct {
	Instance InstanceID
	Key      KeyID
	Version  VersionID
	Service  string // CRN of the service's instance
	Objects  int64
	Bytes    int64
	At       time.Time
}

// CensusStore keeps what depends on key versions.
type CensusStore interface {
	// AddUses brings the last uses up to date, of versions that exist.
	AddUses(ctx context.Context, uses []VersionUse) error
	// Uses returns the last uses of the versions of a key.
	Uses(ctx context.Context, in InstanceID, id KeyID) ([]VersionUse, error)
	// PutData replaces what a service has said of a version. Zero objects remove it.
	PutData(ctx context.Context, d VersionData, ev *audit.Event) error
	// Data returns what services have said of the versions of a key.
	Data(ctx context.Context, in InstanceID, id KeyID) ([]VersionData, error)
	// CountByVersion returns how many registrations of a key name each of its versions.
	CountByVersion(ctx context.Context, in InstanceID, id KeyID) (map[VersionID]int, error)
}

// VersionCensus is what depends on one version of a key.
type VersionCensus struct {
	Stamp
	Registrations int
	Wrapped       LastUse
	Unwrapped     LastUse
	Data          []VersionData // of each service that has said so
}

// LastUse tells when a version was last used, and by whom; zero if never.
type LastUse struct {
	At time.Time
	By iam.IdentityID
}

// Census tells what depends on each version of a root key in any state, the newest first. Uses are
// those of this server up to now, and of other servers up to a minute ago.
func (s *Service) Census(ctx context.Context, who iam.Caller, ref Ref) ([]VersionCensus, error) {
	var all []VersionCensus
	err := s.visit(ctx, who, ref, operation{action: ActionVersions, act: func(v *visit) (err error) {
		if err := v.record.needRoot(); err != nil {
			return err
		}
		all, err = s.census(ctx, v.record)
		v.tell(&v.record.Key, map[string]any{"totalResources": len(all)})
		return err
	}})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (s *Service) census(ctx context.Context, r *Record) ([]VersionCensus, error) {
	uses, err := s.store.Uses(ctx, r.Instance, r.ID)
	if err != nil {
		return nil, fmt.Errorf("reading uses of key %s: %w", r.ID, err)
	}
	data, err := s.store.Data(ctx, r.Instance, r.ID)
	if err != nil {
		return nil, fmt.Errorf("reading data of key %s: %w", r.ID, err)
	}
	registrations, err := s.store.CountByVersion(ctx, r.Instance, r.ID)
	if err != nil {
		return nil, fmt.Errorf("counting registrations of key %s: %w", r.ID, err)
	}
	all := make([]VersionCensus, len(r.Versions))
	for i := range all {
		id := r.Versions[i].ID
		all[i] = VersionCensus{
			Stamp: r.Versions[i].Stamp, Registrations: registrations[id],
			Wrapped: s.uses.last(id, UseWrap), Unwrapped: s.uses.last(id, UseUnwrap),
		}
	}
	of := func(id VersionID) *VersionCensus {
		i := slices.IndexFunc(all, func(c VersionCensus) bool { return c.ID == id })
		if i < 0 {
			return &VersionCensus{} // of a version made since the record was read
		}
		return &all[i]
	}
	for _, u := range uses {
		last := &of(u.Version).Wrapped
		if u.Use == UseUnwrap {
			last = &of(u.Version).Unwrapped
		}
		if u.At.After(last.At) {
			*last = LastUse{At: u.At, By: u.By}
		}
	}
	for _, d := range data {
		c := of(d.Version)
		c.Data = append(c.Data, d)
	}
	return all, nil
}

// ReportData keeps how much data a service says depends on a version of a root key: it replaces
// what the same service instance has said before. Only services may say so.
func (s *Service) ReportData(ctx context.Context, who iam.Caller, ref Ref, id VersionID, objects, bytes int64) error {
	return s.visit(ctx, who, ref, operation{
		action: ActionRegistrationWrite, change: true,
		check: func() error {
			switch {
			case who.Kind != iam.KindInstance:
				return ErrServiceOnly
			case objects < 0 || bytes < 0:
				return ErrField.On("objects", "0 or more, like bytes")
			}
			return nil
		},
		act: func(v *visit) error {
			if err := v.record.needRoot(); err != nil {
				return err
			}
			if v.record.version(id) == nil {
				return ErrField.On("version", "the ID of a version of the key")
			}
			v.tell(&v.record.Key, map[string]any{"keyVersionId": string(id), "objects": objects, "bytes": bytes})
			return s.store.PutData(ctx, VersionData{
				Instance: v.instance.ID, Key: v.record.ID, Version: id, Service: who.Instance.String(),
				Objects: objects, Bytes: bytes, At: v.now,
			}, v.event)
		},
	})
}

// useShards divides uses, so that requests rarely wait for each other.
const useShards = 16

// maxUses is how many uses a shard gathers: beyond it, uses of versions that were not used since
// the last flush are not noted until the next.
const maxUses = 16_384

// uses gathers the last uses of key versions between two flushes, so that wrapping does not write
// to the database. A crash loses the last minute; the audit log has each use.
type uses struct {
	shards [useShards]useShard
}

type useShard struct {
	mu   sync.Mutex
	last map[useRef]VersionUse // guarded by mu
	_    [40]byte              // keeps shards on cache lines of their own
}

type useRef struct {
	version VersionID
	use     Use
}

// shard finds the shard of a version by the last hexadecimal digit of its UUID, which is random.
func (u *uses) shard(id VersionID) *useShard {
	if id == "" {
		return &u.shards[0]
	}
	digit := id[len(id)-1]
	return &u.shards[(digit&15+9*(digit>>6))%useShards]
}

// note remembers a use of a version.
func (u *uses) note(use Use, k *Key, id VersionID, by iam.IdentityID, at time.Time) {
	u.add(VersionUse{Instance: k.Instance, Key: k.ID, Version: id, Use: use, At: at, By: by})
}

func (u *uses) add(use VersionUse) {
	ref := useRef{use.Version, use.Use}
	s := u.shard(use.Version)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.last[ref]
	switch {
	case ok && !use.At.After(known.At):
		return
	case !ok && len(s.last) >= maxUses:
		return
	case s.last == nil:
		s.last = map[useRef]VersionUse{}
	}
	s.last[ref] = use
}

// last returns what was noted since the last flush.
func (u *uses) last(id VersionID, use Use) LastUse {
	s := u.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.last[useRef{id, use}]
	return LastUse{At: known.At, By: known.By}
}

// take empties one shard.
func (s *useShard) take() []VersionUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]VersionUse, 0, len(s.last))
	for _, use := range s.last {
		all = append(all, use)
	}
	s.last = nil
	return all
}

// useBatch is how many uses one transaction writes: others get their turn in between.
const useBatch = 1000

// FlushUses writes to the store when key versions were last used. Run regularly, once a minute, it
// is what Census of other servers knows.
func (s *Service) FlushUses(ctx context.Context) error {
	for i := range s.uses.shards {
		all := s.uses.shards[i].take()
		for batch := range slices.Chunk(all, useBatch) {
			if err := s.store.AddUses(ctx, batch); err != nil {
				for _, use := range all {
					s.uses.add(use)
				}
				return fmt.Errorf("noting uses of key versions: %w", err)
			}
		}
	}
	return nil
}

const flushEvery = time.Minute

// RunUses flushes the uses once a minute, and at its end, until ctx is done.
func (s *Service) RunUses(ctx context.Context) error {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.FlushUses(context.WithoutCancel(ctx))
		case <-t.C:
			if err := s.FlushUses(ctx); err != nil {
				return err
			}
		}
	}
}
