package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Limits of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// ErrCursor says that a cursor is not one that Search returned.
var ErrCursor = errors.New("cursor is not valid")

// NoAccount as the account of a query asks for the events that belong to none.
const NoAccount = "-"

// Query says which events to find. Empty fields do not narrow the search.
type Query struct {
	From        time.Time // earliest time of an event, included
	To          time.Time // latest, excluded
	Account     string    // or NoAccount
	Instance    string    // ID of a service instance, see Event.Instance
	Key         string    // ID of a key, see Event.Key
	Action      string    // whole, or its beginning followed by "*"
	Initiator   string    // IAM ID
	Outcome     Outcome
	Correlation string
	Limit       int    // events of a page; zero means 100, at most 1,000
	Cursor      string // Page.Next of the page before
}

// Page is one page of events, newest first in the order in which they were recorded.
type Page struct {
	Events []*Event
	Next   string // cursor of the page after this one; empty at the end
}

// Search returns a page of the events that q asks for. Events that are removed or added between two
// pages do not make it repeat or miss others.
func (l *Log) Search(ctx context.Context, q Query) (Page, error) {
	s, err := newSearch(q)
	if err != nil {
		return Page{}, err
	}
	l.state.RLock()
	segments, first, size := l.segments, l.end.first, l.end.size
	l.state.RUnlock()
	if s.before.first == 0 || s.before.first >= first {
		if err := s.in(ctx, l, &segment{first: first, size: size}); err != nil {
			return Page{}, err
		}
	}
	for _, seg := range slices.Backward(segments) {
		if s.full() {
			break
		}
		if s.before.first != 0 && seg.first > s.before.first || !s.mayMatch(l, seg) {
			continue
		}
		if err := s.in(ctx, l, seg); err != nil {
			return Page{}, err
		}
	}
	return s.page, nil
}

// search is a query at work.
type search struct {
	Query
	limit   int
	before  place    // only lines before this one; zero for all
	prefix  bool     // Action is a beginning
	needles [][]byte // each is in the text of every event that matches
	tokens  []token  // likewise in the filter of its segment
	page    Page
}

// place is where a line begins.
type place struct {
	first  uint64 // segment
	offset int64
}

func (p place) String() string { return fmt.Sprintf("%d-%d", p.first, p.offset) }

func parsePlace(s string) (place, error) {
	var p place
	if _, err := fmt.Sscanf(s, "%d-%d", &p.first, &p.offset); err != nil ||
		p.String() != s || p.first == 0 || p.offset < 0 {
		return place{}, ErrCursor
	}
	return p, nil
}

func newSearch(q Query) (*search, error) {
	s := &search{Query: q, limit: q.Limit}
	if s.limit <= 0 {
		s.limit = defaultLimit
	}
	s.limit = min(s.limit, maxLimit)
	if q.Cursor != "" {
		var err error
		if s.before, err = parsePlace(q.Cursor); err != nil {
			return nil, err
		}
	}
	if action, ok := strings.CutSuffix(q.Action, "*"); ok {
		s.Action, s.prefix = action, true
	}
	if q.Account != NoAccount {
		s.narrow('a', `"accountId":`, q.Account)
	}
	s.narrow('i', "", q.Instance)
	s.narrow('k', "", q.Key)
	s.narrow('u', `"id":`, q.Initiator)
	s.narrow('c', `"correlationId":`, q.Correlation)
	s.narrow(0, `"outcome":`, string(q.Outcome))
	if s.Action != "" {
		needle := appendString([]byte(`"action":`), s.Action)
		if s.prefix {
			needle = needle[:len(needle)-1]
		}
		s.needles = append(s.needles, needle)
	}
	return s, nil
}

// narrow takes a value that an event must have, as the member before it in its text, or as a part
// of some string if that is empty.
func (s *search) narrow(field byte, member, value string) {
	if value == "" {
		return
	}
	text := appendString(nil, value)
	if member == "" {
		text = text[1 : len(text)-1]
	}
	s.needles = append(s.needles, append([]byte(member), text...))
	if field != 0 {
		s.tokens = append(s.tokens, newToken(field, value))
	}
}

