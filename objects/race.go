package objects

import (
	"errors"
	"fmt"

	"strongroom/fault"
)

// errRaced marks a write that somebody else's has overtaken: what it was decided by has changed, so
// it is to be decided anew.
var errRaced = errors.New("somebody else was first")

// raced marks the failure of a write to the store with errRaced if that is what it was: the stored
// revision was another, or what was to be changed is gone.
func raced(err error) error {
	if kind := fault.KindOf(err); kind == fault.Stale || kind == fault.NotFound {
		return fmt.Errorf("%w: %w", errRaced, err)
	}
	return err
}

// tries bounds how often a change is tried when others change the same object at the same time.
const tries = 32

// decidedAnew calls do, which reads, decides and writes, until its write is not overtaken.
func decidedAnew(do func() error) error {
	for range tries {
		if err := do(); !errors.Is(err, errRaced) {
			return err
		}
	}
	return ErrBusy
}
