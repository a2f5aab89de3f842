package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"strongroom/test/process"
)

// soak says that the full set was asked for.
func soak() bool { return os.Getenv("STRONGROOM_SOAK") != "" }

// TestKillUnderLoad kills the server without warning while it works, again and
// again, and checks after every start that nothing it acknowledged is lost: keys
// are there, deletions hold, rotations count, and every wrapped data key opens
// to what it was. In the end the audit log is whole and has one event for each
// acknowledged change.
func TestKillUnderLoad(t *testing.T) {
	kills, workers := 60, 6
	if soak() {
		kills = 600
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	place := process.NewPlace(t, process.Build(t))
	book := newLedger()
	server := place.Start(t)
	token := server.Token(t)
	for cycle := range kills {
		if cycle%100 == 99 { // a token lasts for an hour, which a slow machine needs for them all
			token = server.Token(t)
		}
		if cycle%10 == 9 { // in the middle of a start, and of what a start repairs
			server.Kill()
			server = place.Launch(t)
			time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
			server.Kill()
			server = place.Start(t)
		}
		c := newCaller(t, server, token)
		work(t, c, book, r, workers, func() {
			book.await(t, 2) // however slow the machine is
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
			server.Kill()
		})
		server = place.Start(t)
		compare(t, newCaller(t, server, token), book, r, 15)
		if t.Failed() {
			t.Fatalf("after kill %d: %v\n%s", cycle+1, book, tail(server.Output(t)))
		}
	}
	c := newCaller(t, server, token)
	compare(t, c, book, r, -1)
	wantEvents(t, c, book)
	server.Stop(t)
	out, err := exec.Command(place.Binary, "audit", "verify", "--data", place.Data).CombinedOutput()
	if err != nil {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
	t.Logf("%d kills: %v", kills, book)
}

// work lets workers load the server until disaster has struck and all of them
// have noticed.
func work(t *testing.T, c *caller, book *ledger, r *rand.Rand, workers int, disaster func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range workers {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		wg.Go(func() {
			for {
				err := step(ctx, c, book, own)
				if errors.Is(err, errNoAnswer) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	disaster()
	cancel()
	wg.Wait()
}

// errNoAnswer says that the server is gone.
var errNoAnswer = errors.New("no answer")

// step does one thing at random and writes what was acknowledged into the book.
func step(ctx context.Context, c *caller, book *ledger, r *rand.Rand) error {
	id, ok := book.live(r)
	switch dice := r.IntN(100); {
	case !ok || dice < 20:
		return createKey(ctx, c, book)
	case dice < 85:
		return wrapKey(ctx, c, book, r, id)
	case dice < 95:
		return rotateKey(ctx, c, book, id)
	default:
		return deleteKey(ctx, c, book, id)
	}
}

func createKey(ctx context.Context, c *caller, book *ledger) error {
	a, err := c.do(ctx, http.MethodPost, "/api/v2/keys", newKey("under load", false, ""))
	if err != nil {
		return errNoAnswer
	}
	var made keys
	if err := a.decode(&made); err != nil || a.status != http.StatusCreated || len(made.Resources) != 1 {
		return fmt.Errorf("create: %d %s (%v)", a.status, a.body, err)
	}
	book.created(made.Resources[0].ID, a.correlation)
	return nil
}

func wrapKey(ctx context.Context, c *caller, book *ledger, r *rand.Rand, id string) error {
	aad := []string{fmt.Sprint(r.IntN(1000))}
	a, err := c.do(ctx, http.MethodPost, "/api/v2/keys/"+id+"/actions/wrap", dataKey{AAD: aad})
	if err != nil {
		return errNoAnswer
	}
	if a.status == http.StatusGone && book.isDeleting(id) {
		return nil
	}
	var got dataKey
	if err := a.decode(&got); err != nil || a.status != http.StatusOK || got.Plaintext == "" {
		return fmt.Errorf("wrap: %d %s (%v)", a.status, a.body, err)
	}
	book.wrappedKey(wrapped{id, got.Plaintext, got.Ciphertext, aad})
	return nil
}

func rotateKey(ctx context.Context, c *caller, book *ledger, id string) error {
	book.rotating(id)
	a, err := c.do(ctx, http.MethodPost, "/api/v2/keys/"+id+"/actions/rotate", nil)
	if err != nil {
		return errNoAnswer
	}
	book.rotated(id, a.correlation, a.status == http.StatusNoContent)
	switch {
	case a.status == http.StatusNoContent, a.status == http.StatusConflict:
		return nil // somebody else may have rotated at the same time
	case a.status == http.StatusGone && book.isDeleting(id):
		return nil
	}
	return fmt.Errorf("rotate: %d %s", a.status, a.body)
}

func deleteKey(ctx context.Context, c *caller, book *ledger, id string) error {
	if !book.deleting(id) {
		return nil
	}
	a, err := c.do(ctx, http.MethodDelete, "/api/v2/keys/"+id, nil)
	if err != nil {
		return errNoAnswer
	}
	switch a.status {
	case http.StatusNoContent:
		book.deleted(id, a.correlation)
		return nil
	case http.StatusConflict: // a rotation came first; the key stays in doubt
		return nil
	}
	return fmt.Errorf("delete: %d %s", a.status, a.body)
}

// compare holds the server against the book: everything new in it, and so many
// older entries.
func compare(t *testing.T, c *caller, book *ledger, r *rand.Rand, older int) {
	t.Helper()
	ks, ws := book.sample(r, older)
	for _, k := range ks {
		if err := compareKey(t.Context(), c, k); err != nil {
			t.Error(err)
		}
	}
	for _, w := range ws {
		if err := compareWrapped(t.Context(), c, book, w); err != nil {
			t.Error(err)
		}
	}
}

func compareKey(ctx context.Context, c *caller, k key) error {
	const active, destroyed = 1, 5
	a, err := c.do(ctx, http.MethodGet, "/api/v2/keys/"+k.id+"/metadata", nil)
	if err != nil {
		return err
	}
	var got keys
	if err := a.decode(&got); err != nil || a.status != http.StatusOK || len(got.Resources) != 1 {
		return fmt.Errorf("key %s was made, and is lost: %d %s (%v)", k.id, a.status, a.body, err)
	}
	switch state := got.Resources[0].State; {
	case k.deleted && state != destroyed:
		return fmt.Errorf("key %s was deleted, and has state %d", k.id, state)
	case !k.deleting && state != active:
		return fmt.Errorf("key %s was not deleted, and has state %d", k.id, state)
	case k.deleting:
		return nil
	}
	a, err = c.do(ctx, http.MethodGet, "/api/v2/keys/"+k.id+"/versions?limit=1&totalCount=true", nil)
	if err != nil {
		return err
	}
	var versions keys
	if err := a.decode(&versions); err != nil || a.status != http.StatusOK {
		return fmt.Errorf("versions of key %s: %d %s (%v)", k.id, a.status, a.body, err)
	}
	if n := versions.Metadata.TotalCount - 1; n < k.rotations || n > k.rotations+k.maybe {
		return fmt.Errorf("key %s was rotated %d times, and perhaps %d more, and has %d later versions", k.id, k.rotations, k.maybe, n)
	}
	return nil
}

func compareWrapped(ctx context.Context, c *caller, book *ledger, w wrapped) error {
	a, err := c.do(ctx, http.MethodPost, "/api/v2/keys/"+w.key+"/actions/unwrap", dataKey{Ciphertext: w.ciphertext, AAD: w.aad})
	if err != nil {
		return err
	}
	book.mu.Lock()
	k := *book.keys[w.key]
	book.mu.Unlock()
	switch {
	case k.deleted && a.status != http.StatusGone:
		return fmt.Errorf("key %s was deleted, and unwraps with %d", w.key, a.status)
	case k.deleting && a.status == http.StatusGone:
		return nil
	}
	var got dataKey
	if err := a.decode(&got); err != nil || a.status != http.StatusOK {
		return fmt.Errorf("a data key of %s does not unwrap any more: %d %s (%v)", w.key, a.status, a.body, err)
	}
	if got.Plaintext != w.plaintext {
		return fmt.Errorf("a data key of %s unwraps to something else", w.key)
	}
	return nil
}

// wantEvents checks that each acknowledged change has exactly one event.
func wantEvents(t *testing.T, c *caller, book *ledger) {
	t.Helper()
	a, err := c.do(t.Context(), http.MethodGet, "/strongroom/v1/audit/export", nil)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("export of the audit log: %d (%v)", a.status, err)
	}
	type recorded struct {
		Action      string `json:"action"`
		Outcome     string `json:"outcome"`
		Correlation string `json:"correlationId"`
	}
	seen := map[recorded]int{}
	lines := bufio.NewScanner(bytes.NewReader(a.body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var ev recorded
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		seen[ev]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, ch := range book.changes {
		if n := seen[recorded{ch.action, "success", ch.correlation}]; n != 1 {
			t.Errorf("%s of request %s has %d events, want 1", ch.action, ch.correlation, n)
		}
	}
}

// tail returns the last lines of a log.
func tail(log []byte) []byte {
	const size = 4 << 10
	return log[max(0, len(log)-size):]
}
