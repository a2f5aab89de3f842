package audit

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
)

// VerifyOptions says what to verify, and against what.
type VerifyOptions struct {
	Dir     string
	Server  string                      // expected; empty takes the one that the first segment names
	Keys    map[string]*ecdsa.PublicKey // by key ID; a checkpoint by another key is a problem
	Anchors Anchors                     // checkpoints kept elsewhere; nil checks the folder against itself

	files files // the folder, in tests
}

// Verify reads all of a log and reports every problem. The log may be open meanwhile: what is
// written after Verify began is not looked at. It trusts nothing but the keys and the anchors; the
// indexes are not read. An error means that it could not be verified, not that something is wrong.
func Verify(ctx context.Context, o VerifyOptions) (Report, error) {
	folder := o.files
	if folder == nil {
		d, err := openReadOnly(o.Dir)
		if err != nil {
			return Report{}, err
		}
		defer d.close()
		folder = d
	}
	for attempt := 1; ; attempt++ {
		v := newVerifier(folder, o)
		err := v.run(ctx)
		if errors.Is(err, fs.ErrNotExist) && attempt < 3 {
			continue // retention has removed a segment since the folder was listed
		}
		if err != nil {
			return Report{}, fmt.Errorf("verifying audit log: %w", err)
		}
		return v.report, nil
	}
}

// verifier walks along the chain. After a problem it goes on from what the line states, so that one
// change is not reported for all that follows.
type verifier struct {
	keys   map[string]*ecdsa.PublicKey
	source Anchors
	files  files
	chain  *chainer
	report Report

	unknown map[string]bool // key IDs already complained about
	segment *SegmentReport  // the one being read; nil between them

	started  bool   // a header was seen
	sequence uint64 // of the line before
	hash     Hash   // that the line before states
	lost     bool   // the line before could not be read, so its hash is unknown
	epoch    uint64
	digest   Hash   // of the checkpoint before
	recent   recent // newest lines, for the checkpoints that sign them

	anchors    []Checkpoint // valid ones from elsewhere that are not passed yet, rising
	atSigned   int          // events up to report.Signed
	atAnchored int          // events up to report.Anchored

	removals  []removal // retention records that no checkpoint has signed yet
	beginning removal   // the line before the first that is there, if that is not the first of all
	explained bool      // a signed record says that it was removed
}

// removal is the last line of what a retention record says it removes.
type removal struct {
	recorded uint64 // sequence of the record
	last     uint64
	hash     Hash
}

func newVerifier(folder files, o VerifyOptions) *verifier {
	return &verifier{
		keys: o.Keys, source: o.Anchors, files: folder, chain: newChainer(),
		report: Report{Server: o.Server}, unknown: make(map[string]bool),
	}
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.loadAnchors(ctx); err != nil {
		return err
	}
	// After the anchors, so that none of them speaks of what is written meanwhile.
	firsts, err := segmentsIn(v.files)
	if err != nil {
		return err
	}
	for i, first := range firsts {
		if err := v.readSegment(ctx, first, i == len(firsts)-1); err != nil {
			return err
		}
	}
	v.conclude()
	return nil
}

