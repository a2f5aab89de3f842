package dispersal

import (
	"context"
	"errors"
	"fmt"

	"strongroom/objects"
)

// Probe implements objects.Cluster. It gives a new node its mark, so n has its ID already. A store that
// is another node's is refused, unless nobody needs it: that node is not known or was removed, and no
// slice is left there.
func (c *Cluster) Probe(ctx context.Context, n objects.Node) error {
	if n.ID == "" {
		return objects.ErrNode.On("id", "it has none")
	}
	store, err := c.Open(ctx, n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timing.Probe, errHung)
	defer cancel()
	_, err = bounded(ctx, &device{}, func(ctx context.Context) (struct{}, error) {
		defer store.Close()
		if err := c.claim(ctx, store, n); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, try(ctx, store)
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// claim marks the store of n, unless it is that of another node.
func (c *Cluster) claim(ctx context.Context, store SliceStore, n objects.Node) error {
	owner, err := store.Owner(ctx)
	if err != nil || owner == n.ID {
		return err
	}
	if owner != "" {
		if err := c.vacant(ctx, n, owner); err != nil {
			return err
		}
	}
	return store.Mark(ctx, n.ID)
}

// vacant fails if the owner of the store of n needs it still.
func (c *Cluster) vacant(ctx context.Context, n objects.Node, owner objects.NodeID) error {
	if c.state(owner) != objects.NodeRemoved {
		return fmt.Errorf("%w: it is that of node %s", ErrAway, owner)
	}
	n.ID = owner // as whom it can be listed
	store, err := c.Open(ctx, n)
	if err != nil {
		return err
	}
	defer store.Close()
	return store.List(ctx, func(SliceInfo) error { return errOccupied })
}

// errOccupied says that a store was used by a node and has slices still.
var errOccupied = errors.New("it has slices of a node that was removed")

// state returns the state of a node; one that is not known counts as removed.
func (c *Cluster) state(id objects.NodeID) objects.NodeState {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, n := range c.known {
		if n.ID == id {
			return n.State
		}
	}
	return objects.NodeRemoved
}

// try writes, reads and removes a file.
func try(ctx context.Context, store SliceStore) error {
	name := SliceName{Blob: objects.NewBlobID()}
	w, err := store.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(name.Blob[:]); err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	var got objects.BlobID
	if err := store.ReadAt(ctx, name, got[:], 0); err != nil {
		return err
	}
	if got != name.Blob {
		return errors.New("it gave back other bytes than were written")
	}
	return store.Remove(ctx, name)
}
