package kms

import (
	"context"
	"sync/atomic"
	"time"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// Config is what the service works with. All fields are needed but those that say otherwise.
type Config struct {
	Store     Store
	Instances Instances
	Module    custody.Module
	Hub       *lease.Hub
	Decider   iam.Decider
	Viewer    Viewer
	Log       iam.Recorder
	Now       func() time.Time

	// RotationWait is how long after a rotation a key cannot be rotated again. Zero: not at all;
	// IBM's service waits one hour.
	RotationWait time.Duration
	// EnableWait is how long after it was disabled a key cannot be enabled. Zero: not at all; IBM's
	// service waits 30 seconds.
	EnableWait time.Duration
	// RestoreWait is how long after it was deleted a key cannot be restored. Zero: not at all; IBM's
	// service waits 30 seconds.
	RestoreWait time.Duration
	// PurgeWait is how long after it was deleted a key cannot be purged. Zero means four hours, less than
	// zero not at all.
	PurgeWait time.Duration
	// SyncWait is how long after services were told of a key they cannot be told again only because
	// somebody asks for it. Zero means one hour, less than zero not at all.
	SyncWait time.Duration
	// WatchWait is how long Watch waits for a change; zero means 400 milliseconds.
	WatchWait time.Duration
	// CachedKeys is how many key records are kept in memory; zero means 10,000.
	CachedKeys int
	// LoadedKeys is how many keys stay loaded in the crypto module; zero means 10,000.
	LoadedKeys int
	// TransportKeys is how many transport keys for import tokens are made ahead; zero means 2.
	TransportKeys int
	// MaxMeters is how many kinds of requests the metrics of instances count, of which one account can
	// have a tenth; zero means 20,000, which take 8 MiB.
	MaxMeters int
	// GroupName tells the name of a resource group for metrics; nil means that its ID is used.
	GroupName func(ctx context.Context, id string) (string, error)
	// MaxRings is how many key rings an instance can have besides the default one; zero means
	// [MaxRings].
	MaxRings int
}

// Service is the key service. Safe for concurrent use.
type Service struct {
	store        Store
	instances    Instances
	module       custody.Module
	hub          *lease.Hub
	viewer       Viewer
	door         iam.Door
	now          func() time.Time
	rotationWait time.Duration
	waits        waits
	clock        clock
	maxRings     int

	records  *lease.Cache[keyRef, *Record]
	aliases  *lease.Cache[aliasRef, KeyID]
	policies *lease.Cache[InstanceID, *InstancePolicies]
	loaded   *loadedKeys

	transport *transportPool
	mover     Mover // nil if keys cannot be moved
	moved     atomic.Uint64
	uses      uses

	watching *watching

	meters    *meters
	groupName func(ctx context.Context, id string) (string, error)
}

// keyRef and aliasRef name what is cached: both are unique in an instance only.
type (
	keyRef struct {
		instance InstanceID
		key      KeyID
	}
	aliasRef struct {
		instance InstanceID
		alias    string
	}
)

const (
	defaultCached        = 10_000
	defaultTransportKeys = 2
)

// New returns the service.
func New(c Config) *Service {
	if c.CachedKeys == 0 {
		c.CachedKeys = defaultCached
	}
	if c.LoadedKeys == 0 {
		c.LoadedKeys = defaultCached
	}
	if c.TransportKeys == 0 {
		c.TransportKeys = defaultTransportKeys
	}
	if c.MaxMeters == 0 {
		c.MaxMeters = defaultMeters
	}
	if c.MaxRings == 0 {
		c.MaxRings = MaxRings
	}
	s := &Service{
		maxRings: c.MaxRings,
		store:    c.Store, instances: c.Instances, module: c.Module, hub: c.Hub, viewer: c.Viewer,
		door: iam.Door{Decide: c.Decider, Log: c.Log, Service: "Key Protect", Refusal: 401},
		now:  c.Now, rotationWait: c.RotationWait, waits: c.waits(), clock: clock{postponed: map[keyRef]time.Time{}},
		records:  lease.NewCache[keyRef, *Record](c.Hub, c.CachedKeys, nil),
		aliases:  lease.NewCache[aliasRef, KeyID](c.Hub, c.CachedKeys, nil),
		policies: lease.NewCache[InstanceID, *InstancePolicies](c.Hub, c.CachedKeys, nil),
		loaded:   newLoadedKeys(c.Module, c.LoadedKeys),

		transport: newTransportPool(&c), watching: newWatching(&c),

		meters: newMeters(c.MaxMeters, c.Now()), groupName: c.GroupName,
	}
	s.mover, _ = c.Module.(Mover)
	c.Hub.Watch(s.changed, ChangeKey, ChangeAlias, ChangeInstance, ChangePolicies, ChangeMasters)
	return s
}

// changed forgets what a committed change has made outdated.
func (s *Service) changed(c lease.Change) {
	in := InstanceID(c.Scope)
	switch c.Kind {
	case ChangeKey:
		s.records.Heed(keyRef{in, KeyID(c.ID)}, c)
		s.loaded.drop(keyRef{in, KeyID(c.ID)})
	case ChangeAlias:
		s.aliases.Heed(aliasRef{in, c.ID}, c)
	case ChangePolicies:
		s.policies.Heed(in, c)
	case ChangeInstance:
		// The rows of the instance go with its key, without a change for each.
		s.records.Clear()
		s.aliases.Clear()
		s.policies.Drop(in)
		s.loaded.dropInstance(in)
	case ChangeMasters:
		s.records.Clear()
		s.loaded.dropAll()
	}
}

// steady runs an operation that may use what is cached. If the lease was not held all the while,
// what came of it is thrown away, and the operation runs once more from authoritative reads.
func (s *Service) steady(do func(from source) error) error {
	if s.hub.Held() {
		pass := s.hub.Enter()
		if err := do(cached); pass.Good() {
			return err
		}
	}
	return do(authoritative)
}

// source says where an operation reads what it needs to know of a key.
type source int

const (
	cached        source = iota // from leased memory, else from the store
	authoritative               // from the store
)
