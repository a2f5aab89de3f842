package rootkeyhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

// uses are the questions about a root key, by name.
var uses = map[string]func(context.Context, *rootkeyhttp.Client) error{
	"describe": func(ctx context.Context, c *rootkeyhttp.Client) error {
		_, err := c.Describe(ctx, iam.Caller{}, instance, root)
		return err
	},
	"generate": func(ctx context.Context, c *rootkeyhttp.Client) error {
		_, _, err := c.Generate(ctx, iam.Caller{}, instance, root, aad)
		return err
	},
	"unwrap": func(ctx context.Context, c *rootkeyhttp.Client) error {
		_, _, err := c.Unwrap(ctx, iam.Caller{}, instance, root, objects.WrappedKey{Ciphertext: "wrapped"}, aad)
		return err
	},
	"rewrap": func(ctx context.Context, c *rootkeyhttp.Client) error {
		_, err := c.Rewrap(ctx, instance, root, objects.WrappedKey{Ciphertext: "wrapped"}, aad)
		return err
	},
	"standing": func(ctx context.Context, c *rootkeyhttp.Client) error { return c.Standing(ctx, instance, root) },
	"register": func(ctx context.Context, c *rootkeyhttp.Client) error {
		return c.Register(ctx, iam.Caller{}, instance, root, bucket, "version-1", false)
	},
	"unregister": func(ctx context.Context, c *rootkeyhttp.Client) error {
		return c.Unregister(ctx, iam.Caller{}, instance, root, bucket)
	},
	"report": func(ctx context.Context, c *rootkeyhttp.Client) error {
		return c.Report(ctx, instance, root, "version-1", 1, 2)
	},
}

// asks reports whether a kind of service is asked for a use at all.
func asks(kind rootkeyhttp.Kind, use string) bool {
	return kind == rootkeyhttp.Strongroom || use != "register" && use != "unregister" && use != "report"
}

func TestRefusalsAreToldApart(t *testing.T) {
	const (
		bad        = http.StatusBadRequest
		stranger   = http.StatusUnauthorized
		forbidden  = http.StatusForbidden
		missing    = http.StatusNotFound
		conflict   = http.StatusConflict
		gone       = http.StatusGone
		unreadable = http.StatusUnprocessableEntity
		teapot     = http.StatusTeapot
		busy       = http.StatusTooManyRequests
		broken     = http.StatusInternalServerError
	)
	down := objects.ErrRootService
	choosing := map[int]error{
		bad: objects.ErrRootUnusable, stranger: objects.ErrRootUnknown, forbidden: objects.ErrRootUnknown, missing: objects.ErrRootUnknown,
		conflict: objects.ErrRootUnusable, gone: objects.ErrRootUnknown, unreadable: objects.ErrRootUnusable,
		teapot: down, busy: down, broken: down,
	}
	using := map[int]error{
		bad: objects.ErrRootUnreadable, stranger: objects.ErrUnauthorized, forbidden: objects.ErrUnauthorized, missing: objects.ErrRootDeleted,
		conflict: objects.ErrRootDisabled, gone: objects.ErrRootDeleted, unreadable: objects.ErrRootUnreadable,
		teapot: down, busy: down, broken: down,
	}
	standing := map[int]error{
		bad: down, stranger: objects.ErrUnauthorized, forbidden: objects.ErrUnauthorized, missing: objects.ErrRootDeleted,
		conflict: down, gone: objects.ErrRootDeleted, unreadable: down, teapot: down, busy: down, broken: down,
	}
	leased := map[int]error{
		bad: down, stranger: down, forbidden: down, missing: down, conflict: down, gone: down, unreadable: down,
		teapot: down, busy: down, broken: down,
	}
	registering := map[int]error{
		bad: objects.ErrRootUnusable, stranger: objects.ErrUnauthorized, forbidden: objects.ErrUnauthorized, missing: objects.ErrRootDeleted,
		conflict: objects.ErrRootUnusable, gone: objects.ErrRootDeleted, unreadable: objects.ErrRootUnusable,
		teapot: down, busy: down, broken: down,
	}
	unregistering := map[int]error{
		bad: objects.ErrRootUnusable, stranger: nil, forbidden: nil, missing: nil,
		conflict: objects.ErrRootUnusable, gone: nil, unreadable: objects.ErrRootUnusable, teapot: down, busy: down, broken: down,
	}
	wants := func(kind rootkeyhttp.Kind, use string) map[int]error {
		switch use {
		case "describe", "generate":
			return choosing
		case "unwrap", "rewrap":
			return using
		case "register", "report":
			return registering
		case "unregister":
			return unregistering
		}
		if kind == rootkeyhttp.Strongroom {
			return leased
		}
		return standing
	}
	inBubble(t, func(t *testing.T) {
		for _, kind := range []rootkeyhttp.Kind{rootkeyhttp.IBM, rootkeyhttp.Strongroom} {
			for use, ask := range uses {
				if !asks(kind, use) {
					continue
				}
				for status, want := range wants(kind, use) {
					e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return refuses(status) }}
					if kind == rootkeyhttp.IBM && status == conflict && want == objects.ErrRootDisabled {
						want = down // its state is asked for, which fails too
					}
					if err := ask(t.Context(), e.client(t, kind)); !errors.Is(err, want) {
						t.Errorf("%s, %s, %d: got %v, want %v", kind, use, status, err, want)
					}
					// The same from something that is no key service.
					e.keys = func(*http.Request) (*http.Response, error) {
						return says(status, "<html><h1>"+http.StatusText(status)+"</h1></html>")
					}
					if err := ask(t.Context(), e.client(t, kind)); !errors.Is(err, down) {
						t.Errorf("%s, %s, %d of a proxy: %v", kind, use, status, err)
					}
				}
			}
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, kind := range []rootkeyhttp.Kind{rootkeyhttp.IBM, rootkeyhttp.Strongroom} {
			for use, ask := range uses {
				for _, status := range []int{301, 302, 303, 307, 308} {
					for _, to := range []string{"https://elsewhere.example.com/", "http://keys.example.com/", "http://tokens.example.com/"} {
						redirect := func(*http.Request) (*http.Response, error) {
							res, _ := refuses(status)
							res.Header.Set("Location", to)
							return res, nil
						}
						for _, e := range []*elsewhere{{keys: redirect}, {keys: redirect, tokens: redirect}} {
							err := ask(t.Context(), e.client(t, kind))
							if asks(kind, use) && !errors.Is(err, objects.ErrRootService) {
								t.Errorf("%s, %s, %d: %v", kind, use, status, err)
							}
							for _, asked := range e.requests() {
								if !strings.Contains(asked, " "+keysAt) && !strings.Contains(asked, " "+tokensAt) {
									t.Fatalf("%s, %s, %d: asked %s", kind, use, status, asked)
								}
							}
						}
					}
				}
			}
		}
	})
}

