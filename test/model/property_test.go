package model_test

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strongroom/kms"
)

// sizes are how many runs there are and how many steps each has on average: a sample in every test,
// more than 100,000 steps in a soak.
func sizes() (runs, steps int) {
	if soaks() {
		return 300, 420
	}
	return 10, 120
}

func soaks() bool { return os.Getenv("STRONGROOM_SOAK") != "" }

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
// Every answer must be the one that the model foretells, and all must look as in the model after
// every step.
func TestServiceIsItsModel(t *testing.T) {
	w := newWorld(t, func(c *kms.Config) {
		c.EnableWait, c.RestoreWait, c.RotationWait = enableWait, restoreWait, rotateWait
		c.PurgeWait, c.SyncWait = purgeWait, syncWait
	})
	steps, answers := 0, map[outcome]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w.begin(t)
		defer w.end(t)
		m := &machine{world: w, model: newModel(w.Clock.Now()), answers: answers}
		actions := m.actions()
		for name, act := range actions {
			actions[name] = func(rt *rapid.T) { steps++; act(rt) }
		}
		actions[""] = m.check
		rt.Repeat(actions)
	})
	t.Logf("%d steps", steps)
	if soaks() {
		checkAnswers(t, answers)
	}
}

// checkAnswers fails if the steps have missed an answer that the model knows.
func checkAnswers(t *testing.T, answers map[outcome]int) {
	codes := map[string]int{}
	for o, n := range answers {
		codes[o.code] += n
	}
	for _, code := range []string{
		"AUTHORIZATIONS_NOT_MET", "BAD_BODY_ERR", "BODY_QUERY_PARAM_MISMATCH_ERR", "IDEMPOTENCY_KEY_REUSED_ERR",
		"IMPORT_TOKEN_EXPIRED_ERR", "IMPORT_TOKEN_NOT_FOUND_ERR", "INCORRECT_NONCE_ERR", "INCORRECT_NONCE_IV_ERR",
		"INVALID_FIELD_ERR", "INVALID_QUERY_PARAM_ERR", "KEY_ACTION_INVALID_STATE_ERR", "KEY_ALIAS_NOT_FOUND_ERR",
		"KEY_ALIAS_NOT_UNIQUE_ERR", "KEY_ALIAS_QUOTA_ERR", "KEY_CREATE_IMPORT_ACCESS_ERR", "KEY_DELETED_ERR",
		"KEY_EXPIRED_ERR", "KEY_INVALID_STATE_ERR", "KEY_NOT_FOUND_ERR", "KEY_PAYLOAD_REQ_ERR", "KEY_RESTORE_EXPIRED",
		"KEY_RING_ID_NOT_UNIQUE_ERR", "KEY_RING_NOT_EMPTY_ERR", "KEY_RING_NOT_FOUND_ERR", "KEY_ROOT_REQ_ERR",
		"KEY_ROOT_REQ_REG_ERR", "KEY_ROTATION_NOT_PERMITTED", "KEY_VERSION_INVALID", "NOT_DUAL_AUTH_ERR",
		"NUM_COLLECTION_RESOURCE_ERR", "PREV_KEY_DEL_ERR", "PROTECTED_RESOURCE_ERR", "REGISTRATION_NOT_FOUND_ERR",
		"REGISTRATION_NOT_UNIQUE_ERR", "REQ_TOO_EARLY_ERR", "RESOURCE_OWNER_ERR", "SERVICE_ONLY_ERR",
		"UNPROCESSABLE_CIPHERTEXT_ERR",
	} {
		if codes[code] == 0 {
			t.Errorf("no step was answered %s", code)
		}
		t.Logf("%6d times %s", codes[code], code)
	}
}

