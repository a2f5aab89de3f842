package objects

import "time"

// The rules of Object Lock, retention and tags, as tables test them.

func LockFor(c *LockConfig, asked Lock, now time.Time) (Lock, error) { return c.lockFor(asked, now) }

func RetainLock(l Lock, mode LockMode, until, now time.Time) (next Lock, takes string, err error) {
	next, p, err := l.retain(mode, until, now)
	return next, permissionNames[p], err
}

func RemovalOf(l Lock, now time.Time) string { return permissionNames[l.removal(now)] }

var permissionNames = map[permission]string{free: "free", needsBypass: "bypass", never: "never"}

func RetentionFor(p *Protection, asked RetentionRequest, now time.Time) (*Retention, error) {
	return p.retentionFor(asked, now)
}

func (r Retention) AddHold(id string, now time.Time) (Retention, error) { return r.hold(id, now) }
func (r Retention) RemoveHold(id string) (Retention, error)             { return r.release(id) }

func (r Retention) Extend(e Extension, p Protection, now time.Time) (Retention, error) {
	return r.extend(e, p, now)
}

func CheckTags(tags map[string]string) error { return checkTags(tags) }

func CheckVersion(v VersionID) error { return v.check() }
