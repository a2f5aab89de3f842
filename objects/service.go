package objects

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// Kinds of records that caches hold.
const (
	// ChangeBucket announces that a bucket or its keys were written. Scope is the bucket's name.
	ChangeBucket lease.Kind = "bucket"
)

// Instances tells of the object storage instances; it fails with kind NotFound for those of another
// service and those that are not in use.
type Instances interface {
	ObjectInstance(ctx context.Context, id InstanceID) (Instance, error)
}

// Instance is a service instance of the object store.
type Instance struct {
	ID            InstanceID
	Account       iam.AccountID
	CRN           crn.CRN
	ResourceGroup string
}

// Config of the house. Every field is required unless it says otherwise.
type ServiceConfig struct {
	Store     Store
	Blobs     Blobs
	RootKeys  RootKeys
	Instances Instances
	Decider   iam.Decider
	Log       iam.Recorder
	Hub       *lease.Hub
	Now       func() time.Time
	Logger    *slog.Logger

	// Provider is the root key of buckets without one of the customer's.
	Provider crn.CRN
	// Profiles are chosen by Select, the first of which is the default.
	Profiles []Profile
	// Select returns the name of the profile for a location constraint, or "" for none.
	Select func(location string) string
	// Location is that of buckets made without one, as "us-south-standard".
	Location string
	// Embed is the size in bytes up to which the content of a part is kept in the database: 0 for none, at most 1 MiB.
	Embed int64
	// MaxBuckets of an instance; zero means 100.
	MaxBuckets int
	// NameWait is how long a name stays reserved after its bucket was deleted; zero for not at all.
	NameWait time.Duration
	// StrictNames refuses consecutive dashes in bucket names, as IBM does.
	StrictNames bool
}

// Service is the object store. Safe for concurrent use.
type Service struct {
	ServiceConfig
	door iam.Door
	held *lease.Cache[string, *heldBucket] // by name
	acts *acts

	works     *works
	census    *census
	following *following
	// applied is the last midnight, in seconds, since which this process has applied all lifecycle rules.
	applied atomic.Int64
}

// New returns the object store.
func New(c ServiceConfig) *Service {
	s := &Service{
		ServiceConfig: c,
		door:          iam.Door{Decide: c.Decider, Log: c.Log, Service: "Cloud Object Storage"},
		held:          lease.NewCache[string](c.Hub, heldBuckets, (*heldBucket).end),
		acts:          newActs(),
		works:         newWorks(),
		census:        newCensus(),
		following:     newFollowing(c.Hub),
	}
	c.Hub.Watch(s.changed, ChangeBucket)
	return s
}
