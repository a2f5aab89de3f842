package chaos_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"strongroom/test/process"
)

// custody is the state of the masters, as far as the test looks at it.
type custody struct {
	Generations []struct {
		Number uint32 `json:"generation"`
		State  string `json:"state"`
		Left   struct {
			InstanceKeys int `json:"instance_keys"`
			Versions     int `json:"versions"`
			ImportTokens int `json:"import_tokens"`
		} `json:"left"`
	} `json:"generations"`
}

func (c *caller) custody(t *testing.T) custody {
	t.Helper()
	a, err := c.do(t.Context(), http.MethodGet, "/strongroom/v1/custody", nil)
	var got custody
	if err == nil {
		err = a.decode(&got)
	}
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("custody: %d %s (%v)", a.status, a.body, err)
	}
	return got
}

// TestKillWhileMastersChange rotates the masters under load and kills the server while keys move to
// the new ones, again and again. No request fails that is answered, nothing that was acknowledged is
// lost, and in the end the last key has left the old masters, which are retired one after the other.
func TestKillWhileMastersChange(t *testing.T) {
	kills, workers := 8, 4
	if soak() {
		kills = 80
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	place := process.NewPlace(t, process.Build(t))
	book := newLedger()
	server := place.Start(t)
	token := server.Token(t)
	fill(t, newCaller(t, server, token), book, r, 300)
	for cycle := range kills {
		c := newCaller(t, server, token)
		work(t, c, book, r, workers, func() {
			a, err := c.do(t.Context(), http.MethodPost, "/strongroom/v1/custody/rotations", nil)
			if err != nil || a.status != http.StatusCreated {
				t.Errorf("rotation: %d %s (%v)", a.status, a.body, err)
			}
			time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
			server.Kill()
		})
		server = place.Start(t)
		compare(t, newCaller(t, server, token), book, r, 30)
		if t.Failed() {
			t.Fatalf("after kill %d: %v\n%s", cycle+1, book, tail(server.Output(t)))
		}
	}
	c := newCaller(t, server, token)
	retireAll(t, c)
	compare(t, c, book, r, -1)
	server.Stop(t)
	server = place.Start(t) // nothing is cached any more
	compare(t, newCaller(t, server, token), book, r, -1)
	if t.Failed() {
		t.Logf("%v\n%s", book, tail(server.Output(t)))
	}
	t.Logf("%d kills: %v", kills, book)
}

// fill makes keys, so that moving them takes a while, and wraps under some.
func fill(t *testing.T, c *caller, book *ledger, r *rand.Rand, keys int) {
	t.Helper()
	for i := range keys {
		if err := createKey(t.Context(), c, book); err != nil {
			t.Fatal(err)
		}
		if id, ok := book.live(r); ok && i%5 == 0 {
			if err := wrapKey(t.Context(), c, book, r, id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// retireAll waits until all keys have left the older masters, and retires these.
func retireAll(t *testing.T, c *caller) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		waiting := 0
		for _, g := range c.custody(t).Generations {
			if g.State != "leaving" && g.State != "making" {
				continue
			}
			waiting++
			body := map[string]any{"generation": g.Number}
			a, err := c.do(t.Context(), http.MethodPost, "/strongroom/v1/custody/retirements", body)
			left := g.Left.InstanceKeys + g.Left.Versions + g.Left.ImportTokens
			if err != nil || a.status != http.StatusNoContent && a.status != http.StatusConflict {
				t.Fatalf("retirement of generation %d with %d left: %d %s (%v)", g.Number, left, a.status, a.body, err)
			}
		}
		if waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("keys do not move: %+v", c.custody(t))
		}
	}
}
