package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// unreadable stands for the index of a segment that cannot be read as one: searches always look into
// it, and retention by age leaves it to a person.
func unreadable(s *segment) *index {
	return &index{First: s.first, Size: s.size, To: time.Unix(1<<40, 0).UTC()}
}

// retain removes the segments that Retention no longer wants. The removal is recorded and signed
// before it happens, so that a beginning that is missing can be told from one that was taken.
func (l *Log) retain(ctx context.Context) error {
	outdated, why := l.outdated()
	if len(outdated) == 0 {
		return nil
	}
	events := make([]*Event, 0, len(outdated))
	for i, s := range outdated {
		events = append(events, l.removal(s, why[i]))
	}
	if err := l.Append(ctx, events...); err != nil {
		return fmt.Errorf("recording retention: %w", err)
	}
	if err := l.signNow(ctx); err != nil {
		return fmt.Errorf("signing retention: %w", err)
	}
	return l.removeOutdated(outdated)
}

// removeOutdated takes segments from the list, so that no new search looks for them, and then from the
// folder.
func (l *Log) removeOutdated(outdated []*segment) error {
	l.removing.Lock()
	defer l.removing.Unlock()
	l.state.Lock()
	l.segments = slices.DeleteFunc(slices.Clone(l.segments), func(s *segment) bool {
		return s.first <= outdated[len(outdated)-1].first
	})
	l.state.Unlock()
	for _, s := range outdated {
		for _, name := range []string{segmentName(s.first), indexName(s.first)} {
			if err := l.files.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("removing outdated audit segment: %w", err)
			}
		}
	}
	if err := l.files.syncDir(); err != nil {
		return fmt.Errorf("removing outdated audit segments: %w", err)
	}
	return nil
}

// signNow writes a checkpoint into the chain without waiting for the anchors: a database that is away
// must not let the disk fill.
func (l *Log) signNow(ctx context.Context) error {
	l.signing.Lock()
	defer l.signing.Unlock()
	l.state.RLock()
	end, news := l.end, l.news
	l.state.RUnlock()
	if news <= l.Head().Sequence {
		return nil
	}
	return l.signLocked(ctx, end)
}

// outdated returns the segments to remove, oldest first, and for each the rule that says so. A segment
// that is not indexed yet waits, and the newer ones with it.
func (l *Log) outdated() (segments []*segment, why []string) {
	l.state.RLock()
	defer l.state.RUnlock()
	total := l.end.size
	for _, s := range l.segments {
		total += s.size
	}
	oldest := l.now().AddDate(0, 0, -l.retention.Days)
	for _, s := range l.segments {
		x := s.index.Load()
		if x == nil {
			break
		}
		switch {
		case l.retention.Days > 0 && x.To.Before(oldest):
			why = append(why, "age")
		case l.retention.Bytes > 0 && total > l.retention.Bytes:
			why = append(why, "size")
		default:
			return segments, why
		}
		segments = append(segments, s)
		total -= s.size
	}
	return segments, why
}

// Members of the data of a retention event, by which Verify accepts a beginning that is missing.
const (
	removedLast = "lastSequence"
	removedHash = "lastHash"
)

func (l *Log) removal(s *segment, why string) *Event {
	x := s.index.Load()
	return &Event{
		Action: actionRetention, Outcome: Success,
		Message:   "Audit: remove outdated segment " + segmentName(s.first),
		Initiator: l.itself(),
		Target:    Target{ID: l.server, Name: segmentName(s.first), TypeURI: "strongroom/audit"},
		RequestData: map[string]any{
			"reason": why, "firstSequence": s.first, removedLast: x.Last, removedHash: x.LastHash.String(),
			"events": x.Events, "bytes": s.size, "from": x.From, "to": x.To,
		},
	}
}
