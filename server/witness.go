package server

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"strongroom/audit"
	"strongroom/custody"
)

// witness is a place outside the database that keeps the newest signed head of
// the audit log, by the name that the operator reads.
type witness struct {
	audit.Witness
	name   string
	label  string                 // what metrics and probes call it, who are told no path: folder, or module:NAME
	lapsed *atomic.Pointer[lapse] // nil in it while it keeps what it is given
}

// lapse is that a witness does not keep what it is given.
type lapse struct{ since time.Time }

func newWitness(w audit.Witness, name, label string) witness {
	return witness{w, name, label, new(atomic.Pointer[lapse])}
}

// keep gives a checkpoint to a witness, and remembers since when it has kept none.
func (w witness) keep(ctx context.Context, c audit.Checkpoint) error {
	err := w.Keep(ctx, c)
	switch {
	case err == nil:
		w.lapsed.Store(nil)
	case w.lapsed.Load() == nil:
		w.lapsed.Store(&lapse{since: c.Time})
	}
	return err
}

// witnesses opens what the configuration names and what the crypto modules offer.
func (c *core) openWitnesses() error {
	if dir := c.config.Audit.Witness; dir != "" {
		w, err := audit.NewFolderWitness(dir)
		if err != nil {
			return err
		}
		c.witnesses = append(c.witnesses, newWitness(w, "witness folder "+dir, "folder"))
	}
	for _, m := range c.rack.Modules() {
		token, ok := m.(custody.Anchors)
		if !ok {
			continue
		}
		w := &tokenWitness{anchors: token, every: tokenEvery}
		c.onClose(func() error { w.flush(); return nil })
		c.witnesses = append(c.witnesses, newWitness(w, fmt.Sprintf("crypto module %q", m.Info().Name), "module:"+m.Info().Name))
	}
	return nil
}

// witnessed keeps checkpoints in the database, and then shows them to the
// witnesses. A witness that fails does not stop the log: the next checkpoint says
// all that this one did. It is told of in the log, in the metrics and by the probe.
type witnessed struct {
	audit.Anchors
	witnesses []witness
	onError   func(error)
}

// SaveCheckpoint implements audit.Anchors.
func (w witnessed) SaveCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	if err := w.Anchors.SaveCheckpoint(ctx, c); err != nil {
		return err
	}
	for _, to := range w.witnesses {
		if err := to.keep(ctx, c); err != nil {
			w.onError(fmt.Errorf("%s: %w", to.name, err))
		}
	}
	return nil
}

// tokenEvery is how often the head is written into a token at most, whose
// memory wears.
const tokenEvery = time.Minute

// tokenWitness keeps the head of this server in the module. Only the committer
// of the log calls it, one call at a time.
type tokenWitness struct {
	anchors custody.Anchors
	every   time.Duration
	kept    time.Time         // of the checkpoint in the token
	waiting *audit.Checkpoint // newer than the one in the token
}

// Keep implements audit.Witness.
func (w *tokenWitness) Keep(ctx context.Context, c audit.Checkpoint) error {
	if c.Time.Sub(w.kept) < w.every {
		w.waiting = &c
		return nil
	}
	return w.write(ctx, c)
}

func (w *tokenWitness) write(ctx context.Context, c audit.Checkpoint) error {
	record, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	if err := w.anchors.SetAnchor(ctx, record); err != nil {
		return fmt.Errorf("keeping the head of the log: %w", err)
	}
	w.kept, w.waiting = c.Time, nil
	return nil
}

// flush writes what waits. The log is closed by then.
func (w *tokenWitness) flush() {
	if w.waiting != nil {
		// An older head than the last is still one: a failure costs precision alone.
		_ = w.write(context.Background(), *w.waiting)
	}
}

// Kept implements audit.Witness.
func (w *tokenWitness) Kept(ctx context.Context) ([]audit.Checkpoint, error) {
	record, err := w.anchors.Anchor(ctx)
	if err != nil || record == nil {
		return nil, err
	}
	var c audit.Checkpoint
	if err := json.Unmarshal(record, &c); err != nil {
		return nil, fmt.Errorf("reading the head of the log: %w", err)
	}
	return []audit.Checkpoint{c}, nil
}
