package objects

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	maxLifecycle = 1000 // rules of a bucket
	maxKeep      = 100  // newer noncurrent versions that stay
	maxDays      = 36_500
)

// SetLifecycle sets what becomes of objects by the clock; none removes all rules. Rules without an ID are given one.
func SetLifecycle(rules []LifecycleRule) Change {
	rules = slices.Clone(rules)
	for i := range rules {
		if rules[i].ID == "" {
			rules[i].ID = uuid.NewString()
		}
	}
	return func(b *Bucket, _ time.Time) error {
		if err := checkLifecycle(rules); err != nil {
			return err
		}
		b.Lifecycle = rules
		return nil
	}
}

func checkLifecycle(rules []LifecycleRule) error {
	if len(rules) > maxLifecycle {
		return ErrArgument.On("Rule", fmt.Sprintf("more than %d rules", maxLifecycle))
	}
	ids, transitions := make([]string, 0, len(rules)), 0
	for i := range rules {
		r := &rules[i]
		if err := r.valid(); err != nil {
			return err
		}
		if r.transits() {
			transitions++
		}
		ids = append(ids, r.ID)
	}
	switch {
	case !unique(ids):
		return ErrArgument.On("ID", "two rules have the same")
	case transitions > 1:
		return ErrArgument.On("Transition", "more than one rule has it")
	}
	return nil
}

func (r *LifecycleRule) valid() error {
	if err := r.validFilter(); err != nil {
		return err
	}
	if err := r.validExpiration(); err != nil {
		return err
	}
	switch {
	case len(r.ID) > maxRuleID || strings.ContainsFunc(r.ID, notInRuleID):
		return ErrArgument.On("ID", fmt.Sprintf("not 1 to %d letters, digits or characters of !_.*'()-", maxRuleID))
	case !r.expires() && !r.ExpireMarkers && r.NoncurrentDays == 0 && r.AbortDays == 0 && !r.transits():
		return ErrArgument.On("Rule", "it has no action")
	case r.NoncurrentDays < 0 || r.NoncurrentDays > maxDays:
		return ErrArgument.On("NoncurrentDays", fmt.Sprintf("not from 1 to %d", maxDays))
	case r.NoncurrentKeep < 0 || r.NoncurrentKeep > maxKeep || r.NoncurrentKeep > 0 && r.NoncurrentDays == 0:
		return ErrArgument.On("NewerNoncurrentVersions", fmt.Sprintf("not from 1 to %d, beside NoncurrentDays", maxKeep))
	case r.AbortDays < 0 || r.AbortDays > maxDays:
		return ErrArgument.On("DaysAfterInitiation", fmt.Sprintf("not from 1 to %d", maxDays))
	case r.AbortDays > 0 && (len(r.Tags) > 0 || r.Above != nil || r.Below != nil):
		return ErrArgument.On("AbortIncompleteMultipartUpload", "uploads have neither tags nor sizes to filter by")
	}
	return r.validTransition()
}

func (r *LifecycleRule) validFilter() error {
	switch {
	case len(r.Prefix) > MaxKey:
		return ErrArgument.On("Prefix", fmt.Sprintf("longer than %d bytes", MaxKey))
	case r.Above != nil && *r.Above < 0, r.Below != nil && *r.Below < 1,
		r.Above != nil && r.Below != nil && *r.Above >= *r.Below:
		return ErrArgument.On("ObjectSize", "no size is between the bounds")
	}
	return checkTags(r.Tags)
}

func (r *LifecycleRule) validExpiration() error {
	ways := 0
	for _, given := range []bool{r.ExpireDays != 0, !r.ExpireDate.IsZero(), r.ExpireMarkers} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return ErrArgument.On("Expiration", "Days, Date and ExpiredObjectDeleteMarker exclude each other")
	case r.ExpireDays < 0 || r.ExpireDays > maxDays:
		return ErrArgument.On("Days", fmt.Sprintf("not from 1 to %d", maxDays))
	case !r.ExpireDate.IsZero() && !r.ExpireDate.Equal(midnight(r.ExpireDate)):
		return ErrArgument.On("Date", "not midnight UTC")
	case r.ExpireMarkers && (len(r.Tags) > 0 || r.Above != nil || r.Below != nil):
		return ErrArgument.On("ExpiredObjectDeleteMarker", "markers have neither tags nor sizes to filter by")
	}
	return nil
}

func (r *LifecycleRule) validTransition() error {
	if !r.transits() {
		return nil
	}
	switch {
	case (r.TransitionDays == nil) == r.TransitionDate.IsZero():
		return ErrArgument.On("Transition", "exactly one of Days and Date is needed")
	case r.TransitionDays != nil && (*r.TransitionDays < 0 || *r.TransitionDays > maxDays):
		return ErrArgument.On("Transition", fmt.Sprintf("Days are not from 0 to %d", maxDays))
	case !r.TransitionDate.IsZero() && !r.TransitionDate.Equal(midnight(r.TransitionDate)):
		return ErrArgument.On("Transition", "the date is not midnight UTC")
	case r.TransitionStorage != StorageGlacier && r.TransitionStorage != StorageAccelerated:
		return ErrArgument.On("StorageClass", "neither GLACIER nor ACCELERATED")
	case r.Prefix != "" || len(r.Tags) > 0 || r.Above != nil || r.Below != nil:
		return ErrArgument.On("Transition", "it holds for all objects of a bucket")
	}
	return nil
}

