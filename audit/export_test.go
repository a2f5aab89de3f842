package audit

// What tests need from inside.

// WithFiles makes Open and Verify use files in memory.
func (o Options) WithFiles(m *MemFiles) Options { o.files = m; return o }

// WithFiles makes Verify read files in memory.
func (o VerifyOptions) WithFiles(m *MemFiles) VerifyOptions { o.files = m; return o }

// Names and functions under test.
const (
	ActionTruncated = actionTruncated
	ActionBehind    = actionBehind
	ActionRetention = actionRetention
	ActionRecovered = actionRecovered
	ActionRefusals  = actionRefusals
	ActionAnswers   = actionAnswers
	MaxLine         = maxLine
)

// ParseLine parses a line and writes it again.
func ParseLine(text []byte) (again []byte, err error) {
	l, err := parseLine(text)
	if err != nil {
		return nil, err
	}
	return appendLine(nil, l), nil
}

// ParseEvent is parseEvent.
func ParseEvent(text []byte) (*Event, error) { return parseEvent(text) }

// DropIndex makes the log forget its indexes, so that searches read all segments.
func (l *Log) DropIndex() {
	l.state.RLock()
	defer l.state.RUnlock()
	for _, s := range l.segments {
		s.index.Store(nil)
	}
}

// Segments returns the number of closed segments and how many of them are indexed.
func (l *Log) Segments() (closed, indexed int) {
	l.state.RLock()
	defer l.state.RUnlock()
	for _, s := range l.segments {
		if s.index.Load() != nil {
			indexed++
		}
	}
	return len(l.segments), indexed
}
