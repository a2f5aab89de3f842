package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// resume finds the end of the chain in the folder and begins a segment behind it. It runs at start,
// and when writing has failed: then known is the end of what was acknowledged. anchor is the newest
// checkpoint kept elsewhere, if there is one. What the folder should hold and does not is recorded
// as the first event.
func (l *Log) resume(known *position, anchor *Checkpoint) error {
	firsts, err := segmentsIn(l.files)
	if err != nil {
		return err
	}
	removed := int64(0)
	if known != nil {
		if firsts, removed, err = l.cutBehind(firsts, *known); err != nil {
			return err
		}
	}
	last, firsts, torn, err := l.findEnd(firsts, anchor)
	if err != nil {
		return err
	}
	closed, err := l.closedSegments(firsts)
	if err != nil {
		return err
	}
	var events []*Event
	next := max(last.end.sequence, last.highest) + 1
	if want := expectation(known, anchor); want.sequence > 0 {
		lost, err := l.lost(want, last, firsts)
		if err != nil {
			return err
		}
		if lost != "" {
			events = append(events, l.truncated(want, last, lost))
			next = max(next, want.sequence+1)
		}
	}
	if known == nil && l.anchors != nil && outrun(last, anchor) {
		events = append(events, l.behind(last, anchor))
	}
	if known == nil {
		l.epoch = last.header.Epoch + 1
		if anchor != nil {
			l.epoch = max(l.epoch, anchor.Epoch+1)
		}
	} else {
		events = append(events, l.recovered())
	}
	if last.damaged {
		last.end.hash = last.last
	}
	return l.begin(last.end, next, removed+torn, events, func([]*segment) []*segment { return closed })
}

// expectation returns what the folder must at least hold.
func expectation(known *position, anchor *Checkpoint) position {
	switch {
	case known != nil:
		return *known
	case anchor != nil:
		return position{sequence: anchor.Sequence, hash: anchor.Hash}
	default:
		return position{}
	}
}

// cutBehind removes what was written behind the end of what was acknowledged, and returns the
// segments that stay and the number of bytes removed.
func (l *Log) cutBehind(firsts []uint64, known position) ([]uint64, int64, error) {
	removed := int64(0)
	for len(firsts) > 0 && firsts[len(firsts)-1] > known.first {
		n, err := l.removeSegment(firsts[len(firsts)-1])
		if err != nil {
			return nil, 0, err
		}
		removed += n
		firsts = firsts[:len(firsts)-1]
	}
	if len(firsts) == 0 || firsts[len(firsts)-1] != known.first {
		return firsts, removed, nil
	}
	n, err := l.truncateSegment(known.first, known.size)
	return firsts, removed + n, err
}

func (l *Log) removeSegment(first uint64) (int64, error) {
	size, err := l.files.size(segmentName(first))
	if err == nil {
		err = l.files.remove(segmentName(first))
	}
	if err != nil {
		return 0, fmt.Errorf("removing audit segment without acknowledged lines: %w", err)
	}
	return size, nil
}

