package objectstest

import (
	"context"
	"errors"
	"sync"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
)

// ErrBroken is the failure of what a test has broken.
var ErrBroken = errors.New("broken by the test")

// Steps counts what a service does to what is outside of it, writes of the store and calls of the key
// service, and lets the process crash at any of them.
type Steps struct {
	mu      sync.Mutex
	names   []string                // guarded by mu; since Reset
	crash   int                     // guarded by mu; the number of the step, or -1
	happens bool                    // guarded by mu; that step happens, and its outcome is not heard of
	before  func(step string) error // guarded by mu
}

// Reset lets everything happen again, and counts from 0.
func (s *Steps) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.crash, s.before = nil, -1, nil
}

// CrashAt resets, and makes the step of a number fail with ErrBroken, from 0, and all steps after it. If
// it happens, it fails when it has happened.
func (s *Steps) CrashAt(n int, happens bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.crash, s.happens, s.before = nil, n, happens, nil
}

// Before resets, and has f asked before each step, which fails with what f returns and does not happen.
// Steps are called by their methods, as "UpdateBucket" and "Register".
func (s *Steps) Before(f func(step string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.crash, s.before = nil, -1, f
}

// Names returns the steps since the last reset, also those that failed.
func (s *Steps) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.names...)
}

// do does a step, if it happens.
func (s *Steps) do(name string, step func() error) error {
	s.mu.Lock()
	n := len(s.names)
	s.names = append(s.names, name)
	crash, happens, before := s.crash, s.happens, s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(name); err != nil {
			return err
		}
	}
	if crash < 0 || n < crash {
		return step()
	}
	if n == crash && happens {
		_ = step() // its outcome is not heard of
	}
	return ErrBroken
}

// steppedKeys is a key service whose calls are steps.
type steppedKeys struct {
	objects.RootKeys
	steps *Steps
}

func (k steppedKeys) Generate(ctx context.Context, who iam.Caller, instance, root crn.CRN, aad []string) (key custody.Secret, w objects.WrappedKey, err error) {
	err = k.steps.do("Generate", func() error {
		key, w, err = k.RootKeys.Generate(ctx, who, instance, root, aad)
		return err
	})
	return key, w, err
}

func (k steppedKeys) Rewrap(ctx context.Context, instance, root crn.CRN, w objects.WrappedKey, aad []string) (newer objects.WrappedKey, err error) {
	err = k.steps.do("Rewrap", func() error {
		newer, err = k.RootKeys.Rewrap(ctx, instance, root, w, aad)
		return err
	})
	return newer, err
}

func (k steppedKeys) Register(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN, version string, prevent bool) error {
	return k.steps.do("Register", func() error {
		return k.RootKeys.Register(ctx, who, instance, root, bucket, version, prevent)
	})
}

func (k steppedKeys) Unregister(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN) error {
	return k.steps.do("Unregister", func() error { return k.RootKeys.Unregister(ctx, who, instance, root, bucket) })
}
