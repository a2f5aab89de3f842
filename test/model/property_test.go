package model_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/kms"
)

// sizes are how many runs there are and how many steps each has on average: a sample in every test,
// 100,000 steps in a soak.
func sizes() (runs, steps int) {
	if os.Getenv("STRONGROOM_SOAK") != "" {
		return 250, 420
	}
	return 10, 120
}

// TestMain tells rapid how much to do; its flags still win when they are given.
func TestMain(m *testing.M) {
	runs, steps := sizes()
	settings := map[string]string{
		"rapid.checks": strconv.Itoa(runs), "rapid.steps": strconv.Itoa(steps),
		"rapid.nofailfile": "true", // the seed is printed, and the tree stays clean
	}
	for name, value := range settings {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestServiceIsItsModel lets several callers do anything in any order, under a clock that jumps.
// Every answer must be the one that the model foretells, and every key must look as in the model
// after every step.
func TestServiceIsItsModel(t *testing.T) {
	w := newWorld(t, func(c *kms.Config) {
		c.EnableWait, c.RestoreWait, c.RotationWait = enableWait, restoreWait, rotateWait
		c.PurgeWait, c.SyncWait = purgeWait, syncWait
	})
	steps := 0
	rapid.Check(t, func(rt *rapid.T) {
		w.begin(t)
		defer w.end(t)
		m := &machine{world: w, model: model{now: w.Clock.Now()}}
		actions := m.actions()
		for name, act := range actions {
			actions[name] = func(rt *rapid.T) { steps++; act(rt) }
		}
		actions[""] = m.check
		rt.Repeat(actions)
	})
	t.Logf("%d steps", steps)
}

// machine drives the service and its model side by side.
type machine struct {
	*world
	model   model
	wrapped []wrapped
	names   int
}

// wrapped is a data key that the service has wrapped.
type wrapped struct {
	plaintext, ciphertext, aad string
	key, version               string
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"create": m.create, "wrap": m.wrap, "unwrap": m.unwrap, "rewrap": m.rewrap, "rotate": m.rotate,
		"disable": m.disable, "enable": m.enable, "delete": m.delete, "restore": m.restore, "purge": m.purge,
		"authorize": m.authorize, "unauthorize": m.unauthorize, "add alias": m.addAlias, "remove alias": m.removeAlias,
		"move": m.move, "create ring": m.createRing, "delete ring": m.deleteRing, "set dual": m.setDual,
		"set rotation": m.setRotation, "sync": m.sync, "versions": m.versions, "list": m.list,
		"advance": m.advance, "advance more": m.advance,
	}
}

// want fails unless the answer is the foretold one.
func want(t *rapid.T, r request, got reply, foretold outcome) {
	t.Helper()
	if got.outcome != foretold {
		t.Fatalf("%s %s %s %s: answered %d %s, foretold %d %s\n%s",
			r.who, r.method, r.path, r.body, got.status, got.code, foretold.status, foretold.code, got.body)
	}
}

// do sends a request whose answer has only an outcome.
func (m *machine) do(t *rapid.T, r request, foretold outcome) reply {
	t.Helper()
	got := m.send(r)
	want(t, r, got, foretold)
	return got
}

func (m *machine) someone(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"manager", "manager", "manager", "deputy", "deputy", "writer", "purger", "purger", "ringmate", "reader", "nobody",
	}).Draw(t, "who")
}

// somekey draws a key as a path names it: by its ID or by an alias; or, seldom, one that is not there.
func (m *machine) somekey(t *rapid.T) string {
	refs := []string{"00000000-0000-4000-8000-000000000000"}
	for _, k := range m.model.keys {
		refs = append(refs, k.id, k.id)
		refs = append(refs, k.aliases...)
	}
	return rapid.SampledFrom(refs).Draw(t, "key")
}

