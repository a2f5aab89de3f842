package audit

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Lead is by how much a log is ahead of the place that keeps its checkpoints: of a database that was
// restored from an older copy, for instance.
type Lead struct {
	Log    Checkpoint // the newest checkpoint in the log
	Anchor Checkpoint // the newest one that is kept elsewhere; zero if none is
}

// Ahead compares the log in o.Dir, which no server has open, with o.Anchors, and reports whether the
// log is ahead by more than the one checkpoint that a crash may have kept from the anchors. That one
// it hands over. Checkpoints that none of o.Keys signed do not count.
func Ahead(ctx context.Context, o VerifyOptions) (Lead, bool, error) {
	var lead Lead
	folder := o.files
	if folder == nil {
		if _, err := os.Stat(o.Dir); errors.Is(err, fs.ErrNotExist) {
			return lead, false, nil
		}
		d, err := openReadOnly(o.Dir)
		if err != nil {
			return lead, false, err
		}
		defer d.close()
		folder = d
	}
	newest, err := newestCheckpoints(folder, o.Server, o.Keys)
	if err != nil || len(newest) == 0 {
		return lead, false, err
	}
	anchor, _, err := o.Anchors.LastCheckpoint(ctx, o.Server)
	if err != nil {
		return lead, false, fmt.Errorf("reading newest anchor: %w", err)
	}
	lead = Lead{Log: newest[len(newest)-1], Anchor: anchor}
	switch {
	case lead.Log.Sequence <= anchor.Sequence:
		return lead, false, nil
	case len(newest) > 1 && newest[0].Sequence > anchor.Sequence:
		return lead, true, nil
	}
	if err := o.Anchors.SaveCheckpoint(ctx, lead.Log); err != nil {
		return lead, false, fmt.Errorf("saving checkpoint at sequence %d: %w", lead.Log.Sequence, err)
	}
	return lead, false, nil
}

// newestCheckpoints returns the newest two checkpoints of a server in a folder, or the one that there
// is, by rising sequence.
func newestCheckpoints(d files, server string, keys map[string]*ecdsa.PublicKey) ([]Checkpoint, error) {
	firsts, err := segmentsIn(d)
	if err != nil {
		return nil, err
	}
	var newest []Checkpoint
	for i := len(firsts) - 1; i >= 0 && len(newest) < 2; i-- {
		found, err := checkpointsIn(d, firsts[i])
		if err != nil {
			return nil, err
		}
		for k := len(found) - 1; k >= 0 && len(newest) < 2; k-- {
			c := found[k]
			if key := keys[c.KeyID]; key != nil && c.Server == server && c.Verify(key) == nil {
				newest = append([]Checkpoint{c}, newest...)
			}
		}
	}
	return newest, nil
}

// checkpointsIn reads the last few checkpoints of a segment.
func checkpointsIn(d files, first uint64) ([]Checkpoint, error) {
	f, err := d.open(segmentName(first))
	if err != nil {
		return nil, fmt.Errorf("opening audit segment: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("reading audit segment: %w", err)
	}
	const few = 16 // more than enough for two that are genuine
	var found []Checkpoint
	sc := newScanner(f, 0, size)
	for sc.scan() {
		if !sc.ok || sc.line.kind != kindCheckpoint {
			continue
		}
		if c, err := parseCheckpoint(sc.line.body); err == nil {
			if found = append(found, c); len(found) > few {
				found = found[1:]
			}
		}
	}
	return found, sc.err
}
