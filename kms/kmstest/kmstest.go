// Package kmstest gives tests a running key service: the real database and the software module in
// a temporary folder, a clock that stands still, and access that a test hands out itself.
package kmstest

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// Rig is a key service and all that it stands on.
type Rig struct {
	*kms.Service
	DB     *sqlstore.DB
	Hub    *lease.Hub
	Module *custody.Rack // holds one module, "software"
	Clock  *Clock
	Log    *Log
	Access *Access

	path string
	mu   sync.Mutex // guards instances
	ids  map[kms.InstanceID]kms.Instance
}

// New starts a service, which ends with the test. Each configure may change what it is made of.
func New(t testing.TB, configure ...func(*kms.Config)) *Rig {
	t.Helper()
	dir := t.TempDir()
	r := &Rig{
		Hub:    lease.Always(),
		Clock:  &Clock{now: time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)},
		Log:    &Log{},
		Access: &Access{},
		path:   filepath.Join(dir, "strongroom.db"),
		ids:    map[kms.InstanceID]kms.Instance{},
	}
	r.DB = sqlstoretest.Open(t, sqlstore.Options{Path: r.path, Hub: r.Hub, Now: r.Clock.Now})
	var err error
	if r.Module, err = custody.NewRack(t.Context(), NewModule(t, "software")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Module.Close() })
	r.NextMasters(t, "software")
	r.Service = kms.New(r.Config(configure...))
	return r
}

