package audit

import (
	"fmt"
	"time"
)

// Flaw is a kind of problem that Verify finds.
type Flaw string

// The flaws.
const (
	FlawMalformed  Flaw = "malformed"  // a line that the log does not write
	FlawContent    Flaw = "content"    // a line does not have the hash that it states: it, or the one before it, was changed
	FlawSequence   Flaw = "sequence"   // a line does not follow the one before it: removed, moved or repeated
	FlawHeader     Flaw = "header"     // a segment's first line does not fit its file, its server or its epoch
	FlawLink       Flaw = "link"       // a segment does not continue the one before it
	FlawCheckpoint Flaw = "checkpoint" // a checkpoint says something else than the chain
	FlawSignature  Flaw = "signature"  // a checkpoint is not signed by the key it names
	FlawKey        Flaw = "key"        // a checkpoint names a key that is not among those given
	FlawAnchor     Flaw = "anchor"     // a checkpoint kept elsewhere says something else than the chain
	FlawTruncated  Flaw = "truncated"  // the log ends before a checkpoint kept elsewhere
	FlawBeginning  Flaw = "beginning"  // the beginning is missing and no signed record says that it was outdated
	FlawRecorded   Flaw = "recorded"   // the log itself has recorded that acknowledged entries were missing
)

// Problem is one thing that Verify found wrong.
type Problem struct {
	Segment  string `json:"segment"`  // name of the file; empty if it is about the log as a whole
	Sequence uint64 `json:"sequence"` // of the line, or where it should be
	Kind     Flaw   `json:"kind"`
	Detail   string `json:"detail"`
}

func (p Problem) String() string {
	return fmt.Sprintf("%s: sequence %d: %s: %s", p.Segment, p.Sequence, p.Kind, p.Detail)
}

// SegmentReport says what of one segment was checked.
type SegmentReport struct {
	Name        string    `json:"name"`
	Epoch       uint64    `json:"epoch"`
	First       uint64    `json:"first"` // sequence of its first line
	Last        uint64    `json:"last"`  // of its last
	Bytes       int64     `json:"bytes"`
	Events      int       `json:"events"`
	Checkpoints int       `json:"checkpoints"`
	Begun       time.Time `json:"begun"`
	Sync        string    `json:"sync"` // how far durability was promised
	Cut         int64     `json:"cut"`  // bytes of unacknowledged lines that were removed before it, after a crash
	Problems    int       `json:"problems"`
}

// Report is what Verify found out.
type Report struct {
	Server   string          `json:"server"`
	Segments []SegmentReport `json:"segments"`
	First    uint64          `json:"first"` // sequence of the first line that is there
	Last     uint64          `json:"last"`  // of the last
	Events   int             `json:"events"`

	// RemovedThrough is the last sequence that retention has removed, by a signed record; zero if none.
	RemovedThrough uint64 `json:"removedThrough"`
	// Signed is the highest sequence that a valid checkpoint inside the log covers, and AfterSigned
	// the number of events behind it.
	Signed      uint64 `json:"signed"`
	AfterSigned int    `json:"afterSigned"`
	// Anchored is the highest sequence that a valid checkpoint kept elsewhere confirms, and
	// AfterAnchor the number of events behind it: they could be cut off, or after the theft of the
	// signing key rewritten, without this verification seeing it. Without Anchors it is zero, and
	// AfterAnchor counts all events.
	Anchored    uint64 `json:"anchored"`
	AfterAnchor int    `json:"afterAnchor"`
	// AnchorsChecked counts the checkpoints kept elsewhere that were compared.
	AnchorsChecked int `json:"anchorsChecked"`
	// Torn is the number of bytes of an unfinished line at the end: a crash, or a write under way.
	Torn int64 `json:"torn"`

	Problems []Problem `json:"problems"` // the first 1,000
	Found    int       `json:"found"`    // number of all problems
}

// OK reports whether nothing was found wrong.
func (r Report) OK() bool { return r.Found == 0 }

// maxProblems bounds a report about a log that is damaged throughout.
const maxProblems = 1000
