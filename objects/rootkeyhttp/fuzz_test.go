package rootkeyhttp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

// toldApart are the failures of a root key that its users know.
var toldApart = []error{
	objects.ErrRootUnknown, objects.ErrRootUnusable, objects.ErrUnauthorized, objects.ErrRootDisabled,
	objects.ErrRootDeleted, objects.ErrRootUnreadable, objects.ErrRootService,
}

// known fails the test of an error that a user of root keys does not know.
func known(t *testing.T, err error) {
	t.Helper()
	for _, is := range toldApart {
		if errors.Is(err, is) {
			return
		}
	}
	t.Errorf("an error of its own: %v", err)
}

// kept fails the test of a wrapped key that cannot be kept.
func kept(t *testing.T, w objects.WrappedKey) {
	t.Helper()
	for _, text := range []string{w.Ciphertext, w.Version} {
		if text == "" || len(text) > 16<<10 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("a wrapped key %.100q of version %.100q", w.Ciphertext, w.Version)
		}
	}
}

// FuzzKeyAnswers has a key service answer anything to the questions about a root key.
func FuzzKeyAnswers(f *testing.F) {
	for _, body := range []string{
		`{"resources":[{"id":"x","crn":"` + root.String() + `","state":1,"extractable":false,"keyVersion":{"id":"version-1"}}]}`,
		`{"resources":[{"crn":"` + root.Child("", "").String() + `","state":3,"deleted":true}]}`,
		`{"ciphertext":"wrapped","keyVersion":{"id":"version-1"}}`,
		`{"plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","ciphertext":"wrapped","rewrappedKeyVersion":{"id":"version-2"}}`,
		`{"resources":[{"errorMsg":"Conflict: Action could not be performed on key"}]}`,
		`{"errorMessage":"no"}`, `{"error":{"message":"no"}}`, `{"error":"no"}`, `<html>`, ``, `null`, `[]`,
	} {
		for _, status := range []int{200, 204, 307, 401, 404, 409, 410, 422, 503} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("no transport hands this out")
		}
		inBubble(t, func(t *testing.T) {
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(status, string(body)) }}
			for _, kind := range []rootkeyhttp.Kind{rootkeyhttp.IBM, rootkeyhttp.Strongroom} {
				c := e.client(t, kind)
				if is, err := c.Describe(t.Context(), iam.Caller{}, instance, root); err != nil {
					known(t, err)
				} else if is.Child("", "") != root.Child("", "") || is.Type != "key" || is.Resource == "" {
					t.Errorf("%s is described as %s", root, is)
				}
				if key, w, err := c.Generate(t.Context(), iam.Caller{}, instance, root, aad); err != nil {
					known(t, err)
				} else if kept(t, w); key.Len() != 32 {
					t.Errorf("a key of %d bytes", key.Len())
				}
				if key, newer, err := c.Unwrap(t.Context(), iam.Caller{}, instance, root, objects.WrappedKey{Ciphertext: "w"}, aad); err != nil {
					known(t, err)
				} else if key.Len() != 32 {
					t.Errorf("a key of %d bytes", key.Len())
				} else if newer != nil {
					kept(t, *newer)
				}
				if w, err := c.Rewrap(t.Context(), instance, root, objects.WrappedKey{Ciphertext: "w"}, aad); err != nil {
					known(t, err)
				} else {
					kept(t, w)
				}
				for _, use := range []string{"standing", "register", "unregister", "report"} {
					if err := uses[use](t.Context(), c); err != nil {
						known(t, err)
					}
				}
			}
		})
	})
}

// FuzzLeaseAnswer has a Strongroom answer anything to the question how root keys stand. None of it lets a
// key be used for longer than an answer holds, or because of an answer about another one.
func FuzzLeaseAnswer(f *testing.F) {
	for _, body := range []string{
		`{"cursor":"1","waited_ms":0,"results":[{"key":"` + root.String() + `","state":"usable","version":"version-1"}]}`,
		`{"cursor":"1","waited_ms":9223372036854775807,"results":[{"key":"` + root.String() + `","state":"usable"}]}`,
		`{"cursor":"1","waited_ms":-1,"results":[{"key":"` + root.String() + `","state":"disabled","status_code":409}]}`,
		`{"cursor":"","results":[{"key":"` + root.Child("key", "other").String() + `","state":"usable"}]}`,
		`{"results":null}`, `[]`, ``, `<html>`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		inBubble(t, func(t *testing.T) {
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, string(body)) }}
			c := e.client(t, rootkeyhttp.Strongroom)
			if err := c.Standing(t.Context(), instance, root); err != nil {
				known(t, err)
			} else if !strings.Contains(string(body), "usable") && !strings.Contains(string(body), `\u`) {
				t.Error("it can be used, and nothing says so")
			}
			e.keys = hangs
			time.Sleep(hold)
			if err := c.Standing(t.Context(), instance, root); !errors.Is(err, objects.ErrRootService) {
				t.Errorf("when the answer holds no more: %v", err)
			}
		})
	})
}

// FuzzTokenAnswer has the token service answer anything: what is no token is not sent to anybody.
func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"token","expires_in":3600}`, `{"access_token":"a\r\nb: c"}`, `{"access_token":""}`, `{"expires_in":-1}`,
		`{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}`, `{"error":"invalid_grant"}`, `<html>`, ``,
	} {
		for _, status := range []int{200, 302, 400, 401, 429, 500} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("no transport hands this out")
		}
		inBubble(t, func(t *testing.T) {
			e := &elsewhere{
				tokens: func(*http.Request) (*http.Response, error) { return says(status, string(body)) },
				keys: func(r *http.Request) (*http.Response, error) {
					token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
					if !ok || token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
						t.Errorf("asked with %q", r.Header.Get("Authorization"))
					}
					return described(1)
				},
			}
			c := e.client(t, rootkeyhttp.IBM)
			is, err := c.Describe(t.Context(), iam.Caller{}, instance, root)
			switch {
			case err != nil && !errors.Is(err, objects.ErrRootService):
				t.Errorf("says of the root key: %v", err)
			case err != nil && is != crn.CRN{}:
				t.Errorf("%s, and %v", is, err)
			}
		})
	})
}
