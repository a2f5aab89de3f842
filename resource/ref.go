package resource

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"strongroom/crn"
	"strongroom/iam"
)

// maxName is the length of a name in characters.
const maxName = 180

// validName reports whether s may name an instance, a resource key or a
// resource group: letters and digits of any script, and " -._:".
func validName(s string) bool {
	if strings.TrimSpace(s) == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -._:", r) {
			return false
		}
	}
	return true
}

// checkName is validName as an error for the caller.
func checkName(s string) error {
	if validName(s) {
		return nil
	}
	return ErrInvalid.On("name", "needs 1 to 180 letters, digits, spaces, hyphens, periods, underscores or colons")
}

// ref is how a client names an instance or a resource key: by GUID, or by CRN
// with or without the colons at its end.
type ref struct {
	guid string  // canonical UUID; empty if the client's text names nothing
	name crn.CRN // the whole CRN if one was given
}

func parseRef(s string) ref {
	if !strings.HasPrefix(s, "crn:") {
		return ref{guid: canonical(s)}
	}
	if missing := 9 - strings.Count(s, ":"); missing > 0 && missing <= 2 {
		s += strings.Repeat(":", missing)
	}
	c, err := crn.Parse(s)
	if err != nil {
		return ref{}
	}
	if c.Type == typeKey {
		return ref{guid: canonical(c.Resource), name: c}
	}
	if !c.IsInstance() {
		return ref{}
	}
	return ref{guid: canonical(c.Instance), name: c}
}

// canonical returns a UUID in its canonical form, or "".
func canonical(s string) string {
	if len(s) != 36 {
		return ""
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return ""
	}
	return id.String()
}

// names reports whether the client's name, if it was a CRN, is exactly that of
// what its GUID was found to be.
func (r ref) names(found crn.CRN) bool {
	return r.name == crn.CRN{} || strings.EqualFold(r.name.String(), found.String())
}

// object is what decides about something that was not found: a thing outside
// of every grant that is narrower than the caller's account.
func (r ref) object(who iam.Caller) iam.Object {
	return iam.Object{Account: who.Account, Service: r.name.Service, Instance: r.guid}
}

// GUID returns the GUID that a client's name of an instance or resource key has
// in it, or "". It says nothing about whether there is such a thing.
func GUID(name string) string { return parseRef(name).guid }
