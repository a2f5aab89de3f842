package kms

import (
	"fmt"
	"time"

	"strongroom/iam"
)

const (
	day = 24 * time.Hour
	// monthDays is how many days a month of a rotation policy has, whatever the calendar says.
	monthDays = 30

	maxMonths = 12
	maxDays   = maxMonths * monthDays
)

// Interval is the time between two rotations by policy, in months of 30 days or in days: one of
// the two is zero. Days are ours; IBM's service knows months alone.
type Interval struct{ Months, Days int }

// Duration returns the interval as a time.
func (i Interval) Duration() time.Duration { return time.Duration(i.Months*monthDays+i.Days) * day }

// InMonths returns the interval in months, rounded up: what clients that know no days are shown.
func (i Interval) InMonths() int { return i.Months + (i.Days+monthDays-1)/monthDays }

// change returns the change that sets the interval.
func (i Interval) change() *RotationChange {
	if i.Days > 0 {
		return &RotationChange{Days: &i.Days}
	}
	return &RotationChange{Months: &i.Months}
}

// check holds the rules of an interval.
func (i Interval) check() error {
	_, err := i.change().Interval()
	return err
}

// RotationPolicy rotates a root key by itself.
type RotationPolicy struct {
	PolicyStamp
	Enabled  bool
	Interval Interval
}

func (p *RotationPolicy) describe() string {
	switch {
	case p == nil:
		return "none"
	case !p.Enabled:
		return "disabled"
	case p.Interval.Days > 0:
		return fmt.Sprintf("%d days", p.Interval.Days)
	}
	return fmt.Sprintf("%d months", p.Interval.Months)
}

// RotationChange sets a rotation policy.
type RotationChange struct {
	Enabled *bool // nil means true
	// Months and Days are the interval, see [Interval]. With both, Months must be Days rounded
	// up. With neither, the policy keeps the interval that it has.
	Months, Days *int
}

func (c RotationChange) enabled() bool { return c.Enabled == nil || *c.Enabled }

// describe says what is asked for, for the event.
func (c RotationChange) describe() string {
	p := RotationPolicy{Enabled: c.enabled()}
	if i, err := c.Interval(); err == nil && i != nil {
		p.Interval = *i
	} else if p.Enabled {
		return "enabled"
	}
	return p.describe()
}

// Interval returns the interval that is asked for, or nil for none.
func (c RotationChange) Interval() (*Interval, error) {
	if c.Months != nil && (*c.Months < 1 || *c.Months > maxMonths) {
		return nil, errMonths
	}
	if c.Days != nil {
		i := Interval{Days: *c.Days}
		if *c.Days < 1 || *c.Days > maxDays {
			return nil, ErrField.On("interval_day", "an integer between 1 and 360 (inclusive)")
		}
		if c.Months != nil && *c.Months != i.InMonths() {
			return nil, ErrField.On("interval_day", "the same interval as interval_month, which is rounded up, or the only one")
		}
		return &i, nil
	}
	if c.Months == nil {
		return nil, nil
	}
	return &Interval{Months: *c.Months}, nil
}

var errMonths = ErrField.On("interval_month", "an integer between 1 and 12 (inclusive)")

// apply returns the policy of k after the change.
func (c RotationChange) apply(k *Key, by iam.IdentityID, now time.Time) (*RotationPolicy, error) {
	if err := k.needRoot(); err != nil {
		return nil, err
	}
	if k.Imported {
		return nil, ErrField.On("rotation", "left out for a key whose material was imported: nobody could bring new material")
	}
	interval, err := c.Interval()
	if err != nil {
		return nil, err
	}
	p := RotationPolicy{PolicyStamp: newStamp(by, now), Enabled: c.enabled()}
	if was := k.Rotation; was != nil {
		p.PolicyStamp, p.Interval = was.changed(by, now), was.Interval
	}
	if interval != nil {
		p.Interval = *interval
	}
	if p.Interval == (Interval{}) {
		return nil, errMonths
	}
	return &p, nil
}

// NextRotation returns when its policy rotates the key, or zero if it does not. The clock begins
// when the policy is set and with each rotation, by whomever. It stands while the key is not active.
func (k *Key) NextRotation() time.Time {
	if k.Rotation == nil || !k.Rotation.Enabled || k.State != Active {
		return time.Time{}
	}
	since := k.Rotation.Updated
	if k.Rotated.After(since) {
		since = k.Rotated
	}
	return since.Add(k.Rotation.Interval.Duration())
}
