package dispersal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"slices"
	"sync"
	"time"

	"strongroom/fault"
	"strongroom/objects"
)

// Read implements objects.Blobs.
func (c *Cluster) Read(_ context.Context, b objects.Blob) (objects.BlobReader, error) {
	if len(b.Nodes) != b.Total || b.Total == 0 {
		return nil, fmt.Errorf("blob %s has %d places for %d slices", b.ID, len(b.Nodes), b.Total)
	}
	coder, err := c.coder(b)
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", b.ID, err)
	}
	c.reading.add(b.ID)
	return &reader{c: c, coder: coder, blob: b}, nil
}

// reader implements objects.BlobReader.
type reader struct {
	c     *Cluster
	coder *coder
	close sync.Once

	mu       sync.Mutex
	blob     objects.Blob // as last read from the catalog
	reported uint64       // slices that were reported to the catalog
}

// Close implements objects.BlobReader.
func (r *reader) Close() error {
	r.close.Do(func() { r.c.reading.remove(r.blob.ID) })
	return nil
}

// Segment implements objects.BlobReader.
func (r *reader) Segment(ctx context.Context, i int64, dst []byte) ([]byte, error) {
	if i < 0 || i >= r.coder.Segments() {
		return dst, fmt.Errorf("blob %s has no segment %d", r.coder.ID, i)
	}
	limit, cancel := context.WithTimeoutCause(ctx, r.c.Timing.Read, errHung)
	defer cancel()
	r.mu.Lock()
	b := r.blob
	r.mu.Unlock()
	out, err := r.attempt(limit, b, i, dst)
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	// The blob may have moved since its row was read.
	now, lookup := r.c.Catalog.Blob(ctx, b.ID)
	switch {
	case lookup != nil && fault.KindOf(lookup) != fault.NotFound:
		return dst, err
	case lookup != nil || now.State == objects.BlobDead:
		return dst, fmt.Errorf("blob %s was removed while it was read: %w", b.ID, objects.ErrNoObject)
	case slices.Equal(now.Nodes, b.Nodes):
		return dst, err
	}
	r.mu.Lock()
	r.blob = now
	r.mu.Unlock()
	return r.attempt(limit, now, i, dst)
}

// errHung says that a segment could not be read in time.
var errHung = errors.New("storage nodes do not answer")

// source is a node that has, or should have, a slice.
type source struct {
	slice  int
	node   *node
	marked bool // known not to be good there, and asked only when all others failed
}

// sources returns where the slices of a blob can be read, the best first: nodes that work, the fastest
// first, and among those that are alike data slices, which need no decoding.
func (c *Cluster) sources(b objects.Blob) []source {
	now := c.Now()
	type rank struct {
		source
		last, class, parity int
	}
	var all []rank
	for i, id := range b.Nodes {
		n := c.node(id)
		if n == nil {
			continue
		}
		r := rank{source: source{i, n, b.Missing>>i&1 == 1}, class: class(n.latency.get(now))}
		if n.reads.open(now) {
			r.last = 1
		}
		if r.marked {
			r.last = 2
		}
		if i >= b.Data {
			r.parity = 1
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.class, b.class), cmp.Compare(a.parity, b.parity))
	})
	out := make([]source, len(all))
	for i, r := range all {
		out[i] = r.source
	}
	return out
}

// answer is what came of asking for a block.
type answer struct {
	source
	block []byte
	err   error
}

// attempt reads segment i from where b says that the slices are.
func (r *reader) attempt(ctx context.Context, b objects.Blob, i int64, dst []byte) ([]byte, error) {
	g := gathering{
		r: r, blob: b, segment: i, left: r.c.sources(b), shards: make([][]byte, b.Total),
		answers: make(chan answer, b.Total), asked: map[int]asked{},
	}
	defer g.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the calls that are not needed any more
	if err := g.gather(ctx); err != nil {
		return dst, err
	}
	g.lend()
	return r.coder.decode(i, g.shards, dst)
}

// asked is a call under way.
type asked struct {
	node  *node
	began time.Time
}

// gathering collects enough shards of one segment. It belongs to one goroutine.
type gathering struct {
	r       *reader
	blob    objects.Blob
	segment int64
	left    []source // not asked yet
	asked   map[int]asked
	answers chan answer // room for all
	shards  [][]byte
	blocks  [][]byte // that were received, to be used again
	good    int
	bad     map[int]objects.NodeID // slices found not to be good, that were thought so
	absent  int                    // slices that are not good, or known not to be
	why     []error
}

// gather asks for as many slices as are needed, and for further ones when some fail or are slow.
func (g *gathering) gather(ctx context.Context) error {
	defer g.report()
	g.absent = bits.OnesCount64(g.blob.Missing)
	delay := g.ask(ctx, g.blob.Data)
	hedge := time.NewTimer(delay)
	defer hedge.Stop()
	for g.good < g.blob.Data {
		if len(g.asked) == 0 {
			return g.fail()
		}
		select {
		case a := <-g.answers:
			if !g.take(a) {
				g.ask(ctx, 1)
			}
		case <-hedge.C:
			g.slow()
			g.ask(ctx, len(g.asked))
			delay *= 2
			hedge.Reset(delay)
		case <-ctx.Done():
			if context.Cause(ctx) != errHung {
				return ctx.Err()
			}
			for _, a := range g.asked {
				a.node.reads.fail(g.r.c.Now())
				g.why = append(g.why, fmt.Errorf("node %s: %w", a.node.Name, errHung))
			}
			return g.fail()
		}
	}
	return nil
}