func somealias(t *rapid.T) string {
	return rapid.SampledFrom([]string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"}).Draw(t, "alias")
}

func somering(t *rapid.T) string {
	return rapid.SampledFrom([]string{"default", sharedRing, "team-b"}).Draw(t, "ring")
}

// material is what imported keys are made of; there are few, so that keys share some.
func material(t *rapid.T) string {
	b := rapid.SampledFrom([]byte{1, 2, 3}).Draw(t, "material")
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

func (m *machine) create(t *rapid.T) {
	m.names++
	k := &modelKey{
		name: fmt.Sprintf("key %d", m.names), state: 1, ring: somering(t),
		extractable: rapid.IntRange(0, 4).Draw(t, "standard") == 0,
		imported:    rapid.IntRange(0, 3).Draw(t, "imported") == 0,
	}
	fields := map[string]any{"type": keyType, "name": k.name, "extractable": k.extractable}
	if k.imported {
		fields["payload"] = material(t)
	}
	if rapid.Bool().Draw(t, "named") {
		k.aliases = []string{somealias(t)}
		fields["aliases"] = k.aliases
	}
	if rapid.IntRange(0, 3).Draw(t, "expires") == 0 {
		k.expires = m.model.now.Add(somewhile(t))
		fields["expirationDate"] = k.expires.Format(time.RFC3339)
	}
	r := request{who: m.someone(t), method: http.MethodPost, path: "/keys", ring: k.ring, body: encode(map[string]any{
		"metadata": map[string]any{"collectionType": keyType, "collectionTotal": 1}, "resources": []any{fields},
	})}
	alias := strings.Join(k.aliases, "")
	foretold := m.model.create(r.who, k.ring, alias)
	got := m.do(t, r, foretold)
	if foretold != created {
		return
	}
	k.id = got.keys()[0].ID
	k.versions = []string{k.id}
	m.model.keys = append(m.model.keys, k)
}

func (m *machine) act(t *rapid.T, verb string, body any) request {
	r := request{who: m.someone(t), method: http.MethodPost, path: "/keys/" + m.somekey(t) + "/actions/" + verb}
	if body != nil {
		r.body = encode(body)
	}
	return r
}

// named returns the key that a request names in its path.
func named(r request) string { return strings.Split(r.path, "/")[2] }

func (m *machine) wrap(t *rapid.T) {
	d := wrapped{plaintext: base64.StdEncoding.EncodeToString([]byte("data key")), aad: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "aad")}
	r := m.act(t, "wrap", map[string]any{"plaintext": d.plaintext, "aad": []string{d.aad}})
	k, refused := m.model.use(r.who, named(r), kms.ActionWrap, 1)
	if refused != nil {
		m.do(t, r, *refused)
		return
	}
	out := decode(t, m.do(t, r, ok))
	d.ciphertext, d.key, d.version = out.Ciphertext, k.id, k.versions[0]
	if out.KeyVersion.ID != d.version || out.Plaintext != "" {
		t.Fatalf("wrapped by version %s, want %s; plaintext %q", out.KeyVersion.ID, d.version, out.Plaintext)
	}
	m.wrapped = append(m.wrapped, d)
}

// opener draws a wrapped data key, most often with the key that wrapped it.
func (m *machine) opener(t *rapid.T, verb string) (request, wrapped, bool) {
	if len(m.wrapped) == 0 {
		return request{}, wrapped{}, false
	}
	d := rapid.SampledFrom(m.wrapped).Draw(t, "wrapped")
	r := m.act(t, verb, map[string]any{"ciphertext": d.ciphertext, "aad": []string{d.aad}})
	if rapid.IntRange(0, 3).Draw(t, "another key") > 0 {
		r.path = "/keys/" + d.key + "/actions/" + verb
	}
	return r, d, true
}

// undecided says whether the model does not know if a key can open what another has wrapped: keys
// with the same imported material can, and the model keeps no material.
func (m *machine) undecided(k *modelKey, d wrapped) bool {
	return k.imported && !slices.Contains(k.versions, d.version)
}

func (m *machine) unwrap(t *rapid.T) { m.open(t, "unwrap") }
func (m *machine) rewrap(t *rapid.T) { m.open(t, "rewrap") }

func (m *machine) open(t *rapid.T, verb string) {
	r, d, some := m.opener(t, verb)
	if !some {
		return
	}
	action := kms.ActionUnwrap
	if verb == "rewrap" {
		action = kms.ActionRewrap
	}
	k, refused := m.model.use(r.who, named(r), action, 1, 3)
	switch {
	case refused != nil:
		m.do(t, r, *refused)
		return
	case m.undecided(k, d):
		return
	case !slices.Contains(k.versions, d.version):
		m.do(t, r, unprocessable)
		return
	}
	out := decode(t, m.do(t, r, ok))
	newest := k.versions[0]
	if out.KeyVersion.ID != d.version {
		t.Fatalf("wrapped by version %s, want %s", out.KeyVersion.ID, d.version)
	}
	if verb == "unwrap" && out.Plaintext != d.plaintext || verb == "rewrap" && out.Plaintext != "" {
		t.Fatalf("%s shows plaintext %q", verb, out.Plaintext)
	}
	if again := verb == "rewrap" || d.version != newest; again != (out.Ciphertext != "") || again && out.RewrappedKeyVersion.ID != newest {
		t.Fatalf("wrapped again %v, by %q; the newest version is %s", out.Ciphertext != "", out.RewrappedKeyVersion.ID, newest)
	}
	if out.Ciphertext != "" {
		d.ciphertext, d.version = out.Ciphertext, newest
		m.wrapped = append(m.wrapped, d)
	}
}

func (m *machine) rotate(t *rapid.T) {
	body := map[string]any{}
	if rapid.IntRange(0, 2).Draw(t, "brings material") == 0 {
		body["payload"] = material(t)
	}
	r := m.act(t, "rotate", body)
	k, foretold := m.model.rotate(r.who, named(r), len(body) > 0)
	m.do(t, r, foretold)
	if foretold == done {
		m.rotated(t, k)
	}
}

// rotated takes over from the service which version is new.
func (m *machine) rotated(t *rapid.T, k *modelKey) {
	t.Helper()
	newest := m.view(t, k).KeyVersion.ID
	if slices.Contains(k.versions, newest) {
		t.Fatalf("key %s was rotated, and has no new version", k.id)
	}
	k.versions = slices.Insert(slices.Clone(k.versions), 0, newest)
	k.rotated, k.notified = m.model.now, m.model.now
}

func (m *machine) disable(t *rapid.T) {
	r := m.act(t, "disable", nil)
	m.do(t, r, m.model.disable(r.who, named(r)))
}

func (m *machine) enable(t *rapid.T) {
	r := m.act(t, "enable", nil)
	m.do(t, r, m.model.enable(r.who, named(r)))
}

func (m *machine) delete(t *rapid.T) {
	r := request{who: m.someone(t), method: http.MethodDelete, path: "/keys/" + m.somekey(t)}
	m.do(t, r, m.model.delete(r.who, named(r)))
}

func (m *machine) restore(t *rapid.T) {
	r := request{who: m.someone(t), method: http.MethodPost, path: "/keys/" + m.somekey(t) + "/restore"}
	m.do(t, r, m.model.restore(r.who, named(r)))
}

func (m *machine) purge(t *rapid.T) {
	r := request{who: m.someone(t), method: http.MethodDelete, path: "/keys/" + m.somekey(t) + "/purge"}
	m.do(t, r, m.model.purge(r.who, named(r)))
}

func (m *machine) authorize(t *rapid.T) {
	r := m.act(t, "setKeyForDeletion", nil)
	m.do(t, r, m.model.authorize(r.who, named(r), true))
}

func (m *machine) unauthorize(t *rapid.T) {
	r := m.act(t, "unsetKeyForDeletion", nil)
	m.do(t, r, m.model.authorize(r.who, named(r), false))
}

func (m *machine) sync(t *rapid.T) {
	r := m.act(t, "sync", nil)
	m.do(t, r, m.model.sync(r.who, named(r)))
}

func (m *machine) addAlias(t *rapid.T) {
	alias := somealias(t)
	r := request{who: m.someone(t), method: http.MethodPost, path: "/keys/" + m.somekey(t) + "/aliases/" + alias}
	m.do(t, r, m.model.addAlias(r.who, named(r), alias))
}

func (m *machine) removeAlias(t *rapid.T) {
	alias := somealias(t)
	r := request{who: m.someone(t), method: http.MethodDelete, path: "/keys/" + m.somekey(t) + "/aliases/" + alias}
	m.do(t, r, m.model.removeAlias(r.who, named(r), alias))
}

func (m *machine) move(t *rapid.T) {
	ring := somering(t)
	r := request{
		who: m.someone(t), method: http.MethodPatch, path: "/keys/" + m.somekey(t),
		body: encode(map[string]any{"keyRingID": ring}),
	}
	m.do(t, r, m.model.move(r.who, named(r), ring))
}

func (m *machine) createRing(t *rapid.T) {
	r := request{who: m.someone(t), method: http.MethodPost, path: "/key_rings/" + somering(t)}
	m.do(t, r, m.model.createRing(r.who, named(r)))
}

func (m *machine) deleteRing(t *rapid.T) {
	ring, force := somering(t), rapid.Bool().Draw(t, "force")
	r := request{who: m.someone(t), method: http.MethodDelete, path: "/key_rings/" + ring + "?force=" + strconv.FormatBool(force)}
	m.do(t, r, m.model.deleteRing(r.who, ring, force))
}

const policyType = "application/vnd.ibm.kms.policy+json"

func (m *machine) setPolicy(t *rapid.T, kind string, policy any) request {
	return request{
		who: m.someone(t), method: http.MethodPut, path: "/keys/" + m.somekey(t) + "/policies?policy=" + kind,
		body: encode(map[string]any{
			"metadata":  map[string]any{"collectionType": policyType, "collectionTotal": 1},
			"resources": []any{map[string]any{"type": policyType, kind: policy}},
		}),
	}
}

func (m *machine) setDual(t *rapid.T) {
	on := rapid.Bool().Draw(t, "on")
	r := m.setPolicy(t, "dualAuthDelete", map[string]any{"enabled": on})
	m.do(t, r, m.model.setDual(r.who, named(r), on))
}

func (m *machine) setRotation(t *rapid.T) {
	p := rotation{Enabled: rapid.IntRange(0, 3).Draw(t, "enabled") > 0}
	fields := map[string]any{"enabled": p.Enabled}
	switch rapid.SampledFrom([]string{"days", "months", "neither"}).Draw(t, "interval") {
	case "days":
		p.Day = rapid.SampledFrom([]int{1, 14, 31}).Draw(t, "days")
		fields["interval_day"] = p.Day
	case "months":
		p.Month = rapid.SampledFrom([]int{1, 3, 12}).Draw(t, "months")
		fields["interval_month"] = p.Month
	}
	r := m.setPolicy(t, "rotation", fields)
	m.do(t, r, m.model.setRotation(r.who, named(r), p))
}

func (m *machine) versions(t *rapid.T) {
	r := request{who: m.someone(t), method: http.MethodGet, path: "/keys/" + m.somekey(t) + "/versions?allKeyStates=true"}
	k, refused := m.model.use(r.who, named(r), kms.ActionVersions, 1, 2, 3, 5)
	if refused != nil {
		m.do(t, r, *refused)
		return
	}
	ids := []string{}
	for _, v := range m.do(t, r, ok).keys() {
		ids = append(ids, v.ID)
	}
	if diff := cmp.Diff(k.versions, ids); diff != "" {
		t.Fatalf("versions of key %s (-model +service):\n%s", k.id, diff)
	}
}

func (m *machine) list(t *rapid.T) {
	r := request{who: m.someone(t), method: http.MethodGet, path: "/keys?limit=5000&state=" + rapid.SampledFrom([]string{
		"1", "2", "3", "5", "0,1,2,3", "1,2,3,5",
	}).Draw(t, "states")}
	p := callers()[r.who]
	if !slices.Contains(p.actions, kms.ActionList) {
		m.do(t, r, unauthorized)
		return
	}
	visible, listed := []string{}, []string{}
	for _, k := range m.model.keys {
		if may(r.who, kms.ActionList, k.ring) && strings.Contains(r.path[strings.Index(r.path, "state="):], strconv.Itoa(k.stateAt(m.model.now))) {
			visible = append(visible, k.id)
		}
	}
	for _, k := range m.do(t, r, ok).keys() {
		listed = append(listed, k.ID)
	}
	slices.Sort(visible)
	if diff := cmp.Diff(visible, listed); diff != "" {
		t.Fatalf("%s %s: keys (-model +service):\n%s", r.who, r.path, diff)
	}
}

// somewhile draws a time to wait, of all the sizes that something depends on.
func somewhile(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{
		time.Second, 29 * time.Second, 30 * time.Second, time.Hour - time.Second, time.Hour, purgeWait,
		day, 7*day - time.Second, 14 * day, 30 * day, 60 * day, 90 * day,
	}).Draw(t, "while")
}

