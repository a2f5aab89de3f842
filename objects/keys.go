package objects

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// heldBuckets is how many buckets, with their opened keys, are held under the lease.
const heldBuckets = 10_000

// heldBucket is a bucket as it was read, with the keys of it that were opened since. A change of the
// bucket or of its keys ends it.
type heldBucket struct {
	bucket Bucket
	root   crn.CRN // that new objects are sealed under; zero for the provider's

	mu    sync.Mutex
	ended bool
	keys  map[BucketKeyID]*openKey
}

// openKey is a key of a bucket, unwrapped.
type openKey struct {
	BucketKey
	*custody.Opened
	loose bool // its bucket is held no more: who uses it wipes it
}

// hold returns the bucket of a name, if it is there for its users.
func (s *Service) hold(ctx context.Context, name string) (*heldBucket, error) {
	h, err := s.held.Get(ctx, name, func(ctx context.Context) (*heldBucket, error) {
		b, err := s.Store.Bucket(ctx, name)
		if err != nil {
			return nil, err
		}
		k, err := s.Store.BucketKey(ctx, b.ID, b.Key)
		if err != nil && b.State == BucketActive {
			return nil, fmt.Errorf("reading its key: %s", err) // no NotFound: a bucket that is there has one
		}
		return &heldBucket{bucket: b, root: k.Root, keys: map[BucketKeyID]*openKey{}}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading bucket %q: %w", clip(name), err)
	}
	if h.bucket.State != BucketActive {
		return nil, ErrNoBucket
	}
	return h, nil
}

// changed takes in changes of buckets.
func (s *Service) changed(c lease.Change) { s.held.Heed(c.ID, c) }

// end wipes the opened keys of a bucket that is held no more.
func (h *heldBucket) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, k := range h.keys {
		k.Wipe()
	}
	clear(h.keys)
}

// drop wipes one opened key.
func (h *heldBucket) drop(id BucketKeyID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k, ok := h.keys[id]; ok {
		k.Wipe()
		delete(h.keys, id)
	}
}

func (h *heldBucket) opened(id BucketKeyID) *openKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys[id]
}

// keep holds an opened key, or returns the one that somebody else has opened meanwhile.
func (h *heldBucket) keep(k *openKey) *openKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	if other, ok := h.keys[k.ID]; ok {
		k.Wipe()
		return other
	}
	if k.loose = h.ended; !k.loose {
		h.keys[k.ID] = k
	}
	return k
}

// done wipes a key that nobody holds.
func (k *openKey) done() {
	if k.loose {
		k.Wipe()
	}
}

// withKey calls use with a key of the bucket, opened, after it has seen that its root key allows that
// now. The key must not be kept: it is wiped when the bucket changes or its root key may be used no
// more; use is then called again with the key opened anew, so it has to be repeatable.
func (s *Service) withKey(ctx context.Context, v *visit, id BucketKeyID, use func(*custody.Opened) error) error {
	return s.withOpenKey(ctx, v, id, func(k *openKey) error { return use(k.Opened) })
}

// withOpenKey is withKey for who needs to know more of the key than it is.
func (s *Service) withOpenKey(ctx context.Context, v *visit, id BucketKeyID, use func(*openKey) error) error {
	for {
		k, err := s.openKey(ctx, v, id)
		if err != nil {
			return err
		}
		err = use(k)
		k.done()
		if !errors.Is(err, custody.ErrUnloaded) {
			return err
		}
		v.held.drop(id)
	}
}

// openKey returns an opened key of the bucket of a visit.
func (s *Service) openKey(ctx context.Context, v *visit, id BucketKeyID) (*openKey, error) {
	if k := v.held.opened(id); k != nil {
		if err := s.standing(ctx, &v.bucket, k.Root); err != nil {
			v.held.drop(id)
			return nil, err
		}
		return k, nil
	}
	row, err := s.Store.BucketKey(ctx, v.bucket.ID, id)
	if err != nil {
		return nil, fmt.Errorf("reading a key of bucket %q: %w", v.bucket.Name, err)
	}
	instance, err := s.instance(ctx, &v.bucket)
	if err != nil {
		return nil, err
	}
	key, _, err := s.RootKeys.Unwrap(ctx, v.who, instance, s.rootOf(row), row.Wrapped, []string{v.bucket.CRN().String()})
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	opened, err := custody.NewOpened(key)
	if err != nil {
		return nil, fmt.Errorf("opening a key of bucket %q: %w", v.bucket.Name, err)
	}
	return v.held.keep(&openKey{BucketKey: row, Opened: opened}), nil
}

// standing says why what a root key protects may not be used now, or nil. A zero root is the provider's.
func (s *Service) standing(ctx context.Context, b *Bucket, root crn.CRN) error {
	instance, err := s.instance(ctx, b)
	if err != nil {
		return err
	}
	if root == (crn.CRN{}) {
		root = s.Provider
	}
	return s.RootKeys.Standing(ctx, instance, root)
}

// instance names the object storage instance on whose behalf root keys are used.
func (s *Service) instance(ctx context.Context, b *Bucket) (crn.CRN, error) {
	in, err := s.Instances.ObjectInstance(ctx, b.Instance)
	if err != nil {
		return crn.CRN{}, fmt.Errorf("looking up the instance of bucket %q: %w", b.Name, err)
	}
	return in.CRN, nil
}

// rootOf returns the root key that wraps a key of a bucket.
func (s *Service) rootOf(k BucketKey) crn.CRN {
	if k.Root == (crn.CRN{}) {
		return s.Provider
	}
	return k.Root
}

// background is a visit to a bucket by the server itself, for work without a caller: it passes no door
// and records nothing, which is for who works to do.
func (s *Service) background(ctx context.Context, name string) (*visit, error) {
	held, err := s.hold(ctx, name)
	if err != nil {
		return nil, err
	}
	return &visit{who: iam.ServerCaller(held.bucket.Account), now: s.Now(), held: held, bucket: held.bucket}, nil
}