// endless repeats a text without end, and counts what is read of it.
type endless struct {
	text string
	read atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], e.text)
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func TestAnswersWithoutEndAreNotRead(t *testing.T) {
	const limit = 3 << 20 // a MiB for each try
	inBubble(t, func(t *testing.T) {
		for name, begin := range map[string]string{
			"spaces":                  "",
			"spaces behind an answer": `{"resources":[{"crn":"` + root.String() + `","state":1}]}`,
			"a text":                  `{"resources":[{"crn":"`,
		} {
			for _, status := range []int{http.StatusOK, http.StatusForbidden, http.StatusBadGateway} {
				body := &endless{text: strings.Repeat(" ", 4<<10)}
				e := &elsewhere{keys: func(*http.Request) (*http.Response, error) {
					return streams(status, io.MultiReader(strings.NewReader(begin), body))
				}}
				if _, err := e.client(t, rootkeyhttp.IBM).Describe(t.Context(), iam.Caller{}, instance, root); !errors.Is(err, objects.ErrRootService) {
					t.Errorf("%s, %d: %v", name, status, err)
				}
				if got := body.read.Load(); got > limit+1<<20 {
					t.Errorf("%s, %d: %d bytes are read", name, status, got)
				}
			}
		}
	})
}

// drips gives a byte a second, until the request is given up.
type drips struct{ ctx context.Context }

func (d drips) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	}
}

func TestAnswersInDripsAreGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) { return streams(http.StatusOK, drips{r.Context()}) }}
		begun := time.Now()
		err := uses["unwrap"](t.Context(), e.client(t, rootkeyhttp.IBM))
		if took := time.Since(begun); !errors.Is(err, objects.ErrRootService) || took > 31*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestTriesComeToAnEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		asked := 0
		e := &elsewhere{keys: func(*http.Request) (*http.Response, error) {
			if asked++; asked == 3 {
				return refuses(http.StatusUnauthorized) // the token was withdrawn meanwhile
			}
			return refuses(http.StatusServiceUnavailable)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := uses["generate"](ctx, e.client(t, rootkeyhttp.IBM))
		if !errors.Is(err, objects.ErrRootService) || ctx.Err() != nil || asked > 4 {
			t.Errorf("after %d tries: %v", asked, err)
		}
	})
}

func TestAWithdrawnTokenIsReplacedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return refuses(http.StatusUnauthorized) }}
		c := e.client(t, rootkeyhttp.IBM)
		if err := uses["unwrap"](t.Context(), c); !errors.Is(err, objects.ErrUnauthorized) {
			t.Error(err)
		}
		if got := len(e.requests()); got != 4 {
			t.Errorf("asked %q", e.requests())
		}
	})
}

