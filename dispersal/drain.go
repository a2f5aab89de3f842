package dispersal

import (
	"context"
	"fmt"
	"sync"

	"strongroom/fault"
	"strongroom/objects"
)

// emptied remembers which lost nodes have no slices left in the catalog: none come back, so that they
// need not be looked for again.
type emptied struct {
	mu    sync.Mutex
	nodes map[objects.NodeID]bool
}

// leaving returns the nodes that are to be emptied: those that are drained, and those that were lost.
func (c *Cluster) leaving() map[objects.NodeID]objects.Node {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.emptied.mu.Lock()
	defer c.emptied.mu.Unlock()
	leaving := map[objects.NodeID]objects.Node{}
	for _, n := range c.known {
		if n.State == objects.NodeDraining || n.State == objects.NodeLost && !c.emptied.nodes[n.ID] {
			leaving[n.ID] = n
		}
	}
	return leaving
}

// empty looks at all blobs, rebuilds what is missing or on a node that is leaving, and retires the nodes
// on which nothing is left. Nothing new comes to them, and blobs go from one state to the next in the
// order in which the states are looked at, so that none is overlooked.
func (c *Cluster) empty(ctx context.Context, leaving map[objects.NodeID]objects.Node, limit *pace) error {
	var mu sync.Mutex
	still := map[objects.NodeID]bool{}
	note := func(b objects.Blob) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range b.Nodes {
			still[id] = true
		}
	}
	if err := c.walk(ctx, objects.BlobWriting, func(_ context.Context, b objects.Blob) error {
		note(b)
		return nil
	}); err != nil {
		return err
	}
	err := c.walk(ctx, objects.BlobLive, func(ctx context.Context, b objects.Blob) error {
		if _, err := c.restore(ctx, b, limit); err != nil {
			return err
		}
		if !onAny(b, leaving) {
			return nil
		}
		now, err := c.Catalog.Blob(ctx, b.ID)
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		if err == nil {
			note(now)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := c.walk(ctx, objects.BlobDead, func(_ context.Context, b objects.Blob) error {
		note(b)
		return nil
	}); err != nil {
		return err
	}
	for id, n := range leaving {
		if still[id] {
			continue
		}
		if err := c.retire(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func onAny(b objects.Blob, nodes map[objects.NodeID]objects.Node) bool {
	for _, id := range b.Nodes {
		if _, ok := nodes[id]; ok {
			return true
		}
	}
	return false
}

// retire notes that a node is empty: one that was drained is not used any more.
func (c *Cluster) retire(ctx context.Context, n objects.Node) error {
	if n.State == objects.NodeLost {
		c.emptied.mu.Lock()
		defer c.emptied.mu.Unlock()
		if c.emptied.nodes == nil {
			c.emptied.nodes = map[objects.NodeID]bool{}
		}
		c.emptied.nodes[n.ID] = true
		return nil
	}
	n.State = objects.NodeRemoved
	if err := c.Nodes.UpdateNode(ctx, n, nil); err != nil {
		if fault.KindOf(err) == fault.Stale {
			return nil // it was changed meanwhile, and is looked at again
		}
		return fmt.Errorf("retiring storage node %s: %w", n.Name, err)
	}
	c.Logger.Info("storage node is empty and not used any more", "node", n.Name)
	return c.Reload(ctx)
}
