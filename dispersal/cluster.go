package dispersal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"strongroom/custody"
	"strongroom/objects"
)

// Config of a Cluster. Every field is required unless it says otherwise.
type Config struct {
	Catalog objects.BlobCatalog
	Nodes   objects.NodeStore
	// Key authenticates slices: KeySize bytes, the same for as long as there are blobs.
	Key custody.Secret
	// Server is the name of this server: at its start, blobs that it was writing are given up.
	Server string
	Now    func() time.Time
	Logger *slog.Logger
	// Open returns the store of a node; nil means OpenStore.
	Open   func(ctx context.Context, n objects.Node) (SliceStore, error)
	Timing Timing
	Upkeep Upkeep
	// ReadOnly leaves the nodes as they are: nothing is written, collected, rebuilt or swept there. It is
	// for a catalog that may not be the one that the nodes are filled by: what such a catalog does not
	// know, or takes for dead, may be alive in the other.
	ReadOnly bool
}

// Timing bounds how long nodes are waited for. Zero fields have the defaults.
type Timing struct {
	// Hedge is how long the first nodes of a read are waited for, at least, before further ones are
	// asked as well: 30 ms. It is four times the usual time of these nodes, if that is more.
	Hedge time.Duration
	// Read bounds the reading of one segment: 4.5 s.
	Read time.Duration
	// Stall is how long a node may hold up a write that is safe without it: 1 s, and a quarter of
	// the time the write takes.
	Stall time.Duration
	// Write is how long a node that makes no progress may hold up a write that needs it: 10 s.
	Write time.Duration
	// Probe bounds the test of a node, and what is done with one file in the background: 10 s.
	Probe time.Duration
}

// Upkeep says how much the jobs in the background do. Zero fields have the defaults.
type Upkeep struct {
	ScrubEvery  time.Duration // from the start of one round to that of the next: 7 days
	ScrubRate   int64         // bytes a second that are read: 16 MiB
	RebuildRate int64         // bytes a second that are written: 64 MiB
	Every       time.Duration // from one look at what is to be collected or rebuilt to the next: 1 minute
	Monitor     time.Duration // from one test of the nodes to the next: 5 s
	// OrphanAge is how old a file without a blob must be to be removed: 24 hours. No write and no
	// rebuild takes longer.
	OrphanAge time.Duration
	// MinFree is how many bytes a node keeps free: 64 MiB. One with less gets new slices only where
	// others do not suffice.
	MinFree int64
}

func (t Timing) withDefaults() Timing {
	return Timing{
		Hedge: or(t.Hedge, 30*time.Millisecond),
		Read:  or(t.Read, 4500*time.Millisecond),
		Stall: or(t.Stall, time.Second),
		Write: or(t.Write, 10*time.Second),
		Probe: or(t.Probe, 10*time.Second),
	}
}

func (u Upkeep) withDefaults() Upkeep {
	return Upkeep{
		ScrubEvery:  or(u.ScrubEvery, 7*24*time.Hour),
		ScrubRate:   or(u.ScrubRate, 16<<20),
		RebuildRate: or(u.RebuildRate, 64<<20),
		Every:       or(u.Every, time.Minute),
		Monitor:     or(u.Monitor, 5*time.Second),
		OrphanAge:   or(u.OrphanAge, 24*time.Hour),
		MinFree:     or(u.MinFree, 64<<20),
	}
}

