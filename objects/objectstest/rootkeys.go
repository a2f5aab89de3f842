package objectstest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
)

// RootKeys is a key service in memory. Root keys are what a test makes of them: each can be given a
// failure, with which all uses of it fail from then on. It fails the test that asks without a caller's
// instance, a root key or additional data.
type RootKeys struct {
	t testing.TB

	mu            sync.Mutex
	roots         map[string]*root    // guarded by mu; by CRN
	aliases       map[string]crn.CRN  // guarded by mu; by the CRN with an alias
	registrations map[string]Register // guarded by mu; by CRN of root and bucket
	calls         map[string]int      // guarded by mu; by method
	down          bool                // guarded by mu
}

// root is a root key.
type root struct {
	versions []*version // the newest last
	failure  error      // of all uses; nil while it can be used
	barred   map[string]bool
}

// version is a version of a root key.
type version struct {
	id  string
	key *custody.Opened
}

// Register is a registration of a bucket at a root key, with the usage that was reported last.
type Register struct {
	Root, Bucket   crn.CRN
	Version        string
	Prevent        bool
	Objects, Bytes int64
}

// NewRootKeys returns a key service without keys.
func NewRootKeys(t testing.TB) *RootKeys {
	return &RootKeys{
		t: t, roots: map[string]*root{}, aliases: map[string]crn.CRN{},
		registrations: map[string]Register{}, calls: map[string]int{},
	}
}

// NewRoot makes a root key in an account, with one version, and returns its CRN.
func (k *RootKeys) NewRoot(account iam.AccountID) crn.CRN {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := crn.Of(crn.KeyProtect, "us-south", string(account), uuid.NewString(), "key", uuid.NewString())
	k.roots[name.String()] = &root{versions: []*version{newVersion()}, barred: map[string]bool{}}
	return name
}

func newVersion() *version {
	key, err := custody.NewOpened(custody.RandomSecret(32))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	return &version{id: uuid.NewString(), key: key}
}

// Alias gives a root key another name and returns the CRN with it.
func (k *RootKeys) Alias(root crn.CRN, alias string) crn.CRN {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := root
	name.Resource = alias
	k.aliases[name.String()] = root
	return name
}

// Rotate gives a root key a new version and returns its ID.
func (k *RootKeys) Rotate(root crn.CRN) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := newVersion()
	r := k.roots[root.String()]
	r.versions = append(r.versions, v)
	return v.id
}

// Fail makes all uses of a root key fail with a failure, such as objects.ErrRootDisabled,
// objects.ErrRootDeleted, objects.ErrUnauthorized or objects.ErrRootService; nil makes it usable again.
func (k *RootKeys) Fail(root crn.CRN, failure error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.roots[root.String()].failure = failure
}

// Bar withdraws the authorization of one instance for a root key, or gives it back.
func (k *RootKeys) Bar(root, instance crn.CRN, barred bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.roots[root.String()].barred[instance.String()] = barred
}

// Down makes the whole service unreachable: everything fails with objects.ErrRootService but
// Standing, which knows what it knew.
func (k *RootKeys) Down(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// Registration returns the registration of a bucket at a root key.
func (k *RootKeys) Registration(root, bucket crn.CRN) (Register, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.registrations[root.String()+" "+bucket.String()]
	return r, ok
}

// Registrations counts the registrations at all root keys.
func (k *RootKeys) Registrations() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.registrations)
}

// Calls returns how often a method was called, as "Unwrap".
func (k *RootKeys) Calls(method string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[method]
}

// useLocked is what all methods begin with: it returns a root key that may be used.
func (k *RootKeys) useLocked(method string, instance, name crn.CRN) (*root, error) {
	k.calls[method]++
	if !instance.IsInstance() || name.Resource == "" {
		k.t.Errorf("%s was called for instance %q and root key %q", method, instance, name)
	}
	if k.down && method != "Standing" {
		return nil, objects.ErrRootService
	}
	r, ok := k.roots[name.String()]
	switch {
	case !ok:
		return nil, objects.ErrRootUnknown
	case r.barred[instance.String()]:
		return nil, objects.ErrUnauthorized
	}
	return r, r.failure
}

// Describe implements objects.RootKeys.
func (k *RootKeys) Describe(_ context.Context, _ iam.Caller, instance, name crn.CRN) (crn.CRN, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if root, ok := k.aliases[name.String()]; ok {
		name = root
	}
	r, err := k.useLocked("Describe", instance, name)
	switch {
	case r == nil:
		if errors.Is(err, objects.ErrUnauthorized) {
			err = objects.ErrRootUnknown
		}
		return crn.CRN{}, err
	case errors.Is(err, objects.ErrRootService):
		return crn.CRN{}, err
	case err != nil:
		return crn.CRN{}, objects.ErrRootUnusable
	}
	return name, nil
}

