package rootkeyhttp_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

func TestWhoNoLongerWaitsDoesNotMakeTheServiceFail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: hangs}
		c := e.client(t, rootkeyhttp.IBM)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := c.Standing(ctx, instance, root); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		e.keys = func(*http.Request) (*http.Response, error) { return described(1) }
		if err := c.Standing(t.Context(), instance, root); err != nil {
			t.Errorf("for the next: %v", err)
		}
	})
}

func TestALastAnswerIsNotWaitedForWhileTheServiceHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return described(1) }}
		c := e.client(t, rootkeyhttp.IBM)
		if err := c.Standing(t.Context(), instance, root); err != nil {
			t.Fatal(err)
		}
		e.keys = hangs
		time.Sleep(30 * time.Second)
		if err := c.Standing(t.Context(), instance, root); err != nil { // who finds out that it hangs
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		var all sync.WaitGroup
		all.Go(func() {
			if err := c.Standing(t.Context(), instance, root); err != nil { // who tries again
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 10 {
			begun := time.Now()
			if version, err := c.Version(t.Context(), instance, root); version != "version-1" || err != nil || time.Since(begun) > 0 {
				t.Errorf("%q, %v after %v", version, err, time.Since(begun))
			}
		}
		all.Wait()
	})
}

func TestAServiceThatAnswersNonsenseIsNotAskedAtEachUse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, `{"resources":[]}`) }}
		c := e.client(t, rootkeyhttp.IBM)
		for range 10 {
			if err := c.Standing(t.Context(), instance, root); !errors.Is(err, objects.ErrRootService) {
				t.Error(err)
			}
		}
		if got := e.questions(); len(got) != 1 {
			t.Errorf("asked %d times", len(got))
		}
	})
}

func TestAKeyThatRefusesHasItsStateAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for state, want := range map[string]error{
			`"state":2`:                        objects.ErrRootDisabled,
			`"state":5`:                        objects.ErrRootDeleted,
			`"state":1,"deleted":true`:         objects.ErrRootDeleted,
			`"state":1,"extractable":true`:     objects.ErrRootUnusable,
			`"state":1`:                        objects.ErrRootDisabled, // it refuses, whatever it says of itself
			`"keyVersion":{"id":"of-nothing"}`: objects.ErrRootDisabled, // no state is none in which it can be used
		} {
			refusing := false
			e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					refusing = true
					return refuses(http.StatusConflict)
				}
				if refusing {
					return says(http.StatusOK, `{"resources":[{`+state+`}]}`)
				}
				return described(1)
			}}
			c := e.client(t, rootkeyhttp.IBM)
			if err := c.Standing(t.Context(), instance, root); err != nil {
				t.Fatal(err)
			}
			if err := uses["unwrap"](t.Context(), c); !errors.Is(err, want) {
				t.Errorf("%s: %v", state, err)
			}
			if err := c.Standing(t.Context(), instance, root); state != `"state":1` && !errors.Is(err, want) {
				t.Errorf("%s: the next use: %v", state, err)
			}
		}
	})
}