// advance lets time pass, after which the service does what the clock demands.
func (m *machine) advance(t *rapid.T) {
	d := somewhile(t)
	m.Clock.Advance(d)
	m.model.now = m.model.now.Add(d)
	if err := m.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, k := range m.model.tick() {
		m.rotated(t, k)
	}
}

// check compares every key, and then the rings.
func (m *machine) check(t *rapid.T) {
	for _, k := range m.model.keys {
		if diff := cmp.Diff(m.expected(k), m.view(t, k)); diff != "" {
			t.Fatalf("key %s (-model +service):\n%s", k.id, diff)
		}
	}
	listed := []string{}
	for _, ring := range m.do(t, request{who: "reader", method: http.MethodGet, path: "/key_rings"}, ok).keys() {
		listed = append(listed, ring.ID)
	}
	expected := append([]string{}, m.model.rings...)
	slices.Sort(expected)
	if diff := cmp.Diff(append([]string{"default"}, expected...), listed); diff != "" {
		t.Fatalf("rings (-model +service):\n%s", diff)
	}
}

// view reads a key.
func (m *machine) view(t *rapid.T, k *modelKey) keyView {
	t.Helper()
	r := request{who: "reader", method: http.MethodGet, path: "/keys/" + k.id + "/metadata"}
	keys := m.do(t, r, ok).keys()
	if len(keys) != 1 {
		t.Fatalf("key %s: %d resources", k.id, len(keys))
	}
	slices.Sort(keys[0].Aliases)
	return keys[0]
}

