package objects

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Values of Retention.Seconds that are no period.
const (
	Indefinite = -1 // until a period is set
	Permanent  = -2 // for ever
)

// Limits of a retention policy.
const (
	MaxHolds     = 100     // of one object
	MaxRetention = 365_243 // days
)

const secondsPerDay = 24 * 60 * 60

// retentionFor returns the retention of a new object in a bucket with this policy, nil without one:
// what the request asks for, or else the default of the policy.
func (p *Protection) retentionFor(asked RetentionRequest, now time.Time) (*Retention, error) {
	if p == nil {
		if asked != (RetentionRequest{}) {
			return nil, ErrRequest.On("Retention", "the bucket has no retention policy")
		}
		return nil, nil
	}
	seconds := int64(p.Default) * secondsPerDay
	switch {
	case asked.Seconds != nil && !asked.Until.IsZero():
		return nil, ErrRequest.On("Retention", "a period and a date exclude each other")
	case asked.Seconds != nil:
		seconds = *asked.Seconds
	case !asked.Until.IsZero():
		seconds = secondsUntil(asked.Until, now)
		if seconds < 0 {
			return nil, ErrArgument.On("Retention-Expiration-Date", "the date is not in the future")
		}
	}
	if err := p.check(seconds); err != nil {
		return nil, err
	}
	r := &Retention{Created: now, Seconds: seconds, Until: ends(now, seconds)}
	if !asked.Until.IsZero() {
		r.Until = asked.Until
	}
	if asked.Hold != "" {
		held, err := r.hold(asked.Hold, now)
		return &held, err
	}
	return r, nil
}

// check checks a period, or one of the values that are none, against the policy.
func (p *Protection) check(seconds int64) error {
	switch {
	case seconds == Indefinite:
		return nil
	case seconds == Permanent && p.Permanent:
		return nil
	case seconds == Permanent:
		return ErrArgument.On("Retention-Period", "the bucket does not allow permanent retention")
	case seconds < int64(p.Minimum)*secondsPerDay || seconds > int64(p.Maximum)*secondsPerDay:
		return ErrArgument.On("Retention-Period", fmt.Sprintf("the bucket allows %d to %d days", p.Minimum, p.Maximum))
	}
	return nil
}

// secondsUntil returns how many seconds are left, rounded up: time.Duration ends at 292 years.
func secondsUntil(t, now time.Time) int64 {
	s := t.Unix() - now.Unix()
	if t.Nanosecond() > now.Nanosecond() {
		s++
	}
	return s
}

// ends returns the end of a period of so many seconds, or zero for the values that are none.
func ends(from time.Time, seconds int64) time.Time {
	if seconds < 0 {
		return time.Time{}
	}
	return time.Unix(from.Unix()+seconds, int64(from.Nanosecond())).UTC()
}

// Protects says whether the object must stay as it is at this time. Nil protects nothing.
func (r *Retention) Protects(now time.Time) bool {
	return r != nil && (len(r.Holds) > 0 || r.Seconds < 0 || now.Before(r.Until))
}

// hold returns the retention with one more legal hold.
func (r Retention) hold(id string, now time.Time) (Retention, error) {
	switch {
	case !validHold(id):
		return r, ErrArgument.On("legal hold", "an ID has 1 to 64 letters, digits or characters of !_.*()-'")
	case slices.ContainsFunc(r.Holds, func(h Hold) bool { return h.ID == id }):
		return r, ErrHolds
	case len(r.Holds) >= MaxHolds:
		return r, ErrArgument.On("legal hold", "the object has 100 legal holds already")
	}
	r.Holds = append(slices.Clone(r.Holds), Hold{ID: id, Since: now})
	return r, nil
}

// release returns the retention without a legal hold; that there is none of this ID is no failure,
// as a request may be repeated.
func (r Retention) release(id string) (Retention, error) {
	if !validHold(id) {
		return r, ErrArgument.On("legal hold", "an ID has 1 to 64 letters, digits or characters of !_.*()-'")
	}
	r.Holds = slices.DeleteFunc(slices.Clone(r.Holds), func(h Hold) bool { return h.ID == id })
	return r, nil
}

func validHold(id string) bool {
	const others = "!_.*()-'"
	strange := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune(others, c)
	}
	return len(id) >= 1 && len(id) <= 64 && !strings.ContainsFunc(id, strange)
}

// extend returns the retention as it is after an extension, which must end later than it does now.
// What is indefinite can be given an end, which is what it was made for; what is permanent cannot.
func (r Retention) extend(e Extension, p Protection, now time.Time) (Retention, error) {
	next, err := r.extended(e, now)
	if err != nil {
		return r, err
	}
	if r.Seconds == Permanent {
		return r, ErrArgument.On("retention", "it is permanent")
	}
	if next.Seconds < 0 {
		if next.Seconds == r.Seconds {
			return r, ErrArgument.On("retention", "it is indefinite already")
		}
		return next, p.check(next.Seconds)
	}
	switch {
	case r.Seconds != Indefinite && !next.Until.After(r.Until), !next.Until.After(now):
		return r, ErrArgument.On("retention", "it would not end later than it does now")
	case secondsUntil(next.Until, now) > int64(p.Maximum)*secondsPerDay:
		return r, ErrArgument.On("retention", fmt.Sprintf("the bucket allows at most %d days", p.Maximum))
	}
	return next, nil
}

// extended applies the one way that an extension names.
func (r Retention) extended(e Extension, now time.Time) (Retention, error) {
	ways := 0
	next := r
	if e.Add != nil {
		ways++
		if r.Seconds < 0 {
			return r, ErrArgument.On("Additional-Retention-Period", "the retention has no end to add to")
		}
		if !validPeriod(*e.Add) {
			return r, errPeriod("Additional-Retention-Period")
		}
		next.Until = ends(r.Until, *e.Add)
	}
	if e.FromNow != nil {
		ways++
		if !validPeriod(*e.FromNow) {
			return r, errPeriod("Extend-Retention-From-Current-Time")
		}
		next.Until = ends(now, *e.FromNow)
	}
	if !e.Until.IsZero() {
		ways++
		next.Until = e.Until
	}
	if e.Period != nil {
		ways++
		if !validPeriod(*e.Period) && *e.Period != Indefinite && *e.Period != Permanent {
			return r, errPeriod("New-Retention-Period")
		}
		next.Until = ends(r.Created, *e.Period)
	}
	if ways != 1 {
		return r, ErrRequest.On("retention", "exactly one way to extend it is needed")
	}
	if next.Until.IsZero() {
		next.Seconds = *e.Period
		return next, nil
	}
	next.Seconds = secondsUntil(next.Until, r.Created)
	return next, nil
}

// validPeriod says whether seconds are a period with an end that can be reckoned with.
func validPeriod(seconds int64) bool { return seconds >= 0 && seconds <= MaxRetention*secondsPerDay }

func errPeriod(target string) error {
	return ErrArgument.On(target, "it is no period in seconds")
}