// Generate implements objects.RootKeys.
func (k *RootKeys) Generate(_ context.Context, _ iam.Caller, instance, name crn.CRN, aad []string) (custody.Secret, objects.WrappedKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.useLocked("Generate", instance, name)
	if err != nil {
		return custody.Secret{}, objects.WrappedKey{}, err
	}
	key := custody.RandomSecret(32)
	return key, k.wrap(r, key, aad), nil
}

// wrap wraps a key by the newest version.
func (k *RootKeys) wrap(r *root, key custody.Secret, aad []string) objects.WrappedKey {
	if len(aad) == 0 || aad[0] == "" {
		k.t.Error("a key was wrapped without additional data")
	}
	v := r.versions[len(r.versions)-1]
	box, err := v.key.Seal(custody.PurposeDataKey, custody.Context(aad...), key.Reveal())
	if err != nil {
		panic(err) // a key is not too large to be sealed
	}
	b, _ := box.MarshalBinary() // never fails
	return objects.WrappedKey{Ciphertext: hex.EncodeToString(b), Version: v.id}
}

// unwrap opens a wrapped key.
func (k *RootKeys) unwrap(r *root, w objects.WrappedKey, aad []string) (custody.Secret, error) {
	b, err := hex.DecodeString(w.Ciphertext)
	if err != nil {
		return custody.Secret{}, fmt.Errorf("%w: %w", objects.ErrRootUnreadable, err)
	}
	box, err := custody.ParseBox(b)
	if err != nil {
		return custody.Secret{}, fmt.Errorf("%w: %w", objects.ErrRootUnreadable, err)
	}
	for _, v := range r.versions {
		if v.id != w.Version {
			continue
		}
		if key, err := v.key.Open(custody.PurposeDataKey, custody.Context(aad...), box); err == nil {
			return key, nil
		}
	}
	return custody.Secret{}, objects.ErrRootUnreadable
}

// Unwrap implements objects.RootKeys.
func (k *RootKeys) Unwrap(_ context.Context, _ iam.Caller, instance, name crn.CRN, w objects.WrappedKey, aad []string) (custody.Secret, *objects.WrappedKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.useLocked("Unwrap", instance, name)
	if err != nil {
		return custody.Secret{}, nil, err
	}
	key, err := k.unwrap(r, w, aad)
	if err != nil || w.Version == r.versions[len(r.versions)-1].id {
		return key, nil, err
	}
	newer := k.wrap(r, key, aad)
	return key, &newer, nil
}

// Rewrap implements objects.RootKeys.
func (k *RootKeys) Rewrap(_ context.Context, instance, name crn.CRN, w objects.WrappedKey, aad []string) (objects.WrappedKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.useLocked("Rewrap", instance, name)
	if err != nil {
		return objects.WrappedKey{}, err
	}
	key, err := k.unwrap(r, w, aad)
	if err != nil {
		return objects.WrappedKey{}, err
	}
	return k.wrap(r, key, aad), nil
}

// Standing implements objects.RootKeys.
func (k *RootKeys) Standing(_ context.Context, instance, name crn.CRN) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.useLocked("Standing", instance, name)
	return err
}

// Version implements objects.RootKeys.
func (k *RootKeys) Version(_ context.Context, instance, name crn.CRN) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.useLocked("Version", instance, name)
	if err != nil {
		return "", err
	}
	return r.versions[len(r.versions)-1].id, nil
}

// Register implements objects.RootKeys.
func (k *RootKeys) Register(_ context.Context, _ iam.Caller, instance, name, bucket crn.CRN, version string, prevent bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.useLocked("Register", instance, name); err != nil {
		return err
	}
	key := name.String() + " " + bucket.String()
	r := k.registrations[key]
	r.Root, r.Bucket, r.Version, r.Prevent = name, bucket, version, prevent
	k.registrations[key] = r
	return nil
}

// Unregister implements objects.RootKeys.
func (k *RootKeys) Unregister(_ context.Context, _ iam.Caller, instance, name, bucket crn.CRN) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.useLocked("Unregister", instance, name)
	if errors.Is(err, objects.ErrRootService) {
		return err
	}
	if !errors.Is(err, objects.ErrUnauthorized) {
		delete(k.registrations, name.String()+" "+bucket.String())
	}
	return nil
}

// Report implements objects.RootKeys.
func (k *RootKeys) Report(_ context.Context, instance, name crn.CRN, version string, objs, bytes int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.useLocked("Report", instance, name); err != nil {
		return err
	}
	for key, r := range k.registrations {
		if r.Root == name && r.Version == version {
			r.Objects, r.Bytes = objs, bytes
			k.registrations[key] = r
		}
	}
	return nil
}
