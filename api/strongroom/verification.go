package strongroom

import "strongroom/audit"

// Verification is what checking the audit log found, as JSON.
type Verification struct {
	OK               bool                  `json:"ok"`
	Entries          int                   `json:"entries"`           // events checked
	AnchoredSequence uint64                `json:"anchored_sequence"` // up to here nothing can be changed unseen
	AfterAnchor      int                   `json:"after_anchor"`      // events behind it, which could be cut off unseen
	RemovedThrough   uint64                `json:"removed_through"`   // last sequence that retention has removed
	Segments         []audit.SegmentReport `json:"segments"`
	ProblemCount     int                   `json:"problem_count"`
	Problems         []audit.Problem       `json:"problems"` // the first thousand
}

// NewVerification renders a report.
func NewVerification(r audit.Report) Verification {
	v := Verification{
		OK: r.OK(), Entries: r.Events, AnchoredSequence: r.Anchored, AfterAnchor: r.AfterAnchor,
		RemovedThrough: r.RemovedThrough, Segments: r.Segments, ProblemCount: r.Found, Problems: r.Problems,
	}
	if v.Segments == nil {
		v.Segments = []audit.SegmentReport{}
	}
	if v.Problems == nil {
		v.Problems = []audit.Problem{}
	}
	return v
}
