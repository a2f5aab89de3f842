package dispersal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"sync"
	"time"

	"strongroom/objects"
)

// countedFor is how long a count of all blobs is shown before they are counted again.
const countedFor = time.Minute

// counted is the last count of all blobs.
type counted struct {
	mu     sync.Mutex // held while counting: who asks meanwhile gets the same count
	at     time.Time
	up     map[objects.NodeID]bool // nodes that could be reached at that time
	health objects.Health
	nodes  map[objects.NodeID]objects.NodeStatus // counts alone
}

// Status implements objects.Cluster. Blobs are counted at most once a minute, and again when a node has
// come or gone.
func (c *Cluster) Status(ctx context.Context) ([]objects.NodeStatus, objects.Health, error) {
	var stale []*node
	for _, n := range c.all() {
		if checked, _ := n.condition.get(); c.Now().Sub(checked) > 2*c.Upkeep.Monitor {
			stale = append(stale, n)
		}
	}
	c.test(ctx, stale)
	up := map[objects.NodeID]bool{}
	var states []objects.NodeStatus
	c.mu.RLock()
	for _, n := range c.known {
		s := objects.NodeStatus{Node: n}
		if in := c.nodes[n.ID]; in != nil {
			in.describe(&s)
			up[n.ID] = s.Reachable
		}
		states = append(states, s)
	}
	c.mu.RUnlock()
	health, nodes, err := c.count(ctx, up)
	if err != nil {
		return nil, objects.Health{}, fmt.Errorf("counting blobs: %w", err)
	}
	for i := range states {
		n := nodes[states[i].ID]
		states[i].Slices, states[i].Bytes, states[i].Missing = n.Slices, n.Bytes, n.Missing
	}
	health.Scrub = c.progress.get()
	return states, health, nil
}

// describe fills in what is known of a node without counting.
func (n *node) describe(s *objects.NodeStatus) {
	checked, err := n.condition.get()
	s.Checked, s.Reachable = checked, err == nil && !checked.IsZero()
	if err != nil {
		s.Failure = err.Error()
	}
	s.Capacity, s.Free = n.capacity.Load(), max(n.free.Load(), 0)
}

// count returns the counts of all blobs, given which nodes can be reached.
func (c *Cluster) count(ctx context.Context, up map[objects.NodeID]bool) (objects.Health, map[objects.NodeID]objects.NodeStatus, error) {
	k := &c.counted
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.at.IsZero() && c.Now().Sub(k.at) < countedFor && maps.Equal(k.up, up) {
		return k.health, k.nodes, nil
	}
	var mu sync.Mutex
	h := objects.Health{Checked: c.Now()}
	nodes := map[objects.NodeID]objects.NodeStatus{}
	err := c.walk(ctx, objects.BlobLive, func(_ context.Context, b objects.Blob) error {
		mu.Lock()
		defer mu.Unlock()
		countBlob(&h, nodes, b, up)
		return nil
	})
	if err != nil {
		return h, nil, err
	}
	err = c.walk(ctx, objects.BlobDead, func(context.Context, objects.Blob) error {
		mu.Lock()
		defer mu.Unlock()
		h.Dead++
		return nil
	})
	if err != nil {
		return h, nil, err
	}
	k.at, k.up, k.health, k.nodes = h.Checked, up, h, nodes
	return h, nodes, nil
}

// countBlob adds a blob to the counts.
func countBlob(h *objects.Health, nodes map[objects.NodeID]objects.NodeStatus, b objects.Blob, up map[objects.NodeID]bool) {
	good := 0
	for i, id := range b.Nodes {
		missing := int64(b.Missing >> i & 1)
		if missing == 0 && up[id] {
			good++
		}
		n := nodes[id]
		n.Slices++
		n.Missing += missing
		n.Bytes += (1 - missing) * layout{b}.sliceSize()
		nodes[id] = n
	}
	h.Blobs++
	h.Bytes += b.Size
	switch {
	case good == b.Total:
		h.Whole++
	case good > b.Data:
		h.Reduced++
	case good == b.Data:
		h.AtRisk++
	default:
		h.Lost++
	}
}

// Map implements objects.Cluster.
func (c *Cluster) Map(ctx context.Context, b objects.Blob) ([]objects.SlicePlace, error) {
	if len(b.Nodes) != b.Total {
		return nil, fmt.Errorf("blob %s has %d places for %d slices", b.ID, len(b.Nodes), b.Total)
	}
	coder, err := c.coder(b)
	if err != nil {
		return nil, err
	}
	unlimited := &pace{rate: math.MaxInt64, now: c.Now}
	places := make([]objects.SlicePlace, b.Total)
	var all sync.WaitGroup
	for i, id := range b.Nodes {
		p := &places[i]
		*p = c.place(i, id)
		n := c.node(id)
		if n == nil {
			p.Fault = "the node is not in use"
			continue
		}
		all.Go(func() {
			err := c.verifySlice(ctx, coder, i, n, unlimited)
			p.Good, p.Fault = err == nil, faultOf(err, b.Missing>>i&1 == 1)
		})
	}
	all.Wait()
	return places, ctx.Err()
}

// place describes where slice i should be.
func (c *Cluster) place(i int, id objects.NodeID) objects.SlicePlace {
	p := objects.SlicePlace{Index: i, Node: id}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, n := range c.known {
		if n.ID == id {
			p.Name, p.Site = n.Name, n.Site
		}
	}
	return p
}

// faultOf says in a few words what is wrong with a slice.
func faultOf(err error, known bool) string {
	switch {
	case err == nil && known:
		return "it is good, and waits to be rebuilt"
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrNotExist) && known:
		return "it is missing, and waits to be rebuilt"
	case errors.Is(err, fs.ErrNotExist):
		return "it is missing"
	default:
		return err.Error()
	}
}
