package dispersal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strongroom/objects"
)

// queued is how many segments may wait for one node of a write, so that nodes need not keep step. It
// bounds the memory of a write to a few times n/k segments.
const queued = 3

// Write implements objects.Blobs. The slices go to the nodes in parallel, as segments come.
func (c *Cluster) Write(ctx context.Context, id objects.BlobID, p objects.Profile, segment int64) (objects.BlobWriter, error) {
	if err := checkProfile(p); err != nil {
		return nil, err
	}
	if c.ReadOnly {
		return nil, objects.ErrNodesKept
	}
	b := objects.Blob{
		ID: id, Profile: p.Name, Data: p.Data, Total: p.Total, AllOrNothing: p.AllOrNothing,
		Segment: segment, State: objects.BlobWriting, Server: c.Server, Created: c.Now(),
	}
	coder, err := c.coder(b)
	if err != nil {
		return nil, err
	}
	targets, spare := c.targets(id, p)
	if len(targets) < p.Write {
		return nil, fmt.Errorf("%w: %d of at least %d", objects.ErrTooFewNodes, len(targets), p.Write)
	}
	b.Nodes = make([]objects.NodeID, p.Total)
	for i := range b.Nodes {
		switch {
		case i < len(targets):
			b.Nodes[i] = targets[i].ID
			continue
		case i-len(targets) < len(spare):
			b.Nodes[i] = spare[i-len(targets)].ID
		}
		b.Missing |= 1 << i
	}
	if err := c.Catalog.ReserveBlob(ctx, b); err != nil {
		return nil, fmt.Errorf("reserving blob %s: %w", id, err)
	}
	b.Revision++ // as the catalog has it now
	w := &writer{c: c, ctx: ctx, profile: p, blob: b, coder: coder, began: c.Now(), ended: make(chan *slot, len(targets))}
	for i, n := range targets {
		w.slots = append(w.slots, w.start(i, n))
	}
	return w, nil
}

// targets chooses the nodes of a new blob: those that are written to, and those that cannot be expected
// to take a slice now and get theirs when it is rebuilt.
func (c *Cluster) targets(id objects.BlobID, p objects.Profile) (targets, spare []*node) {
	var fit, unfit []candidate
	active := map[objects.NodeID]*node{}
	for _, n := range c.all() {
		if n.State != objects.NodeActive || n.store == nil {
			continue
		}
		active[n.ID] = n
		if c.fit(n) {
			fit = append(fit, n.candidate())
		} else {
			unfit = append(unfit, n.candidate())
		}
	}
	used := map[string]int{}
	for _, chosen := range place(id, fit, p.Total, used) {
		targets = append(targets, active[chosen])
		used[active[chosen].Site]++
	}
	for _, chosen := range place(id, unfit, p.Total-len(targets), used) {
		spare = append(spare, active[chosen])
	}
	if len(targets) < p.Write {
		// Without those that failed there is no write: they may have recovered.
		return append(targets, spare...), nil
	}
	return targets, spare
}

// writer implements objects.BlobWriter.
type writer struct {
	c       *Cluster
	ctx     context.Context // of the write, for what outlives one call
	profile objects.Profile
	blob    objects.Blob
	coder   *coder
	slots   []*slot    // of slices 0 and up
	ended   chan *slot // each slot, when it has ended
	began   time.Time
	err     error // why it cannot go on
	short   bool  // the last segment was shorter than the others
	done    bool
}

// slot writes one slice.
type slot struct {
	name    SliceName
	node    *node
	queue   chan *stripe // closed at the end of the blob
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has ended; then err is set
	err     error
	gaveUp  error         // why it is not waited for any more; of the writer
	blocked time.Duration // how long it has held up the writer; of the writer
}

// start begins to write slice i. What it does is not bound to the context of the request: it is ended
// by the writer, which gives up nodes that hang.
func (w *writer) start(i int, n *node) *slot {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	s := &slot{
		name: SliceName{w.blob.ID, i}, node: n, cancel: cancel,
		queue: make(chan *stripe, queued), done: make(chan struct{}),
	}
	go func() {
		n.inflight.Add(1)
		defer n.inflight.Add(-1)
		s.err = s.write(ctx)
		if ctx.Err() == nil {
			n.wrote(w.c.Now(), s.err)
		}
		close(s.done)
		w.ended <- s
	}()
	return s
}

// write writes what comes through the queue, and makes it durable.
func (s *slot) write(ctx context.Context) error {
	to, err := s.node.store.Create(ctx, s.name)
	if err != nil {
		return err
	}
	defer to.Abort()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case st, more := <-s.queue:
			if !more {
				if err := ctx.Err(); err != nil {
					return err // it was given up, and does not have every segment
				}
				return to.Commit()
			}
			_, err := to.Write(st.block(s.name.Index))
			st.release()
			if err != nil {
				return err
			}
		}
	}
}

// failed says why the slot does not count any more, or nil while it does.
func (s *slot) failed() error {
	if s.gaveUp != nil {
		return s.gaveUp
	}
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// errStalled says that a node was given up as it took too long.
var errStalled = errors.New("the storage node takes too long")

// giveUp stops waiting for the slot, whose goroutine may hang.
func (w *writer) giveUp(s *slot) {
	s.gaveUp = errStalled
	s.node.writes.fail(w.c.Now())
	s.cancel()
}

// Segment implements objects.BlobWriter.
func (w *writer) Segment(ctx context.Context, sealed []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return errors.New("a segment after the end of the blob")
	case len(sealed) == 0 || int64(len(sealed)) > w.blob.Segment:
		return fmt.Errorf("a segment of %d bytes, where %d are the most", len(sealed), w.blob.Segment)
	case w.short:
		return errors.New("a segment after the last")
	}
	w.short = int64(len(sealed)) < w.blob.Segment
	st, err := w.coder.encode(w.blob.Size/w.blob.Segment, sealed, nil)
	if err != nil {
		w.err = err
		return err
	}
	defer st.release()
	w.blob.Size += int64(len(sealed))
	w.err = w.hand(ctx, st)
	return w.err
}

