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

// Timings of deleted keys, which key objects tell their readers.
const (
	RestoreWindow = 30 * 24 * time.Hour // how long a deleted key can be restored
	PurgeWait     = 4 * time.Hour       // before which a deleted key cannot be purged
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
	Newest      Stamp // the version in use
	Revision    int64 // grows by one with each change
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

// version returns the version with the ID, or nil.
func (r *Record) version(id VersionID) *Version {
	for i := range r.Versions {
		if r.Versions[i].ID == id {
			return &r.Versions[i]
		}
	}
	return nil
}

// newest returns the version that wraps.
func (r *Record) newest() *Version { return &r.Versions[0] }
