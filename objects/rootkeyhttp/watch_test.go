package rootkeyhttp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strongroom/crn"
	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

// hold is for how long an answer of a lease is good.
const hold = 900 * time.Millisecond

// vault answers questions of a lease as a Strongroom does: at once without its cursor, and with it when
// something has changed, or after 400 ms.
type vault struct {
	mu      sync.Mutex
	states  map[string]string // by CRN of a key that is not usable; guarded by mu
	changed chan struct{}     // closed at a change; guarded by mu
	changes int               // so many were made; guarded by mu
	hasty   bool              // answers at once, always; guarded by mu
	down    bool              // does not answer; guarded by mu
	cursors []string          // that it was asked with, in order; guarded by mu
	sizes   []int             // numbers of keys that it was asked for, in order; guarded by mu
	last    map[string]int    // the question in which it was asked for a key last, from 1; guarded by mu
}

func newVault() *vault {
	return &vault{states: map[string]string{}, changed: make(chan struct{}), last: map[string]int{}}
}

// change lets something else be true from now on.
func (v *vault) change(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	v.changes++
	close(v.changed)
	v.changed = make(chan struct{})
}

// questions are how many there were.
func (v *vault) questions() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.cursors)
}

// keys answers a question.
func (v *vault) keys(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	keys := strings.Split(q.Get("keys"), ",")
	v.mu.Lock()
	v.cursors, v.sizes = append(v.cursors, q.Get("cursor")), append(v.sizes, len(keys))
	for _, key := range keys {
		v.last[key] = len(v.cursors)
	}
	known, waits, down, changed := q.Get("cursor") == strconv.Itoa(v.changes), !v.hasty, v.down, v.changed
	v.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	begun := time.Now()
	if known && waits {
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-changed:
		case <-time.After(400 * time.Millisecond):
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	results := make([]map[string]string, len(keys))
	for i, key := range keys {
		results[i] = map[string]string{"key": key, "state": "usable", "version": "version-1"}
		if state := v.states[key]; state != "" {
			results[i] = map[string]string{"key": key, "state": state}
		}
	}
	b, err := json.Marshal(map[string]any{
		"cursor": strconv.Itoa(v.changes), "waited_ms": time.Since(begun).Milliseconds(), "results": results,
	})
	if err != nil {
		return nil, err
	}
	return says(http.StatusOK, string(b))
}

// watched is a client that watches a vault.
func watched(t *testing.T) (*vault, *rootkeyhttp.Client) {
	t.Helper()
	v := newVault()
	c := (&elsewhere{keys: v.keys}).client(t, rootkeyhttp.Strongroom)
	watching(t, c)
	return v, c
}

// numbered is another root key.
func numbered(i int) crn.CRN { return root.Child("key", fmt.Sprintf("key-%d", i)) }

func TestAChangeIsToldWithoutAQuestionOfItsUser(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v, c := watched(t)
		for _, step := range []struct {
			state string
			want  error
		}{
			{"", nil},
			{"disabled", objects.ErrRootDisabled},
			{"", nil},
			{"deleted", objects.ErrRootDeleted},
			{"unauthorized", objects.ErrUnauthorized},
			{"unsuitable", objects.ErrRootUnusable},
		} {
			v.change(func() { v.states[root.String()] = step.state })
			time.Sleep(time.Second)
			before := v.questions()
			err := c.Standing(t.Context(), instance, root)
			if !errors.Is(err, step.want) {
				t.Errorf("%q: %v", step.state, err)
			}
			if asked := v.questions() - before; step.state != "" && asked > 0 {
				t.Errorf("%q: its user asked", step.state)
			}
		}
	})
}

func TestAnAnswerHoldsForLessThanASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v, c := watched(t)
		if err := c.Standing(t.Context(), instance, root); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		v.change(func() { v.down = true })
		synctest.Wait() // the question under way was answered now, and the next one is refused
		down := time.Now()
		for time.Since(down) < hold {
			if err := c.Standing(t.Context(), instance, root); err != nil {
				t.Fatalf("after %v: %v", time.Since(down), err)
			}
			time.Sleep(time.Millisecond)
		}
		if err := c.Standing(t.Context(), instance, root); !errors.Is(err, objects.ErrRootService) {
			t.Errorf("after %v: %v", hold, err)
		}
	})
}

func TestAWatchBeginsAnewAfterAFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v, c := watched(t)
		if err := c.Standing(t.Context(), instance, root); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		v.change(func() { v.down = true })
		time.Sleep(5 * time.Second)
		v.change(func() { v.down = false; v.states[root.String()] = "disabled"; v.cursors = nil })
		time.Sleep(5 * time.Second)
		if err := c.Standing(t.Context(), instance, root); !errors.Is(err, objects.ErrRootDisabled) {
			t.Error(err)
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		if i := slices.Index(v.cursors, ""); i < 0 || i == len(v.cursors)-1 || slices.Contains(v.cursors[i+1:], "") {
			t.Errorf("asked with %q", v.cursors)
		}
	})
}

