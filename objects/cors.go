package objects

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	maxCORS   = 100 // rules of a bucket
	maxRuleID = 255 // bytes of the ID of a rule
)

// SetCORS sets the rules of cross-origin access; none removes them.
func SetCORS(rules []CORSRule) Change {
	return func(b *Bucket, _ time.Time) error {
		if len(rules) > maxCORS {
			return ErrArgument.On("CORSRule", fmt.Sprintf("more than %d rules", maxCORS))
		}
		for i := range rules {
			if err := rules[i].valid(); err != nil {
				return err
			}
		}
		b.CORS = rules
		return nil
	}
}

func (r *CORSRule) valid() error {
	switch {
	case len(r.ID) > maxRuleID:
		return ErrArgument.On("ID", fmt.Sprintf("longer than %d bytes", maxRuleID))
	case len(r.Origins) == 0:
		return ErrArgument.On("AllowedOrigin", "a rule needs one")
	case len(r.Methods) == 0:
		return ErrArgument.On("AllowedMethod", "a rule needs one")
	case slices.ContainsFunc(r.Origins, manyStars):
		return ErrArgument.On("AllowedOrigin", "more than one *")
	case slices.ContainsFunc(r.Headers, manyStars):
		return ErrArgument.On("AllowedHeader", "more than one *")
	case slices.ContainsFunc(r.Expose, func(s string) bool { return strings.Contains(s, "*") }):
		return ErrArgument.On("ExposeHeader", "it names one header, without *")
	case r.MaxAge != nil && *r.MaxAge < 0:
		return ErrArgument.On("MaxAgeSeconds", "less than 0")
	}
	for _, m := range r.Methods {
		if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, m) {
			return ErrArgument.On("AllowedMethod", "none of GET, PUT, POST, DELETE and HEAD")
		}
	}
	return nil
}

func manyStars(pattern string) bool { return strings.Count(pattern, "*") > 1 }

// Allows reports whether the rule lets a page of this origin use a method with these request headers.
// Origins are compared as they are, names of headers in any case.
func (r *CORSRule) Allows(origin, method string, headers []string) bool {
	if !slices.Contains(r.Methods, method) ||
		!slices.ContainsFunc(r.Origins, func(p string) bool { return matchStar(p, origin) }) {
		return false
	}
	for _, h := range headers {
		h = strings.ToLower(h)
		if !slices.ContainsFunc(r.Headers, func(p string) bool { return matchStar(strings.ToLower(p), h) }) {
			return false
		}
	}
	return true
}

// AnyOrigin reports whether the rule allows every origin by its pattern "*".
func (r *CORSRule) AnyOrigin() bool { return slices.Contains(r.Origins, "*") }

// matchStar matches s against a pattern in which one * stands for any text, also none.
func matchStar(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}
