package objects

import (
	"slices"
	"time"
)

// read says whether a reader may have an object with this ETag and date: ErrPrecondition, ErrNotModified
// or nil. A condition on the ETag makes the one on the date that goes with it void (RFC 9110, section
// 13.2.2, which S3 follows).
func (c *Conditions) read(etag string, modified time.Time) error {
	modified = modified.Truncate(time.Second) // as Last-Modified shows it
	switch {
	case len(c.Match) > 0 && !matches(c.Match, etag):
		return ErrPrecondition
	case len(c.Match) == 0 && !c.UnmodifiedSince.IsZero() && modified.After(c.UnmodifiedSince):
		return ErrPrecondition
	case len(c.NoneMatch) > 0 && matches(c.NoneMatch, etag):
		return ErrNotModified
	case len(c.NoneMatch) == 0 && !c.ModifiedSince.IsZero() && !modified.After(c.ModifiedSince):
		return ErrNotModified
	}
	return nil
}

// write says whether an object with this ETag may be replaced, or made where there is none:
// ErrPrecondition, ErrNoObject or nil.
func (c *Conditions) write(etag string, there bool) error {
	switch {
	case len(c.Match) > 0 && !there:
		return ErrNoObject
	case len(c.Match) > 0 && !matches(c.Match, etag):
		return ErrPrecondition
	case there && matches(c.NoneMatch, etag):
		return ErrPrecondition
	}
	return nil
}

// onWrite reports whether write has something to judge.
func (c *Conditions) onWrite() bool { return len(c.Match)+len(c.NoneMatch) > 0 }

// holds reports whether an object is in the state that is meant. No validator means any.
func (v *Validator) holds(o *Object) bool {
	switch {
	case v == nil:
		return true
	case v.ETag != "":
		return v.ETag == o.ETag
	}
	return v.Modified.Equal(o.Modified.Truncate(time.Second))
}

func matches(list []string, etag string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, etag)
}

// within returns where the range begins in a content of this size, and how many bytes of it there are.
// It fails with ErrRange if that is none.
func (r *Range) within(size int64) (offset, length int64, err error) {
	first, last := r.First, r.Last
	switch {
	case first < 0: // the last bytes
		if first, last = max(0, size-last), size-1; r.Last <= 0 {
			return 0, 0, ErrRange
		}
	case last < 0 || last >= size:
		last = size - 1
	}
	if first >= size || first > last {
		return 0, 0, ErrRange
	}
	return first, last - first + 1, nil
}
