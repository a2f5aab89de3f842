// Package resourcetest gives tests a running resource service on the real
// database, audit log and software module, with owners, credentials and grants
// that can be made to fail, and a fuse that ends the process at any step.
package resourcetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/lease"
	"strongroom/resource"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// Accounts of the tests, and what instances are made with.
const (
	Account      iam.AccountID = "0123456789abcdef0123456789abcdef"
	OtherAccount iam.AccountID = "fedcba9876543210fedcba9876543210"
	Region                     = "us-south"
	KeysPlan                   = "eedd3585-90c6-4c8f-be3d-062069e99fc3"
	StorePlan                  = "744bfc56-d12c-4866-88d5-dac9139e0e5d"
)

// House is a resource service and all that it stands on.
type House struct {
	DB          *sqlstore.DB
	Hub         *lease.Hub
	Log         *Log
	Clock       *iamtest.Clock
	Access      *Access
	Owner       *Owner
	Credentials *Credentials
	Fuse        *Fuse
	Group       resource.Group // the default one of Account
	sqlstoretest.File

	vault *custody.Vault
}

// New starts a house, which ends with the test.
func New(t testing.TB) *House {
	t.Helper()
	dir := t.TempDir()
	h := &House{
		Hub: lease.Always(), Clock: iamtest.NewClock(), File: sqlstoretest.File(filepath.Join(dir, "strongroom.db")),
		Access: &Access{may: map[iam.IdentityID][]Grant{}}, Fuse: &Fuse{},
	}
	h.Owner = &Owner{fuse: h.Fuse, Prepared: map[resource.InstanceID]bool{}}
	h.Credentials = &Credentials{fuse: h.Fuse, Issued: map[iam.APIKeyID]iam.ServiceCredential{}, Granted: map[iam.PolicyID]string{}}
	h.vault = vault(t, dir)
	h.Log = newLog(t, filepath.Join(dir, "audit"), h.Clock.Now)
	h.DB = sqlstoretest.Open(t, sqlstore.Options{Path: h.Path(), Hub: h.Hub, Now: h.Clock.Now})
	var err error
	if h.Group, err = h.Service().EnsureDefaultGroup(t.Context(), Account); err != nil {
		t.Fatal(err)
	}
	return h
}

func vault(t testing.TB, dir string) *custody.Vault {
	t.Helper()
	module, err := software.Create(software.Options{
		MasterFile: filepath.Join(dir, "masters"), KeyFile: filepath.Join(dir, "key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = module.Close() })
	if _, err := module.MakeMasters(t.Context(), 1, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
	key, _, err := module.Make(t.Context(), custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "system", Instance: "system", Generation: 1, Origin: custody.OriginGenerated, Size: 32,
	})
	if err != nil {
		t.Fatal(err)
	}
	return custody.NewVault(module, key)
}

// Service returns a service on the house, as a process that has just started.
func (h *House) Service() *resource.Service {
	return h.on(h.DB.Resources())
}

// Mortal returns a service whose process the fuse can end.
func (h *House) Mortal() *resource.Service {
	return h.on(&store{Store: h.DB.Resources(), fuse: h.Fuse})
}

func (h *House) on(s resource.Store) *resource.Service {
	return resource.New(resource.Config{
		Store: s, Decider: h.Access, Log: h.Log, Hub: h.Hub, Vault: h.vault,
		Credentials: h.Credentials, Grants: h.Credentials, Owners: map[string]resource.Owner{crn.KeyProtect: h.Owner},
		Region: Region, Now: h.Clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
}

// Admin owns Account.
func Admin() iam.Caller {
	c := iamtest.Caller(Account, "0000000001")
	c.Owner = true
	return c
}

// NewInstance makes an instance as the owner of Account.
func (h *House) NewInstance(t testing.TB, s *resource.Service, plan, name string) resource.Instance {
	t.Helper()
	i, err := s.CreateInstance(t.Context(), Admin(), h.Wanted(plan, name))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Wanted describes an instance that can be made.
func (h *House) Wanted(plan, name string) resource.NewInstance {
	location := Region
	if plan != KeysPlan {
		location = resource.Global
	}
	return resource.NewInstance{Name: name, Target: location, ResourceGroup: h.Group.ID, Plan: plan}
}

// Grant allows an action on an instance, or on everything in the account.
type Grant struct {
	Action   iam.Action
	Instance resource.InstanceID // empty means all
}

// Access hands out access. Nobody has any but the owners of accounts.
type Access struct {
	mu  sync.Mutex
	may map[iam.IdentityID][]Grant // guarded by mu
}

// Give adds grants in the account of the caller.
func (a *Access) Give(who iam.Caller, grants ...Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.may[who.Identity] = append(a.may[who.Identity], grants...)
}

// Allow implements iam.Decider.
func (a *Access) Allow(_ context.Context, who iam.Caller, action iam.Action, on iam.Object) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if who.Account == "" || who.Account != on.Account {
		return iam.ErrForbidden
	}
	if who.Owner {
		return nil
	}
	for _, g := range a.may[who.Identity] {
		if action == g.Action && (g.Instance == "" || string(g.Instance) == on.Instance) {
			return nil
		}
	}
	return iam.ErrForbidden
}

// Log is the real audit log, which also remembers what it was given.
type Log struct {
	*audit.Log
	mu     sync.Mutex
	events []*audit.Event // guarded by mu
}

func newLog(t testing.TB, dir string, now func() time.Time) *Log {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(t.Context(), audit.Options{Dir: dir, Server: "server-1", Signer: signer{key}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	return &Log{Log: log}
}

type signer struct{ key *ecdsa.PrivateKey }

func (signer) KeyID() string { return "test" }

func (s signer) Sign(_ context.Context, digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.key, digest)
}

// Append implements iam.Recorder.
func (l *Log) Append(ctx context.Context, evs ...*audit.Event) error {
	l.mu.Lock()
	l.events = append(l.events, evs...)
	l.mu.Unlock()
	return l.Log.Append(ctx, evs...)
}

// Events returns what was recorded of an action, as "outcome code" each: first
// what changed nothing, then what was committed with a change.
func (h *House) Events(t testing.TB, action iam.Action) []string {
	t.Helper()
	committed, err := h.DB.Outbox(t.Context(), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	h.Log.mu.Lock()
	defer h.Log.mu.Unlock()
	var list []string
	for _, evs := range [][]*audit.Event{h.Log.events, committed} {
		for _, ev := range evs {
			if ev.Action == string(action) {
				list = append(list, fmt.Sprintf("%s %d", ev.Outcome, ev.Reason.Code))
			}
		}
	}
	return list
}