func (s *search) full() bool { return len(s.page.Events) >= s.limit }

// mayMatch reports false if the index of a closed segment rules it out.
func (s *search) mayMatch(l *Log, seg *segment) bool {
	x := seg.index.Load()
	if x == nil {
		return true
	}
	if !s.To.IsZero() && !x.From.Before(s.To) || !s.From.IsZero() && x.To.Before(s.From.Truncate(resolution)) {
		return false
	}
	if s.Action != "" && x.Actions != nil && !slices.ContainsFunc(x.Actions, s.matchAction) {
		return false
	}
	if len(s.tokens) == 0 {
		return true
	}
	open := l.openFilter(x)
	defer open.close()
	for _, t := range s.tokens {
		if !open.mayHold(t) {
			return false
		}
	}
	return true
}

func (s *search) matchAction(action string) bool {
	if s.prefix {
		return strings.HasPrefix(action, s.Action)
	}
	return action == s.Action
}

// in takes matches from one segment, newest first, until the page is full.
func (s *search) in(ctx context.Context, l *Log, seg *segment) error {
	end := seg.size
	f, err := l.openSegment(seg.first)
	if f == nil {
		return err // nil if retention took it meanwhile
	}
	defer f.Close()
	if s.before.first == seg.first {
		if s.before.offset > end || !lineStart(f, s.before.offset) {
			return ErrCursor
		}
		end = s.before.offset
	}
	lines := newBackward(f, end)
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		text, offset, ok := lines.prev()
		if !ok {
			return lines.err
		}
		if e := s.match(text); e != nil {
			s.page.Events = append(s.page.Events, e)
			if s.full() {
				s.page.Next = place{first: seg.first, offset: offset}.String()
				return nil
			}
		}
	}
}

// lineStart reports whether a line begins at offset.
func lineStart(f io.ReaderAt, offset int64) bool {
	if offset == 0 {
		return true
	}
	var b [1]byte
	_, err := f.ReadAt(b[:], offset-1)
	return err == nil && b[0] == '\n'
}

// match returns the event of a line if it is what the query asks for, else nil.
func (s *search) match(text []byte) *Event {
	for _, needle := range s.needles {
		if !bytes.Contains(text, needle) {
			return nil
		}
	}
	l, err := parseLine(text)
	if err != nil || l.kind != kindEvent {
		return nil
	}
	e, err := parseEvent(l.body)
	if err != nil || !s.matches(e) {
		return nil
	}
	return e
}

func (s *search) matches(e *Event) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return (s.From.IsZero() || !e.Time.Before(s.From.Truncate(resolution))) &&
		(s.To.IsZero() || e.Time.Before(s.To)) &&
		(is(s.Account, e.Account) || s.Account == NoAccount && e.Account == "") &&
		is(s.Instance, e.Instance()) && is(s.Key, e.Key()) &&
		is(s.Initiator, e.Initiator.ID) && is(string(s.Outcome), string(e.Outcome)) &&
		is(s.Correlation, e.CorrelationID) && (s.Action == "" || s.matchAction(e.Action))
}

// openSegment opens a segment for reading; nil without an error if retention has removed it.
func (l *Log) openSegment(first uint64) (file, error) {
	f, err := l.files.open(segmentName(first))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening audit segment: %w", err)
	}
	return f, nil
}

// openedFilter is the filter of one segment, or of none: that one may hold everything.
type openedFilter struct {
	index *index
	file  file
}

func (l *Log) openFilter(x *index) openedFilter {
	if x == nil || x.Blocks == 0 {
		return openedFilter{}
	}
	f, err := l.files.open(indexName(x.First))
	if err != nil {
		return openedFilter{}
	}
	return openedFilter{index: x, file: f}
}

func (o openedFilter) mayHold(t token) bool { return o.file == nil || o.index.mayHold(o.file, t) }

func (o openedFilter) close() {
	if o.file != nil {
		o.file.Close()
	}
}
