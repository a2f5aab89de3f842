package objectstest

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/kms/kmstest"
	"strongroom/objects"
	"strongroom/sqlstore"
)

// Location is the location constraint of buckets that are made without one.
const Location = "us-south-standard"

// Rig is an object store and all that it stands on.
type Rig struct {
	*objects.Service
	DB     *sqlstore.DB
	Hub    *lease.Hub
	Blobs  *Blobs
	Roots  *RootKeys
	Access *Access
	Clock  *kmstest.Clock
	Log    *kmstest.Log

	provider crn.CRN
	path     string
	mu       sync.Mutex
	ids      map[objects.InstanceID]objects.Instance // guarded by mu
}

// New starts a service, which ends with the test. Each configure may change what it is made of.
func New(t testing.TB, configure ...func(*objects.ServiceConfig)) *Rig {
	t.Helper()
	r := &Rig{
		Hub:    lease.Always(),
		Roots:  NewRootKeys(t),
		Access: &Access{},
		Clock:  kmstest.NewClock(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)),
		Log:    &kmstest.Log{},
		path:   filepath.Join(t.TempDir(), "strongroom.db"),
		ids:    map[objects.InstanceID]objects.Instance{},
	}
	var err error
	r.DB, err = sqlstore.Open(t.Context(), sqlstore.Options{
		Path: r.path, Server: "server-1", Hub: r.Hub, Now: r.Clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.DB.Close() })
	r.DB.SetRowKey(bytes.Repeat([]byte{7}, 32))
	r.Blobs = NewBlobs(t, r.DB.Objects())
	r.provider = r.Roots.NewRoot("system")
	r.Service = objects.New(r.Config(configure...))
	return r
}

// Config returns the configuration of the service, for another one on the same ground.
func (r *Rig) Config(configure ...func(*objects.ServiceConfig)) objects.ServiceConfig {
	c := objects.ServiceConfig{
		Store: r.DB.Objects(), Blobs: r.Blobs, RootKeys: r.Roots, Instances: r, Decider: r.Access,
		Log: r.Log, Hub: r.Hub, Now: r.Clock.Now, Logger: slog.New(slog.DiscardHandler),
		Provider: r.provider,
		Profiles: []objects.Profile{
			{Name: "local", Data: 4, Total: 6, Write: 5},
			{Name: "sites", Data: 2, Total: 3, Write: 2, AllOrNothing: true},
		},
		Select: func(location string) string {
			if location == "us-standard" {
				return "sites"
			}
			return ""
		},
		Location: Location,
		Embed:    64 << 10,
	}
	for _, f := range configure {
		f(&c)
	}
	return c
}

// Provider is the root key of buckets without one of a customer's.
func (r *Rig) Provider() crn.CRN { return r.provider }

// ObjectInstance implements objects.Instances.
func (r *Rig) ObjectInstance(_ context.Context, id objects.InstanceID) (objects.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.ids[id]
	if !ok {
		return objects.Instance{}, errNoInstance
	}
	return in, nil
}

var errNoInstance = fault.New(fault.NotFound, "there is no such instance")

// NewInstance makes an object storage instance in an account.
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

// RemoveInstance makes an instance one that is not in use.
func (r *Rig) RemoveInstance(id objects.InstanceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, id)
}

// NewBucket makes a bucket with a name of its own in an instance, under the root key that root names,
// or the provider's if that is empty. Each change is made to its configuration.
func (r *Rig) NewBucket(t testing.TB, in objects.Instance, root string, changes ...func(*objects.NewBucket)) objects.Bucket {
	t.Helper()
	n := objects.NewBucket{Name: "bucket-" + uuid.NewString(), Instance: in.ID, Root: root}
	for _, change := range changes {
		change(&n)
	}
	b, err := r.CreateBucket(t.Context(), Caller(in.Account, "owner"), n)
	if err != nil {
		t.Fatalf("creating bucket %q: %v", n.Name, err)
	}
	return b
}

// Caller returns a user of an account, on a request of its own.
func Caller(account iam.AccountID, name string) iam.Caller { return kmstest.Caller(account, name) }

// Exec runs a statement on the database from outside, as an intruder would.
func (r *Rig) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	r.outside(t, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), statement, args...)
		return err
	})
}

// Query runs a statement from outside that gives one value, and scans it into dest.
func (r *Rig) Query(t testing.TB, dest any, statement string, args ...any) {
	t.Helper()
	r.outside(t, func(db *sql.DB) error { return db.QueryRowContext(t.Context(), statement, args...).Scan(dest) })
}

func (r *Rig) outside(t testing.TB, do func(*sql.DB) error) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+r.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := do(db); err != nil {
		t.Fatal(err)
	}
}

// Path is the file of the database.
func (r *Rig) Path() string { return r.path }
