package objects

import (
	"strings"
)

// checkBucketName checks the name of a new bucket (cos-api.md, section 5.1): it becomes a label of host
// names, and must not be taken for an address or for a name that the protocol uses itself. Strict
// refuses consecutive dashes too.
func checkBucketName(name string, strict bool) error {
	switch {
	case len(name) < 3 || len(name) > 63,
		strings.ContainsFunc(name, func(c rune) bool { return !alphanumeric(c) && c != '.' && c != '-' }),
		!alphanumeric(rune(name[0])), !alphanumeric(rune(name[len(name)-1])),
		strings.Contains(name, ".."), strict && strings.Contains(name, "--"),
		strings.HasPrefix(name, "cosv1-"), strings.HasPrefix(name, "account-"),
		looksLikeAddress(name):
		return ErrBucketName
	}
	return nil
}

func alphanumeric(c rune) bool { return lower(c) || digit(c) }
func lower(c rune) bool        { return c >= 'a' && c <= 'z' }
func digit(c rune) bool        { return c >= '0' && c <= '9' }

// looksLikeAddress reports whether a name has the shape of an IPv4 address, valid or not.
func looksLikeAddress(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.ContainsFunc(p, func(c rune) bool { return !digit(c) }) {
			return false
		}
	}
	return true
}

// locate completes the location of a new bucket. Tools of AWS send the region that they are set to, which
// has no storage class: the house's own region stands for the house's location.
func (s *Service) locate(constraint string) string {
	class, own := strings.CutPrefix(s.Location, constraint+"-")
	if constraint == "" || own && !strings.Contains(class, "-") {
		return s.Location
	}
	return constraint
}

// checkLocation checks a location constraint, which is a location and a storage class (cos-api.md,
// section 5.2). Locations that IBM may add later are taken by their shape, storage classes are known.
func checkLocation(constraint string) error {
	dash := strings.LastIndexByte(constraint, '-')
	if dash < 0 || !validLocation(constraint[:dash]) {
		return ErrLocation
	}
	switch constraint[dash+1:] {
	case "standard", "vault", "cold", "smart", "flex", "onerate_active":
		return nil
	}
	return ErrLocation
}

// validLocation knows the shapes of a single site ("ams03"), a cross-region ("eu") and a region
// ("eu-gb", "us-south", perhaps with one digit at the end).
func validLocation(l string) bool {
	area, rest, regional := strings.Cut(l, "-")
	if !regional {
		site := len(l) == 5 && all(l[:3], lower) && all(l[3:], digit)
		return site || len(l) == 2 && all(l, lower)
	}
	place := strings.TrimRightFunc(rest, digit)
	return len(area) == 2 && all(area, lower) && len(rest)-len(place) <= 1 &&
		len(place) >= 2 && len(place) <= 5 && all(place, lower)
}

func all(s string, is func(rune) bool) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return !is(c) })
}
