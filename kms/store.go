package kms

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// Kinds of the changes by which caches learn what was written. The scope is the instance.
const (
	ChangeKey      lease.Kind = "kms.key"      // the ID is that of the key
	ChangeAlias    lease.Kind = "kms.alias"    // the ID is the alias
	ChangeInstance lease.Kind = "kms.instance" // the ID is that of the instance: its key is gone
	ChangePolicies lease.Kind = "kms.policies" // the ID is that of the instance: its policies are others
	ChangeMasters  lease.Kind = "kms.masters"  // a generation of masters was retired, in no scope
)

// Store keeps all that the service has. What it promises is said at [KeyStore].
type Store interface {
	KeyStore
	RingStore
	RegistrationStore
	LifecycleStore
	InstancePolicyStore
	JobStore
	ImportTokenStore
	TransportStore
	RepeatStore
	CensusStore
	MoveStore
	VerifyStore
}

// KeyStore keeps keys. What it returns without an error was read from, or is durable in, the
// authoritative database. Absence is a failure of kind NotFound. A change is committed together
// with its event, and announced to the caches before the method returns.
type KeyStore interface {
	// Key returns a key without its versions.
	Key(ctx context.Context, in InstanceID, id KeyID) (Key, error)
	// Record returns a key with all its versions, the newest first.
	Record(ctx context.Context, in InstanceID, id KeyID) (Record, error)
	// Resolve returns the key that has the alias: the live one, else the one deleted last.
	Resolve(ctx context.Context, in InstanceID, alias string) (KeyID, error)

	// InsertKey adds a key at revision 1 with its first version. It fails with kind Stale unless
	// the instance is active and at the given revision, with ErrRingNotFound when it does not have
	// the ring, with ErrAliasTaken when a live key of it has one of the aliases, and with
	// ErrMastersRetired when the instance has no key any more under the generation of the version.
	InsertKey(ctx context.Context, k Key, v Version, instanceRevision int64, ev *audit.Event) error
	// UpdateKey writes a key, whose Revision is the one that was read and is increased. It fails
	// with kind Stale when the stored key has another one, and with ErrRingNotFound, ErrAliasTaken
	// and ErrMastersRetired like InsertKey. A new version is added when v is not nil.
	UpdateKey(ctx context.Context, k Key, v *Version, ev *audit.Event) error

	// ListKeys returns the keys that q asks for, in its order.
	ListKeys(ctx context.Context, q Query) ([]Key, error)
	// CountKeys returns how many keys match q, whatever its limit and offset.
	CountKeys(ctx context.Context, q Query) (int, error)
	// CountLive returns how many keys of an instance are not deleted.
	CountLive(ctx context.Context, in InstanceID) (int, error)

	// InstanceKeys returns the key of an instance under each generation of masters that it has it
	// under, the newest first.
	InstanceKeys(ctx context.Context, in InstanceID) ([]InstanceKey, error)
	// InsertInstanceKey gives an instance its key; it fails with kind Conflict when it has one,
	// under whatever generation.
	InsertInstanceKey(ctx context.Context, k InstanceKey) error
	// DestroyInstance removes the key of the instance first, by which all others become
	// unreadable, and then every row of the instance. It may be repeated.
	DestroyInstance(ctx context.Context, in InstanceID) error
}

// Query says which keys of an instance to list, and how.
type Query struct {
	Instance    InstanceID
	Scope       iam.Scope // what the caller may see
	Ring        RingID    // only this ring; empty means all
	States      []State
	Extractable *bool // only standard keys, or only root keys; nil means both
	Dates       []DateTerm
	Search      *Search   // nil means all names
	First       KeyID     // comes before all others, if it matches; empty means none
	Now         time.Time // decides which active keys count as deactivated
	Sort        []Order
	Limit       int
	Offset      int
}

// Property is something that keys can be sorted by.
type Property string

// The properties, with their names on the wire.
const (
	ByID          Property = "id"
	ByState       Property = "state"
	ByExtractable Property = "extractable"
	ByImported    Property = "imported"
	ByCreated     Property = "creationDate"
	ByUpdated     Property = "lastUpdateDate"
	ByRotated     Property = "lastRotateDate"
	ByDeleted     Property = "deletionDate"
	ByExpires     Property = "expirationDate"
)

// Properties lists all that keys can be sorted by.
func Properties() []Property {
	return []Property{
		ByID, ByState, ByExtractable, ByImported, ByCreated,
		ByUpdated, ByRotated, ByDeleted, ByExpires,
	}
}

// Order is one key of a sort. Keys that lack the property come last either way; ties are broken
// by ID.
type Order struct {
	By         Property
	Descending bool
}