func TestAServiceThatAnswersAtOnceIsNotAskedWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v, c := watched(t)
		v.change(func() { v.hasty = true })
		if err := c.Standing(t.Context(), instance, root); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := v.questions(); got > 10*60+10 {
			t.Errorf("asked %d times in a minute", got)
		}
	})
}

func TestKeysInUseAreWatchedTogether(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v, c := watched(t)
		const count = 250
		for i := range count {
			if err := c.Standing(t.Context(), instance, numbered(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		v.mu.Lock()
		began, together := 0, map[int]bool{}
		for i, cursor := range v.cursors {
			if cursor == "" && v.sizes[i] > 1 {
				began++
			}
			if i >= len(v.cursors)-10 { // several rounds of the three
				together[v.sizes[i]] = true
			}
		}
		v.mu.Unlock()
		if want := map[int]bool{100: true, 50: true}; !maps.Equal(together, want) {
			t.Errorf("asked for %v at a time", slices.Sorted(maps.Keys(together)))
		}
		if began > 30 {
			t.Errorf("%d watches of more than one key began for %d keys that came one after the other", began, count)
		}
		before := v.questions()
		for i := range count {
			if err := c.Standing(t.Context(), instance, numbered(i)); err != nil {
				t.Error(err)
			}
		}
		if got := v.questions(); got != before {
			t.Errorf("%d questions of users", got-before)
		}
	})
}

func TestAKeyThatNobodyUsesIsWatchedNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v, c := watched(t)
		for i := range 2 {
			if err := c.Standing(t.Context(), instance, numbered(i)); err != nil {
				t.Fatal(err)
			}
		}
		for range 21 { // it is let go of when the watch of ten minutes ends in which it became idle
			time.Sleep(time.Minute)
			if err := c.Standing(t.Context(), instance, numbered(1)); err != nil {
				t.Fatal(err)
			}
		}
		v.mu.Lock()
		unused, used, all := v.last[numbered(0).String()], v.last[numbered(1).String()], len(v.cursors)
		v.mu.Unlock()
		if used < all-1 || unused > all-100 {
			t.Errorf("of %d questions the last about the key in use is %d, and %d about the other", all, used, unused)
		}
		if err := c.Standing(t.Context(), instance, numbered(0)); err != nil {
			t.Errorf("used again: %v", err)
		}
	})
}

func TestLeasesOutsideOfTheProtocolAreNotBelieved(t *testing.T) {
	good := func(key crn.CRN, state string) string {
		return fmt.Sprintf(`{"key":%q,"state":%q,"version":"version-1"}`, key.String(), state)
	}
	other := root.Child("key", "other")
	inBubble(t, func(t *testing.T) {
		for name, body := range map[string]string{
			"nothing":         `{}`,
			"no keys":         `{"cursor":"1","results":[]}`,
			"two keys":        `{"cursor":"1","results":[` + good(root, "usable") + `,` + good(other, "usable") + `]}`,
			"another key":     `{"cursor":"1","results":[` + good(other, "usable") + `]}`,
			"a new state":     `{"cursor":"1","results":[` + good(root, "splendid") + `]}`,
			"no state":        `{"cursor":"1","results":[` + good(root, "") + `]}`,
			"no cursor":       `{"results":[` + good(root, "usable") + `]}`,
			"a long cursor":   `{"cursor":"` + strings.Repeat("x", 2000) + `","results":[` + good(root, "usable") + `]}`,
			"another type":    `[` + good(root, "usable") + `]`,
			"a page of HTML":  `<html>usable</html>`,
			"a time too long": `{"cursor":"1","waited_ms":1e30,"results":[` + good(root, "usable") + `]}`,
		} {
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, body) }}
			if err := e.client(t, rootkeyhttp.Strongroom).Standing(t.Context(), instance, root); !errors.Is(err, objects.ErrRootService) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAnAnswerIsNotTakenForNewerThanItCanBe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, waited := range []string{"-9223372036854775808", "-1", "0", "1", "400", "9223372036855", "9223372036854775807"} {
			body := `{"cursor":"1","waited_ms":` + waited + `,"results":[{"key":"` + root.String() + `","state":"usable","version":"version-1"}]}`
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, body) }}
			c := e.client(t, rootkeyhttp.Strongroom)
			if err := c.Standing(t.Context(), instance, root); err != nil {
				t.Errorf("%s: %v", waited, err)
			}
			e.keys = hangs
			time.Sleep(hold)
			if err := c.Standing(t.Context(), instance, root); !errors.Is(err, objects.ErrRootService) {
				t.Errorf("%s, and %v later: %v", waited, hold, err)
			}
		}
	})
}

func TestOfIBMNothingIsWatched(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return described(1) }}
		c := e.client(t, rootkeyhttp.IBM)
		watching(t, c)
		if err := c.Standing(t.Context(), instance, root); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		want := "GET " + keysAt + "/api/v2/keys/" + url.PathEscape(root.Resource) + "/metadata"
		if got := e.questions(); len(got) != 1 || got[0] != want {
			t.Errorf("asked %q", got)
		}
	})
}
