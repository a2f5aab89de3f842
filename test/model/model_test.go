package model_test

import (
	"net/http"
	"slices"
	"time"

	"strongroom/iam"
	"strongroom/kms"
)

// Outcomes.
var (
	done          = outcome{status: http.StatusNoContent}
	created       = outcome{status: http.StatusCreated}
	ok            = outcome{status: http.StatusOK}
	unauthorized  = outcome{status: http.StatusUnauthorized}
	notFound      = outcome{http.StatusNotFound, "KEY_NOT_FOUND_ERR"}
	ringNotFound  = outcome{http.StatusNotFound, "KEY_RING_NOT_FOUND_ERR"}
	notRoot       = outcome{http.StatusBadRequest, "KEY_ROOT_REQ_ERR"}
	badField      = outcome{http.StatusBadRequest, "INVALID_FIELD_ERR"}
	badParameter  = outcome{http.StatusBadRequest, "INVALID_QUERY_PARAM_ERR"}
	badState      = outcome{http.StatusConflict, "KEY_ACTION_INVALID_STATE_ERR"}
	tooEarly      = outcome{http.StatusConflict, "REQ_TOO_EARLY_ERR"}
	gone          = outcome{http.StatusGone, "KEY_DELETED_ERR"}
	unprocessable = outcome{http.StatusUnprocessableEntity, "UNPROCESSABLE_CIPHERTEXT_ERR"}
)

// Waits of the service under test, all of them on.
const (
	enableWait  = 30 * time.Second
	restoreWait = 30 * time.Second
	rotateWait  = time.Hour
	purgeWait   = 4 * time.Hour
	syncWait    = time.Hour
	day         = 24 * time.Hour
)

// model is what the service should be: no database, no cache, no cryptography.
type model struct {
	now   time.Time
	keys  []*modelKey // those that were purged are not among them
	rings []string    // besides the default one
}

type modelKey struct {
	id, name              string
	extractable, imported bool
	state                 int // as stored: an expired key may still be active here
	expires               time.Time
	ring                  string
	aliases               []string
	versions              []string // the newest first
	rotated, suspended    time.Time
	notified              time.Time
	deleted               time.Time
	deletedBy             string
	dual                  bool
	setBy                 string
	setUntil              time.Time
	policy                *modelPolicy
}

type modelPolicy struct {
	rotation
	set time.Time
}

func (p *modelPolicy) interval() time.Duration {
	if p.Day > 0 {
		return time.Duration(p.Day) * day
	}
	return time.Duration(p.Month) * 30 * day
}

// stateAt is the state that everybody sees.
func (k *modelKey) stateAt(now time.Time) int {
	if k.state == 1 && !k.expires.IsZero() && !now.Before(k.expires) {
		return 3
	}
	return k.state
}

// may says whether a caller may do something to what is in a ring; no ring means what is in none.
func may(who string, action iam.Action, ring string) bool {
	p := callers()[who]
	return slices.Contains(p.actions, action) && (p.ring == "" || p.ring == ring)
}

// find returns the key that a path names: the live one that has the alias, else the one deleted last.
func (m *model) find(ref string) *modelKey {
	var best *modelKey
	for _, k := range m.keys {
		switch {
		case k.id == ref:
			return k
		case !slices.Contains(k.aliases, ref):
		case k.state != 5:
			return k
		case best == nil || k.deleted.After(best.deleted):
			best = k
		}
	}
	return best
}

// taken says whether a live key has an alias.
func (m *model) taken(alias string, except *modelKey) bool {
	return slices.ContainsFunc(m.keys, func(k *modelKey) bool {
		return k != except && k.state != 5 && slices.Contains(k.aliases, alias)
	})
}

func (m *model) hasRing(ring string) bool {
	return ring == "default" || slices.Contains(m.rings, ring)
}

// on returns the key that an operation is on, or why it is refused.
func (m *model) on(who, ref string, action iam.Action) (*modelKey, *outcome) {
	k := m.find(ref)
	ring := ""
	if k != nil {
		ring = k.ring
	}
	switch {
	case !may(who, action, ring):
		return nil, &unauthorized
	case k == nil:
		return nil, &notFound
	}
	return k, nil
}

// inState refuses unless the key is in one of the states.
func (m *model) inState(k *modelKey, states ...int) *outcome {
	switch s := k.stateAt(m.now); {
	case slices.Contains(states, s):
		return nil
	case s == 5:
		return &gone
	}
	return &badState
}

// use is on for operations of root keys in certain states.
func (m *model) use(who, ref string, action iam.Action, states ...int) (*modelKey, *outcome) {
	k, refused := m.on(who, ref, action)
	switch {
	case refused != nil:
		return nil, refused
	case k.extractable:
		return nil, &notRoot
	}
	if refused := m.inState(k, states...); refused != nil {
		return nil, refused
	}
	return k, nil
}

