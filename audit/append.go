package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// item is what one caller wants appended, together or not at all.
type item struct {
	text    []byte // bodies of the entries, one after the other
	entries []entry
	done    chan error // gets one answer from the committer
}

// entry is one line to be.
type entry struct {
	kind   kind
	end    int  // of the body in the item's text; it begins where the one before ends
	note   note // of an event
	digest Hash // of a checkpoint
}

// maxPooled keeps rare giants from living on in the pool.
const maxPooled = 64 << 10

func newItem() *item { return &item{done: make(chan error, 1)} }

// items spares Append its allocations.
type items struct{ pool sync.Pool }

func (p *items) get() *item {
	it, ok := p.pool.Get().(*item)
	if !ok {
		return newItem()
	}
	it.text, it.entries = it.text[:0], it.entries[:0]
	return it
}

func (p *items) put(it *item) {
	if cap(it.text) <= maxPooled {
		clear(it.entries)
		p.pool.Put(it)
	}
}

// event adds an event to the item. It completes what the caller left empty.
func (it *item) event(e *Event) error {
	id, err := parseID(e.ID)
	if err != nil {
		return err
	}
	if it.text, err = appendEvent(it.text, e); err != nil {
		return err
	}
	it.entries = append(it.entries, entry{kind: kindEvent, end: len(it.text), note: noteOf(e, id)})
	return nil
}

// Append records events and returns when all of them are durable (see Sync), or none is and the
// error says why. It fills the ID, Time, Severity and address type of an event where they are
// empty. If ctx ends first the events may or may not be recorded; requests whose client went away
// must be recorded too, so callers pass a context that does not end with the connection.
func (l *Log) Append(ctx context.Context, events ...*Event) error {
	if len(events) == 0 {
		return nil
	}
	it := l.items.get()
	for _, e := range events {
		e.complete(l.now())
		if err := it.event(e); err != nil {
			l.items.put(it)
			return fmt.Errorf("recording %s: %w", e.Action, err)
		}
	}
	return l.submit(ctx, it)
}

// submit hands an item to the committer and waits for its answer.
func (l *Log) submit(ctx context.Context, it *item) error {
	if err := l.Healthy(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrUnavailable, errClosed)
	}
	l.queue = append(l.queue, it)
	l.mu.Unlock()
	poke(l.wake)
	select {
	case err := <-it.done:
		l.items.put(it)
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the audit log: %w", ctx.Err()) // the committer still has the item
	}
}

// AppendOnce appends those of the events whose ID is not in the log yet. It is for events that were
// committed with their change to an outbox, from which they are deleted after AppendOnce returns: a
// crash between the two, or a call that failed halfway, does not record an event twice. The events
// need an ID and the Time with which they were made.
func (l *Log) AppendOnce(ctx context.Context, events ...*Event) error {
	l.once.Lock()
	defer l.once.Unlock()
	wanted := make(map[eventID]*Event, len(events))
	for _, e := range events {
		id, err := parseID(e.ID)
		if err != nil || e.Time.IsZero() {
			return fmt.Errorf("recording %s once: it needs a UUID and a time, has %q and %v", e.Action, e.ID, e.Time)
		}
		wanted[id] = e
	}
	if err := l.forget(ctx, wanted); err != nil {
		return err
	}
	fresh := make([]*Event, 0, len(wanted))
	for _, e := range events {
		id, _ := parseID(e.ID)
		if wanted[id] != nil {
			fresh = append(fresh, wanted[id])
			delete(wanted, id)
		}
	}
	// An item is written whole, so a long outbox goes in pieces that fit a batch.
	for part := range slices.Chunk(fresh, 256) {
		if err := l.Append(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// forget removes from wanted the events that are in the log.
func (l *Log) forget(ctx context.Context, wanted map[eventID]*Event) error {
	l.state.RLock()
	for id := range wanted {
		if _, ok := l.notes.ids[id]; ok {
			delete(wanted, id)
		}
	}
	segments := l.segments
	l.state.RUnlock()
	for _, s := range slices.Backward(segments) {
		if len(wanted) == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.forgetIn(s, wanted); err != nil {
			return err
		}
	}
	return nil
}

// forgetIn removes from wanted the events that are in a closed segment.
func (l *Log) forgetIn(s *segment, wanted map[eventID]*Event) error {
	var candidates []eventID
	x := s.index.Load()
	open := l.openFilter(x)
	defer open.close()
	for id, e := range wanted {
		when := e.Time.UTC().Truncate(resolution)
		if x != nil && (when.Before(x.From) || when.After(x.To)) {
			continue
		}
		if open.mayHold(newToken('e', e.ID)) {
			candidates = append(candidates, id)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	f, err := l.openSegment(s.first)
	if f == nil {
		return err
	}
	defer f.Close()
	sc := newScanner(f, 0, s.size)
	for sc.scan() {
		if sc.ok && sc.line.kind == kindEvent {
			if id, ok := idOf(sc.line.body); ok {
				delete(wanted, id)
			}
		}
	}
	return sc.err
}

// idOf reads the ID of an event from its text, of which it is the first member.
func idOf(body []byte) (eventID, bool) {
	const lead = `{"id":"`
	if len(body) < len(lead)+36 || string(body[:len(lead)]) != lead {
		return eventID{}, false
	}
	id, err := parseID(string(body[len(lead) : len(lead)+36]))
	return id, err == nil
}
