package resourcetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/resource"
)

// ErrDead is what everything answers once the process has died.
var ErrDead = errors.New("the process has died")

// Fuse ends a process at one of its steps: nothing that goes through the fuse
// happens any more. The zero value never burns.
type Fuse struct {
	mu    sync.Mutex
	left  int  // steps until it burns; zero is never
	after bool // the last step still happens
	dead  bool
}

// Set lets the process die at its nth step, before or after doing it.
func (f *Fuse) Set(n int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.after, f.dead = n, after, false
}

// Burnt reports whether the process has died.
func (f *Fuse) Burnt() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// Reset lets another process begin.
func (f *Fuse) Reset() { f.Set(0, false) }

func (f *Fuse) step(do func() error) error {
	f.mu.Lock()
	if f.dead {
		f.mu.Unlock()
		return ErrDead
	}
	last := f.left == 1
	if f.left > 0 {
		f.left--
	}
	f.dead = last
	after := f.after
	f.mu.Unlock()
	if !last {
		return do()
	}
	if after {
		_ = do()
	}
	return ErrDead
}

// Owner is a service that has instances.
type Owner struct {
	fuse *Fuse

	mu       sync.Mutex
	Prepared map[resource.InstanceID]bool // guarded by mu
	Refusal  error                        // of RefuseDelete; guarded by mu
	Failure  error                        // of Prepare, after doing it; guarded by mu
	Asked    func(resource.Instance)      // called by RefuseDelete; may be nil

	DestroyFailure error // of Destroy, instead of doing it; guarded by mu
}

// Prepare implements resource.Owner.
func (o *Owner) Prepare(_ context.Context, i resource.Instance) error {
	return o.fuse.step(func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.Prepared[i.ID] = true
		return o.Failure
	})
}

// RefuseDelete implements resource.Owner.
func (o *Owner) RefuseDelete(_ context.Context, i resource.Instance) error {
	return o.fuse.step(func() error {
		o.mu.Lock()
		refusal, asked := o.Refusal, o.Asked
		o.mu.Unlock()
		if asked != nil {
			asked(i)
		}
		return refusal
	})
}

// Destroy implements resource.Owner.
func (o *Owner) Destroy(_ context.Context, i resource.Instance) error {
	return o.fuse.step(func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.DestroyFailure != nil {
			return o.DestroyFailure
		}
		delete(o.Prepared, i.ID)
		return nil
	})
}

// Credentials makes credentials and grants.
type Credentials struct {
	fuse *Fuse

	mu      sync.Mutex
	Issued  map[iam.APIKeyID]iam.ServiceCredential // guarded by mu
	Granted map[iam.PolicyID]string                // guarded by mu
	Failure error                                  // of Grant; guarded by mu
	Asked   func()                                 // called by Grant; may be nil

	Withheld string // CRN of a role that nobody may give
}

// IssueServiceCredential implements resource.Credentials.
func (c *Credentials) IssueServiceCredential(_ context.Context, v iam.ServiceCredential) (issued iam.IssuedCredential, err error) {
	err = c.fuse.step(func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.Issued[v.Key] = v
		issued.APIKey = custody.NewSecret([]byte("key-of-" + string(v.Key)))
		if v.HMAC {
			issued.SecretAccessKey = custody.NewSecret([]byte("secret-of-" + v.AccessKeyID))
		}
		return nil
	})
	return issued, err
}

// WithdrawServiceCredential implements resource.Credentials.
func (c *Credentials) WithdrawServiceCredential(_ context.Context, _ iam.AccountID, _ iam.ServiceID, key iam.APIKeyID, _ string) error {
	return c.fuse.step(func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.Issued, key)
		return nil
	})
}

// MayGive implements resource.Grants.
func (c *Credentials) MayGive(_ context.Context, _ iam.Caller, role string, _ iam.Object) error {
	if role == c.Withheld {
		return iam.ErrForbidden
	}
	return nil
}

// Grant implements resource.Grants.
func (c *Credentials) Grant(_ context.Context, id iam.PolicyID, _ iam.AccountID, _ iam.IdentityID, role string, _ iam.Object) error {
	return c.fuse.step(func() error {
		if c.Asked != nil {
			c.Asked()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.Failure != nil {
			return c.Failure
		}
		c.Granted[id] = role
		return nil
	})
}

// Revoke implements resource.Grants.
func (c *Credentials) Revoke(_ context.Context, _ iam.AccountID, id iam.PolicyID) error {
	return c.fuse.step(func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.Granted, id)
		return nil
	})
}

