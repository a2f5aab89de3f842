package kms

import (
	"cmp"
	"context"
	"time"

	"strongroom/audit"
)

// LifecycleStore keeps what happens to keys at the end of their lives. What it promises is said at
// [KeyStore].
type LifecycleStore interface {
	// PurgeKey removes a key and everything that is kept about it, if it has k's revision.
	PurgeKey(ctx context.Context, k Key, ev *audit.Event) error
	// DueKeys returns keys that wait for the clock and whose time is not after until, those that
	// wait the longest first, beginning behind after, of which the zero value is before all.
	DueKeys(ctx context.Context, what Due, until time.Time, after DueKey, limit int) ([]DueKey, error)
}

// Due is something that the clock does to keys.
type Due int

// What the clock does, and the time that it goes by.
const (
	DueExpiry   Due = iota // the expiration date of an active key
	DueRotation            // NextRotation
	DuePurge               // the deletion
)

// DueKey is a key that waits for the clock.
type DueKey struct {
	At       time.Time
	Instance InstanceID
	Key      KeyID
}

// waits are the settings of how long after one change another is refused.
type waits struct {
	enable, restore, purge, sync time.Duration
}

// Waits of IBM's service that hold unless they are set otherwise.
const (
	defaultPurgeWait = 4 * time.Hour
	defaultSyncWait  = time.Hour
)

func (c *Config) waits() waits {
	return waits{
		enable: c.EnableWait, restore: c.RestoreWait,
		purge: max(cmp.Or(c.PurgeWait, defaultPurgeWait), 0), sync: max(cmp.Or(c.SyncWait, defaultSyncWait), 0),
	}
}

// errWait refuses what may be tried again soon.
var errWait = ErrTooEarly.On("", "Please wait and try again")