// TestAKeyIsNotSentAfterItsRequest has a transport that goes on reading what it sends, as one does whose
// connection is slow: the key must be gone then, and the race detector finds it read while it is wiped.
func TestAKeyIsNotSentAfterItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var late io.ReadCloser
	e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) {
		late = r.Body
		cancel()
		return nil, r.Context().Err()
	}}
	c := e.client(t, rootkeyhttp.IBM)
	if err := uses["generate"](ctx, c); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(late); err == nil || len(got) > 0 {
		t.Errorf("%d bytes are sent afterwards: %v", len(got), err)
	}
}

func TestARequestIsSentFromItsBeginningOnAnotherConnection(t *testing.T) {
	var first, second string
	e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) {
		read := func(body io.Reader) string {
			b, err := io.ReadAll(body)
			if err != nil || int64(len(b)) != r.ContentLength {
				t.Errorf("%d bytes of %d: %v", len(b), r.ContentLength, err)
			}
			return string(b)
		}
		first = read(r.Body)
		again, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		second = read(again)
		return says(http.StatusOK, `{"ciphertext":"wrapped","keyVersion":{"id":"version-1"}}`)
	}}
	if err := uses["generate"](t.Context(), e.client(t, rootkeyhttp.IBM)); err != nil {
		t.Fatal(err)
	}
	if first != second || !strings.Contains(first, `"plaintext":"`) {
		t.Error("another request was sent the second time")
	}
}

func TestAnswersOutsideOfTheProtocolAreNotKept(t *testing.T) {
	plain := `"plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
	long := strings.Repeat("x", 16<<10+1)
	inBubble(t, func(t *testing.T) {
		for _, c := range []struct{ use, body string }{
			{"describe", `{"resources":[]}`},
			{"describe", `{"resources":[{"crn":"key","state":1}]}`},
			{"describe", `{"resources":[{"crn":"` + root.Child("", "").String() + `","state":1}]}`},
			{"describe", `{"resources":[{"crn":"` + root.Child("policy", "x").String() + `","state":1}]}`},
			{"standing", `{"resources":[]}`},
			{"generate", `{}`},
			{"generate", `{"ciphertext":"wrapped"}`},
			{"generate", `{"ciphertext":"wrapped","keyVersion":{}}`},
			{"generate", `{"ciphertext":"wrapped","keyVersion":{"id":"\u0000"}}`},
			{"generate", `{"ciphertext":"` + long + `","keyVersion":{"id":"version-1"}}`},
			{"generate", `{"ciphertext":"wrapped","keyVersion":{"id":"` + long + `"}}`},
			{"unwrap", `{}`},
			{"unwrap", `{"plaintext":"AAAA"}`},
			{"unwrap", `{"plaintext":"no base64"}`},
			{"rewrap", `{` + plain + `}`},
			{"rewrap", `{"ciphertext":"wrapped","keyVersion":{"id":"version-1"}}`},
			{"rewrap", `{"ciphertext":"wrap\u0007ped","rewrappedKeyVersion":{"id":"version-1"}}`},
		} {
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, c.body) }}
			if err := uses[c.use](t.Context(), e.client(t, rootkeyhttp.IBM)); !errors.Is(err, objects.ErrRootService) {
				t.Errorf("%s of %.80s: %v", c.use, c.body, err)
			}
		}
		for _, newer := range []string{``, `,"ciphertext":"wrapped"`, `,"rewrappedKeyVersion":{"id":"x"}`, `,"ciphertext":"` + long + `","rewrappedKeyVersion":{"id":"x"}`} {
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusOK, `{`+plain+newer+`}`) }}
			key, again, err := e.client(t, rootkeyhttp.IBM).Unwrap(t.Context(), iam.Caller{}, instance, root, objects.WrappedKey{Ciphertext: "w"}, aad)
			if err != nil || again != nil || !key.Equal(custody.NewSecret(make([]byte, 32))) {
				t.Errorf("a key with %.60q: %v, %v", newer, again, err)
			}
		}
	})
}

func TestErrorsOfTheServiceAreLoggedInPart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, body := range []string{
			`{"resources":[{"errorMsg":"%s"}]}`, `{"errorMessage":"%s"}`, `{"error":{"message":"%s"}}`,
		} {
			text := strings.Repeat("ü", 1000)
			e := &elsewhere{keys: func(*http.Request) (*http.Response, error) { return says(http.StatusTeapot, fmt.Sprintf(body, text)) }}
			err := uses["unwrap"](t.Context(), e.client(t, rootkeyhttp.IBM))
			if got := err.Error(); !strings.Contains(got, "418: üüü") || len(got) > 500 || strings.ContainsRune(got, '\uFFFD') {
				t.Errorf("%s: %q", body, got)
			}
		}
	})
}
