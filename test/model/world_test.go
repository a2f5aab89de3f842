package model_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"strongroom/api/keyprotect"
	"strongroom/audit"
	"strongroom/custody"
	"strongroom/internal/httpface"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

const (
	keyType    = "application/vnd.ibm.kms.key+json"
	policyType = "application/vnd.ibm.kms.policy+json"
)

// world is the face of a key service with one instance.
type world struct {
	*kmstest.Rig
	instance kms.Instance
	router   *httpface.Router
}

func newWorld(t *testing.T, configure ...func(*kms.Config)) *world {
	t.Helper()
	configure = append(configure, func(c *kms.Config) {
		c.Module, c.Log = &fewPairs{Module: c.Module, Transport: c.Module.(custody.Transport)}, noLog{}
	})
	w := &world{Rig: kmstest.New(t, configure...), router: &httpface.Router{}}
	httpface.Mount(w.router, keyprotect.New(keyprotect.Config{
		Keys: w.Service, Identities: identities{}, Log: noLog{}, Region: "us-south", Now: w.Clock.Now,
		Logger: slog.New(slog.DiscardHandler),
	}))
	w.begin(t)
	return w
}

// begin goes on in an instance without keys.
func (w *world) begin(t *testing.T) {
	t.Helper()
	w.instance = w.NewInstance(t, account)
	for name, c := range callers() {
		if c.actions != nil {
			w.Access.Grant(kmstest.Grant{
				Identity: identityOf(name), Account: account, Instance: w.instance.ID, Ring: c.ring, Actions: c.actions,
			})
		}
	}
}

// end removes the instance with all that is in it.
func (w *world) end(t *testing.T) {
	t.Helper()
	for name := range callers() {
		w.Access.Revoke(identityOf(name))
	}
	if err := w.DestroyInstance(t.Context(), w.instance); err != nil {
		t.Fatal(err)
	}
}

// noLog forgets events: those of 100,000 steps would fill the memory.
type noLog struct{}

func (noLog) Append(context.Context, ...*audit.Event) error       { return nil }
func (noLog) Refused(context.Context, string, *audit.Event) error { return nil }
func (noLog) Healthy() error                                      { return nil }

// transportKeys is how many transport keys there are.
const transportKeys = 2

// fewPairs is a module that draws only some transport keys, and gives them out in turn, as each
// takes seconds to draw.
type fewPairs struct {
	custody.Module
	custody.Transport

	mu    sync.Mutex
	pairs []custody.TransportKey // guarded by mu
	given int                    // guarded by mu
}

// MakeTransport implements custody.Transport.
func (p *fewPairs) MakeTransport(ctx context.Context) (custody.TransportKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pairs) < transportKeys {
		k, err := p.Transport.MakeTransport(ctx)
		if err != nil {
			return custody.TransportKey{}, err
		}
		p.pairs = append(p.pairs, k)
	}
	p.given++
	return p.pairs[p.given%transportKeys], nil
}

// request is one request to the face.
type request struct {
	caller
	method, path, body string

	ring   string // that the request insists on, if any
	repeat string // its Idempotency-Key, if any
}

// reply is what came back.
type reply struct {
	outcome
	header http.Header
	body   []byte
}

// outcome is what a model can foretell of an answer.
type outcome struct {
	status int
	code   string
}

func (w *world) send(r request) reply {
	q := httptest.NewRequestWithContext(context.Background(), r.method, "/api/v2"+r.path, strings.NewReader(r.body))
	q.RemoteAddr = net.JoinHostPort(r.from, "50000")
	q.Header.Set("Authorization", "Bearer "+r.name)
	q.Header.Set("Bluemix-Instance", string(w.instance.ID))
	if r.ring != "" {
		q.Header.Set("X-Kms-Key-Ring", r.ring)
	}
	if r.repeat != "" {
		q.Header.Set("Idempotency-Key", r.repeat)
	}
	rec := httptest.NewRecorder()
	w.router.ServeHTTP(rec, q)
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		panic(err) // a recorder does not fail
	}
	out := reply{outcome: outcome{status: rec.Code}, header: rec.Header(), body: body}
	if rec.Code >= http.StatusBadRequest {
		refused := resources[struct{ Reasons []struct{ Code string } }](out)
		if len(refused) == 1 && len(refused[0].Reasons) == 1 {
			out.code = refused[0].Reasons[0].Code
		}
	}
	return out
}

// resources decodes what is in a collection; nothing is in what is no collection.
func resources[T any](r reply) []T {
	var c struct {
		Resources []T `json:"resources"`
	}
	_ = json.Unmarshal(r.body, &c)
	return c.Resources
}

// keys decodes a collection of keys.
func (r reply) keys() []keyView { return resources[keyView](r) }

// collection is the body that sends one resource or more.
func collection(kind string, resources ...any) string {
	return encode(map[string]any{
		"metadata":  map[string]any{"collectionType": kind, "collectionTotal": len(resources)},
		"resources": resources,
	})
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return string(b)
}
