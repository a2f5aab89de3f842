package model_test

import (
	"net/http"
	"slices"
	"time"

	"strongroom/iam"
)

// Outcomes that several operations have.
var (
	done         = outcome{status: http.StatusNoContent}
	created      = outcome{status: http.StatusCreated}
	ok           = outcome{status: http.StatusOK}
	unauthorized = outcome{status: http.StatusUnauthorized}
	notFound     = outcome{http.StatusNotFound, "KEY_NOT_FOUND_ERR"}
	ringNotFound = outcome{http.StatusNotFound, "KEY_RING_NOT_FOUND_ERR"}
	notRoot      = outcome{http.StatusBadRequest, "KEY_ROOT_REQ_ERR"}
	badField     = outcome{http.StatusBadRequest, "INVALID_FIELD_ERR"}
	badParameter = outcome{http.StatusBadRequest, "INVALID_QUERY_PARAM_ERR"}
	badBody      = outcome{http.StatusBadRequest, "BAD_BODY_ERR"}
	badState     = outcome{http.StatusConflict, "KEY_ACTION_INVALID_STATE_ERR"}
	tooEarly     = outcome{http.StatusConflict, "REQ_TOO_EARLY_ERR"}
	gone         = outcome{http.StatusGone, "KEY_DELETED_ERR"}
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

// model is what the service should be: no database, no cache, no cryptography. What it is about
// has a file for each subject, with what the model foretells and how the service is asked.
type model struct {
	now       time.Time
	keys      []*modelKey // those that were purged are not among them
	rings     []string    // besides the default one
	policies  map[string]*instancePolicy
	token     *importToken // nil before the first
	requests  map[requestKey]firstRequest
	materials map[string]string // that was imported, by the versions made of it; also of keys that were purged
}

func newModel(now time.Time) model {
	return model{
		now: now, policies: map[string]*instancePolicy{}, requests: map[requestKey]firstRequest{},
		materials: map[string]string{},
	}
}

type modelKey struct {
	id, name, description string
	extractable, imported bool
	state                 int // as stored: an expired key may still be active here
	expires               time.Time
	ring                  string
	aliases               []string
	versions              []string // the newest first
	created, updated      time.Time
	createdBy             string
	rotated, suspended    time.Time
	notified              time.Time
	deleted               time.Time
	deletedBy             string
	setBy                 string // who has authorized the deletion
	setUntil              time.Time
	dual                  *dualPolicy
	rotation              *rotationPolicy
	registrations         map[string]*registration // by the resource
}

// stateAt is the state that everybody sees.
func (k *modelKey) stateAt(now time.Time) int {
	if k.state == 1 && k.expired(now) {
		return 3
	}
	return k.state
}

func (k *modelKey) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }

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

// on returns the key that an operation is on, or why it is refused.
func (m *model) on(c caller, ref string, action iam.Action) (*modelKey, *outcome) {
	k := m.find(ref)
	ring := ""
	if k != nil {
		ring = k.ring
	}
	switch {
	case !m.may(c, action, ring):
		return nil, &unauthorized
	case k == nil:
		return nil, &notFound
	}
	return k, nil
}

// alive is on for operations that a deleted key does not take.
func (m *model) alive(c caller, ref string, action iam.Action) (*modelKey, *outcome) {
	k, refused := m.on(c, ref, action)
	if refused == nil && k.state == 5 {
		return nil, &gone
	}
	return k, refused
}

// garbled refuses a request that breaks a rule whatever is in its path. Who may not ask is told so.
func (m *model) garbled(c caller, ref string, action iam.Action) outcome {
	if _, refused := m.on(c, ref, action); refused != nil && *refused == unauthorized {
		return unauthorized
	}
	return badField
}

// use is on for operations of root keys in certain states.
func (m *model) use(c caller, ref string, action iam.Action, states ...int) (*modelKey, *outcome) {
	k, refused := m.on(c, ref, action)
	if refused != nil {
		return nil, refused
	}
	s := k.stateAt(m.now)
	switch {
	case k.extractable:
		return nil, &notRoot
	case slices.Contains(states, s):
		return k, nil
	case s == 5:
		return nil, &gone
	}
	return nil, &badState
}

// tick does what the clock demands, and returns the keys that get a new version.
func (m *model) tick() (rotating []*modelKey) {
	for _, k := range slices.Clone(m.keys) {
		switch {
		case k.state == 5 && !m.now.Before(k.deleted.Add(90*day)):
			m.forget(k)
		case k.stateAt(m.now) == 3 && k.state == 1:
			k.state, k.notified = 3, m.now
			if k.expires.After(k.updated) {
				k.updated = k.expires
			}
		case k.rotatesAt(m.now):
			rotating = append(rotating, k)
		}
	}
	return rotating
}

func (m *model) forget(k *modelKey) {
	m.keys = slices.DeleteFunc(m.keys, func(other *modelKey) bool { return other == k })
}