// expected is how a key of the model looks.
func (m *machine) expected(k *modelKey) keyView {
	now := m.model.now
	v := keyView{
		ID: k.id, Name: k.name, State: k.stateAt(now), Extractable: k.extractable, Imported: k.imported, Ring: k.ring,
		Deleted: k.state == 5, DeletedBy: k.deletedBy, DeletionDate: moment(k.deleted), LastRotateDate: moment(k.rotated),
		DualAuthDelete: dualView{Enabled: k.dual},
	}
	v.KeyVersion.ID = k.versions[0]
	if len(k.aliases) > 0 {
		v.Aliases = slices.Sorted(slices.Values(k.aliases))
	}
	if k.dual && k.setBy != "" && now.Before(k.setUntil) {
		v.DualAuthDelete.Set, v.DualAuthDelete.Until = true, moment(k.setUntil)
	}
	if k.policy != nil {
		p := k.policy.rotation
		v.Rotation = &p
	}
	if k.state == 5 {
		v.RestoreAllowed = now.Sub(k.deleted) < 30*day && (k.expires.IsZero() || now.Before(k.expires))
		v.PurgeAllowed = now.Sub(k.deleted) >= purgeWait
	}
	return v
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// wrapping is what wrap, unwrap and rewrap answer.
type wrapping struct {
	Plaintext, Ciphertext           string
	KeyVersion, RewrappedKeyVersion struct{ ID string }
}

func decode(t *rapid.T, r reply) wrapping {
	t.Helper()
	var out wrapping
	if err := json.Unmarshal(r.body, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return string(b)
}
