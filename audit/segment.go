package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Endings of the names of files.
const (
	segmentEnding = ".log"
	indexEnding   = ".idx"
)

// segment is a closed segment: no line is added to it any more.
type segment struct {
	first uint64                // sequence of its first line, and its name
	size  int64                 // bytes
	index atomic.Pointer[index] // nil until it is indexed
	notes *notes                // what was noted while it was written; nil after a crash. Owned by the librarian.
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentEnding) }

func indexName(first uint64) string { return fmt.Sprintf("%020d%s", first, indexEnding) }

// parseSegmentName returns the first sequence of the segment called name, and false for other files.
func parseSegmentName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentEnding)
	if !ok {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || segmentName(first) != name {
		return 0, false
	}
	return first, true
}

// segmentsIn returns the first sequences of the segments in a folder, rising.
func segmentsIn(fs files) ([]uint64, error) {
	names, err := fs.list()
	if err != nil {
		return nil, fmt.Errorf("listing audit folder: %w", err)
	}
	var firsts []uint64
	for _, name := range names {
		if first, ok := parseSegmentName(name); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// position is a place in the chain: after a line.
type position struct {
	first      uint64 // segment that holds the line; 0 before the first of all
	size       int64  // of the segment up to here
	sequence   uint64 // of the line
	hash       Hash   // of the line
	checkpoint Hash   // digest of the newest checkpoint up to here
}

// survey is what a segment tells when it is read from its beginning.
type survey struct {
	header  header
	end     position // after the last line of the unbroken chain; end.size is 0 without a header
	highest uint64   // highest sequence of any line, also behind a break
	last    Hash     // hash that the last readable line states
	damaged bool     // lines behind end were acknowledged: a checkpoint behind end covers more than end
	signed  uint64   // what the last checkpoint but one of the chain covers; zero without two
	newest  uint64   // what the last one covers
	wanted  Hash     // hash of the line asked for
	found   bool     // whether that line is in the unbroken chain
}

// surveyFile reads a segment and follows its chain as far as it is unbroken. It does not check how the
// first line continues the segment before.
func surveyFile(f file, first uint64, size int64, want uint64) (survey, error) {
	var s survey
	chain := newChainer()
	broken := false
	sc := newScanner(f, 0, size)
	for sc.scan() {
		l := sc.line
		if sc.ok {
			s.highest, s.last = max(s.highest, l.sequence), l.hash
		}
		if !broken {
			broken = !s.follow(chain, sc, first)
		}
		if broken && sc.ok && l.kind == kindCheckpoint {
			c, err := parseCheckpoint(l.body)
			s.damaged = s.damaged || err == nil && c.Sequence > s.end.sequence
		}
		if !broken && l.sequence == want {
			s.wanted, s.found = l.hash, true
		}
	}
	return s, sc.err
}

// follow takes one line into the chain, and reports false if it does not belong there.
func (s *survey) follow(chain *chainer, sc *scanner, first uint64) bool {
	if !sc.ok {
		return false
	}
	l := sc.line
	if s.end.size == 0 {
		h, err := parseHeader(l.body)
		if err != nil || l.kind != kindSegment || h.First != first || l.sequence != first ||
			chain.next(h.Previous, kindSegment, first, l.body) != l.hash {
			return false
		}
		s.header = h
		s.end = position{first: first, checkpoint: h.Checkpoint}
	} else if l.kind == kindSegment || l.sequence != s.end.sequence+1 ||
		chain.next(s.end.hash, l.kind, l.sequence, l.body) != l.hash {
		return false
	}
	if l.kind == kindCheckpoint {
		c, err := parseCheckpoint(l.body)
		if err != nil {
			return false
		}
		s.end.checkpoint = c.Digest()
		s.signed, s.newest = s.newest, c.Sequence
	}
	s.end.sequence, s.end.hash, s.end.size = l.sequence, l.hash, sc.offset
	return true
}
