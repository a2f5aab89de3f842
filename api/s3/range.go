package s3

import (
	"strconv"
	"strings"

	"strongroom/objects"
)

// parseRange reads a Range header (RFC 9110, section 14.2). What is no range of bytes, and several
// ranges, ask for the whole: then it is nil. No space may stand within a range.
func parseRange(v string) *objects.Range {
	unit, set, ok := strings.Cut(strings.TrimSpace(v), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return nil
	}
	first, last, ok := strings.Cut(set, "-")
	if !ok {
		return nil
	}
	r := objects.Range{First: -1, Last: -1}
	if first != "" {
		if r.First, ok = position(first); !ok {
			return nil
		}
	}
	if last != "" {
		if r.Last, ok = position(last); !ok {
			return nil
		}
	}
	if r.First < 0 && r.Last < 0 || r.First >= 0 && r.Last >= 0 && r.Last < r.First {
		return nil
	}
	return &r
}

// position reads a number of digits alone. One that is too large for us is as good as the largest.
func position(v string) (int64, bool) {
	if strings.Trim(v, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}

// parseSourceRange reads the range of a source whose part is copied, which has to be exact.
func parseSourceRange(v string) (*objects.Range, error) {
	if v == "" {
		return nil, nil
	}
	r := parseRange(v)
	if r == nil || r.First < 0 || r.Last < 0 {
		return nil, errHeader.On("x-amz-copy-source-range", "it does not have the form bytes=first-last")
	}
	return r, nil
}

// rangeIf reads an If-Range header (RFC 9110, section 13.1.5): an entity tag or a date. What is neither,
// and a weak tag, are of no object, so that the whole is sent.
func rangeIf(v string) *objects.Validator {
	v = strings.TrimSpace(v)
	if v == "" {
		return nil
	}
	if date := httpDate(v); !date.IsZero() {
		return &objects.Validator{Modified: date}
	}
	if tag, ok := strings.CutPrefix(v, `"`); ok {
		v = strings.TrimSuffix(tag, `"`)
	}
	return &objects.Validator{ETag: v}
}
