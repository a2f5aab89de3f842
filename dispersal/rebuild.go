package dispersal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"strongroom/fault"
	"strongroom/objects"
)

// Rebuild restores what is missing, and empties nodes that are drained or lost, until ctx ends. It looks
// when it is woken and every now and then; what cannot be restored now, as a node is away and no other
// can take its slices, is tried again.
func (c *Cluster) Rebuild(ctx context.Context) error { return c.upkeep(ctx, c.rebuildAlways) }

func (c *Cluster) rebuildAlways(ctx context.Context) error {
	limit := &pace{rate: c.Upkeep.RebuildRate, now: c.Now}
	for {
		if err := c.rebuildAll(ctx, limit); err != nil && ctx.Err() == nil {
			return fmt.Errorf("rebuilding slices: %w", err)
		}
		if !await(ctx, c.rebuild, c.Upkeep.Every) {
			return nil
		}
	}
}

// rebuildAll restores the blobs that have lost most first. It looks at all blobs where the catalog cannot
// say which are concerned: when nodes are to be emptied, or so many blobs cannot be restored that they
// hide the others.
func (c *Cluster) rebuildAll(ctx context.Context, limit *pace) error {
	leaving := c.leaving()
	for {
		blobs, err := c.Catalog.Incomplete(ctx, page)
		if err != nil {
			return err
		}
		var restored atomic.Int64
		err = together(ctx, blobs, func(ctx context.Context, b objects.Blob) error {
			n, err := c.restore(ctx, b, limit)
			restored.Add(int64(n))
			return err
		})
		switch {
		case err != nil:
			return err
		case len(blobs) == page && restored.Load() > 0:
			continue
		case len(blobs) == page || len(leaving) > 0:
			return c.empty(ctx, leaving, limit)
		}
		return nil
	}
}

// restore rebuilds the slices of a blob that are missing, or on nodes that are leaving. It returns how
// many it rebuilt; what it cannot do now is no error.
func (c *Cluster) restore(ctx context.Context, b objects.Blob, limit *pace) (int, error) {
	targets := c.homes(b)
	if len(targets) == 0 || !c.claimed.take(b.ID) {
		return 0, nil
	}
	defer c.claimed.release(b.ID)
	made, err := c.remake(ctx, b, targets, limit)
	if err != nil {
		c.Logger.Warn("a blob cannot be rebuilt now", "blob", b.ID, "error", err)
		return 0, ctx.Err()
	}
	if err := c.move(ctx, b, made); err != nil {
		return 0, err
	}
	c.progress.repaired(len(made))
	return len(made), nil
}

// homes says where the slices of b that are to be rebuilt can go: to the node they are on if it works,
// or to one that has none of b. Those that can go nowhere now are left out.
func (c *Cluster) homes(b objects.Blob) map[int]*node {
	homes := map[int]*node{}
	var homeless []int
	used := map[string]int{}
	for i, id := range b.Nodes {
		n := c.node(id)
		missing := b.Missing>>i&1 == 1
		switch stays := n != nil && n.State == objects.NodeActive; {
		case stays && !missing:
			used[n.Site]++
		case stays && c.fit(n):
			used[n.Site]++
			homes[i] = n
		case n == nil && !missing && !c.forgotten(id):
			// Its node is not known here yet, or cannot be opened: the slice may be good.
		default:
			homeless = append(homeless, i)
		}
	}
	if len(homeless) == 0 {
		return homes
	}
	var free []candidate
	byID := map[objects.NodeID]*node{}
	for _, n := range c.all() {
		if n.State == objects.NodeActive && c.fit(n) && !slices.Contains(b.Nodes, n.ID) {
			free = append(free, n.candidate())
			byID[n.ID] = n
		}
	}
	for j, id := range place(b.ID, free, len(homeless), used) {
		homes[homeless[j]] = byID[id]
	}
	return homes
}

// remake reads b and writes the slices of the targets. It returns those that became durable.
func (c *Cluster) remake(ctx context.Context, b objects.Blob, targets map[int]*node, limit *pace) (map[int]*node, error) {
	source, err := c.Read(ctx, b)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	coder, err := c.coder(b)
	if err != nil {
		return nil, err
	}
	w := &writer{
		c: c, ctx: ctx, profile: objects.Profile{Write: 1}, blob: b, coder: coder, began: c.Now(),
		ended: make(chan *slot, len(targets)),
	}
	var only []int
	for i, n := range targets {
		w.slots = append(w.slots, w.start(i, n))
		only = append(only, i)
	}
	defer func() {
		for _, s := range w.slots {
			s.cancel()
		}
	}()
	var sealed []byte
	for i := range coder.Segments() {
		if err := limit.wait(ctx, int64(len(only)*shardSize(coder.sealed(i), b.Data))); err != nil {
			return nil, err
		}
		if sealed, err = source.Segment(ctx, i, sealed[:0]); err != nil {
			return nil, err
		}
		st, err := coder.encode(i, sealed, only)
		if err != nil {
			return nil, err
		}
		err = w.hand(ctx, st)
		st.release()
		if err != nil {
			return nil, err
		}
	}
	for _, s := range w.slots {
		close(s.queue)
	}
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	made := map[int]*node{}
	for _, s := range w.slots {
		if s.failed() == nil {
			made[s.name.Index] = s.node
		}
	}
	return made, nil
}

// move records where slices were rebuilt, and removes those that they replace elsewhere.
func (c *Cluster) move(ctx context.Context, b objects.Blob, made map[int]*node) error {
	to := b
	to.Nodes = slices.Clone(b.Nodes)
	var old uint64
	for i, n := range made {
		if to.Nodes[i] != n.ID {
			old |= 1 << i
		}
		to.Nodes[i] = n.ID
		to.Missing &^= 1 << i
	}
	err := c.Catalog.MoveBlob(ctx, to)
	if err != nil && fault.KindOf(err) != fault.Stale && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err != nil {
		return c.moved(ctx, b, made)
	}
	if err := c.removeSlices(ctx, b, old); err != nil {
		// They are orphans now, and found as such.
		c.Logger.Debug("replaced slices stay for now", "blob", b.ID, "error", err)
	}
	return nil
}

// moved tries again when somebody else changed the blob meanwhile, as who marked further slices. If it
// has died, or its slices were moved, what was rebuilt is removed.
func (c *Cluster) moved(ctx context.Context, b objects.Blob, made map[int]*node) error {
	now, err := c.Catalog.Blob(ctx, b.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err == nil && now.State == objects.BlobLive && slices.Equal(now.Nodes, b.Nodes) && now.Revision != b.Revision {
		return c.move(ctx, now, made)
	}
	var errs []error
	for i, n := range made {
		if err == nil && i < len(now.Nodes) && now.Nodes[i] == n.ID && now.State == objects.BlobLive {
			continue // somebody else rebuilt it in the same place: it is the same slice
		}
		errs = append(errs, c.remove(ctx, n, SliceName{b.ID, i}))
	}
	if err := errors.Join(errs...); err != nil {
		c.Logger.Debug("slices that are not needed stay for now", "blob", b.ID, "error", err)
	}
	return nil
}
