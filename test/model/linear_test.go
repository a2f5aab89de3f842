package model_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// races is how often a key is fought over.
func races() int {
	if soaks() {
		return 2000
	}
	return 40
}

// TestRacingOperationsHaveAnOrder lets callers do everything at once to one key. What they are
// answered must be what they would have been answered one after the other, in some order that agrees
// with the times of the requests: a key that was said to be disabled wraps no more.
func TestRacingOperationsHaveAnOrder(t *testing.T) {
	w := newWorld(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range races() {
		judge(t, round, w.race(t, rand.New(rand.NewPCG(seed, uint64(round)))))
	}
}

func judge(t *testing.T, round int, history []porcupine.Operation) {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(oneKey, history, time.Minute) {
	case porcupine.Illegal:
		t.Fatalf("round %d: no order explains\n%s", round, describe(history))
	case porcupine.Unknown:
		t.Fatalf("round %d: the history is too long to judge", round)
	}
}

// TestTheJudgeRefuses shows that the test above can fail.
func TestTheJudgeRefuses(t *testing.T) {
	at := func(id int, call, back int64, in string, out answered) porcupine.Operation {
		return porcupine.Operation{ClientId: id, Input: in, Call: call, Output: out, Return: back}
	}
	for name, history := range map[string][]porcupine.Operation{
		"wraps after it was disabled": {
			at(0, 1, 2, "disable", answered{outcome: done}), at(1, 3, 4, "wrap", answered{outcome: ok, version: 1}),
		},
		"wraps with a version before the newest": {
			at(0, 1, 2, "rotate", answered{outcome: done}), at(1, 3, 4, "wrap", answered{outcome: ok, version: 1}),
		},
		"is deleted twice": {
			at(0, 1, 4, "delete", answered{outcome: done}), at(1, 2, 3, "delete", answered{outcome: done}),
		},
	} {
		if porcupine.CheckOperations(oneKey, history) {
			t.Errorf("a key that %s is found in order", name)
		}
	}
}

// answered is what an operation was answered, with the number of the version that wrapped.
type answered struct {
	outcome
	version int
}

// standing is what the order decides of a key.
type standing struct {
	state   int
	version int
}

var oneKey = porcupine.Model{
	Init: func() any { return standing{state: 1, version: 1} },
	Step: func(s, in, out any) (bool, any) {
		next, foretold := s.(standing).after(in.(string))
		return foretold == out.(answered), next
	},
}

// after is what an operation does, and what it is answered.
func (s standing) after(operation string) (standing, answered) {
	refuse := func(o outcome) (standing, answered) { return s, answered{outcome: o} }
	if operation == "restore" {
		if s.state != 5 {
			return refuse(badState)
		}
		s.state = 1
		return s, answered{outcome: created}
	}
	if s.state == 5 {
		return refuse(gone)
	}
	if operation == "delete" {
		s.state = 5
		return s, answered{outcome: done}
	}
	if wanted := map[string]int{"enable": 2}[operation]; s.state != max(wanted, 1) {
		return refuse(badState)
	}
	switch operation {
	case "wrap":
		return s, answered{ok, s.version}
	case "unwrap":
		return s, answered{outcome: ok}
	case "rotate":
		s.version++
	case "disable":
		s.state = 2
	case "enable":
		s.state = 1
	}
	return s, answered{outcome: done}
}

// race makes a key and lets callers have at it.
func (w *world) race(t *testing.T, random *rand.Rand) []porcupine.Operation {
	t.Helper()
	made := w.send(request{caller: at("manager"), method: http.MethodPost, path: "/keys", body: encode(map[string]any{
		"metadata":  map[string]any{"collectionType": keyType, "collectionTotal": 1},
		"resources": []any{map[string]any{"type": keyType, "name": "fought over", "extractable": false}},
	})})
	if made.outcome != created {
		t.Fatalf("creating a key: %d %s", made.status, made.body)
	}
	key := made.keys()[0].ID
	ciphertext := wrappingOf(w.send(request{caller: at("manager"), method: http.MethodPost, path: "/keys/" + key + "/actions/wrap"})).Ciphertext

	const racers, turns = 5, 8
	operations := []string{"wrap", "wrap", "unwrap", "rotate", "disable", "enable", "enable", "delete", "restore", "restore"}
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		by      = map[int]string{} // version that wrapped, by position in history
		group   sync.WaitGroup
		begun   = time.Now()
	)
	for racer := range racers {
		plan := make([]string, turns)
		for i := range plan {
			plan[i] = operations[random.IntN(len(operations))]
		}
		group.Go(func() {
			for _, operation := range plan {
				call := time.Since(begun)
				got := w.send(requestFor(operation, key, ciphertext))
				back := time.Since(begun)
				mu.Lock()
				if operation == "wrap" && got.outcome == ok {
					by[len(history)] = wrappingOf(got).KeyVersion.ID
				}
				history = append(history, porcupine.Operation{
					ClientId: racer, Input: operation, Call: int64(call), Output: answered{outcome: got.outcome}, Return: int64(back),
				})
				mu.Unlock()
			}
		})
	}
	group.Wait()
	numbers := w.numbers(key)
	for i, version := range by {
		history[i].Output = answered{ok, numbers[version]}
	}
	return history
}

func requestFor(operation, key, ciphertext string) request {
	r := request{caller: at("manager"), method: http.MethodPost, path: "/keys/" + key + "/actions/" + operation}
	switch operation {
	case "delete":
		r.method, r.path = http.MethodDelete, "/keys/"+key
	case "restore":
		r.path = "/keys/" + key + "/restore"
	case "unwrap":
		r.body = encode(map[string]string{"ciphertext": ciphertext})
	}
	return r
}

// numbers counts the versions of a key, the oldest being 1.
func (w *world) numbers(key string) map[string]int {
	versions := w.send(request{caller: at("manager"), method: http.MethodGet, path: "/keys/" + key + "/versions?allKeyStates=true&limit=5000"}).keys()
	numbers := map[string]int{}
	for i, v := range versions {
		numbers[v.ID] = len(versions) - i
	}
	return numbers
}

func wrappingOf(r reply) wrapping {
	var out wrapping
	if err := json.Unmarshal(r.body, &out); err != nil {
		panic(fmt.Sprintf("no wrapping: %s", r.body)) // the caller has seen 200
	}
	return out
}

func describe(history []porcupine.Operation) (text string) {
	for _, o := range history {
		text += fmt.Sprintf("%d: %d–%d %s %+v\n", o.ClientId, o.Call, o.Return, o.Input, o.Output)
	}
	return text
}