func (m *model) create(who, ring, alias string) outcome {
	switch {
	case !may(who, kms.ActionCreate, ring):
		return unauthorized
	case !m.hasRing(ring):
		return ringNotFound
	case alias != "" && m.taken(alias, nil):
		return outcome{http.StatusConflict, "KEY_ALIAS_NOT_UNIQUE_ERR"}
	}
	return created
}

// rotate foretells a rotation; the service says which version is new.
func (m *model) rotate(who, ref string, payload bool) (*modelKey, outcome) {
	k, refused := m.use(who, ref, kms.ActionRotate, 1, 3)
	switch {
	case refused != nil:
		return nil, *refused
	case k.imported && !payload:
		return nil, outcome{http.StatusBadRequest, "KEY_PAYLOAD_REQ_ERR"}
	case !k.imported && payload:
		return nil, badParameter
	case !k.rotated.IsZero() && m.now.Sub(k.rotated) < rotateWait:
		return nil, outcome{http.StatusConflict, "KEY_ROTATION_NOT_PERMITTED"}
	}
	return k, done
}

func (m *model) disable(who, ref string) outcome {
	k, refused := m.use(who, ref, kms.ActionDisable, 1)
	if refused != nil {
		return *refused
	}
	k.state, k.suspended, k.notified = 2, m.now, m.now
	return done
}

func (m *model) enable(who, ref string) outcome {
	k, refused := m.use(who, ref, kms.ActionEnable, 2)
	switch {
	case refused != nil:
		return *refused
	case m.now.Sub(k.suspended) < enableWait:
		return tooEarly
	}
	k.state, k.notified = 1, m.now
	return done
}

// authorized says whether somebody else has authorized the deletion.
func (k *modelKey) authorized(who string, now time.Time) bool {
	return k.setBy != "" && k.setBy != who && now.Before(k.setUntil)
}

func (m *model) delete(who, ref string) outcome {
	k, refused := m.on(who, ref, kms.ActionDelete)
	switch {
	case refused != nil:
		return *refused
	case k.state == 5:
		return gone
	case k.dual && !k.authorized(who, m.now):
		return outcome{http.StatusConflict, "AUTHORIZATIONS_NOT_MET"}
	}
	k.state, k.deleted, k.deletedBy, k.notified = 5, m.now, string(identityOf(who)), m.now
	k.setBy, k.setUntil = "", time.Time{} // it has served its end
	return done
}

func (m *model) restore(who, ref string) outcome {
	k, refused := m.on(who, ref, kms.ActionRestore)
	switch {
	case refused != nil:
		return *refused
	case k.state != 5:
		return badState
	case m.now.Sub(k.deleted) < restoreWait:
		return tooEarly
	case !k.expires.IsZero() && !m.now.Before(k.expires):
		return outcome{http.StatusBadRequest, "KEY_EXPIRED_ERR"}
	case m.now.Sub(k.deleted) >= 30*day:
		return outcome{http.StatusBadRequest, "KEY_RESTORE_EXPIRED"}
	}
	k.aliases = slices.DeleteFunc(slices.Clone(k.aliases), func(a string) bool { return m.taken(a, k) })
	k.state, k.deleted, k.deletedBy, k.notified = 1, time.Time{}, "", m.now
	return created
}

func (m *model) purge(who, ref string) outcome {
	k, refused := m.on(who, ref, kms.ActionPurge)
	switch {
	case refused != nil:
		return *refused
	case k.state != 5:
		return badState
	case m.now.Sub(k.deleted) < purgeWait:
		return tooEarly
	}
	m.forget(k)
	return done
}

func (m *model) forget(k *modelKey) {
	m.keys = slices.DeleteFunc(m.keys, func(other *modelKey) bool { return other == k })
}

func (m *model) authorize(who, ref string, give bool) outcome {
	action := kms.ActionUnauthorize
	if give {
		action = kms.ActionAuthorize
	}
	k, refused := m.on(who, ref, action)
	switch {
	case refused != nil:
		return *refused
	case k.state == 5:
		return gone
	case !k.dual:
		return outcome{http.StatusConflict, "NOT_DUAL_AUTH_ERR"}
	}
	k.setBy, k.setUntil = "", time.Time{}
	if give {
		k.setBy, k.setUntil = who, m.now.Add(7*day)
	}
	return done
}

