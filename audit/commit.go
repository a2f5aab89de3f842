package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// maxBatch bounds what is written with one sync: a batch ends with the item that reaches it.
const maxBatch = 1 << 20

// tick is how often the log looks after itself.
const tick = time.Second

// writer is the committer's side of the open segment.
type writer struct {
	file  file
	chain *chainer
	buf   []byte  // lines of the batch
	batch []*item // items of the batch
	spare []*item // what was the queue, to be used again
}

// commit is the one goroutine that writes: it takes what waits, writes and syncs it, and answers
// all who wait. Once a second it checks that the folder is there, and if writing has failed tries
// again.
func (l *Log) commit() {
	defer close(l.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-l.wake:
		case <-ticker.C:
			l.probe()
		}
		for l.take() {
			l.write()
		}
		if l.drained() {
			return
		}
	}
}

// take moves items from the queue to the batch, and reports whether there are any.
func (l *Log) take() bool {
	l.w.batch = l.w.batch[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	size, n := 0, 0
	for n < len(l.queue) && size < maxBatch {
		size += len(l.queue[n].text)
		n++
	}
	if n == len(l.queue) { // as nearly always: swap rather than copy
		l.w.batch, l.queue = l.queue, l.w.spare[:0]
		l.w.spare = l.w.batch
		return n > 0
	}
	l.w.batch = append([]*item(nil), l.queue[:n]...)
	l.queue = append(l.queue[:0], l.queue[n:]...)
	return true
}

func (l *Log) drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && len(l.queue) == 0
}

// write writes the batch and answers those who wait for it.
func (l *Log) write() {
	err := l.Healthy()
	if err == nil {
		if err = l.writeBatch(); err != nil {
			l.fail(err)
			err = l.Healthy()
		}
	}
	for i, it := range l.w.batch {
		l.w.batch[i] = nil
		it.done <- err // has room
	}
}

// writeBatch makes lines of the batch and writes them. On an error nothing of it has happened, but
// for bytes behind the end, which fail cuts off.
func (l *Log) writeBatch() error {
	size := int64(0)
	for _, it := range l.w.batch {
		size += int64(len(it.text) + len(it.entries)*maxFrame)
	}
	if l.end.size+size > l.segmentBytes && l.notes.events > 0 {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	end, news, synced := l.end, l.news, l.sync == SyncGroup
	buf := l.w.buf[:0]
	for _, it := range l.w.batch {
		start := 0
		for _, e := range it.entries {
			buf = l.line(buf, &end, e.kind, it.text[start:e.end])
			start = e.end
			if e.kind == kindCheckpoint {
				end.checkpoint = e.digest
				synced = true
			} else {
				news = end.sequence
			}
		}
	}
	l.w.buf = buf
	if _, err := l.w.file.WriteAt(buf, l.end.size); err != nil {
		return fmt.Errorf("writing audit segment: %w", err)
	}
	if synced {
		if err := l.w.file.Sync(); err != nil {
			return fmt.Errorf("syncing audit segment: %w", err)
		}
	}
	l.publish(end, news)
	return nil
}

// line appends a line that follows end, and moves end behind it.
func (l *Log) line(buf []byte, end *position, k kind, body []byte) []byte {
	end.sequence++
	end.hash = l.w.chain.next(end.hash, k, end.sequence, body)
	n := len(buf)
	buf = appendLine(buf, line{sequence: end.sequence, hash: end.hash, kind: k, body: body})
	end.size += int64(len(buf) - n)
	return buf
}

// publish lets readers see the batch.
func (l *Log) publish(end position, news uint64) {
	l.state.Lock()
	defer l.state.Unlock()
	l.end, l.news = end, news
	for _, it := range l.w.batch {
		for i := range it.entries {
			if e := &it.entries[i]; e.kind == kindEvent {
				l.notes.add(&e.note)
			}
		}
	}
}

// rotate closes the open segment and begins the next.
func (l *Log) rotate() error {
	if err := l.w.file.Sync(); err != nil {
		return fmt.Errorf("syncing audit segment: %w", err)
	}
	full := &segment{first: l.end.first, size: l.end.size, notes: l.noted()}
	old := l.w.file
	shelve := func(closed []*segment) []*segment { return append(closed[:len(closed):len(closed)], full) }
	if err := l.begin(l.end, l.end.sequence+1, 0, nil, shelve); err != nil {
		return err
	}
	if err := old.Close(); err != nil {
		l.onError(fmt.Errorf("closing audit segment: %w", err))
	}
	poke(l.sign)
	poke(l.shelf)
	return nil
}

// begin starts a segment at sequence first behind the line at end, with events of the log's own as
// its first, and makes it the open one; shelve returns what the closed segments then are. On an error
// nothing has changed.
func (l *Log) begin(end position, first uint64, removed int64, events []*Event, shelve func(closed []*segment) []*segment) error {
	now := l.now()
	h := header{
		Format: format, Server: l.server, Epoch: l.epoch, First: first, Previous: end.hash,
		Checkpoint: end.checkpoint, Time: now.UTC(), Sync: l.sync.String(), Cut: removed,
	}
	end.first, end.size, end.sequence = first, 0, first-1
	buf := l.line(nil, &end, kindSegment, h.encode())
	notes := newNotes(now)
	it := newItem()
	for _, e := range events {
		e.complete(now)
		start := len(it.text)
		if err := it.event(e); err != nil {
			return fmt.Errorf("recording %s: %w", e.Action, err)
		}
		buf = l.line(buf, &end, kindEvent, it.text[start:])
		notes.add(&it.entries[len(it.entries)-1].note)
	}
	f, err := l.createSegment(first, buf)
	if err != nil {
		return err
	}
	l.w.file = f
	l.state.Lock()
	defer l.state.Unlock()
	l.segments, l.notes, l.end, l.news = shelve(l.segments), notes, end, end.sequence
	return nil
}

// createSegment makes the file of a segment durably, or not at all.
func (l *Log) createSegment(first uint64, content []byte) (file, error) {
	name := segmentName(first)
	f, err := l.files.create(name)
	if err != nil {
		return nil, fmt.Errorf("creating audit segment: %w", err)
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.files.syncDir()
	}
	if err != nil {
		// What cannot be removed now is removed when writing resumes: nothing in it is acknowledged.
		return nil, fmt.Errorf("creating audit segment: %w", errors.Join(err, f.Close(), l.files.remove(name)))
	}
	return f, nil
}

// fail notes that the log cannot be written, and cuts off what may have been written of the batch.
// If that fails too it is cut off when writing resumes.
func (l *Log) fail(err error) {
	l.failure.Store(&failure{err: err, since: l.now()})
	if cutErr := l.w.file.Truncate(l.end.size); cutErr != nil {
		err = errors.Join(err, cutErr)
	}
	l.onError(err)
}

// probe finds out whether the log can be written, when nobody else does.
func (l *Log) probe() {
	f := l.failure.Load()
	if f == nil {
		size, err := l.files.size(segmentName(l.end.first))
		if err == nil && size < l.end.size {
			err = fs.ErrNotExist
		}
		if err != nil {
			l.fail(fmt.Errorf("audit segment is gone: %w", err))
		}
		return
	}
	old := l.w.file
	known := l.end
	l.removing.Lock()
	err := l.resume(&known, nil)
	l.removing.Unlock()
	if err != nil {
		l.failure.Store(&failure{err: err, since: f.since})
		return
	}
	if err := old.Close(); err != nil {
		l.onError(fmt.Errorf("closing audit segment: %w", err))
	}
	l.failure.Store(nil)
	poke(l.shelf)
}
