package model_test

import (
	"net/http"
	"slices"
	"time"

	"pgregory.net/rapid"

	"strongroom/kms"
)

// interval is a rotation policy as it is shown.
type interval struct {
	Enabled bool `json:"enabled"`
	Month   int  `json:"interval_month"`
	Day     int  `json:"interval_day"`
}

func (i interval) duration() time.Duration {
	if i.Day > 0 {
		return time.Duration(i.Day) * day
	}
	return time.Duration(i.Month) * 30 * day
}

// rotationPolicy rotates a key.
type rotationPolicy struct {
	stamp
	interval
}

// setRotation is what is asked of a rotation policy.
type setRotation struct {
	enabled  bool
	interval *interval // nil means none; Enabled does not count
}

func (s setRotation) inRange() bool { return s.interval == nil || s.interval.inRange() }

func (i interval) inRange() bool {
	if i.Day != 0 {
		return 1 <= i.Day && i.Day <= 360
	}
	return 1 <= i.Month && i.Month <= 12
}

// applied is a policy after the change.
func (s setRotation) applied(was interval) interval {
	if s.interval != nil {
		was = *s.interval
	}
	if was.Day > 0 {
		was.Month = (was.Day + 29) / 30
	}
	was.Enabled = s.enabled
	return was
}

// fields is the change as a request has it.
func (s setRotation) fields() map[string]any {
	fields := map[string]any{"enabled": s.enabled}
	switch {
	case s.interval == nil:
	case s.interval.Day > 0:
		fields["interval_day"] = s.interval.Day
	default:
		fields["interval_month"] = s.interval.Month
	}
	return fields
}

func somerotation(t *rapid.T) setRotation {
	s := setRotation{enabled: rapid.IntRange(0, 3).Draw(t, "enabled") > 0}
	if rapid.IntRange(0, 4).Draw(t, "no interval") > 0 {
		i := someinterval(t)
		s.interval = &i
	}
	return s
}

// someinterval draws an interval, seldom one that is too long or, as IBM's Go client has it, none.
func someinterval(t *rapid.T) interval {
	return rapid.SampledFrom([]interval{
		{Day: 1}, {Day: 14}, {Day: 31}, {Month: 1}, {Month: 3}, {Month: 12}, {Month: 13}, {Month: -1}, {Day: 361},
	}).Draw(t, "interval")
}

func (m *model) setRotation(c caller, ref string, s setRotation) outcome {
	if !s.inRange() {
		return m.garbled(c, ref, kms.ActionPolicyWrite)
	}
	k, refused := m.alive(c, ref, kms.ActionPolicyWrite)
	switch {
	case refused != nil:
		return *refused
	case k.extractable:
		return notRoot
	case k.imported, s.interval == nil && k.rotation == nil:
		return badField
	}
	p := rotationPolicy{}
	if k.rotation != nil {
		p = *k.rotation
	}
	k.rotation = &rotationPolicy{stamp: m.stamped(k.rotation.made(), string(identityOf(c.name))), interval: s.applied(p.interval)}
	k.updated = m.now
	return ok
}

func (p *rotationPolicy) made() *stamp {
	if p == nil {
		return nil
	}
	return &p.stamp
}

func (k *modelKey) rotatesAt(now time.Time) bool {
	if k.rotation == nil || !k.rotation.Enabled || k.stateAt(now) != 1 {
		return false
	}
	since := k.rotation.updated
	if k.rotated.After(since) {
		since = k.rotated
	}
	return !now.Before(since.Add(k.rotation.duration()))
}

// rotate foretells a rotation, and says of which key; the service says which version is new.
func (m *model) rotate(r request, b *brought) (rotated *modelKey, _ outcome) {
	if b.garbled() {
		return nil, m.garbled(r.caller, named(r), kms.ActionRotate)
	}
	if _, refused := m.on(r.caller, named(r), kms.ActionRotate); refused != nil {
		return nil, *refused
	}
	if first, again := m.request(r); again {
		if first.said != m.said(r) {
			return nil, reused
		}
		return nil, done
	}
	k, refused := m.use(r.caller, named(r), kms.ActionRotate, 1, 3)
	switch {
	case refused != nil:
		return nil, *refused
	case k.imported && b == nil:
		return nil, outcome{http.StatusBadRequest, "KEY_PAYLOAD_REQ_ERR"}
	case !k.imported && b != nil:
		return nil, badParameter
	case !k.rotated.IsZero() && m.now.Sub(k.rotated) < rotateWait:
		return nil, outcome{http.StatusConflict, "KEY_ROTATION_NOT_PERMITTED"}
	case k.imported && m.access().token && !b.secure():
		return nil, materialAccess
	}
	return k, m.receive(b, done)
}

func (m *machine) rotate(t *rapid.T) {
	r := m.act(t, oneOf(t, "manager", "writer"), "rotate", nil)
	r.repeat = somerepeat(t)
	fields := map[string]any{}
	var b *brought
	if k := m.model.find(named(r)); k != nil && k.imported != (rapid.IntRange(0, 5).Draw(t, "wrong") == 0) {
		b = m.bring(t, fields)
	}
	r.body = encode(fields)
	m.submitRotation(t, r, b)
	m.repeatable(r.repeat, func(t *rapid.T, c caller) { r := r; r.caller = c; m.submitRotation(t, r, b) })
}

func (m *machine) submitRotation(t *rapid.T, r request, b *brought) {
	k, foretold := m.model.rotate(r, b)
	m.do(t, r, foretold)
	if k == nil || foretold != done {
		return
	}
	m.rotated(t, k)
	if b != nil {
		m.model.materials[k.versions[0]] = b.text
	}
	m.model.remember(r, k.id, k.versions[0])
}

// rotated takes over from the service which version is new.
func (m *machine) rotated(t *rapid.T, k *modelKey) {
	t.Helper()
	newest := m.view(t, k).KeyVersion.ID
	if slices.Contains(k.versions, newest) {
		t.Fatalf("key %s was rotated, and has no new version", k.id)
	}
	k.versions = slices.Insert(slices.Clone(k.versions), 0, newest)
	k.rotated, k.notified, k.updated = m.model.now, m.model.now, m.model.now
}

func (m *machine) setRotation(t *rapid.T) {
	s := somerotation(t)
	r := m.setPolicy(t, "rotation", s.fields())
	m.do(t, r, m.model.setRotation(r.caller, named(r), s))
}
