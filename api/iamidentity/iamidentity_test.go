package iamidentity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strongroom/api/iamidentity"
	"strongroom/audit"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/httpface"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

const base = "https://strongroom.test"

// rig is the face on a real service, database, module and audit log.
type rig struct {
	t       testing.TB
	ids     *iam.Identities
	log     *audit.Log
	handler http.Handler
	account string
	owner   string // IAM ID
	apiKey  string
	token   string // of the owner
	clock   *iamtest.Clock
}

// owners is a Decider: owners may do everything in their account, others nothing.
type owners struct{}

func (owners) Allow(_ context.Context, who iam.Caller, _ iam.Action, on iam.Object) error {
	if who.Owner && who.Account == on.Account {
		return nil
	}
	return iam.ErrForbidden
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	dir, ctx, quiet, hub := t.TempDir(), t.Context(), slog.New(slog.DiscardHandler), lease.Always()
	r := &rig{t: t, clock: iamtest.NewClock()}
	now := r.clock.Now

	db := sqlstoretest.Open(t, sqlstore.Options{Path: filepath.Join(dir, "data.db"), Server: "s", Hub: hub, Now: now})
	m, err := software.Create(software.Options{MasterFile: filepath.Join(dir, "masters"), KeyFile: filepath.Join(dir, "key")})
	r.must(err)
	t.Cleanup(func() { r.must(m.Close()) })
	_, err = m.MakeMasters(ctx, 1, custody.Recovery{})
	r.must(err)
	h, _, err := m.Make(ctx, custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "system", Instance: "system", Key: "system", Version: "1",
		Generation: m.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	})
	r.must(err)
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r.must(err)
	r.log, err = audit.Open(ctx, audit.Options{
		Dir: filepath.Join(dir, "audit"), Server: "s", Signer: audit.NewSigner("k", signer), Now: now,
		OnError: func(err error) { t.Error("audit log:", err) },
	})
	r.must(err)
	t.Cleanup(func() { r.must(r.log.Close(context.Background())) })

	r.ids = iam.NewIdentities(iam.IdentitiesConfig{
		Store: db.Identities(), Vault: custody.NewVault(m, h), Pepper: custody.RandomSecret(32), Hub: hub,
		Decider: owners{}, Recorder: r.log, Issuer: base + "/identity", Now: now, Log: quiet,
	})
	made, err := r.ids.CreateAccount(ctx, "Acme", iam.Person{Email: "root@acme.example", FirstName: "Ada", LastName: "Root"})
	r.must(err)
	r.account, r.owner, r.apiKey = string(made.Account.ID), string(made.Owner.Identity), string(made.APIKey.Reveal())
	router := &httpface.Router{}
	httpface.Mount(router, iamidentity.New(iamidentity.Config{
		Identities: r.ids, Log: r.log, PublicURL: base, Now: now, Logger: quiet,
	}))
	r.handler = router
	r.token = r.login(r.apiKey)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// text follows member names and list positions to a string.
func (a answer) text(path ...any) string {
	var at any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := at.(map[string]any)
			at = m[p]
		case int:
			l, _ := at.([]any)
			if p >= len(l) {
				return ""
			}
			at = l[p]
		}
	}
	s, _ := at.(string)
	return s
}

// send sends a request; header is name, value, ….
func (r *rig) send(method, path, body string, header ...string) answer {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	res := w.Result()
	raw, err := io.ReadAll(res.Body)
	r.must(err)
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 {
		if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
			r.t.Errorf("%s %s: content type %q", method, path, ct)
		}
		if err := json.Unmarshal(raw, &a.body); err != nil {
			r.t.Errorf("%s %s: %v in %q", method, path, err, raw)
		}
	}
	return a
}

// as sends a request with a bearer token.
func (r *rig) as(token, method, path, body string, header ...string) answer {
	r.t.Helper()
	return r.send(method, path, body, append(header, "Authorization", "Bearer "+token)...)
}

// form asks the token service.
func (r *rig) form(fields url.Values, header ...string) answer {
	r.t.Helper()
	return r.send("POST", "/identity/token", fields.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

func apiKeyGrant(value string) url.Values {
	return url.Values{"grant_type": {iam.GrantAPIKey}, "apikey": {value}}
}

func (r *rig) login(value string) string {
	r.t.Helper()
	a := r.form(apiKeyGrant(value))
	if a.status != http.StatusOK {
		r.t.Fatalf("no token: %d %s", a.status, a.raw)
	}
	return a.text("access_token")
}

// status fails the test unless a has it.
func (r *rig) status(a answer, want int) answer {
	r.t.Helper()
	if a.status != want {
		r.t.Errorf("got status %d, want %d: %s", a.status, want, a.raw)
	}
	return a
}

const basicBX = "Basic Yng6Yng="
