package model_test

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/kms"
)

var (
	aliasTaken     = outcome{http.StatusConflict, "KEY_ALIAS_NOT_UNIQUE_ERR"}
	materialAccess = outcome{http.StatusConflict, "KEY_CREATE_IMPORT_ACCESS_ERR"}
)

// newKey is the creation of a key.
type newKey struct {
	request
	key       modelKey
	material  *brought // nil if material is to be drawn
	overrides *overrides
}

// overrides are the policies that a key gets instead of those of its instance.
type overrides struct {
	rotation *setRotation
	dual     *bool
}

// create foretells a creation, or which key an equal request has made before.
func (m *model) create(n newKey) (before *modelKey, _ outcome) {
	action := kms.ActionCreate
	if n.overrides != nil {
		action = kms.ActionCreateWithPolicies
	}
	switch {
	case !m.may(n.caller, action, n.ring):
		return nil, unauthorized
	case n.material.garbled():
		return nil, badField
	}
	if first, again := m.request(n.request); again {
		before = m.find(first.key)
		switch {
		case first.said != m.said(n.request):
			return nil, reused
		case before == nil:
			return nil, notFound
		}
		return before, created
	}
	return nil, m.creatable(n)
}

func (m *model) creatable(n newKey) outcome {
	access := m.access()
	switch {
	case !access.admits(n.key.extractable, n.material):
		return materialAccess
	case !n.key.expires.IsZero() && !n.key.expires.After(m.now), n.key.extractable && n.material.secure():
		return badField
	}
	if refused := n.overrides.check(&n.key); refused != nil {
		return *refused
	}
	switch {
	case !m.hasRing(n.ring):
		return ringNotFound
	case slices.ContainsFunc(n.key.aliases, func(a string) bool { return m.taken(a, nil) }):
		return aliasTaken
	}
	return m.receive(n.material, created)
}

// check says why a key cannot have such policies.
func (o *overrides) check(k *modelKey) *outcome {
	switch {
	case o == nil || o.rotation == nil:
		return nil
	case k.extractable:
		return &notRoot
	case k.imported, o.rotation.interval == nil, !o.rotation.inRange():
		return &badField
	}
	return nil
}

// begin gives a new key what it has by itself.
func (m *model) begin(n newKey, id string) *modelKey {
	k := n.key
	k.id, k.state, k.versions = id, 1, []string{id}
	k.created, k.updated, k.createdBy = m.now, m.now, string(identityOf(n.name))
	k.registrations = map[string]*registration{}
	if n.overrides == nil {
		m.applyDefaults(&k)
	} else {
		m.override(&k, *n.overrides)
	}
	if n.material != nil && !k.extractable {
		m.materials[id] = n.material.text
	}
	m.remember(n.request, id, id)
	m.keys = append(m.keys, &k)
	return &k
}

func (m *model) override(k *modelKey, o overrides) {
	if o.rotation != nil {
		k.rotation = &rotationPolicy{stamp: m.stamped(nil, k.createdBy), interval: o.rotation.applied(interval{})}
	}
	if o.dual != nil {
		k.dual = &dualPolicy{stamp: m.stamped(nil, k.createdBy), enabled: *o.dual}
	}
}

func (m *machine) create(t *rapid.T) {
	m.createKey(t, rapid.IntRange(0, 3).Draw(t, "imported") == 0)
}

func (m *machine) createKey(t *rapid.T, imported bool) {
	n := newKey{request: request{caller: oneOf(t, "manager", "manager", "writer", "ringmate"), method: http.MethodPost}}
	n.ring, n.repeat = somering(t), somerepeat(t)
	n.key = modelKey{
		name: somename(t), ring: n.ring, extractable: rapid.IntRange(0, 4).Draw(t, "standard") == 0,
		imported: imported,
	}
	fields := map[string]any{"type": keyType, "name": n.key.name, "extractable": n.key.extractable}
	if n.key.imported {
		n.material = m.bring(t, fields)
	}
	if rapid.IntRange(0, 2).Draw(t, "named") == 0 {
		n.key.aliases = []string{somealias(t)}
		fields["aliases"] = n.key.aliases
	}
	if rapid.IntRange(0, 3).Draw(t, "described") == 0 {
		n.key.description = "of the model"
		fields["description"] = n.key.description
	}
	if rapid.IntRange(0, 3).Draw(t, "expires") == 0 {
		n.key.expires = m.model.now.Add(somewhile(t)).Truncate(time.Second)
		fields["expirationDate"] = n.key.expires.Format(time.RFC3339)
	}
	n.path = "/keys"
	if rapid.IntRange(0, 3).Draw(t, "overrides") == 0 {
		n.path = "/keys_with_policy_overrides"
		n.overrides = someoverrides(t, fields)
	}
	n.body = collection(keyType, fields)
	m.submitKey(t, n)
	m.repeatable(n.repeat, func(t *rapid.T, c caller) { n := n; n.caller = c; m.submitKey(t, n) })
}

func someoverrides(t *rapid.T, fields map[string]any) *overrides {
	o := overrides{}
	if rapid.Bool().Draw(t, "rotates") {
		change := somerotation(t)
		o.rotation = &change
		fields["rotation"] = change.fields()
	}
	if rapid.Bool().Draw(t, "two needed") {
		on := rapid.Bool().Draw(t, "enabled")
		o.dual = &on
		fields["dualAuthDelete"] = map[string]any{"enabled": on}
	}
	return &o
}

func (m *machine) submitKey(t *rapid.T, n newKey) {
	k, foretold := m.model.create(n)
	got := m.do(t, n.request, foretold)
	if foretold != created {
		return
	}
	made := got.keys()[0]
	slices.Sort(made.Aliases)
	if k == nil {
		k = m.model.begin(n, made.ID)
	}
	if diff := cmp.Diff(m.created(k), made); diff != "" {
		t.Fatalf("created (-model +service):\n%s", diff)
	}
}

// somename draws a name; there are few, so that searches find several.
func somename(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"payments", "Payments 2", "payroll", "alpha of all", "Übersicht", "not: exact", "beta",
	}).Draw(t, "name")
}