func or[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

// Cluster disperses blobs over the storage nodes. It implements objects.Blobs and objects.Cluster, and
// is safe for concurrent use.
type Cluster struct {
	Config
	codes   codes
	stripes stripePool
	blocks  sync.Pool // *[]byte, of blocks that were read

	mu    sync.RWMutex
	nodes map[objects.NodeID]*node // replaced as a whole by Reload
	known []objects.Node           // in the order of the NodeStore, removed ones too

	reading readers
	claimed claims
	collect chan struct{} // wakes the collector
	rebuild chan struct{} // wakes the rebuilder
	reports sync.WaitGroup

	progress progress
	counted  counted
	emptied  emptied
}

var (
	_ objects.Blobs   = (*Cluster)(nil)
	_ objects.Cluster = (*Cluster)(nil)
)

// node is a storage node and the way to it. It is not changed.
type node struct {
	objects.Node
	*device
}

// device is the way to a node, which outlives changes of the node's state.
type device struct {
	store    SliceStore // nil if the node's URL is not valid: then failure says why
	failure  error
	reads    breaker
	writes   breaker
	latency  latency
	inflight atomic.Int32 // calls that have not returned
	free     atomic.Int64 // bytes, as last seen; negative if unknown
	capacity atomic.Int64

	condition condition
	testing   atomic.Bool // a test is under way
}

// maxInflight bounds the calls to one node that have not returned, and with them what a hung node holds
// of our memory.
const maxInflight = 256

// errBusy says that a node has too many calls under way: it hangs, or is overwhelmed.
var errBusy = errors.New("too many calls to the storage node are under way")

// Open returns the cluster of the nodes in the store. It waits for none of them. Blobs that a server of
// this name was writing before are given up, so that there is one at a time, unless nodes are only read.
func Open(ctx context.Context, c Config) (*Cluster, error) {
	if c.Key.Len() != KeySize {
		return nil, fmt.Errorf("the key of the slices has %d bytes, not %d", c.Key.Len(), KeySize)
	}
	c.Timing, c.Upkeep = c.Timing.withDefaults(), c.Upkeep.withDefaults()
	if c.Open == nil {
		c.Open = OpenStore
	}
	d := &Cluster{Config: c, collect: make(chan struct{}, 1), rebuild: make(chan struct{}, 1)}
	if !c.ReadOnly {
		if err := d.abandon(ctx); err != nil {
			return nil, err
		}
	}
	return d, d.Reload(ctx)
}

// upkeep runs a job that changes what is on nodes, unless they are only read: then it waits for its end.
func (c *Cluster) upkeep(ctx context.Context, job func(context.Context) error) error {
	if !c.ReadOnly {
		return job(ctx)
	}
	<-ctx.Done()
	return nil
}

// Reload implements objects.Cluster.
func (c *Cluster) Reload(ctx context.Context) error {
	all, err := c.Nodes.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("reading the list of storage nodes: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	nodes := make(map[objects.NodeID]*node, len(all))
	for _, n := range all {
		if n.State == objects.NodeRemoved || n.State == objects.NodeLost {
			continue
		}
		if was := c.nodes[n.ID]; was != nil && was.URL == n.URL && was.CredentialsFile == n.CredentialsFile {
			nodes[n.ID] = &node{n, was.device}
			continue
		}
		d := &device{}
		d.free.Store(-1)
		if d.store, d.failure = c.Open(ctx, n); d.failure != nil {
			c.Logger.Error("storage node cannot be opened", "node", n.Name, "error", d.failure)
		}
		nodes[n.ID] = &node{n, d}
	}
	// A store that is not used any more may have calls under way: it is left to them.
	c.nodes, c.known = nodes, all
	return nil
}

// Close waits for reports to the catalog and closes the stores.
func (c *Cluster) Close() error {
	c.reports.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, n := range c.nodes {
		if n.store != nil {
			errs = append(errs, n.store.Close())
		}
	}
	c.nodes = nil
	return errors.Join(errs...)
}

// node returns a node that is in use and can be asked, or nil.
func (c *Cluster) node(id objects.NodeID) *node {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if n := c.nodes[id]; n != nil && n.store != nil {
		return n
	}
	return nil
}

// all returns the nodes that are in use, those that cannot be asked too.
func (c *Cluster) all() []*node {
	c.mu.RLock()
	defer c.mu.RUnlock()
	nodes := make([]*node, 0, len(c.nodes))
	for _, n := range c.known {
		if in := c.nodes[n.ID]; in != nil {
			nodes = append(nodes, in)
		}
	}
	return nodes
}

// fit says whether a node can be expected to take a slice.
func (c *Cluster) fit(n *node) bool {
	now := c.Now()
	free := n.free.Load()
	return n.store != nil && !n.writes.open(now) && !n.reads.open(now) &&
		n.inflight.Load() < maxInflight && (free < 0 || free >= c.Upkeep.MinFree)
}

// candidate describes a node for the placement. A node of unknown size weighs like one with 1 TiB free.
func (n *node) candidate() candidate {
	free := n.free.Load()
	if free < 0 {
		free = 1 << 40
	}
	return candidate{id: n.ID, site: n.Site, weight: float64(max(free, 1))}
}

// wrote notes how a write to the node ended. A full node is left alone without being avoided by reads.
func (d *device) wrote(now time.Time, err error) {
	switch {
	case err == nil:
		d.writes.good()
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		d.free.Store(0)
		d.writes.fail(now)
	default:
		d.writes.fail(now)
	}
}

// coder returns what codes the segments of a blob.
func (c *Cluster) coder(b objects.Blob) (*coder, error) {
	code, err := c.codes.get(b.Data, b.Total)
	if err != nil {
		return nil, err
	}
	if b.Segment < 1 || b.Segment > maxSegment {
		return nil, fmt.Errorf("segments of %d bytes are not possible", b.Segment)
	}
	key, err := newSliceKey(c.Key, b.ID)
	if err != nil {
		return nil, err
	}
	all := make([]int, b.Total)
	for i := range all {
		all[i] = i
	}
	return &coder{layout: layout{b}, key: key, code: code, pool: &c.stripes, all: all}, nil
}

// bounded calls f, which may block longer than its context, and waits no longer than the context. The
// result of an f that is not waited for is lost; f must own what it writes to.
func bounded[T any](ctx context.Context, d *device, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if d.inflight.Add(1) > maxInflight {
		d.inflight.Add(-1)
		return none, errBusy
	}
	done := make(chan result, 1)
	go func() {
		defer d.inflight.Add(-1)
		v, err := f(ctx)
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// wake sends to a channel of capacity 1 unless it is full.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Wake implements objects.Blobs.
func (c *Cluster) Wake() { wake(c.collect) }
