package dispersal_test

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"testing"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/objects"
)

var (
	errNoBlob = fault.New(fault.NotFound, "there is no such blob")
	errStale  = fault.New(fault.Stale, "the blob was changed")
	errTwice  = fault.New(fault.Conflict, "it is there already")
)

// catalog is an objects.BlobCatalog and objects.NodeStore in memory, which complains about misuse.
type catalog struct {
	t     *testing.T
	mu    sync.Mutex
	blobs map[objects.BlobID]objects.Blob
	nodes []objects.Node
	// beforeMove is called before a blob is moved, if it is not nil.
	beforeMove func()
}

func newCatalog(t *testing.T) *catalog {
	return &catalog{t: t, blobs: map[objects.BlobID]objects.Blob{}}
}

func clone(b objects.Blob) objects.Blob {
	b.Nodes = slices.Clone(b.Nodes)
	return b
}

func (c *catalog) ReserveBlob(_ context.Context, b objects.Blob) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.blobs[b.ID]; ok {
		return errTwice
	}
	if b.State != objects.BlobWriting || len(b.Nodes) != b.Total || b.Server == "" || b.Created.IsZero() || b.Size != 0 {
		c.t.Errorf("a blob is reserved as %+v", b)
	}
	b.Revision = 1
	c.blobs[b.ID] = clone(b)
	return nil
}

// commit makes a finished blob live, as the commit of an object does.
func (c *catalog) commit(b objects.Blob) objects.Blob {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.blobs[b.ID]
	if was.State != objects.BlobWriting || b.State != objects.BlobLive || b.Size == 0 {
		c.t.Errorf("a blob in state %d is committed as %+v", was.State, b)
	}
	b.Revision = was.Revision + 1
	c.blobs[b.ID] = clone(b)
	return b
}

// kill makes a blob dead, as the removal of an object does.
func (c *catalog) kill(id objects.BlobID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.blobs[id]
	b.State = objects.BlobDead
	b.Revision++
	c.blobs[id] = b
}

func (c *catalog) AbandonBlob(_ context.Context, id objects.BlobID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.blobs[id]; b.State == objects.BlobWriting {
		b.State = objects.BlobDead
		b.Revision++
		c.blobs[id] = b
	}
	return nil
}

func (c *catalog) AbandonWritten(_ context.Context, server string) (count int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, b := range c.blobs {
		if b.State == objects.BlobWriting && b.Server == server {
			b.State = objects.BlobDead
			c.blobs[id] = b
			count++
		}
	}
	return count, nil
}

func (c *catalog) Blob(_ context.Context, id objects.BlobID) (objects.Blob, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.blobs[id]
	if !ok {
		return b, errNoBlob
	}
	return clone(b), nil
}

func (c *catalog) sorted(keep func(objects.Blob) bool) (found []objects.Blob) {
	for _, b := range c.blobs {
		if keep(b) {
			found = append(found, clone(b))
		}
	}
	slices.SortFunc(found, func(a, b objects.Blob) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return found
}

func (c *catalog) BlobsAfter(_ context.Context, state objects.BlobState, after objects.BlobID, limit int) ([]objects.Blob, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.sorted(func(b objects.Blob) bool { return b.State == state && bytes.Compare(b.ID[:], after[:]) > 0 })
	return found[:min(limit, len(found))], nil
}

func (c *catalog) Incomplete(_ context.Context, limit int) ([]objects.Blob, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.sorted(func(b objects.Blob) bool { return b.State == objects.BlobLive && b.Missing != 0 })
	spare := func(b objects.Blob) int { return b.Total - bits.OnesCount64(b.Missing) - b.Data }
	slices.SortStableFunc(found, func(a, b objects.Blob) int { return cmp.Compare(spare(a), spare(b)) })
	return found[:min(limit, len(found))], nil
}

func (c *catalog) MarkMissing(_ context.Context, id objects.BlobID, marked map[int]objects.NodeID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.blobs[id]
	if !ok {
		return errNoBlob
	}
	for i, n := range marked {
		if i >= b.Total {
			c.t.Errorf("slice %d of %d is marked", i, b.Total)
		} else if b.Nodes[i] == n {
			b.Missing |= 1 << i
		}
	}
	b.Revision++
	c.blobs[id] = b
	return nil
}

func (c *catalog) MoveBlob(_ context.Context, b objects.Blob) error {
	if c.beforeMove != nil {
		c.beforeMove()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was, ok := c.blobs[b.ID]
	if !ok || was.State != objects.BlobLive || was.Revision != b.Revision {
		return errStale
	}
	if len(b.Nodes) != was.Total {
		c.t.Errorf("a blob of %d slices moves to %d nodes", was.Total, len(b.Nodes))
	}
	seen := map[objects.NodeID]int{}
	for _, n := range b.Nodes {
		if seen[n]++; seen[n] > 1 && n != "" {
			c.t.Errorf("two slices of a blob on one node: %v", b.Nodes)
		}
	}
	was.Nodes, was.Missing = slices.Clone(b.Nodes), b.Missing
	was.Revision++
	c.blobs[b.ID] = was
	return nil
}

func (c *catalog) DropBlob(_ context.Context, id objects.BlobID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.blobs[id]; !ok || b.State != objects.BlobDead {
		c.t.Errorf("blob %s is dropped in state %d", id, b.State)
	}
	delete(c.blobs, id)
	return nil
}

func (c *catalog) CountBlobs(context.Context) (blobs, size int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.blobs {
		if b.State == objects.BlobLive {
			blobs++
			size += b.Size
		}
	}
	return blobs, size, nil
}

// count returns how many blobs there are, in any state.
func (c *catalog) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(maps.Clone(c.blobs))
}

func (c *catalog) Nodes(context.Context) ([]objects.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes), nil
}

func (c *catalog) AddNode(_ context.Context, n objects.Node, _ *audit.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.Revision = 1
	c.nodes = append(c.nodes, n)
	return nil
}

func (c *catalog) UpdateNode(_ context.Context, n objects.Node, _ *audit.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.nodes, func(o objects.Node) bool { return o.ID == n.ID })
	if i < 0 || c.nodes[i].Revision != n.Revision {
		return errStale
	}
	n.Revision++
	c.nodes[i] = n
	return nil
}
