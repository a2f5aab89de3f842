package dispersal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"strongroom/fault"
	"strongroom/objects"
)

// progress is how far the scrubber is.
type progress struct {
	mu    sync.Mutex
	scrub objects.Scrub
}

func (p *progress) update(f func(*objects.Scrub)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.scrub)
}

func (p *progress) repaired(slices int) {
	p.update(func(s *objects.Scrub) { s.Repaired += int64(slices) })
}

func (p *progress) get() objects.Scrub {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scrub
}

// Scrub verifies all slices, round after round, until ctx ends: it reads every block that should be good,
// reports those that are not, and removes files that belong to no blob.
func (c *Cluster) Scrub(ctx context.Context) error { return c.upkeep(ctx, c.scrubAlways) }

func (c *Cluster) scrubAlways(ctx context.Context) error {
	limit := &pace{rate: c.Upkeep.ScrubRate, now: c.Now}
	for {
		began := c.Now()
		if err := c.scrubRound(ctx, limit); err != nil && ctx.Err() == nil {
			return fmt.Errorf("verifying slices: %w", err)
		}
		if pause(ctx, c.Upkeep.ScrubEvery-c.Now().Sub(began)) != nil {
			return nil
		}
	}
}

// scrubRound goes once through all blobs, from a random place on: if servers are restarted before a round
// ends, no blob is last each time.
func (c *Cluster) scrubRound(ctx context.Context, limit *pace) error {
	c.progress.update(func(s *objects.Scrub) { s.Started, s.Slices, s.Bad = c.Now(), 0, 0 })
	from := objects.NewBlobID()
	scrub := func(ctx context.Context, b objects.Blob) error { return c.scrubBlob(ctx, b, limit) }
	if err := c.walkFrom(ctx, objects.BlobLive, from, lastBlob, scrub); err != nil {
		return err
	}
	if err := c.walkFrom(ctx, objects.BlobLive, objects.BlobID{}, from, scrub); err != nil {
		return err
	}
	for _, n := range c.all() {
		if n.store == nil {
			continue
		}
		if err := c.removeOrphans(ctx, n); err != nil && ctx.Err() == nil {
			c.Logger.Warn("looking for files without a blob", "node", n.Name, "error", err)
		}
	}
	c.progress.update(func(s *objects.Scrub) { s.Finished = c.Now() })
	return ctx.Err()
}

// scrubBlob verifies the slices of a blob that should be good and can be reached.
func (c *Cluster) scrubBlob(ctx context.Context, b objects.Blob, limit *pace) error {
	coder, err := c.coder(b)
	if err != nil {
		return fmt.Errorf("blob %s: %w", b.ID, err)
	}
	bad := map[int]objects.NodeID{}
	for i, id := range b.Nodes {
		if b.Missing>>i&1 == 0 && c.forgotten(id) {
			bad[i] = id // a write that was under way when the node was given up
			continue
		}
		n := c.node(id)
		if n == nil || b.Missing>>i&1 == 1 || n.reads.open(c.Now()) {
			continue
		}
		err := c.verifySlice(ctx, coder, i, n, limit)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || errors.Is(err, errBadSlice) {
			c.progress.update(func(s *objects.Scrub) { s.Slices++ })
		}
		if errors.Is(err, errBadSlice) {
			c.Logger.Warn("a slice is missing or damaged", "blob", b.ID, "slice", i, "node", n.Name, "error", err)
			bad[i] = id
		}
	}
	if len(bad) == 0 {
		return nil
	}
	// A blob that died meanwhile loses its slices as it should.
	if now, err := c.Catalog.Blob(ctx, b.ID); fault.KindOf(err) == fault.NotFound || err == nil && now.State != objects.BlobLive {
		return nil
	}
	if err := c.Catalog.MarkMissing(ctx, b.ID, bad); err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	c.progress.update(func(s *objects.Scrub) { s.Bad += int64(len(bad)) })
	wake(c.rebuild)
	return nil
}

// verifySlice reads a whole slice. It fails with errBadSlice if it is not good, and otherwise if that
// could not be found out.
func (c *Cluster) verifySlice(ctx context.Context, coder *coder, i int, n *node, limit *pace) error {
	name := SliceName{coder.ID, i}
	for segment := range coder.Segments() {
		if err := limit.wait(ctx, int64(overhead+coder.header(i, segment).payload())); err != nil {
			return err
		}
		if err := c.verifyBlock(ctx, coder, n, name, segment); err != nil {
			return err
		}
	}
	return nil
}

// verifyBlock reads and verifies one block, and notes whether the node works.
func (c *Cluster) verifyBlock(ctx context.Context, coder *coder, n *node, name SliceName, segment int64) error {
	limit, cancel := context.WithTimeout(ctx, c.Timing.Read)
	defer cancel()
	h := coder.header(name.Index, segment)
	block, err := bounded(limit, n.device, func(ctx context.Context) ([]byte, error) {
		block := c.block(overhead + h.payload())
		return block, n.store.ReadAt(ctx, name, block, coder.offset(segment))
	})
	switch {
	case err == nil:
		_, err = coder.key.verify(block, h)
		c.blocks.Put(&block)
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", errBadSlice, err)
	case ctx.Err() == nil:
		n.reads.fail(c.Now())
	}
	return err
}

// removeOrphans removes files that are older than any write and belong to no blob, or not on this node.
func (c *Cluster) removeOrphans(ctx context.Context, n *node) error {
	before := c.Now().Add(-c.Upkeep.OrphanAge)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(c.Timing.Probe, cancel)
	defer idle.Stop()
	_, err := bounded(ctx, n.device, func(ctx context.Context) (struct{}, error) {
		if err := n.store.Sweep(ctx, before); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, n.store.List(ctx, func(f SliceInfo) error {
			idle.Reset(c.Timing.Probe)
			if !f.Modified.Before(before) || !c.claimed.take(f.Name.Blob) {
				return ctx.Err()
			}
			defer c.claimed.release(f.Name.Blob)
			b, err := c.Catalog.Blob(ctx, f.Name.Blob)
			switch {
			case err != nil && fault.KindOf(err) != fault.NotFound:
				return err
			case err == nil && f.Name.Index < len(b.Nodes) && b.Nodes[f.Name.Index] == n.ID:
				return nil
			}
			c.Logger.Info("removing a file that belongs to no blob", "node", n.Name, "file", f.Name)
			return n.store.Remove(ctx, f.Name)
		})
	})
	return err
}
