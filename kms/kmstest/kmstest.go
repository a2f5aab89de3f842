// Package kmstest gives tests a running key service: the real database and the software module in
// a temporary folder, a clock that stands still, and access that a test hands out itself.
package kmstest

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/iam"
	"strongroom/iam/iamtest"
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
	Clock  *iamtest.Clock
	Log    *iamtest.Log // of what is not committed with a change
	Access *Access
	sqlstoretest.File

	mu  sync.Mutex
	ids map[kms.InstanceID]kms.Instance // guarded by mu
}

// New starts a service, which ends with the test. Each configure may change what it is made of.
func New(t testing.TB, configure ...func(*kms.Config)) *Rig {
	t.Helper()
	r := &Rig{
		Hub:    lease.Always(),
		Clock:  iamtest.NewClock(),
		Log:    &iamtest.Log{},
		Access: &Access{},
		File:   sqlstoretest.File(filepath.Join(t.TempDir(), "strongroom.db")),
		ids:    map[kms.InstanceID]kms.Instance{},
	}
	r.DB = sqlstoretest.Open(t, sqlstore.Options{Path: r.Path(), Hub: r.Hub, Now: r.Clock.Now})
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