func (m *model) addAlias(who, ref, alias string) outcome {
	k, refused := m.on(who, ref, kms.ActionAliasCreate)
	switch {
	case refused != nil:
		return *refused
	case k.state == 5:
		return gone
	case slices.Contains(k.aliases, alias):
		return outcome{http.StatusConflict, "KEY_ALIAS_NOT_UNIQUE_ERR"}
	case len(k.aliases) == 5:
		return outcome{http.StatusConflict, "KEY_ALIAS_QUOTA_ERR"}
	case m.taken(alias, k):
		return outcome{http.StatusConflict, "KEY_ALIAS_NOT_UNIQUE_ERR"}
	}
	k.aliases = append(slices.Clone(k.aliases), alias)
	return created
}

func (m *model) removeAlias(who, ref, alias string) outcome {
	k, refused := m.on(who, ref, kms.ActionAliasDelete)
	switch {
	case refused != nil:
		return *refused
	case k.state == 5:
		return gone
	case !slices.Contains(k.aliases, alias):
		return outcome{http.StatusNotFound, "KEY_ALIAS_NOT_FOUND_ERR"}
	}
	k.aliases = slices.DeleteFunc(slices.Clone(k.aliases), func(a string) bool { return a == alias })
	return done
}

func (m *model) move(who, ref, ring string) outcome {
	k, refused := m.on(who, ref, kms.ActionPatch)
	switch {
	case refused != nil:
		return *refused
	case !may(who, kms.ActionPatch, ring):
		return unauthorized
	case k.state == 5:
		return gone
	case !m.hasRing(ring):
		return ringNotFound
	}
	k.ring = ring
	return ok
}

func (m *model) createRing(who, ring string) outcome {
	switch {
	case !may(who, kms.ActionRingCreate, ""):
		return unauthorized
	case m.hasRing(ring):
		return outcome{http.StatusConflict, "KEY_RING_ID_NOT_UNIQUE_ERR"}
	}
	m.rings = append(m.rings, ring)
	return created
}

func (m *model) deleteRing(who, ring string, force bool) outcome {
	switch {
	case !may(who, kms.ActionRingDelete, ""):
		return unauthorized
	case ring == "default":
		return badField
	case !m.hasRing(ring):
		return ringNotFound
	}
	for _, k := range m.keys {
		if k.ring == ring && (!force || k.state != 5) {
			return outcome{http.StatusConflict, "KEY_RING_NOT_EMPTY_ERR"}
		}
	}
	for _, k := range m.keys {
		if k.ring == ring {
			k.ring = "default"
		}
	}
	m.rings = slices.DeleteFunc(slices.Clone(m.rings), func(r string) bool { return r == ring })
	return done
}

func (m *model) setDual(who, ref string, on bool) outcome {
	k, refused := m.on(who, ref, kms.ActionPolicyWrite)
	switch {
	case refused != nil:
		return *refused
	case k.state == 5:
		return gone
	case k.dual && !on:
		return badState
	}
	k.dual = on
	return ok
}

func (m *model) setRotation(who, ref string, p rotation) outcome {
	k, refused := m.on(who, ref, kms.ActionPolicyWrite)
	switch {
	case refused != nil:
		return *refused
	case k.state == 5:
		return gone
	case k.extractable:
		return notRoot
	case k.imported, p.Month == 0 && p.Day == 0 && k.policy == nil:
		return badField
	}
	if p.Month == 0 && p.Day == 0 {
		p.Month, p.Day = k.policy.Month, k.policy.Day
	}
	if p.Day > 0 {
		p.Month = (p.Day + 29) / 30
	}
	k.policy = &modelPolicy{p, m.now}
	return ok
}

func (m *model) sync(who, ref string) outcome {
	k, refused := m.on(who, ref, kms.ActionSync)
	switch {
	case refused != nil:
		return *refused
	case !k.notified.IsZero() && m.now.Sub(k.notified) < syncWait:
		return tooEarly
	}
	k.notified = m.now
	return done
}

// tick does what the clock demands, and returns the keys that get a new version.
func (m *model) tick() (rotating []*modelKey) {
	for _, k := range slices.Clone(m.keys) {
		switch {
		case k.state == 5 && !m.now.Before(k.deleted.Add(90*day)):
			m.forget(k)
		case k.stateAt(m.now) == 3 && k.state == 1:
			k.state, k.notified = 3, m.now
		case k.rotatesAt(m.now):
			rotating = append(rotating, k)
		}
	}
	return rotating
}

func (k *modelKey) rotatesAt(now time.Time) bool {
	if k.policy == nil || !k.policy.Enabled || k.stateAt(now) != 1 {
		return false
	}
	since := k.policy.set
	if k.rotated.After(since) {
		since = k.rotated
	}
	return !now.Before(since.Add(k.policy.interval()))
}