// ask asks for up to count further slices. It returns how long to wait before asking for more.
func (g *gathering) ask(ctx context.Context, count int) time.Duration {
	now := g.r.c.Now()
	delay := g.r.c.Timing.Hedge
	for ; count > 0 && len(g.left) > 0; count-- {
		s := g.left[0]
		g.left = g.left[1:]
		g.asked[s.slice] = asked{s.node, now}
		delay = max(delay, 4*s.node.latency.get(now))
		go func() { g.answers <- g.r.fetch(ctx, s, g.segment) }()
	}
	return min(delay, g.r.c.Timing.Read/4)
}

// fetch reads one block and verifies it.
func (r *reader) fetch(ctx context.Context, s source, segment int64) answer {
	h := r.coder.header(s.slice, segment)
	block := r.c.block(overhead + h.payload())
	began := r.c.Now()
	err := s.node.readAt(ctx, SliceName{h.blob, s.slice}, block, r.coder.offset(segment))
	now := r.c.Now()
	switch {
	case err == nil:
		s.node.reads.good()
		s.node.latency.add(now, now.Sub(began))
		_, err = r.coder.key.verify(block, h)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.ErrUnexpectedEOF):
		s.node.reads.good()
		err = fmt.Errorf("%w: %w", errBadSlice, err)
	case ctx.Err() == nil:
		s.node.reads.fail(now)
	}
	return answer{s, block, err}
}

// readAt reads in this goroutine, which hangs if the node does.
func (d *device) readAt(ctx context.Context, name SliceName, p []byte, off int64) error {
	defer d.inflight.Add(-1)
	if d.inflight.Add(1) > maxInflight {
		return errBusy
	}
	return d.store.ReadAt(ctx, name, p, off)
}

// take takes an answer, and returns false if another is needed in its place.
func (g *gathering) take(a answer) bool {
	delete(g.asked, a.slice)
	g.blocks = append(g.blocks, a.block)
	if a.err == nil {
		g.shards[a.slice] = a.block[headerSize : len(a.block)-tagSize]
		g.good++
		return true
	}
	g.why = append(g.why, fmt.Errorf("slice %d on node %s: %w", a.slice, a.node.Name, a.err))
	if errors.Is(a.err, errBadSlice) && !a.marked {
		g.absent++
		if g.bad == nil {
			g.bad = map[int]objects.NodeID{}
		}
		g.bad[a.slice] = a.node.ID
	}
	return false
}

// slow notes that nodes have not answered: the next read asks others first.
func (g *gathering) slow() {
	now := g.r.c.Now()
	for _, a := range g.asked {
		a.node.latency.atLeast(now, now.Sub(a.began))
	}
}

// fail says why there are too few slices: they are not reachable now, or not there.
func (g *gathering) fail() error {
	kind := objects.ErrTooFewNodes
	if g.absent > g.blob.Total-g.blob.Data {
		kind = objects.ErrDamaged
	}
	g.r.c.Logger.Warn("a blob cannot be read", "blob", g.blob.ID, "segment", g.segment, "error", errors.Join(g.why...))
	return fmt.Errorf("reading blob %s: %w: %d of %d slices of segment %d", g.blob.ID, kind, g.good, g.blob.Data, g.segment)
}

// report tells the catalog which slices are not good, once a reader.
func (g *gathering) report() {
	g.r.mu.Lock()
	defer g.r.mu.Unlock()
	for s := range g.bad {
		if g.r.reported>>s&1 == 1 {
			delete(g.bad, s)
		}
		g.r.reported |= 1 << s
	}
	if len(g.bad) > 0 {
		g.r.c.report(g.blob.ID, g.bad)
	}
}

// report marks slices as missing, without making a reader wait.
func (c *Cluster) report(id objects.BlobID, bad map[int]objects.NodeID) {
	c.reports.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.Timing.Write)
		defer cancel()
		c.Logger.Warn("slices are missing or damaged", "blob", id, "slices", bad)
		if err := c.Catalog.MarkMissing(ctx, id, bad); err != nil && fault.KindOf(err) != fault.NotFound {
			c.Logger.Error("marking slices as missing", "blob", id, "error", err)
		}
		wake(c.rebuild)
	})
}

// lend provides the decoder with room for the data shards that it computes.
func (g *gathering) lend() {
	size := g.r.coder.header(0, g.segment).payload()
	for s := range g.blob.Data {
		if g.shards[s] == nil {
			b := g.r.c.block(size)
			g.blocks = append(g.blocks, b)
			g.shards[s] = b[:0]
		}
	}
}

// release gives the blocks back that were received; a call that hangs keeps its own.
func (g *gathering) release() {
	for _, b := range g.blocks {
		g.r.c.blocks.Put(&b)
	}
}

// block returns a buffer of size bytes with any content.
func (c *Cluster) block(size int) []byte {
	if b, _ := c.blocks.Get().(*[]byte); b != nil && cap(*b) >= size {
		return (*b)[:size]
	}
	return make([]byte, size)
}

// readers counts the readers of each blob, whose slices are not removed while it is read.
type readers struct {
	mu   sync.Mutex
	open map[objects.BlobID]int
}

func (r *readers) add(id objects.BlobID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[objects.BlobID]int{}
	}
	r.open[id]++
}

func (r *readers) remove(id objects.BlobID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[id]--; r.open[id] == 0 {
		delete(r.open, id)
	}
}

func (r *readers) has(id objects.BlobID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[id] > 0
}

// claims keeps two jobs from working on the files of one blob at the same time: a file that is taken for
// an orphan must not become the slice of a rebuilt blob before it is removed.
type claims struct {
	mu    sync.Mutex
	taken map[objects.BlobID]bool
}

// take claims a blob, unless somebody else has.
func (c *claims) take(id objects.BlobID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[id] {
		return false
	}
	if c.taken == nil {
		c.taken = map[objects.BlobID]bool{}
	}
	c.taken[id] = true
	return true
}

func (c *claims) release(id objects.BlobID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.taken, id)
}
