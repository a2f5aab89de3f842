package kms

import (
	"net/url"
	"strings"

	"strongroom/crn"
)

// CRNPattern matches the CRNs of resources. Segments that are "*" match any; at the end of the last
// one a "*" matches any continuation.
type CRNPattern struct{ segments []string }

const crnSegments = 10

// ParseCRNPattern reads a pattern that was percent-encoded up to twice.
func ParseCRNPattern(text string) (CRNPattern, error) {
	for range 2 {
		if strings.HasPrefix(text, "crn:") {
			break
		}
		decoded, err := url.PathUnescape(text)
		if err != nil {
			break
		}
		text = decoded
	}
	segments := strings.SplitN(text, ":", crnSegments)
	if len(segments) != crnSegments || segments[0] != "crn" || len(text) > crn.MaxLen {
		return CRNPattern{}, errPattern
	}
	for i, s := range segments {
		star := strings.IndexByte(s, '*')
		last := i == crnSegments-1 && star == len(s)-1
		if star >= 0 && s != "*" && !last {
			return CRNPattern{}, errPattern
		}
	}
	return CRNPattern{segments: segments}, nil
}

var errPattern = ErrParameter.On("urlEncodedResourceCRNQuery",
	"a CRN of ten segments, in which '*' stands for a whole segment or for the end of the last one")

// Match reports whether the pattern matches a CRN.
func (p CRNPattern) Match(name string) bool {
	segments := strings.SplitN(name, ":", crnSegments)
	if len(segments) != crnSegments {
		return false
	}
	for i, want := range p.segments {
		prefix, open := strings.CutSuffix(want, "*")
		if open && !strings.HasPrefix(segments[i], prefix) || !open && segments[i] != want {
			return false
		}
	}
	return true
}

// Prefix returns how all CRNs begin that the pattern can match.
func (p CRNPattern) Prefix() string {
	text := strings.Join(p.segments, ":")
	prefix, _, _ := strings.Cut(text, "*")
	return prefix
}

// leading reports whether one of the first n segments is open.
func (p CRNPattern) leading(n int) bool {
	for _, s := range p.segments[:n] {
		if strings.HasSuffix(s, "*") {
			return true
		}
	}
	return false
}
