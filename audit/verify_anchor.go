package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// loadAnchors reads the checkpoints kept elsewhere, and keeps those that are signed.
func (v *verifier) loadAnchors(ctx context.Context) error {
	if v.source == nil {
		return nil
	}
	if v.report.Server == "" {
		if err := v.findServer(); err != nil {
			return err
		}
	}
	anchors, err := v.source.Checkpoints(ctx, v.report.Server, 0)
	if err != nil {
		return fmt.Errorf("reading anchors: %w", err)
	}
	for _, c := range anchors {
		if c.Server != v.report.Server {
			v.problem(FlawAnchor, c.Sequence, fmt.Sprintf("a checkpoint kept elsewhere is of server %.64q", c.Server))
		} else if v.signed(c, c.Sequence) {
			v.anchors = append(v.anchors, c)
		}
	}
	slices.SortStableFunc(v.anchors, func(a, b Checkpoint) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return nil
}

// findServer takes the server's ID from the first segment that can be read.
func (v *verifier) findServer() error {
	firsts, err := segmentsIn(v.files)
	if err != nil {
		return err
	}
	for _, first := range firsts {
		f, err := v.files.open(segmentName(first))
		if err != nil {
			return fmt.Errorf("opening audit segment: %w", err)
		}
		sc := newScanner(f, 0, maxLine)
		sc.scan()
		if err := f.Close(); err != nil {
			return fmt.Errorf("closing audit segment: %w", err)
		}
		if h, err := parseHeader(sc.line.body); err == nil {
			v.report.Server = h.Server
			return nil
		}
	}
	return errors.New("no segment names its server, and none was given")
}

// compareAnchors compares a line with the checkpoints kept elsewhere that are about it.
func (v *verifier) compareAnchors(l line) {
	for len(v.anchors) > 0 && v.anchors[0].Sequence <= l.sequence {
		c := v.anchors[0]
		v.anchors = v.anchors[1:]
		v.report.AnchorsChecked++
		switch {
		case c.Sequence < l.sequence:
			v.problem(FlawAnchor, c.Sequence, "a checkpoint kept elsewhere is about a line that is missing")
		case c.Hash != l.hash:
			v.problem(FlawAnchor, c.Sequence, "a checkpoint kept elsewhere is about another line")
		default:
			v.report.Anchored, v.atAnchored = c.Sequence, v.report.Events
		}
	}
}

// ownEvent reports whether the text of an event may be one that the log records about itself. Quotes
// inside strings are escaped, so nothing else in an event can look like that.
func ownEvent(body []byte) bool { return bytes.Contains(body, []byte(`"action":"strongroom.audit.`)) }

func parseRemoval(e *Event, recorded uint64) (removal, error) {
	r := removal{recorded: recorded}
	last, _ := e.RequestData[removedLast].(json.Number)
	var err error
	if r.last, err = strconv.ParseUint(last.String(), 10, 64); err != nil {
		return removal{}, fmt.Errorf("parsing retention record: %w", err)
	}
	hash, _ := e.RequestData[removedHash].(string)
	if err := r.hash.UnmarshalText([]byte(hash)); err != nil {
		return removal{}, fmt.Errorf("parsing retention record: %w", err)
	}
	return r, nil
}

// recent holds the newest lines. A checkpoint signs a line that is at most as far back as what is
// written while it is being signed.
type recent struct{ now, before map[uint64]passed }

// passed is what is remembered of a line.
type passed struct {
	hash   Hash
	events int // up to and including this line
}

// generation is how many lines are remembered at least.
const generation = 1 << 17

func (r *recent) add(sequence uint64, p passed) {
	if r.now == nil || len(r.now) >= generation {
		r.before, r.now = r.now, make(map[uint64]passed)
	}
	r.now[sequence] = p
}

func (r *recent) get(sequence uint64) (passed, bool) {
	if p, ok := r.now[sequence]; ok {
		return p, true
	}
	p, ok := r.before[sequence]
	return p, ok
}
