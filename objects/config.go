package objects

import (
	"fmt"
	"slices"
	"time"

	"strongroom/crn"
)

// maxReplication is the size in bytes of the largest replication document that is kept.
const maxReplication = 1 << 20

// SetVersioning switches the versions of a bucket on or off; it cannot be as if they never were.
func SetVersioning(v Versioning) Change {
	return func(b *Bucket, _ time.Time) error {
		switch {
		case v != VersioningEnabled && v != VersioningSuspended:
			return ErrArgument.On("Status", "neither Enabled nor Suspended")
		case b.Protection != nil:
			return ErrState.On("", "a bucket with a retention policy keeps no versions")
		case v == VersioningSuspended && b.Lock != nil:
			return ErrState.On("", "versioning cannot be suspended while Object Lock is on")
		case v == VersioningSuspended && b.Replication != nil:
			return ErrState.On("", "versioning cannot be suspended while replication is configured")
		}
		b.Versioning = v
		return nil
	}
}

// SetLock switches Object Lock on, which needs versions, and sets its default retention.
func SetLock(c LockConfig) Change {
	return func(b *Bucket, _ time.Time) error {
		if err := c.valid(); err != nil {
			return err
		}
		switch {
		case b.Versioning != VersioningEnabled:
			return ErrState.On("", "Object Lock needs versioning to be enabled")
		case b.Protection != nil:
			return ErrState.On("", "Object Lock and a retention policy exclude each other")
		}
		b.Lock = &c
		return nil
	}
}

func (c *LockConfig) valid() error {
	const maxDays, maxYears = 36_500, 100
	if c.Mode == "" {
		if c.Days != 0 || c.Years != 0 {
			return ErrArgument.On("Mode", "a period needs a mode")
		}
		return nil
	}
	switch {
	case c.Mode != Governance && c.Mode != Compliance:
		return ErrArgument.On("Mode", "neither GOVERNANCE nor COMPLIANCE")
	case (c.Days == 0) == (c.Years == 0):
		return ErrArgument.On("DefaultRetention", "exactly one of Days and Years is needed")
	case c.Days < 0 || c.Days > maxDays:
		return ErrArgument.On("Days", fmt.Sprintf("not from 1 to %d", maxDays))
	case c.Years < 0 || c.Years > maxYears:
		return ErrArgument.On("Years", fmt.Sprintf("not from 1 to %d", maxYears))
	}
	return nil
}

// SetProtection sets IBM's retention policy, which stays for good. The first one needs an empty bucket,
// which who applies the change sees to.
func SetProtection(p Protection) Change {
	return func(b *Bucket, _ time.Time) error {
		switch {
		case p.Minimum < 0 || p.Minimum > p.Default || p.Default > p.Maximum || p.Maximum > MaxRetention:
			return ErrArgument.On("ProtectionConfiguration",
				fmt.Sprintf("the minimum, default and maximum are not in order from 0 to %d days", MaxRetention))
		case b.Versioning != "" || b.Lock != nil:
			return ErrState.On("", "a retention policy needs a bucket that never kept versions")
		case b.Protection != nil && b.Protection.Permanent && !p.Permanent:
			return ErrState.On("EnablePermanentRetention", "it cannot be unset")
		}
		b.Protection = &p
		return nil
	}
}

// SetACL sets the canned ACL of a bucket.
func SetACL(a ACL) Change {
	return func(b *Bucket, _ time.Time) error {
		if err := a.allowedBy(b.PublicAccess); err != nil {
			return err
		}
		b.ACL = a
		return nil
	}
}

// allowedBy checks an ACL that a request sets, which a bucket may refuse to be public.
func (a ACL) allowedBy(block *PublicAccessBlock) error {
	switch {
	case a != ACLPrivate && a != ACLPublicRead:
		return ErrArgument.On("x-amz-acl", "neither private nor public-read")
	case a != ACLPrivate && block != nil && block.BlockPublicACLs:
		return ErrPublicBlocked
	}
	return nil
}

// SetPublicAccess limits what ACLs can do; nil takes the limits away.
func SetPublicAccess(p *PublicAccessBlock) Change {
	return func(b *Bucket, _ time.Time) error {
		b.PublicAccess = p
		return nil
	}
}

// SetReplication keeps a replication configuration, of which nothing but its presence matters here;
// nil removes it.
func SetReplication(r *Replication) Change {
	return func(b *Bucket, _ time.Time) error {
		switch {
		case r == nil:
		case len(r.Document) == 0 || len(r.Document) > maxReplication:
			return ErrArgument.On("ReplicationConfiguration", fmt.Sprintf("not from 1 to %d bytes", maxReplication))
		case b.Versioning != VersioningEnabled:
			return ErrState.On("", "replication needs versioning to be enabled")
		}
		b.Replication = r
		return nil
	}
}

// SetQuota limits how many bytes a bucket holds; 0 is no limit.
func SetQuota(bytes int64) Change {
	return func(b *Bucket, _ time.Time) error {
		if bytes < 0 {
			return ErrArgument.On("hard_quota", "less than 0")
		}
		b.Quota = bytes
		return nil
	}
}

// SetActivity keeps where IBM's activity tracking would go; nil removes it.
func SetActivity(a *ActivityTracking) Change {
	return func(b *Bucket, _ time.Time) error {
		if a != nil {
			if err := checkCRN("activity_tracker_crn", a.CRN); err != nil {
				return err
			}
		}
		b.Activity = a
		return nil
	}
}

// SetMetrics keeps where IBM's metrics would go; nil removes it.
func SetMetrics(m *MetricsMonitoring) Change {
	return func(b *Bucket, _ time.Time) error {
		if m != nil {
			if err := checkCRN("metrics_monitoring_crn", m.CRN); err != nil {
				return err
			}
		}
		b.Metrics = m
		return nil
	}
}

func checkCRN(target, name string) error {
	if name == "" {
		return nil
	}
	if _, err := crn.Parse(name); err != nil {
		return ErrArgument.On(target, "not a cloud resource name")
	}
	return nil
}

// unique reports whether no value occurs twice.
func unique(values []string) bool {
	sorted := slices.Sorted(slices.Values(values))
	return len(slices.Compact(sorted)) == len(values)
}

// SetOpaqueETags is a change of configuration: whether ETags say nothing of the content, also while the
// key of the bucket is usable.
func SetOpaqueETags(on bool) Change {
	return func(b *Bucket, _ time.Time) error {
		b.OpaqueETags = on
		return nil
	}
}
