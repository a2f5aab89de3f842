package objects

import "time"

// lockFor returns the Object Lock of a new version in a bucket with this configuration, nil without
// one: what the request asks for, or else the default of the bucket. A legal hold may come beside either.
func (c *LockConfig) lockFor(asked Lock, now time.Time) (Lock, error) {
	switch {
	case c == nil && asked != Lock{Lifted: asked.Lifted}:
		return Lock{}, ErrNotLockable
	case c == nil:
		return Lock{}, nil
	case asked.Mode != "" || !asked.Until.IsZero():
		return asked, checkLockRetention(asked.Mode, asked.Until, now)
	case c.Mode == "":
		return asked, nil
	}
	asked.Mode = c.Mode
	asked.Until = now.AddDate(c.Years, 0, c.Days)
	return asked, nil
}

// checkLockRetention checks mode and date of a retention by themselves: both are needed.
func checkLockRetention(mode LockMode, until, now time.Time) error {
	switch {
	case mode != Governance && mode != Compliance:
		return ErrArgument.On("mode", "neither GOVERNANCE nor COMPLIANCE")
	case until.IsZero():
		return ErrArgument.On("retain-until-date", "a mode needs a date")
	case !until.After(now):
		return ErrArgument.On("retain-until-date", "the date is not in the future")
	}
	return nil
}

// permission says what a change of something locked takes.
type permission int

const (
	free        permission = iota // nothing is in the way
	needsBypass                   // only governance is, which a caller with that right may set aside
	never                         // nobody may
)

// retained says what it takes to go against the retention by mode and date alone.
func (l Lock) retained(now time.Time) permission {
	switch {
	case l.Mode == "" || !now.Before(l.Until):
		return free
	case l.Mode == Governance:
		return needsBypass
	default:
		return never
	}
}

// removal says what it takes to remove the version for good.
func (l Lock) removal(now time.Time) permission {
	if l.Hold {
		return never
	}
	return l.retained(now)
}

// retain returns the lock with another mode and date, and what it takes to set them; an empty mode
// removes them. Whoever makes a retention longer, or compliance of governance, takes nothing from it.
func (l Lock) retain(mode LockMode, until, now time.Time) (Lock, permission, error) {
	next := Lock{Mode: mode, Until: until, Hold: l.Hold, Lifted: l.Lifted}
	if mode == "" && until.IsZero() {
		return next, l.retained(now), nil
	}
	if err := checkLockRetention(mode, until, now); err != nil {
		return l, never, err
	}
	if !until.Before(l.Until) && (mode == l.Mode || mode == Compliance) {
		return next, free, nil
	}
	return next, l.retained(now), nil
}
