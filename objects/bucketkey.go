package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// serviceHyperProtect is IBM's other key service, which bucket requests may name.
const serviceHyperProtect = "hs-crypto"

// keyUnder returns the key of a bucket under a root key; if it has none, one is made and registered.
// Root is what a caller calls the root key, or empty for the provider's. What is sealed by a key that
// it makes begins with new object keys (Fresh); who moves older ones under it has to take that back.
func (s *Service) keyUnder(ctx context.Context, who iam.Caller, b Bucket, root string) (BucketKey, error) {
	leave, err := s.acts.enter(ctx, string(b.ID))
	if err != nil {
		return BucketKey{}, err
	}
	defer leave()
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return BucketKey{}, fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	named, alias, err := s.rootNamed(ctx, who, &b, keys, root)
	if err != nil {
		return BucketKey{}, err
	}
	k, ok := chooseKey(keys, named, b.Key)
	if ok && !k.Pending {
		return k, nil
	}
	if !ok {
		if k, err = s.newKey(ctx, who, &b, named); err != nil {
			return BucketKey{}, err
		}
		k.Alias, k.Pending = alias, true
		if err := s.Store.AddBucketKey(ctx, k, nil); err != nil {
			return BucketKey{}, fmt.Errorf("storing a key of bucket %q: %w", b.Name, err)
		}
		if k, err = s.Store.BucketKey(ctx, b.ID, k.ID); err != nil {
			return BucketKey{}, fmt.Errorf("reading a key of bucket %q: %w", b.Name, err)
		}
	}
	return s.settleKey(ctx, who, &b, k)
}

// settleKey registers a key that is stored as pending, so that it may be used, or else removes it.
func (s *Service) settleKey(ctx context.Context, who iam.Caller, b *Bucket, k BucketKey) (BucketKey, error) {
	settled := k
	settled.Pending = false
	err := s.register(ctx, who, b, k)
	if err == nil {
		err = s.Store.UpdateBucketKey(ctx, settled, nil)
	}
	if err == nil {
		settled.Revision++
		return settled, nil
	}
	// The row goes last: as long as it is there, the deletion of the bucket takes the registration back.
	lasting := context.WithoutCancel(ctx)
	undo := s.unregister(lasting, who, b, k.Root)
	if undo == nil {
		undo = s.Store.RemoveBucketKey(lasting, k, nil)
	}
	if undo != nil {
		s.Logger.WarnContext(ctx, "a key of a bucket that could not be registered stays for another try", "bucket", b.Name, "error", undo)
	}
	return BucketKey{}, err
}

