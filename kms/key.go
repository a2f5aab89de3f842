package kms

import (
	"slices"
	"time"

	"strongroom/custody"
	"strongroom/iam"
)

type (
	// InstanceID is the GUID of a Key Protect instance.
	InstanceID string
	// KeyID is the UUID of a key, in lower case; not a CRN, not an alias.
	KeyID string
	// VersionID is the UUID of a key version. The first version of a key has the ID of the key.
	VersionID string
	// RingID names a key ring within its instance.
	RingID string
)

// DefaultRing is the key ring that every instance has.
const DefaultRing RingID = "default"

// State is where a key is in its life, with the numbers of NIST SP 800-57 that Key Protect uses.
type State int

// The states. Keys are never in state 0, pre-activation.
const (
	Active      State = 1
	Suspended   State = 2
	Deactivated State = 3 // its expiration date has passed
	Destroyed   State = 5 // deleted; can be restored until it is purged
)

// Timings of deleted keys, which key objects tell their readers. For how long they cannot be
// purged is a setting, see [Config].
const (
	RestoreWindow = 30 * 24 * time.Hour // how long a deleted key can be restored
	PurgeAfter    = 90 * 24 * time.Hour // after which a deleted key is purged by itself
)

// Key is what is known of a key without its material. Treat it as immutable: it is shared by
// everybody who reads it from the cache.
type Key struct {
	ID          KeyID
	Instance    InstanceID
	Account     iam.AccountID
	Ring        RingID
	Name        string
	Description string
	Aliases     []string
	Tags        []string
	Extractable bool  // a standard key, whose material can be read; otherwise a root key
	Imported    bool  // material was brought by the caller
	State       State // as stored; see StateAt
	Created     time.Time
	CreatedBy   iam.IdentityID
	Updated     time.Time // of the last change of any kind
	Rotated     time.Time // zero if never
	Expires     time.Time // whole seconds; zero if never
	Deleted     time.Time // zero unless Destroyed
	DeletedBy   iam.IdentityID
	Suspended   time.Time // when it was last disabled; zero if never
	Notified    time.Time // when services were last to be told of a change of its state; zero if never
	Newest      Stamp     // the version in use
	Revision    int64     // grows by one with each change
	// CheckValue is that of the newest version's material, of an imported root key; in what
	// operations on this one key return, not in lists.
	CheckValue string

	Rotation *RotationPolicy // nil if none was ever set
	DualAuth *DualAuthPolicy // nil if none was ever set
	// Deletion is the authorization of a first person, if the key needs two to be deleted; see
	// AuthorizedAt.
	Deletion *DeletionAuthorization
}

// Stamp tells one version of a key from the others.
type Stamp struct {
	ID      VersionID
	Number  int // 1 is the key as created
	Created time.Time
	Size    int // of the material, in bytes
}

// Version is one generation of the material of a key, as it is stored.
type Version struct {
	Stamp
	Generation uint32 // of the module's masters that sealed it
	Origin     custody.Origin
	Material   custody.MaterialID // of root keys
	// Sealed is the material: of a root key in the form of [custody.Module], of a standard key as
	// a marshalled [custody.Box] under the instance key.
	Sealed []byte
	// First is the repeatable request that makes this version, for the store to keep; nil if there
	// is none, and in what the store returns.
	First *First
}

// Record is a key with all its versions, the newest first. Treat it as immutable.
type Record struct {
	Key
	Versions []Version
}

// StateAt returns the state of the key at a moment. A key is deactivated from the second of its
// expiration date on, whether or not that has been written down. A suspended key stays suspended.
func (k *Key) StateAt(now time.Time) State {
	if k.State == Active && !k.Expires.IsZero() && !now.Before(k.Expires) {
		return Deactivated
	}
	return k.State
}

// Recoverable reports whether a deleted key can still be restored: its time is not over, and the
// date at which it expires has not passed.
func (k *Key) Recoverable(now time.Time) bool {
	return k.State == Destroyed && now.Before(k.Deleted.Add(RestoreWindow)) &&
		(k.Expires.IsZero() || now.Before(k.Expires))
}

// needRoot returns ErrNotRoot for a standard key.
func (k *Key) needRoot() error {
	if k.Extractable {
		return ErrNotRoot
	}
	return nil
}

// needState returns nil if the key is in one of the states, else what is wrong.
func (k *Key) needState(now time.Time, allowed ...State) error {
	switch s := k.StateAt(now); {
	case slices.Contains(allowed, s):
		return nil
	case s == Destroyed:
		return ErrDeleted
	}
	return ErrState
}

// needStateSaying is needState for one state, whose absence is explained to the caller.
func (k *Key) needStateSaying(now time.Time, state State, text string) error {
	err := k.needState(now, state)
	if err == ErrState {
		return ErrState.On("", text)
	}
	return err
}

// version returns the version with the ID, or nil.
func (r *Record) version(id VersionID) *Version {
	for i := range r.Versions {
		if r.Versions[i].ID == id {
			return &r.Versions[i]
		}
	}
	return nil
}

// shown returns the key as its readers are told of it.
func (r *Record) shown() Key {
	k := r.Key
	k.CheckValue = r.newest().checkValue()
	return k
}

// checkValue is by what people recognise material that they brought; empty for what we have drawn.
func (v *Version) checkValue() string {
	if v.Origin != custody.OriginImported || v.Material == (custody.MaterialID{}) {
		return ""
	}
	return v.Material.CheckValue()
}

// newest returns the version that wraps.
func (r *Record) newest() *Version { return &r.Versions[0] }