// truncateSegment cuts a segment to size, if it is longer, and returns the bytes removed.
func (l *Log) truncateSegment(first uint64, size int64) (int64, error) {
	f, err := l.files.open(segmentName(first))
	if err != nil {
		return 0, fmt.Errorf("opening audit segment: %w", err)
	}
	defer f.Close()
	whole, err := f.Size()
	if err != nil || whole <= size {
		return 0, err
	}
	if err := f.Truncate(size); err != nil {
		return 0, fmt.Errorf("cutting audit segment: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("syncing audit segment: %w", err)
	}
	return whole - size, nil
}

// findEnd surveys the last segment, and removes behind its unbroken chain what a crash left: lines
// that were never acknowledged. Segments whose first line was not even finished are removed. It
// returns the segments that stay and the number of bytes removed. Lines that were acknowledged stay
// where they are, damaged or not: they are evidence.
func (l *Log) findEnd(firsts []uint64, anchor *Checkpoint) (survey, []uint64, int64, error) {
	removed := int64(0)
	for len(firsts) > 0 {
		first := firsts[len(firsts)-1]
		s, size, err := l.surveySegment(first, 0)
		if err != nil {
			return survey{}, nil, 0, err
		}
		if anchor != nil && anchor.Sequence > s.end.sequence && s.highest > s.end.sequence {
			s.damaged = true
		}
		if s.damaged {
			return s, firsts, removed, nil
		}
		s.highest = s.end.sequence
		if s.end.size > 0 {
			if s.end.size < size {
				if _, err := l.truncateSegment(first, s.end.size); err != nil {
					return survey{}, nil, 0, err
				}
			}
			return s, firsts, removed + size - s.end.size, nil
		}
		if _, err := l.removeSegment(first); err != nil {
			return survey{}, nil, 0, err
		}
		removed += size
		firsts = firsts[:len(firsts)-1]
	}
	return survey{}, nil, removed, nil
}

func (l *Log) surveySegment(first, want uint64) (survey, int64, error) {
	f, err := l.files.open(segmentName(first))
	if err != nil {
		return survey{}, 0, fmt.Errorf("opening audit segment: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return survey{}, 0, fmt.Errorf("reading audit segment: %w", err)
	}
	s, err := surveyFile(f, first, size, want)
	return s, size, err
}

// closedSegments returns the segments of a folder with the indexes that they have.
func (l *Log) closedSegments(firsts []uint64) ([]*segment, error) {
	segments := make([]*segment, 0, len(firsts))
	for _, first := range firsts {
		size, err := l.files.size(segmentName(first))
		if err != nil {
			return nil, fmt.Errorf("reading audit segment: %w", err)
		}
		s := &segment{first: first, size: size}
		s.index.Store(loadIndex(l.files, first, size))
		segments = append(segments, s)
	}
	return segments, nil
}

// lost says why the folder is not what it must at least be: empty when it is.
func (l *Log) lost(want position, last survey, firsts []uint64) (string, error) {
	if last.damaged {
		return "damaged", nil
	}
	if want.sequence > last.end.sequence {
		return "ends too early", nil
	}
	i, exact := slices.BinarySearch(firsts, want.sequence)
	if !exact {
		i--
	}
	if i < 0 {
		return "", nil // retention has removed the line since
	}
	s, _, err := l.surveySegment(firsts[i], want.sequence)
	if err != nil {
		return "", err
	}
	if !s.found || s.wanted != want.hash {
		return "replaced", nil
	}
	return "", nil
}

// outrun reports whether the folder holds checkpoints that the place which keeps them has never
// seen, beyond the one that a crash may have kept from it: what keeps them, with all else that it
// keeps, is a copy older than the log.
func outrun(last survey, anchor *Checkpoint) bool {
	if anchor == nil {
		return last.signed > 0
	}
	return last.signed > anchor.Sequence || last.header.Epoch > anchor.Epoch+1
}

func (l *Log) behind(last survey, anchor *Checkpoint) *Event {
	e := &Event{
		Action: actionBehind, Outcome: Failure, Severity: Critical,
		Message:   "Audit: the database is older than the log -failure",
		Initiator: l.itself(),
		Target:    Target{ID: l.server, TypeURI: "strongroom/audit"},
		Reason: Reason{ForFailure: "the database lacks checkpoints that the log has: " +
			"it was restored from an older copy, or could not be written for long"},
		RequestData: map[string]any{"signedSequence": last.newest, "anchoredSequence": uint64(0)},
	}
	if anchor != nil {
		e.RequestData["anchoredSequence"] = anchor.Sequence
	}
	l.onError(errors.New(e.Reason.ForFailure))
	return e
}

// itself is the initiator of events about the log.
func (l *Log) itself() Initiator {
	return Initiator{ID: l.server, Name: l.server, TypeURI: "service/security/audit"}
}

func (l *Log) truncated(want position, last survey, why string) *Event {
	return &Event{
		Action: actionTruncated, Outcome: Failure, Severity: Critical,
		Message:   "Audit: acknowledged entries are missing -failure",
		Initiator: l.itself(),
		Target:    Target{ID: l.server, TypeURI: "strongroom/audit"},
		Reason:    Reason{ForFailure: "the folder of the log " + why},
		RequestData: map[string]any{
			"expectedSequence": want.sequence, "expectedHash": want.hash.String(),
			"foundSequence": last.end.sequence, "foundHash": last.end.hash.String(),
		},
	}
}

// recovered tells for how long the log could not be written, and why.
func (l *Log) recovered() *Event {
	e := &Event{
		Action: actionRecovered, Outcome: Success, Severity: Warning,
		Message:   "Audit: the log can be written again",
		Initiator: l.itself(),
		Target:    Target{ID: l.server, TypeURI: "strongroom/audit"},
	}
	if f := l.failure.Load(); f != nil {
		e.RequestData = map[string]any{"since": f.since.UTC().Format(time.RFC3339), "cause": f.err.Error()}
	}
	return e
}
