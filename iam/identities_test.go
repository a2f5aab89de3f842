package iam_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// rig is an Identities on a real database and a real crypto module, with an
// account whose owner may do everything in it.
type rig struct {
	*iam.Identities
	db     *sqlstore.DB
	path   string // of the database
	events *events
	grants *grants
	clock  *iamtest.Clock
	made   iam.NewAccount
	owner  iam.Caller
}

// events is a Recorder in memory. It may be told to fail.
type events struct {
	mu   sync.Mutex
	all  []*audit.Event
	sick error
}

func (e *events) Append(_ context.Context, evs ...*audit.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, evs...)
	return e.sick
}

func (e *events) Healthy() error { return e.sick }

func (e *events) last() *audit.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.all) == 0 {
		return &audit.Event{}
	}
	return e.all[len(e.all)-1]
}

// grants is a Decider: owners may do everything in their account, others what
// was granted to them.
type grants struct {
	mu  sync.Mutex
	may map[iam.IdentityID]map[iam.Action]bool
}

func (g *grants) allow(who iam.IdentityID, actions ...iam.Action) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.may == nil {
		g.may = map[iam.IdentityID]map[iam.Action]bool{}
	}
	if g.may[who] == nil {
		g.may[who] = map[iam.Action]bool{}
	}
	for _, a := range actions {
		g.may[who][a] = true
	}
}

func (g *grants) revoke(who iam.IdentityID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.may, who)
}

func (g *grants) Allow(_ context.Context, who iam.Caller, action iam.Action, on iam.Object) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if on.Account == who.Account && (who.Owner || g.may[who.Identity][action]) {
		return nil
	}
	return iam.ErrForbidden
}

const issuer = "https://strongroom.test/identity"

// newRig opens everything anew, with the defaults.
func newRig(tb testing.TB) *rig { return newRigWith(tb, iam.IdentitiesConfig{}) }

func newRigWith(tb testing.TB, cfg iam.IdentitiesConfig) *rig {
	tb.Helper()
	ignore := goleak.IgnoreCurrent()
	tb.Cleanup(func() { goleak.VerifyNone(tb, ignore) })
	dir := tb.TempDir()
	r := &rig{
		path: filepath.Join(dir, "data.db"), events: &events{}, grants: &grants{},
		clock: iamtest.NewClock(),
	}
	hub := lease.Always()
	r.db = sqlstoretest.Open(tb, sqlstore.Options{Path: r.path, Hub: hub, Now: r.clock.Now})

	cfg.Store, cfg.Vault, cfg.Pepper, cfg.Hub = r.db.Identities(), newVault(tb, dir), custody.RandomSecret(32), hub
	cfg.Decider, cfg.Recorder, cfg.Issuer = r.grants, r.events, issuer
	cfg.Now, cfg.Log = r.clock.Now, slog.New(slog.DiscardHandler)
	r.Identities = iam.NewIdentities(cfg)

	var err error
	r.made, err = r.CreateAccount(tb.Context(), "Acme", iam.Person{Email: "Root@acme.example", FirstName: "Ada", LastName: "Root"})
	must(tb, err)
	r.owner = r.login(tb, r.made.APIKey)
	return r
}

// newVault opens a software module with a system key.
func newVault(tb testing.TB, dir string) *custody.Vault {
	tb.Helper()
	m, err := software.Create(software.Options{MasterFile: filepath.Join(dir, "masters"), KeyFile: filepath.Join(dir, "key")})
	must(tb, err)
	tb.Cleanup(func() { must(tb, m.Close()) })
	_, err = m.MakeMasters(tb.Context(), 1, custody.Recovery{})
	must(tb, err)
	h, _, err := m.Make(tb.Context(), custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "system", Instance: "system", Key: "system", Version: "1",
		Generation: m.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	})
	must(tb, err)
	return custody.NewVault(m, h)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// token asks for a token of an API key's value.
func (r *rig) token(tb testing.TB, value custody.Secret) string {
	tb.Helper()
	t, err := r.TokenForAPIKey(tb.Context(), iam.ClientNone, string(value.Reveal()), trail())
	must(tb, err)
	return t.Access
}

func (r *rig) login(tb testing.TB, value custody.Secret) iam.Caller {
	tb.Helper()
	who, err := r.Authenticate(tb.Context(), r.token(tb, value), trail())
	must(tb, err)
	return who
}

func trail() *audit.Trail {
	return &audit.Trail{CorrelationID: "c", Method: "POST", URI: "/identity/token", Address: "192.0.2.1"}
}

// newKey makes an API key of an identity.
func (r *rig) newKey(tb testing.TB, id iam.IdentityID) (iam.APIKey, custody.Secret) {
	tb.Helper()
	k, value, err := r.CreateAPIKey(tb.Context(), r.owner, iam.NewAPIKey{Identity: id, Name: "key"})
	must(tb, err)
	return k, value
}

// newUser adds a user to the account, with an API key.
func (r *rig) newUser(tb testing.TB, email string) (iam.User, iam.APIKey, custody.Secret) {
	tb.Helper()
	u, err := r.AddUser(tb.Context(), r.owner, r.owner.Account, iam.NewUser{Email: email, FirstName: "Ursula", LastName: "User"})
	must(tb, err)
	k, value := r.newKey(tb, u.Identity)
	return u, k, value
}

// newService makes a service ID with an API key.
func (r *rig) newService(tb testing.TB, name string) (iam.ServiceIdentity, iam.APIKey, custody.Secret) {
	tb.Helper()
	v, k, value, err := r.CreateServiceID(tb.Context(), r.owner, iam.NewServiceID{
		Account: r.owner.Account, Name: name, Key: &iam.NewAPIKey{Name: "key of " + name},
	})
	must(tb, err)
	return v, *k, value
}

// wants fails the test unless err is a failure of the fault.
func wants(tb testing.TB, err error, want *fault.Fault) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("got error %v, want %v", err, want)
	}
}

func TestNothingHappensUnrecorded(t *testing.T) {
	r := newRig(t)
	r.events.sick = errors.New("disk full")
	_, _, err := r.CreateAPIKey(t.Context(), r.owner, iam.NewAPIKey{Name: "key"})
	wants(t, err, iam.ErrUnrecordable)
	_, err = r.TokenForAPIKey(t.Context(), iam.ClientNone, string(r.made.APIKey.Reveal()), trail())
	wants(t, err, iam.ErrUnrecordable)
	r.events.sick = nil
	p, err := r.APIKeys(t.Context(), r.owner, iam.APIKeyFilter{}, iam.IdentityListing{})
	if err != nil || len(p.Items) != 1 {
		t.Errorf("%d keys (%v), want the owner's alone", len(p.Items), err)
	}
}
