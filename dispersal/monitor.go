package dispersal

import (
	"context"
	"sync"
	"time"
)

// Monitor tests the nodes, measures what is free on them, and reads their list again, until ctx ends.
// When a node comes back, what waited for it goes on.
func (c *Cluster) Monitor(ctx context.Context) error {
	for {
		if err := c.Reload(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		c.test(ctx, c.all())
		if pause(ctx, c.Upkeep.Monitor) != nil {
			return nil
		}
	}
}

// condition is what the last test of a node said.
type condition struct {
	mu      sync.Mutex
	checked time.Time
	err     error
}

func (d *condition) set(now time.Time, err error) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed = (d.err == nil) != (err == nil) && !d.checked.IsZero()
	d.checked, d.err = now, err
	return changed
}

func (d *condition) get() (checked time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.checked, d.err
}

// test tests nodes at the same time.
func (c *Cluster) test(ctx context.Context, nodes []*node) {
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() { c.testNode(ctx, n) })
	}
	all.Wait()
}

// testNode tests a node, unless its last test hangs.
func (c *Cluster) testNode(ctx context.Context, n *node) {
	err := n.failure
	if n.store != nil {
		err = c.measure(ctx, n)
	}
	if ctx.Err() != nil {
		return
	}
	now := c.Now()
	changed := n.condition.set(now, err)
	switch {
	case err != nil:
		n.reads.fail(now)
		n.writes.fail(now)
		if changed {
			c.Logger.Error("storage node cannot be reached", "node", n.Name, "error", err)
		}
	default:
		n.reads.good()
		n.writes.good()
		if changed {
			c.Logger.Info("storage node can be reached again", "node", n.Name)
			wake(c.rebuild)
			wake(c.collect)
		}
	}
}

// measure asks a node for its space.
func (c *Cluster) measure(ctx context.Context, n *node) error {
	if !n.testing.CompareAndSwap(false, true) {
		return errHung
	}
	limit, cancel := context.WithTimeoutCause(ctx, c.Timing.Read, errHung)
	defer cancel()
	_, err := bounded(limit, n.device, func(ctx context.Context) (struct{}, error) {
		defer n.testing.Store(false)
		capacity, free, err := n.store.Space(ctx)
		if err == nil {
			n.capacity.Store(capacity)
			n.free.Store(free)
			if capacity == 0 {
				n.free.Store(-1)
			}
		}
		return struct{}{}, err
	})
	if err != nil && limit.Err() != nil {
		return context.Cause(limit)
	}
	return err
}