func notInRuleID(c rune) bool {
	return !alphanumeric(c) && (c < 'A' || c > 'Z') && !strings.ContainsRune("!_.*'()-", c)
}

// expires says whether the rule removes objects by their age or on a day.
func (r *LifecycleRule) expires() bool { return r.ExpireDays != 0 || !r.ExpireDate.IsZero() }

// transits says whether the rule moves objects to the archive.
func (r *LifecycleRule) transits() bool {
	return r.TransitionDays != nil || !r.TransitionDate.IsZero() || r.TransitionStorage != ""
}

// covers reports whether the filter of the rule lets an object through. A marker has no tags and no size.
func (r *LifecycleRule) covers(key string, size int64, tags map[string]string) bool {
	if !r.Enabled || !strings.HasPrefix(key, r.Prefix) ||
		r.Above != nil && size <= *r.Above || r.Below != nil && size >= *r.Below {
		return false
	}
	for name, value := range r.Tags {
		if got, ok := tags[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// coversMarker is covers for a delete marker.
func (r *LifecycleRule) coversMarker(key string) bool {
	return r.Above == nil && r.Below == nil && r.covers(key, 0, nil)
}

// midnight is the last midnight UTC that is not after t.
func midnight(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// daysAfter is the first midnight UTC that is later than some days after t.
func daysAfter(t time.Time, days int) time.Time { return midnight(t).AddDate(0, 0, days+1) }

// expiryOf returns when an object expires, if it stays the newest version, and by which rule: the first
// one if several do it then. It is zero for an object that no rule covers.
func expiryOf(rules []LifecycleRule, key string, size int64, modified time.Time, tags map[string]string) (at time.Time, rule string) {
	for i := range rules {
		r := &rules[i]
		if !r.expires() || !r.covers(key, size, tags) {
			continue
		}
		when := r.ExpireDate
		if r.ExpireDays != 0 {
			when = daysAfter(modified, r.ExpireDays)
		}
		if at.IsZero() || when.Before(at) {
			at, rule = when, r.ID
		}
	}
	return at, rule
}

// markerExpiryOf is expiryOf for a delete marker with no version below it. It goes with the age that
// objects expire at, or as soon as a rule for such markers sees it.
func markerExpiryOf(rules []LifecycleRule, key string, modified time.Time) (at time.Time, rule string) {
	for i := range rules {
		r := &rules[i]
		if !r.coversMarker(key) {
			continue
		}
		var when time.Time
		switch {
		case r.ExpireMarkers:
			when = daysAfter(modified, 0)
		case r.expires():
			when, _ = expiryOf(rules[i:i+1], key, 0, modified, nil)
		default:
			continue
		}
		if at.IsZero() || when.Before(at) {
			at, rule = when, r.ID
		}
	}
	return at, rule
}

// noncurrentExpiryOf returns when a version expires that has ceased to be the newest at a time, with some
// noncurrent versions newer than it.
func noncurrentExpiryOf(rules []LifecycleRule, key string, size int64, tags map[string]string, since time.Time, newer int) (at time.Time, rule string) {
	for i := range rules {
		r := &rules[i]
		if r.NoncurrentDays == 0 || newer < r.NoncurrentKeep || !r.covers(key, size, tags) {
			continue
		}
		if when := daysAfter(since, r.NoncurrentDays); at.IsZero() || when.Before(at) {
			at, rule = when, r.ID
		}
	}
	return at, rule
}

// abortOf returns when an upload is given up that began at a time.
func abortOf(rules []LifecycleRule, key string, started time.Time) (at time.Time, rule string) {
	for i := range rules {
		r := &rules[i]
		if r.AbortDays == 0 || !r.Enabled || !strings.HasPrefix(key, r.Prefix) {
			continue
		}
		if when := daysAfter(started, r.AbortDays); at.IsZero() || when.Before(at) {
			at, rule = when, r.ID
		}
	}
	return at, rule
}

// archiveFor returns the transition that is planned for an object that is written at a time.
func archiveFor(rules []LifecycleRule, now time.Time) Archive {
	for i := range rules {
		r := &rules[i]
		if !r.Enabled || !r.transits() {
			continue
		}
		due := r.TransitionDate
		if r.TransitionDays != nil {
			due = now.UTC() // 0 days: as soon as the rules are applied
			if *r.TransitionDays > 0 {
				due = daysAfter(now, *r.TransitionDays)
			}
		}
		return Archive{Storage: r.TransitionStorage, Due: due}
	}
	return Archive{}
}