// NewModule makes a software module without masters in a folder of the test.
func NewModule(t testing.TB, name string) *software.Module {
	t.Helper()
	dir := t.TempDir()
	m, err := software.Create(software.Options{
		Name: name, MasterFile: filepath.Join(dir, "masters"), KeyFile: filepath.Join(dir, "key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// NextMasters makes masters in a module of the rack and brings them into use. It returns their
// generation.
func (r *Rig) NextMasters(t testing.TB, module string) uint32 {
	t.Helper()
	all, err := r.DB.Masters().Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := masters.Generation{Number: uint32(len(all) + 1), Module: module, State: masters.Making, Created: r.Clock.Now()}
	_, merr := r.Module.MakeMastersIn(t.Context(), module, g.Number, custody.Recovery{})
	if err := errors.Join(merr, r.DB.Masters().Begin(t.Context(), g), r.DB.Masters().Enter(t.Context(), g, nil),
		r.Module.Use(t.Context(), g.Number)); err != nil {
		t.Fatal(err)
	}
	return g.Number
}

// Config returns the configuration of the service, for another one on the same ground.
func (r *Rig) Config(configure ...func(*kms.Config)) kms.Config {
	c := kms.Config{
		Store: r.DB.Keys(), Instances: r, Module: r.Module, Hub: r.Hub,
		Decider: r.Access, Viewer: r.Access, Log: r.Log, Now: r.Clock.Now,
	}
	for _, f := range configure {
		f(&c)
	}
	return c
}

// Instance implements kms.Instances.
func (r *Rig) Instance(_ context.Context, id kms.InstanceID) (kms.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.ids[id]
	if !ok {
		return kms.Instance{}, sqlstore.ErrNotFound
	}
	return in, nil
}

// NewInstance makes an instance in an account.
func (r *Rig) NewInstance(t testing.TB, account iam.AccountID) kms.Instance {
	t.Helper()
	id := uuid.NewString()
	in := kms.Instance{
		ID: kms.InstanceID(id), Account: account, Region: "us-south", ResourceGroup: "group", Revision: 1,
		CRN: crn.Of(crn.KeyProtect, "us-south", string(account), id, "", ""),
	}
	r.Exec(t, `INSERT INTO instances (guid, account, service, plan, region, resource_group, name, state,
			locked, allow_cleanup, onetime, parameters, plans, last_operation, created_at, created_by,
			updated_at, updated_by, deleted_at, deleted_by, restored_at, restored_by, reclaim_at,
			reclaim_by, revision, mac)
		VALUES ($1, $2, 'kms', '', 'us-south', 'group', 'keys', 'active', FALSE, FALSE, FALSE, x'', x'', '',
			0, '', 0, '', 0, '', 0, '', 0, '', 1, x'')`, id, string(account))
	if err := r.PrepareInstance(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[in.ID] = in
	return in
}

// Exec runs a statement on the database from outside, as an intruder would.
func (r *Rig) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+r.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// CountRows runs a statement that counts, from outside.
func (r *Rig) CountRows(t testing.TB, statement string, args ...any) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+r.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Path is the file of the database.
func (r *Rig) Path() string { return r.path }

// Caller returns a user of an account, on a request of its own.
func Caller(account iam.AccountID, name string) iam.Caller {
	return iam.Caller{
		Identity: iam.IdentityID("IBMid-" + name), Kind: iam.KindUser, Account: account, Name: name,
		Trail: &audit.Trail{CorrelationID: uuid.NewString(), URI: "/test", Address: "192.0.2.1"},
	}
}

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Access hands out access. Nobody has any but the owners of accounts.
type Access struct {
	mu     sync.Mutex
	grants []Grant // guarded by mu
}

// Grant allows an identity some actions in a part of an instance.
type Grant struct {
	Identity iam.IdentityID
	Account  iam.AccountID
	Instance kms.InstanceID
	Ring     string // empty means all
	Key      string // empty means all
	Actions  []iam.Action
}

// Grant adds a grant.
func (a *Access) Grant(g Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grants = append(a.grants, g)
}

// Revoke withdraws all grants of an identity.
func (a *Access) Revoke(id iam.IdentityID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grants = slices.DeleteFunc(a.grants, func(g Grant) bool { return g.Identity == id })
}

// Allow implements iam.Decider.
func (a *Access) Allow(_ context.Context, who iam.Caller, action iam.Action, on iam.Object) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if who.Owner && who.Account == on.Account && action != iam.PurgeKey {
		return nil
	}
	for _, g := range a.grants {
		if g.covers(who, action, on) && (g.Ring == "" || g.Ring == on.KeyRing) && (g.Key == "" || g.Key == on.Resource) {
			return nil
		}
	}
	return iam.ErrForbidden
}

func (g Grant) covers(who iam.Caller, action iam.Action, on iam.Object) bool {
	return g.Identity == who.Identity && g.Account == on.Account &&
		string(g.Instance) == on.Instance && slices.Contains(g.Actions, action)
}

// Visible implements kms.Viewer.
func (a *Access) Visible(_ context.Context, who iam.Caller, action iam.Action, on iam.Object) (iam.Scope, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if who.Owner && who.Account == on.Account {
		return iam.Scope{All: true}, nil
	}
	var s iam.Scope
	for _, g := range a.grants {
		switch {
		case !g.covers(who, action, on):
		case g.Key != "":
			s.Keys = append(s.Keys, g.Key)
		case g.Ring != "":
			s.Rings = append(s.Rings, g.Ring)
		default:
			return iam.Scope{All: true}, nil
		}
	}
	if s.Keys == nil && s.Rings == nil {
		return iam.Scope{}, iam.ErrForbidden
	}
	slices.Sort(s.Keys)
	slices.Sort(s.Rings)
	return s, nil
}

// ErrBroken is what a Log that was broken says.
var ErrBroken = fault.New(fault.Internal, "the log is broken")

// Log keeps events in memory. It does not hear of those that are committed with a change: these
// are in the outbox of the database.
type Log struct {
	mu     sync.Mutex
	events []*audit.Event // guarded by mu
	broken bool           // guarded by mu
}

// Append implements iam.Recorder.
func (l *Log) Append(_ context.Context, events ...*audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return ErrBroken
	}
	l.events = append(l.events, events...)
	return nil
}

// Refused implements iam.RefusalRecorder.
func (l *Log) Refused(ctx context.Context, _ string, ev *audit.Event) error { return l.Append(ctx, ev) }

// Healthy implements iam.Recorder.
func (l *Log) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return ErrBroken
	}
	return nil
}

// Break makes the log refuse, or work again.
func (l *Log) Break(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

// Last returns the newest event, or nil.
func (l *Log) Last() *audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return nil
	}
	return l.events[len(l.events)-1]
}

// Len returns how many events were kept.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}
