package model_test

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/kms"
)

func (m *model) hasRing(ring string) bool {
	return ring == "default" || slices.Contains(m.rings, ring)
}

func (m *model) move(c caller, ref, ring string) outcome {
	k, refused := m.on(c, ref, kms.ActionPatch)
	switch {
	case refused != nil:
		return *refused
	case !m.may(c, kms.ActionPatch, ring):
		return unauthorized
	case k.state == 5:
		return gone
	case !m.hasRing(ring):
		return ringNotFound
	}
	k.ring, k.updated = ring, m.now
	return ok
}

func (m *model) createRing(c caller, ring string) outcome {
	switch {
	case !m.may(c, kms.ActionRingCreate, ""):
		return unauthorized
	case m.hasRing(ring):
		return outcome{http.StatusConflict, "KEY_RING_ID_NOT_UNIQUE_ERR"}
	}
	m.rings = append(m.rings, ring)
	return created
}

func (m *model) deleteRing(c caller, ring string, force bool) outcome {
	switch {
	case !m.may(c, kms.ActionRingDelete, ""):
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
			k.ring, k.updated = "default", m.now
		}
	}
	m.rings = slices.DeleteFunc(slices.Clone(m.rings), func(r string) bool { return r == ring })
	return done
}

func (m *machine) move(t *rapid.T) {
	ring := somering(t)
	r := request{
		caller: someone(t), method: http.MethodPatch, path: "/keys/" + m.somekey(t),
		body: encode(map[string]any{"keyRingID": ring}),
	}
	m.do(t, r, m.model.move(r.caller, named(r), ring))
}

func (m *machine) createRing(t *rapid.T) {
	r := request{caller: someone(t), method: http.MethodPost, path: "/key_rings/" + somering(t)}
	m.do(t, r, m.model.createRing(r.caller, named(r)))
}

func (m *machine) deleteRing(t *rapid.T) {
	ring := rapid.SampledFrom([]string{sharedRing, sharedRing, "team-b", "team-b", "default"}).Draw(t, "ring")
	force := rapid.IntRange(0, 3).Draw(t, "force") > 0
	r := request{caller: someone(t), method: http.MethodDelete, path: "/key_rings/" + ring + "?force=" + strconv.FormatBool(force)}
	m.do(t, r, m.model.deleteRing(r.caller, ring, force))
}

// checkRings compares the rings.
func (m *machine) checkRings(t *rapid.T) {
	listed := []string{}
	for _, ring := range m.do(t, request{caller: at("reader"), method: http.MethodGet, path: "/key_rings"}, ok).keys() {
		listed = append(listed, ring.ID)
	}
	expected := append([]string{}, m.model.rings...)
	slices.Sort(expected)
	if diff := cmp.Diff(append([]string{"default"}, expected...), listed); diff != "" {
		t.Fatalf("rings (-model +service):\n%s", diff)
	}
}

func somering(t *rapid.T) string {
	return rapid.SampledFrom([]string{"default", "default", "default", sharedRing, sharedRing, "team-b"}).Draw(t, "ring")
}
