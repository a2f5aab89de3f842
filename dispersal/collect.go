package dispersal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/sync/errgroup"

	"strongroom/objects"
)

// page is how many blobs are taken from the catalog at once, and atOnce how many of them are worked on
// at the same time.
const (
	page   = 500
	atOnce = 4
)

// Collect removes the slices of dead blobs, and then their rows, until ctx ends. It looks when it is
// woken and every now and then: blobs whose nodes cannot be reached stay until they can.
func (c *Cluster) Collect(ctx context.Context) error { return c.upkeep(ctx, c.collectAlways) }

func (c *Cluster) collectAlways(ctx context.Context) error {
	for {
		if err := c.collectDead(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("collecting dead blobs: %w", err)
		}
		if !await(ctx, c.collect, c.Upkeep.Every) {
			return nil
		}
	}
}

func (c *Cluster) collectDead(ctx context.Context) error {
	return c.walk(ctx, objects.BlobDead, func(ctx context.Context, b objects.Blob) error {
		if c.reading.has(b.ID) {
			return nil // until it is closed; a later look finds it
		}
		every := uint64(1)<<(b.Total-1)<<1 - 1
		if err := c.removeSlices(ctx, b, every); err != nil {
			c.Logger.Debug("slices of a dead blob stay for now", "blob", b.ID, "error", err)
			return ctx.Err()
		}
		return c.Catalog.DropBlob(ctx, b.ID)
	})
}

// removeSlices removes the slices of b whose bits are set. What a lost or removed node has does not
// matter.
func (c *Cluster) removeSlices(ctx context.Context, b objects.Blob, which uint64) error {
	var errs []error
	for ; which != 0; which &= which - 1 {
		i := bits.TrailingZeros64(which)
		if c.forgotten(b.Nodes[i]) {
			continue
		}
		n := c.node(b.Nodes[i])
		if n == nil || n.reads.open(c.Now()) {
			errs = append(errs, fmt.Errorf("node %s cannot be reached", b.Nodes[i]))
			continue
		}
		if err := c.remove(ctx, n, SliceName{b.ID, i}); err != nil {
			errs = append(errs, fmt.Errorf("node %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}

// remove removes a slice, and notes whether the node works.
func (c *Cluster) remove(ctx context.Context, n *node, name SliceName) error {
	limit, cancel := context.WithTimeout(ctx, c.Timing.Probe)
	defer cancel()
	_, err := bounded(limit, n.device, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, n.store.Remove(ctx, name)
	})
	if err != nil && ctx.Err() == nil {
		n.reads.fail(c.Now())
	}
	return err
}

// forgotten says that nothing is expected on a node any more.
func (c *Cluster) forgotten(id objects.NodeID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, n := range c.known {
		if n.ID == id {
			return n.State == objects.NodeLost || n.State == objects.NodeRemoved
		}
	}
	return id == "" // a node that is not listed may be one that was just added
}

// walk calls f with every blob of a state, some at the same time.
func (c *Cluster) walk(ctx context.Context, state objects.BlobState, f func(context.Context, objects.Blob) error) error {
	return c.walkFrom(ctx, state, objects.BlobID{}, lastBlob, f)
}

// lastBlob is the ID after which there is none.
var lastBlob = objects.BlobID(bytes.Repeat([]byte{0xff}, len(objects.BlobID{})))

// walkFrom calls f with every blob of a state whose ID is above after and not above until.
func (c *Cluster) walkFrom(ctx context.Context, state objects.BlobState, after, until objects.BlobID, f func(context.Context, objects.Blob) error) error {
	for {
		blobs, err := c.Catalog.BlobsAfter(ctx, state, after, page)
		if err != nil {
			return err
		}
		full := len(blobs) == page
		blobs = slices.DeleteFunc(blobs, func(b objects.Blob) bool { return bytes.Compare(b.ID[:], until[:]) > 0 })
		if len(blobs) == 0 {
			return nil
		}
		if err := together(ctx, blobs, f); err != nil {
			return err
		}
		if !full {
			return nil
		}
		after = blobs[len(blobs)-1].ID
	}
}

// together calls f with each blob, some at the same time.
func together(ctx context.Context, blobs []objects.Blob, f func(context.Context, objects.Blob) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, b := range blobs {
		g.Go(func() error { return f(ctx, b) })
	}
	return g.Wait()
}

// abandon gives up what this server was writing when it ended.
func (c *Cluster) abandon(ctx context.Context) error {
	count, err := c.Catalog.AbandonWritten(ctx, c.Server)
	if err != nil {
		return fmt.Errorf("giving up unfinished blobs: %w", err)
	}
	if count > 0 {
		c.Logger.Info("gave up blobs that were not finished", "count", count)
	}
	return nil
}
