package objects

import (
	"context"

	"strongroom/iam"
)

// SetVersioning is a change of configuration; nil and empty values remove what was set.
func SetVersioning(v Versioning) Change {
	panic("objects: not built")
}

// SetLock is a change of configuration; nil and empty values remove what was set.
func SetLock(c LockConfig) Change {
	panic("objects: not built")
}

// SetProtection is a change of configuration; nil and empty values remove what was set.
func SetProtection(p Protection) Change {
	panic("objects: not built")
}

// SetACL is a change of configuration; nil and empty values remove what was set.
func SetACL(a ACL) Change {
	panic("objects: not built")
}

// SetPublicAccess is a change of configuration; nil and empty values remove what was set.
func SetPublicAccess(p *PublicAccessBlock) Change {
	panic("objects: not built")
}

// SetCORS is a change of configuration; nil and empty values remove what was set.
func SetCORS(rules []CORSRule) Change {
	panic("objects: not built")
}

// SetWebsite is a change of configuration; nil and empty values remove what was set.
func SetWebsite(w *Website) Change {
	panic("objects: not built")
}

// SetLifecycle is a change of configuration; nil and empty values remove what was set.
func SetLifecycle(rules []LifecycleRule) Change {
	panic("objects: not built")
}

// SetReplication is a change of configuration; nil and empty values remove what was set.
func SetReplication(r *Replication) Change {
	panic("objects: not built")
}

// SetFirewall is a change of configuration; nil and empty values remove what was set.
func SetFirewall(f *Firewall) Change {
	panic("objects: not built")
}

// SetQuota is a change of configuration; nil and empty values remove what was set.
func SetQuota(bytes int64) Change {
	panic("objects: not built")
}

// SetActivity is a change of configuration; nil and empty values remove what was set.
func SetActivity(a *ActivityTracking) Change {
	panic("objects: not built")
}

// SetMetrics is a change of configuration; nil and empty values remove what was set.
func SetMetrics(m *MetricsMonitoring) Change {
	panic("objects: not built")
}

// SetEncryption sets the root key of new objects (?encryption): the CRN of a key or of an alias, or
// empty for the provider's. Objects that are there keep theirs: StartRekey moves them.
func (s *Service) SetEncryption(ctx context.Context, who iam.Caller, bucket, root string) (BucketView, error) {
	panic("objects: not built")
}

// check refuses a caller whose address the bucket does not allow. Without a firewall, and for the server
// itself, every address is allowed.
func (f *Firewall) check(who iam.Caller) error {
	panic("objects: not built")
}
