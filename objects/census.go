package objects

import (
	"context"
	"fmt"
	"sync"
	"time"

	"strongroom/crn"
)

// reportEvery is how often usage that has changed is reported, at most.
const reportEvery = 5 * time.Minute

// wrappedData names what is counted: the data of an instance that depends on a version of a root key.
type wrappedData struct {
	instance, root crn.CRN
	version        string
}

// amount is how much that is.
type amount struct{ objects, bytes int64 }

// census remembers what the key service was told, so that only what has changed is told again.
type census struct {
	mu   sync.Mutex
	next time.Time              // of a report; guarded by mu
	told map[wrappedData]amount // guarded by mu
}

func newCensus() *census { return &census{told: map[wrappedData]amount{}} }

// due says whether it is time for a report, and then when the next one is.
func (c *census) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.next) {
		return false
	}
	c.next = now.Add(reportEvery)
	return true
}

// news returns what was not told like this before.
func (c *census) news(usage map[wrappedData]amount) map[wrappedData]amount {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := map[wrappedData]amount{}
	for of, was := range c.told {
		if _, ok := usage[of]; ok {
			continue
		}
		if was == (amount{}) {
			delete(c.told, of)
		} else {
			news[of] = amount{} // nothing depends on it any more
		}
	}
	for of, n := range usage {
		if was, ok := c.told[of]; !ok || was != n {
			news[of] = n
		}
	}
	return news
}

// tell notes that something was told.
func (c *census) tell(of wrappedData, n amount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told[of] = n
}

// countUsage adds what a key of a bucket seals. The provider's own root key is not counted.
func (s *Service) countUsage(ctx context.Context, b *Bucket, instance crn.CRN, k BucketKey, usage map[wrappedData]amount) error {
	if k.Root == (crn.CRN{}) {
		return nil
	}
	objects, bytes, err := s.Store.KeyUsage(ctx, b.ID, k.ID)
	if err != nil {
		return fmt.Errorf("counting what a key of bucket %q seals: %w", b.Name, err)
	}
	of := wrappedData{instance, k.Root, k.Wrapped.Version}
	n := usage[of]
	usage[of] = amount{n.objects + objects, n.bytes + bytes}
	return nil
}

// tellUsage reports what is not as it was told before. What cannot be told now is told later.
func (s *Service) tellUsage(ctx context.Context, usage map[wrappedData]amount) {
	for of, n := range s.census.news(usage) {
		if err := s.tellOf(ctx, of, n); err != nil && passes(err) {
			s.Logger.WarnContext(ctx, "the key service does not know yet what depends on a root key", "root", of.root, "error", err)
		}
	}
}

func (s *Service) tellOf(ctx context.Context, of wrappedData, n amount) error {
	if err := s.RootKeys.Report(ctx, of.instance, of.root, of.version, n.objects, n.bytes); err != nil {
		return err
	}
	s.census.tell(of, n)
	return nil
}

// tellRoot reports what depends on each version of a root key in the instance of a bucket, and that
// nothing depends on a version that was left, unless something does. The provider's is not told.
func (s *Service) tellRoot(ctx context.Context, b *Bucket, root crn.CRN, left string) error {
	if root == (crn.CRN{}) {
		return nil
	}
	instance, err := s.instance(ctx, b)
	if err != nil {
		return err
	}
	buckets, err := s.Store.Buckets(ctx, ListBuckets{Instance: b.Instance})
	if err != nil {
		return fmt.Errorf("reading the buckets of instance %s: %w", b.Instance, err)
	}
	usage := map[wrappedData]amount{{instance, root, left}: {}}
	for i := range buckets {
		keys, err := s.Store.BucketKeys(ctx, buckets[i].ID)
		if err != nil {
			return fmt.Errorf("reading the keys of bucket %q: %w", buckets[i].Name, err)
		}
		for _, k := range keys {
			if k.Root != root {
				continue
			}
			if err := s.countUsage(ctx, &buckets[i], instance, k, usage); err != nil {
				return err
			}
		}
	}
	for of, n := range usage {
		if err := s.tellOf(ctx, of, n); err != nil {
			return err
		}
	}
	return nil
}
