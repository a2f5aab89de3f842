package masters

import (
	"context"
	"time"

	"strongroom/audit"
)

// Store keeps the generations. What it returns without an error was read from, or is durable in, the
// authoritative database. A change is committed together with its event.
type Store interface {
	// Generations returns all of them, the oldest first.
	Generations(ctx context.Context) ([]Generation, error)
	// Begin adds a generation in state Making, before its masters are made.
	Begin(ctx context.Context, g Generation) error
	// Enter makes a generation that Begin added the current one, with all that is known of it now,
	// and the one before one that is left. It fails with kind Stale unless both are as they were.
	Enter(ctx context.Context, g Generation, ev *audit.Event) error
	// Record keeps an event of an act that changed nothing in the database.
	Record(ctx context.Context, ev *audit.Event) error

	// Left counts what still needs the masters of a generation.
	Left(ctx context.Context, number uint32) (Left, error)
	// Retire gives a generation its last state, Retired or Lost, and removes what was kept under it
	// beside its equal under a newer one. It fails with ErrInUse while anything needs the masters, and
	// with kind Stale if the generation is the current one, or retired.
	Retire(ctx context.Context, number uint32, last State, ev *audit.Event) error
	// Dispose writes down that the shares of a recovery set were destroyed.
	Dispose(ctx context.Context, set string, ev *audit.Event) error
	// Unseal writes down that what sealed the master file of a module is destroyed.
	Unseal(ctx context.Context, module string, ev *audit.Event) error

	// Purged returns what was purged, the oldest first, beginning behind after, of which the zero
	// value is before all.
	Purged(ctx context.Context, after Purged, limit int) ([]Purged, error)
	// CountPurged returns how much was purged; Deleted how many keys are deleted and can still be
	// restored or wait to be purged, and when the last of them was deleted.
	CountPurged(ctx context.Context) (int, error)
	Deleted(ctx context.Context) (n int, last time.Time, err error)
}
