package rootkeyhttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

func TestAnswersWithoutATokenAreNotUsed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, body := range []string{
			``, `null`, `[]`, `{}`, `<html>`, `{"access_token":""}`, `{"access_token":7}`, `{"access_token":"a b"}`, `{"access_token":"a\r\nx: y"}`,
			`{"access_token":"` + strings.Repeat("x", 16<<10+1) + `"}`, `{"access_token":"x","expires_in":1e99}`,
		} {
			e := &elsewhere{tokens: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, body) }}
			err := uses["unwrap"](t.Context(), e.client(t, rootkeyhttp.IBM))
			if !errors.Is(err, objects.ErrRootService) || len(e.questions()) > 0 {
				t.Errorf("%.40q: %v, asked %q", body, err, e.questions())
			}
		}
	})
}

func TestARefusedAPIKeySaysNothingOfARootKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, status := range []int{400, 401, 403, 404, 409, 410, 422, 500} {
			e := &elsewhere{tokens: func(*http.Request) (*http.Response, error) {
				return says(status, `{"errorMessage":"Provided API key could not be found."}`)
			}}
			for use, ask := range uses {
				if err := ask(t.Context(), e.client(t, rootkeyhttp.Strongroom)); !errors.Is(err, objects.ErrRootService) {
					t.Errorf("%d, %s: %v", status, use, err)
				}
			}
		}
	})
}

func TestATokenIsReplacedBeforeItsEnd(t *testing.T) {
	for life, until := range map[string]time.Duration{
		"3600": 55 * time.Minute, "60": 30 * time.Second, "0": 0, "-5": 0, "9223372036854775807": 24*time.Hour - 5*time.Minute,
	} {
		inBubble(t, func(t *testing.T) {
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return described(1) }}
			made := 0
			e.tokens = func(*http.Request) (*http.Response, error) {
				made++
				return says(http.StatusOK, fmt.Sprintf(`{"access_token":"token-%d","expires_in":%s}`, made, life))
			}
			c := e.client(t, rootkeyhttp.IBM)
			ask := func(want int) {
				t.Helper()
				if err := uses["describe"](t.Context(), c); err != nil || made != want {
					t.Errorf("a life of %s s: %d tokens, %v", life, made, err)
				}
			}
			ask(1)
			if until > 0 {
				time.Sleep(until - time.Nanosecond)
				ask(1)
			}
			time.Sleep(time.Nanosecond)
			ask(2)
		})
	}
}

func TestWhoWaitsForATokenWaitsNoLongerThanItsRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{tokens: hangs}
		c := e.client(t, rootkeyhttp.IBM)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := uses["unwrap"](ctx, c); !errors.Is(err, objects.ErrRootService) || time.Since(begun) != time.Second {
					t.Errorf("after %v: %v", time.Since(begun), err)
				}
			})
		}
		all.Wait()
		if len(e.requests()) != 1 {
			t.Errorf("asked %d times for a token", len(e.requests()))
		}
		time.Sleep(time.Minute) // the question ends by itself
	})
}

func TestAStrongroomIsAskedAsTheInstance(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("Authorization"); got != "Bearer of-the-instance" {
				t.Errorf("asked with %q", got)
			}
			return described(1)
		}}
		e.tokens = func(r *http.Request) (*http.Response, error) {
			if err := r.ParseForm(); err != nil {
				return nil, err
			}
			switch r.Form.Get("grant_type") {
			case "urn:ibm:params:oauth:grant-type:apikey":
				if r.Form.Get("apikey") == "secret" {
					return says(http.StatusOK, `{"access_token":"of-the-identity","expires_in":3600}`)
				}
			case "urn:ibm:params:oauth:grant-type:iam-authz":
				if r.Form.Get("access_token") == "of-the-identity" && r.Form.Get("desired_iam_id") == "crn-"+acting.String() {
					return says(http.StatusOK, `{"access_token":"of-the-instance","expires_in":3600}`)
				}
			}
			t.Errorf("a grant of %q", r.Form.Get("grant_type"))
			return says(http.StatusBadRequest, `{}`)
		}
		if err := uses["describe"](t.Context(), e.client(t, rootkeyhttp.Strongroom)); err != nil {
			t.Error(err)
		}
	})
}