// store burns the fuse at each access to the database. What it embeds and does
// not override is no part of an act.
type store struct {
	resource.Store
	fuse *Fuse
}

func (s *store) Instance(ctx context.Context, id resource.InstanceID) (i resource.Instance, err error) {
	err = s.fuse.step(func() (err error) { i, err = s.Store.Instance(ctx, id); return err })
	return i, err
}

func (s *store) CreateInstance(ctx context.Context, i resource.Instance, tags []string, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.CreateInstance(ctx, i, tags, act) })
}

func (s *store) FinishInstance(ctx context.Context, i resource.Instance, act resource.Act, ev *audit.Event) error {
	return s.fuse.step(func() error { return s.Store.FinishInstance(ctx, i, act, ev) })
}

func (s *store) AbandonInstance(ctx context.Context, i resource.Instance, act resource.Act, ev *audit.Event) error {
	return s.fuse.step(func() error { return s.Store.AbandonInstance(ctx, i, act, ev) })
}

func (s *store) CloseInstance(ctx context.Context, i resource.Instance, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.CloseInstance(ctx, i, act) })
}

func (s *store) ReopenInstance(ctx context.Context, i resource.Instance, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.ReopenInstance(ctx, i, act) })
}

func (s *store) DeleteInstance(ctx context.Context, i resource.Instance, rec resource.Reclamation, recursive bool,
	act resource.Act, ev *audit.Event,
) (removals []resource.Act, err error) {
	err = s.fuse.step(func() (err error) {
		removals, err = s.Store.DeleteInstance(ctx, i, rec, recursive, act, ev)
		return err
	})
	return removals, err
}

func (s *store) DueReclamations(ctx context.Context, now time.Time, limit int) (due []resource.Reclamation, err error) {
	err = s.fuse.step(func() (err error) { due, err = s.Store.DueReclamations(ctx, now, limit); return err })
	return due, err
}

func (s *store) BeginReclaim(ctx context.Context, i resource.Instance, rec resource.Reclamation, act resource.Act, ev *audit.Event) error {
	return s.fuse.step(func() error { return s.Store.BeginReclaim(ctx, i, rec, act, ev) })
}

func (s *store) FinishReclaim(ctx context.Context, i resource.Instance, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.FinishReclaim(ctx, i, act) })
}

func (s *store) Key(ctx context.Context, id resource.KeyID) (k resource.Key, err error) {
	err = s.fuse.step(func() (err error) { k, err = s.Store.Key(ctx, id); return err })
	return k, err
}

func (s *store) CreateKey(ctx context.Context, k resource.Key, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.CreateKey(ctx, k, act) })
}

func (s *store) FinishKey(ctx context.Context, k resource.Key, act resource.Act, ev *audit.Event) error {
	return s.fuse.step(func() error { return s.Store.FinishKey(ctx, k, act, ev) })
}

func (s *store) AbandonKey(ctx context.Context, k resource.Key, act resource.Act, ev *audit.Event) error {
	return s.fuse.step(func() error { return s.Store.AbandonKey(ctx, k, act, ev) })
}

func (s *store) BeginRemoveKey(ctx context.Context, k resource.Key, act resource.Act, ev *audit.Event) error {
	return s.fuse.step(func() error { return s.Store.BeginRemoveKey(ctx, k, act, ev) })
}

func (s *store) FinishRemoveKey(ctx context.Context, k resource.Key, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.FinishRemoveKey(ctx, k, act) })
}

func (s *store) Acts(ctx context.Context, limit int) (acts []resource.Act, err error) {
	err = s.fuse.step(func() (err error) { acts, err = s.Store.Acts(ctx, limit); return err })
	return acts, err
}

func (s *store) Claim(ctx context.Context, act resource.Act) (claimed resource.Act, err error) {
	err = s.fuse.step(func() (err error) { claimed, err = s.Store.Claim(ctx, act); return err })
	return claimed, err
}

func (s *store) SaveAct(ctx context.Context, act resource.Act) error {
	return s.fuse.step(func() error { return s.Store.SaveAct(ctx, act) })
}