// machine drives the service and its model side by side.
type machine struct {
	*world
	model     model
	wrapped   []wrapped
	retrieved []retrieved
	sent      []func(*rapid.T, caller)
	answers   map[outcome]int
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"create": m.create, "create another": m.create, "repeat": m.repeat,
		"wrap": m.wrap, "unwrap": m.unwrap, "rewrap": m.rewrap, "rotate": m.rotate, "versions": m.versions,
		"disable": m.disable, "enable": m.enable, "delete": m.delete, "restore": m.restore, "purge": m.purge, "sync": m.sync,
		"authorize": m.authorize, "unauthorize": m.unauthorize, "add alias": m.addAlias, "remove alias": m.removeAlias,
		"move": m.move, "create ring": m.createRing, "delete ring": m.deleteRing,
		"set dual": m.setDual, "set rotation": m.setRotation, "get policies": m.getPolicies,
		"set instance policies": m.setInstancePolicies, "relax instance policy": m.relax, "allowed port": m.allowedPort,
		"create token": m.createToken, "retrieve token": m.retrieveToken, "import key": m.importKey,
		"register": m.register, "register another": m.register, "update registration": m.updateRegistration, "unregister": m.unregister,
		"registrations": m.listRegistrations,
		"list":          m.list, "search": m.search, "count": m.count,
		"advance": m.advance, "advance a little": m.advanceLittle,
	}
}

// do sends a request, and fails unless the answer is the foretold one.
func (m *machine) do(t *rapid.T, r request, foretold outcome) reply {
	t.Helper()
	got := m.send(r)
	m.answers[got.outcome]++
	if got.outcome != foretold {
		t.Fatalf("%s from %s: %s %s, ring %q, repeat %q, %s: answered %d %s, foretold %d %s\n%s",
			r.name, r.from, r.method, r.path, r.ring, r.repeat, r.body, got.status, got.code, foretold.status, foretold.code, got.body)
	}
	return got
}

// somekey draws a key as a path names it: by its ID or by an alias; or, seldom, one that is not there.
func (m *machine) somekey(t *rapid.T) string {
	absent := "00000000-0000-4000-8000-000000000000"
	if rapid.IntRange(0, 15).Draw(t, "absent") == 0 || len(m.model.keys) == 0 {
		return absent
	}
	var refs []string
	for _, k := range m.model.keys {
		refs = append(refs, k.id, k.id)
		refs = append(refs, k.aliases...)
	}
	return rapid.SampledFrom(refs).Draw(t, "key")
}

func (m *machine) act(t *rapid.T, c caller, verb string, body any) request {
	r := request{caller: c, method: http.MethodPost, path: "/keys/" + m.somekey(t) + "/actions/" + verb}
	if body != nil {
		r.body = encode(body)
	}
	return r
}

// named returns the key or ring that a request names in its path.
func named(r request) string {
	path, _, _ := strings.Cut(r.path, "?")
	return strings.Split(path, "/")[2]
}

// somewhile draws a time to wait, of all the sizes that something depends on.
func somewhile(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{
		time.Second, 1700 * time.Millisecond, 29 * time.Second, 30 * time.Second, 5 * time.Minute, time.Hour - time.Second,
		time.Hour, purgeWait, day, 7*day - time.Second, 14 * day, 30 * day, 60 * day, 90 * day,
	}).Draw(t, "while")
}

func (m *machine) advance(t *rapid.T) { m.pass(t, somewhile(t)) }

func (m *machine) advanceLittle(t *rapid.T) {
	m.pass(t, time.Duration(rapid.IntRange(1, 300_000).Draw(t, "milliseconds"))*time.Millisecond)
}

// pass lets time pass, after which the service does what the clock demands.
func (m *machine) pass(t *rapid.T, d time.Duration) {
	m.Clock.Advance(d)
	m.model.now = m.model.now.Add(d)
	if err := m.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, k := range m.model.tick() {
		m.rotated(t, k)
	}
}

// check compares what there is after every step.
func (m *machine) check(t *rapid.T) {
	m.checkKeys(t)
	m.checkRings(t)
	m.checkInstancePolicies(t)
}