// hand gives a stripe to each slot. It waits for those whose queues are full, as long as the write needs
// them, and a little where it does not.
func (w *writer) hand(ctx context.Context, st *stripe) error {
	var waiting []*slot
	took := 0
	for _, s := range w.slots {
		switch {
		case s.failed() != nil:
		case s.offer(st):
			took++
		default:
			waiting = append(waiting, s)
		}
	}
	if len(waiting) > 0 {
		if err := w.wait(ctx, st, waiting, took); err != nil {
			return err
		}
	}
	return w.enough()
}

// offer queues a stripe if there is room.
func (s *slot) offer(st *stripe) bool {
	st.share()
	select {
	case s.queue <- st:
		return true
	default:
		st.release()
		return false
	}
}

// wait hands a stripe to slots whose queues are full; took counts the others.
func (w *writer) wait(ctx context.Context, st *stripe, waiting []*slot, took int) error {
	began := w.c.Now()
	patience := w.c.Timing.Stall + began.Sub(w.began)/4
	allowed := patience
	for _, s := range waiting {
		allowed = min(allowed, patience-s.blocked)
	}
	needed := time.NewTimer(w.c.Timing.Write)
	defer needed.Stop()
	unneeded := time.NewTimer(max(allowed, 0))
	defer unneeded.Stop()
	late, over := false, false
	for len(waiting) > 0 && !over && !(late && took >= w.profile.Write) {
		s := waiting[0]
		st.share()
		select {
		case s.queue <- st:
			s.blocked += w.c.Now().Sub(began)
			took++
			waiting = waiting[1:]
			continue
		case <-s.done:
			waiting = waiting[1:]
		case <-unneeded.C:
			late = true
		case <-needed.C:
			over = true
		case <-ctx.Done():
			st.release()
			return ctx.Err()
		}
		st.release()
		if late || over {
			// Those behind one that hangs may have had room for long.
			waiting, took = offerAll(st, waiting, took)
		}
	}
	for _, s := range waiting {
		w.giveUp(s)
	}
	return nil
}

// offerAll offers a stripe to all, and returns those that have no room.
func offerAll(st *stripe, waiting []*slot, took int) ([]*slot, int) {
	var still []*slot
	for _, s := range waiting {
		switch {
		case s.failed() != nil:
		case s.offer(st):
			took++
		default:
			still = append(still, s)
		}
	}
	return still, took
}

// enough fails when fewer slots are left than the write needs.
func (w *writer) enough() error {
	left := len(w.slots)
	var why []error
	for _, s := range w.slots {
		if err := s.failed(); err != nil {
			left--
			why = append(why, fmt.Errorf("node %s: %w", s.node.Name, err))
		}
	}
	if left >= w.profile.Write {
		return nil
	}
	w.c.Logger.Warn("a write has too few storage nodes", "blob", w.blob.ID, "error", errors.Join(why...))
	return fmt.Errorf("writing blob %s: %w: %d of at least %d", w.blob.ID, objects.ErrTooFewNodes, left, w.profile.Write)
}

// Finish implements objects.BlobWriter. It returns as soon as all slices are durable, or at least
// Profile.Write of them and the others had a little more time.
func (w *writer) Finish(ctx context.Context) (objects.Blob, error) {
	switch {
	case w.err != nil:
		return objects.Blob{}, w.err
	case w.done:
		return objects.Blob{}, errors.New("the blob is finished already")
	case w.blob.Size == 0:
		return objects.Blob{}, errors.New("a blob without segments")
	}
	for _, s := range w.slots {
		close(s.queue)
	}
	if w.err = w.settle(ctx); w.err != nil {
		return objects.Blob{}, w.err
	}
	w.done = true
	b := w.blob
	b.State = objects.BlobLive
	for _, s := range w.slots {
		if s.failed() != nil {
			b.Missing |= 1 << s.name.Index
		}
	}
	if b.Missing != 0 {
		wake(w.c.rebuild)
	}
	return b, nil
}

// settle waits until the slots have ended, and gives up those that take too long.
func (w *writer) settle(ctx context.Context) error {
	needed := time.NewTimer(w.c.Timing.Write)
	defer needed.Stop()
	var unneeded <-chan time.Time
	durable := 0
	for range w.slots {
		if unneeded == nil && durable >= w.profile.Write {
			t := time.NewTimer(w.c.Timing.Stall/2 + w.c.Now().Sub(w.began)/4)
			defer t.Stop()
			unneeded = t.C
		}
		select {
		case s := <-w.ended:
			if s.failed() == nil {
				durable++
			}
			if err := w.enough(); err != nil {
				return err
			}
			needed.Reset(w.c.Timing.Write)
			continue
		case <-unneeded:
		case <-needed.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		break
	}
	for _, s := range w.slots {
		select {
		case <-s.done:
		default:
			w.giveUp(s)
		}
	}
	return w.enough()
}

// Abort implements objects.BlobWriter.
func (w *writer) Abort() {
	for _, s := range w.slots {
		s.cancel() // and frees the context of those that have ended
	}
	if w.done {
		return
	}
	w.done = true
	w.err = errors.New("the blob was given up")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), w.c.Timing.Write)
	defer cancel()
	if err := w.c.Catalog.AbandonBlob(ctx, w.blob.ID); err != nil {
		// The blob stays reserved until the next start of this server.
		w.c.Logger.Error("giving up a blob", "blob", w.blob.ID, "error", err)
	}
	w.c.Wake()
}
