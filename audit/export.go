package audit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"
)

// Export writes events as JSON lines, oldest first: those from the time from (included) to the time
// to (excluded), of one account. Zero times and an empty account do not narrow it. It stops at what
// is recorded when it begins.
func (l *Log) Export(ctx context.Context, w io.Writer, from, to time.Time, account string) error {
	s, err := newSearch(Query{From: from, To: to, Account: account})
	if err != nil {
		return err
	}
	l.state.RLock()
	segments, open := l.segments, &segment{first: l.end.first, size: l.end.size}
	l.state.RUnlock()
	out := bufio.NewWriter(w)
	for _, seg := range append(segments[:len(segments):len(segments)], open) {
		if !s.mayMatch(l, seg) {
			continue
		}
		if err := l.exportSegment(ctx, out, s, seg); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("exporting audit events: %w", err)
	}
	return nil
}

func (l *Log) exportSegment(ctx context.Context, out *bufio.Writer, s *search, seg *segment) error {
	f, err := l.openSegment(seg.first)
	if f == nil {
		return err
	}
	defer f.Close()
	sc := newScanner(f, 0, seg.size)
	for n := 0; sc.scan(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !sc.ok || sc.line.kind != kindEvent || s.match(sc.text) == nil {
			continue
		}
		out.Write(sc.line.body) // the writer keeps its first error for the next call
		if err := out.WriteByte('\n'); err != nil {
			return fmt.Errorf("exporting audit events: %w", err)
		}
	}
	return sc.err
}
