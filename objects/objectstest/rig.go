package objectstest

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/lease"
	"strongroom/objects"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

// Rig is an object store and all that it stands on.
type Rig struct {
	*objects.Service
	DB       *sqlstore.DB
	Hub      *lease.Hub
	Store    *Store // what the service has in place of the database's
	Blobs    *Blobs
	RootKeys *RootKeys
	Clock    *iamtest.Clock
	Log      *iamtest.Log // also of what is committed with a change
	Access   *Access
	Provider crn.CRN // root key
	sqlstoretest.File

	mu  sync.Mutex
	ids map[objects.InstanceID]objects.Instance // guarded by mu
}

// Profile is the one by which a rig disperses.
func Profile() objects.Profile {
	return objects.Profile{Name: "4of6", Data: 4, Total: 6, Write: 5}
}

// New starts an object store, which ends with the test. Contents of up to 1 KiB are embedded. Each
// configure may change what it is made of.
func New(t testing.TB, configure ...func(*objects.ServiceConfig)) *Rig {
	t.Helper()
	r := &Rig{
		Hub:    lease.Always(),
		Clock:  iamtest.NewClock(),
		Log:    &iamtest.Log{},
		Access: &Access{},
		File:   sqlstoretest.File(filepath.Join(t.TempDir(), "strongroom.db")),
		ids:    map[objects.InstanceID]objects.Instance{},
	}
	r.DB = sqlstoretest.Open(t, sqlstore.Options{Path: r.Path(), Hub: r.Hub, Now: r.Clock.Now})
	r.Store = NewStore(r.DB.Objects(), r.Log)
	r.Blobs = NewBlobs(t, r.Store)
	r.RootKeys = NewRootKeys(t)
	r.Provider = r.RootKeys.NewRoot("system")
	r.Restart(configure...)
	return r
}

// Restart replaces the service by a new one on the same ground, as after a crash.
func (r *Rig) Restart(configure ...func(*objects.ServiceConfig)) {
	r.Hub.DropAll()
	r.Service = objects.New(r.Config(configure...))
}

// Config returns the configuration of the service.
func (r *Rig) Config(configure ...func(*objects.ServiceConfig)) objects.ServiceConfig {
	c := objects.ServiceConfig{
		Store: r.Store, Blobs: r.Blobs, RootKeys: steppedKeys{r.RootKeys, r.Store.Steps}, Instances: r, Decider: r.Access, Log: r.Log,
		Hub: r.Hub, Now: r.Clock.Now, Logger: slog.New(slog.DiscardHandler),
		Provider: r.Provider, Profiles: []objects.Profile{Profile()}, Select: func(string) string { return "" },
		Location: "us-south-standard", Embed: 1 << 10,
	}
	for _, f := range configure {
		f(&c)
	}
	return c
}

// ObjectInstance implements objects.Instances.
func (r *Rig) ObjectInstance(_ context.Context, id objects.InstanceID) (objects.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.ids[id]
	if !ok {
		return objects.Instance{}, sqlstore.ErrNotFound
	}
	return in, nil
}

// NewInstance makes an instance in an account.
func (r *Rig) NewInstance(account iam.AccountID) objects.Instance {
	id := uuid.NewString()
	in := objects.Instance{
		ID: objects.InstanceID(id), Account: account, ResourceGroup: "group",
		CRN: crn.Of(crn.ObjectStorage, "global", string(account), id, "", ""),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[in.ID] = in
	return in
}

// CloseInstance makes an instance one that is not in use, and OpenInstance takes that back.
func (r *Rig) CloseInstance(in objects.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, in.ID)
}

// OpenInstance makes an instance one that is in use.
func (r *Rig) OpenInstance(in objects.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[in.ID] = in
}

// NewBucket makes a bucket, under a root key or, without one, under the provider's.
func (r *Rig) NewBucket(t testing.TB, who iam.Caller, in objects.Instance, name, root string) objects.Bucket {
	t.Helper()
	b, err := r.CreateBucket(t.Context(), who, objects.NewBucket{Name: name, Instance: in.ID, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