// readSegment checks one segment. It takes the file's size first: what is appended later is left out.
func (v *verifier) readSegment(ctx context.Context, first uint64, last bool) error {
	f, err := v.files.open(segmentName(first))
	if err != nil {
		return fmt.Errorf("opening audit segment: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("reading audit segment: %w", err)
	}
	v.report.Segments = append(v.report.Segments, SegmentReport{Name: segmentName(first), First: first, Bytes: size})
	v.segment = &v.report.Segments[len(v.report.Segments)-1]
	defer func() { v.segment = nil }()

	sc := newScanner(f, 0, size)
	lines := 0
	for sc.scan() {
		if lines%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if last && sc.offset == size && !endsLine(sc.text) {
			v.report.Torn = size - sc.start
			break
		}
		v.readLine(sc, lines == 0, first)
		lines++
	}
	if lines == 0 && !last {
		v.problem(FlawHeader, first, "the segment is empty")
	}
	v.segment.Last = v.sequence
	return sc.err
}

func endsLine(text []byte) bool { return len(text) > 0 && text[len(text)-1] == '\n' }

func (v *verifier) readLine(sc *scanner, head bool, first uint64) {
	l := sc.line
	switch {
	case !sc.ok:
		v.sequence++
		v.lost = true
		v.problem(FlawMalformed, v.sequence, fmt.Sprintf("the line at byte %d cannot be read", sc.start))
		return
	case head != (l.kind == kindSegment):
		v.problem(FlawHeader, l.sequence, "a segment has one header, as its first line")
		v.resume(l)
		return
	case head:
		v.readHeader(l, first)
	default:
		v.checkChain(l, v.hash, v.lost)
	}
	v.resume(l)
	switch l.kind {
	case kindEvent:
		v.readEvent(l)
	case kindCheckpoint:
		v.readCheckpoint(l)
	}
	v.recent.add(l.sequence, passed{hash: l.hash, events: v.report.Events})
	v.compareAnchors(l)
}

// resume goes on behind a line, as it states itself.
func (v *verifier) resume(l line) { v.sequence, v.hash, v.lost = l.sequence, l.hash, false }

// checkChain checks that a line follows the one before, which has the hash previous, if it is known.
func (v *verifier) checkChain(l line, previous Hash, unknown bool) {
	if l.sequence != v.sequence+1 {
		v.problem(FlawSequence, l.sequence, fmt.Sprintf("the line does not follow sequence %d", v.sequence))
		return
	}
	if !unknown && v.chain.next(previous, l.kind, l.sequence, l.body) != l.hash {
		v.problem(FlawContent, l.sequence, "the line does not have the hash that it states")
	}
}

func (v *verifier) readHeader(l line, first uint64) {
	h, err := parseHeader(l.body)
	if err != nil {
		v.problem(FlawHeader, l.sequence, err.Error())
		return
	}
	v.segment.Epoch, v.segment.Begun, v.segment.Sync, v.segment.Cut = h.Epoch, h.Time, h.Sync, h.Cut
	if v.report.Server == "" {
		v.report.Server = h.Server
	}
	if h.Server != v.report.Server {
		v.problem(FlawHeader, l.sequence, fmt.Sprintf("the segment belongs to server %.64q", h.Server))
	}
	if h.First != first || l.sequence != first {
		v.problem(FlawHeader, l.sequence, fmt.Sprintf("the segment begins at sequence %d, its name says %d", h.First, first))
	}
	if h.Epoch < v.epoch {
		v.problem(FlawHeader, l.sequence, fmt.Sprintf("epoch %d follows epoch %d", h.Epoch, v.epoch))
	}
	v.epoch = h.Epoch
	if v.started {
		if !v.lost && h.Previous != v.hash || h.Checkpoint != v.digest {
			v.problem(FlawLink, l.sequence, "the segment does not continue the one before it")
		}
	} else {
		v.begin(l, h)
	}
	v.checkChain(l, h.Previous, false)
	v.digest = h.Checkpoint
}

// begin notes what is missing in front of the first segment.
func (v *verifier) begin(l line, h header) {
	v.started, v.explained = true, true
	v.report.First = l.sequence
	v.sequence = l.sequence - 1
	if l.sequence != 1 || h.Previous != (Hash{}) {
		v.beginning = removal{last: l.sequence - 1, hash: h.Previous}
		v.explained = false
	}
	for len(v.anchors) > 0 && v.anchors[0].Sequence < l.sequence {
		v.anchors = v.anchors[1:]
	}
}

func (v *verifier) readEvent(l line) {
	v.report.Events++
	v.segment.Events++
	if !ownEvent(l.body) {
		return
	}
	e, err := parseEvent(l.body)
	if err != nil || e.Account != "" {
		return
	}
	switch e.Action {
	case actionTruncated:
		v.problem(FlawRecorded, l.sequence, e.Reason.ForFailure)
	case actionRetention:
		if r, err := parseRemoval(e, l.sequence); err == nil {
			v.removals = append(v.removals, r)
		}
	}
}

func (v *verifier) readCheckpoint(l line) {
	v.segment.Checkpoints++
	c, err := parseCheckpoint(l.body)
	if err != nil {
		v.problem(FlawCheckpoint, l.sequence, err.Error())
		return
	}
	before := v.digest
	v.digest = c.Digest()
	at, known := v.recent.get(c.Sequence)
	if c.Sequence < v.report.First { // signed while its segment was closed, which is outdated by now
		known = true
		if at.hash = c.Hash; c.Sequence == v.beginning.last {
			at.hash = v.beginning.hash
		}
	}
	switch {
	case c.Server != v.report.Server || c.Epoch != v.epoch:
		v.problem(FlawCheckpoint, l.sequence, "the checkpoint is of another server or epoch")
	case c.Previous != before:
		v.problem(FlawCheckpoint, l.sequence, "the checkpoint does not continue the one before it")
	case !known || at.hash != c.Hash:
		v.problem(FlawCheckpoint, l.sequence, fmt.Sprintf("the checkpoint does not fit the line %d that it signs", c.Sequence))
	case v.signed(c, l.sequence) && c.Sequence >= v.report.First:
		v.report.Signed, v.atSigned = c.Sequence, at.events
		v.explain(c.Sequence)
	}
}

// signed checks the signature of a checkpoint found at a sequence.
func (v *verifier) signed(c Checkpoint, sequence uint64) bool {
	key := v.keys[c.KeyID]
	if key == nil {
		if !v.unknown[c.KeyID] {
			v.unknown[c.KeyID] = true
			v.problem(FlawKey, sequence, fmt.Sprintf("checkpoints are signed by key %.64q, which is not known", c.KeyID))
		}
		return false
	}
	if err := c.Verify(key); err != nil {
		v.problem(FlawSignature, sequence, err.Error())
		return false
	}
	return true
}

// explain looks for what is missing at the beginning among the records that are signed now.
func (v *verifier) explain(signed uint64) {
	rest := v.removals[:0]
	for _, r := range v.removals {
		if r.recorded > signed {
			rest = append(rest, r)
			continue
		}
		if !v.explained && r.last == v.beginning.last && r.hash == v.beginning.hash {
			v.explained = true
			v.report.RemovedThrough = r.last
		}
	}
	v.removals = rest
}

// conclude checks what can only be said at the end.
func (v *verifier) conclude() {
	v.report.Last = v.sequence
	v.report.AfterSigned = v.report.Events - v.atSigned
	v.report.AfterAnchor = v.report.Events - v.atAnchored
	if len(v.anchors) > 0 {
		newest := v.anchors[len(v.anchors)-1]
		v.problem(FlawTruncated, newest.Sequence,
			fmt.Sprintf("the log ends at sequence %d, a checkpoint of %s reaches further", v.sequence, newest.Time.UTC().Format(timeLayout)))
	}
	switch {
	case !v.started && len(v.anchors) == 0:
		v.problem(FlawTruncated, 0, "there is no log in the folder")
	case v.started && !v.explained:
		v.problem(FlawBeginning, v.report.First, "what comes before the first segment is missing, without a signed record of its removal")
	}
}

func (v *verifier) problem(kind Flaw, sequence uint64, detail string) {
	v.report.Found++
	name := ""
	if v.segment != nil {
		name = v.segment.Name
		v.segment.Problems++
	}
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{Segment: name, Sequence: sequence, Kind: kind, Detail: detail})
	}
}