// chooseKey returns the key under a root key by which new content is sealed: the current one of the
// bucket if it is under it, else the newest.
func chooseKey(keys []BucketKey, root crn.CRN, current BucketKeyID) (BucketKey, bool) {
	under := slices.DeleteFunc(slices.Clone(keys), func(k BucketKey) bool { return k.Root != root })
	if len(under) == 0 {
		return BucketKey{}, false
	}
	return slices.MaxFunc(under, func(a, b BucketKey) int {
		if a.ID == current || b.ID == current {
			return cmp.Compare(rank(a.ID == current), rank(b.ID == current))
		}
		return a.Created.Compare(b.Created)
	}), true
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

// newKey has a key for a bucket made by a root key, and returns its row; the key itself is not kept.
// A zero root is the provider's.
func (s *Service) newKey(ctx context.Context, who iam.Caller, b *Bucket, root crn.CRN) (BucketKey, error) {
	instance, err := s.instance(ctx, b)
	if err != nil {
		return BucketKey{}, err
	}
	k := BucketKey{ID: BucketKeyID(uuid.NewString()), Bucket: b.ID, Root: root, Fresh: true, Created: s.Now()}
	secret, wrapped, err := s.RootKeys.Generate(ctx, who, instance, s.rootOf(k), []string{b.CRN().String()})
	if err != nil {
		return BucketKey{}, err
	}
	secret.Wipe()
	k.Wrapped = wrapped
	return k, nil
}

// rootNamed resolves what a caller calls a root key, empty for the provider's, to its CRN, and to the
// alias if it was named by one. One that a key of the bucket is already under by its ID is not asked for.
func (s *Service) rootNamed(ctx context.Context, who iam.Caller, b *Bucket, keys []BucketKey, root string) (c crn.CRN, alias string, err error) {
	if root == "" {
		return crn.CRN{}, "", nil
	}
	if c, err = parseRoot(root); err != nil {
		return crn.CRN{}, "", err
	}
	if slices.ContainsFunc(keys, func(k BucketKey) bool { return k.Root == c }) {
		return c, "", nil
	}
	instance, err := s.instance(ctx, b)
	if err != nil {
		return crn.CRN{}, "", err
	}
	named := c.Resource
	if c, err = s.RootKeys.Describe(ctx, who, instance, c); err != nil {
		return crn.CRN{}, "", err
	}
	if c.Resource != named {
		alias = named
	}
	return c, alias, nil
}

// parseRoot reads the CRN of a root key, or of an alias of one (cos-api.md, section 20.3).
func parseRoot(root string) (crn.CRN, error) {
	c, err := crn.Parse(root)
	switch {
	case err != nil:
		return crn.CRN{}, ErrArgument.On("", "The root key must be given as a CRN.")
	case c.Service == serviceHyperProtect:
		return crn.CRN{}, ErrRequest.On("", "Server Side Encryption with hs-crypto is not enabled.")
	case c.Service != crn.KeyProtect:
		return crn.CRN{}, ErrRootUnknown
	case c.Type == "alias":
		c.Type = "key"
	case c.Type != "key":
		return crn.CRN{}, ErrArgument.On("", `The resource type is missing or the specified value is not valid. Supported value: "key".`)
	}
	if c.Resource == "" {
		return crn.CRN{}, ErrRootUnknown
	}
	return c, nil
}

// prevents says whether the deletion of the root keys of a bucket is refused even by force.
func (b *Bucket) prevents() bool { return b.Lock != nil || b.Protection != nil }

// register tells the key service that the root key of a key protects a bucket. The provider's own is not told.
func (s *Service) register(ctx context.Context, who iam.Caller, b *Bucket, k BucketKey) error {
	if k.Root == (crn.CRN{}) {
		return nil
	}
	instance, err := s.instance(ctx, b)
	if err != nil {
		return err
	}
	return s.RootKeys.Register(ctx, who, instance, k.Root, b.CRN(), k.Wrapped.Version, b.prevents())
}

// unregister takes back what register told.
func (s *Service) unregister(ctx context.Context, who iam.Caller, b *Bucket, root crn.CRN) error {
	if root == (crn.CRN{}) {
		return nil
	}
	instance, err := s.instance(ctx, b)
	if fault.KindOf(err) == fault.NotFound {
		instance = b.instanceCRN() // the instance is being destroyed
	} else if err != nil {
		return err
	}
	return s.RootKeys.Unregister(ctx, who, instance, root, b.CRN())
}

// registerAll registers every key of a bucket as the bucket now is. A root key that is deleted has
// nothing left to be told.
func (s *Service) registerAll(ctx context.Context, who iam.Caller, b *Bucket) error {
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	for _, k := range keys {
		if err := s.register(ctx, who, b, k); err != nil && !errors.Is(err, ErrRootDeleted) {
			return err
		}
	}
	return nil
}

// unregisterAll takes the registrations of every root key of a bucket back.
func (s *Service) unregisterAll(ctx context.Context, who iam.Caller, b *Bucket) error {
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	told := map[crn.CRN]bool{}
	for _, k := range keys {
		if told[k.Root] {
			continue
		}
		told[k.Root] = true
		if err := s.unregister(ctx, who, b, k.Root); err != nil {
			return err
		}
	}
	return nil
}
