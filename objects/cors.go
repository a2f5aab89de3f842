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
	case slices.ContainsFunc(r.Headers, notHeader):
		return ErrArgument.On("AllowedHeader", "not the name of a header")
	case slices.ContainsFunc(r.Expose, notHeader):
		return ErrArgument.On("ExposeHeader", "not the name of a header")
	}
	for _, m := range r.Methods {
		if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, m) {
			return ErrArgument.On("AllowedMethod", "none of GET, PUT, POST, DELETE and HEAD")
		}
	}
	return nil
}

// notHeader reports whether s cannot be the name of a header, in which a * is a character as others
// (RFC 9110, section 5.6.2).
func notHeader(s string) bool {
	const special = "!#$%&'*+-.^_`|~"
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte(special, c) < 0 {
			return true
		}
	}
	return s == ""
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
