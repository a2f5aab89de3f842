package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// saveTimeout bounds how long a checkpoint waits for its anchors, and so how late the next can be.
const saveTimeout = 5 * time.Second

// watch signs a checkpoint once a second while there is something new, and at rotation, and writes
// out the refusals that were counted.
func (l *Log) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.sign:
		case <-ticker.C:
			poke(l.shelf)
		}
		if err := l.flushRefusals(ctx, false); err != nil && ctx.Err() == nil {
			l.onError(fmt.Errorf("recording counted refusals: %w", err))
		}
		if err := l.checkpointSoon(ctx); err != nil && ctx.Err() == nil {
			l.onError(err)
		}
	}
}

func (l *Log) checkpointSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return l.checkpoint(ctx)
}

// checkpoint signs the newest line, unless it is signed already, writes the checkpoint into the chain,
// and then hands it to the anchors. An anchor therefore never speaks of a line that a crash could
// still take away. What could not be handed over is handed over the next time.
func (l *Log) checkpoint(ctx context.Context) error {
	l.signing.Lock()
	defer l.signing.Unlock()
	l.state.RLock()
	end, news := l.end, l.news
	l.state.RUnlock()
	if news > l.Head().Sequence {
		if err := l.signLocked(ctx, end); err != nil {
			return err
		}
	}
	if l.anchors == nil || l.saved {
		return nil
	}
	newest := l.Head()
	if err := l.anchors.SaveCheckpoint(ctx, newest); err != nil {
		return fmt.Errorf("saving checkpoint at sequence %d: %w", newest.Sequence, err)
	}
	l.saved = true
	return nil
}

func (l *Log) signLocked(ctx context.Context, end position) error {
	c := Checkpoint{
		Server: l.server, Epoch: l.epoch, Sequence: end.sequence, Hash: end.hash, Previous: end.checkpoint,
		Time: l.now().UTC().Truncate(time.Millisecond), KeyID: l.signer.KeyID(),
	}
	digest := c.Digest()
	var err error
	if c.Signature, err = l.signer.Sign(ctx, digest[:]); err != nil {
		return fmt.Errorf("signing checkpoint at sequence %d: %w", c.Sequence, err)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding checkpoint: %w", err)
	}
	it := newItem()
	it.text = body
	it.entries = append(it.entries, entry{kind: kindCheckpoint, end: len(body), digest: digest})
	// Whether it was written must be known before the next one is chained to it.
	if err := l.submit(context.WithoutCancel(ctx), it); err != nil {
		return fmt.Errorf("writing checkpoint at sequence %d: %w", c.Sequence, err)
	}
	l.saved = false
	l.newest.Store(&c)
	return nil
}

// file is the librarian: it indexes closed segments and removes those that are too old or too many.
func (l *Log) file(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.shelf:
		}
		l.state.RLock()
		segments := l.segments
		l.state.RUnlock()
		for _, s := range segments {
			if s.index.Load() == nil && ctx.Err() == nil {
				if err := l.indexSegment(s); err != nil {
					l.onError(err)
				}
			}
		}
		if err := l.retain(ctx); err != nil && ctx.Err() == nil {
			l.onError(err)
		}
	}
}

// indexSegment makes the index of a closed segment. If it cannot be written the summary is used
// without a filter until the next start.
func (l *Log) indexSegment(s *segment) error {
	n := s.notes
	if n == nil {
		f, err := l.openSegment(s.first)
		if f == nil {
			return err
		}
		n, err = notesOf(f, s.size)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			s.index.Store(unreadable(s))
			return fmt.Errorf("indexing audit segment %d: %w", s.first, err)
		}
	}
	s.notes = nil
	x, blocks := newIndex(s.first, s.size, n)
	err := writeIndex(l.files, x, blocks)
	if err != nil {
		x.Blocks = 0
	}
	s.index.Store(x)
	return err
}
