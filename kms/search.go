package kms

import (
	"strings"
	"unicode/utf8"
)

// Search narrows a list to keys by their names and aliases. Case does not matter.
type Search struct {
	Text    string // as it was given
	Folded  string // as names are kept for searches, see FoldName
	Names   bool   // look into names
	Aliases bool   // look into aliases
	Exact   bool   // the whole name, not a part of it
	Not     bool   // what does not match is meant
}

const maxSearch = 256 // bytes

// ParseSearch reads a search in the grammar of Key Protect: options, each followed by a colon, and
// the text to look for. "escape" ends the options.
func ParseSearch(query string) (*Search, error) {
	if len(query) > maxSearch || !utf8.ValidString(query) {
		return nil, ErrParameter.On("search", "at most 256 bytes of text")
	}
	var s Search
	text := query
	for escaped := false; !escaped; {
		option, rest, ok := strings.Cut(text, ":")
		if !ok {
			break
		}
		var flag *bool
		switch option {
		case "not":
			flag = &s.Not
		case "exact":
			flag = &s.Exact
		case "name":
			flag = &s.Names
		case "alias":
			flag = &s.Aliases
		case "escape":
			flag = &escaped
		}
		if flag == nil || *flag {
			break
		}
		*flag, text = true, rest
	}
	// IBM's Go client puts a comma after every search.
	s.Text = strings.TrimSuffix(text, ",")
	if s.Text == "" {
		return nil, ErrParameter.On("search", "a text to look for, after options that each end with a colon")
	}
	if !s.Names && !s.Aliases {
		s.Names, s.Aliases = true, true
	}
	s.Folded = FoldName(s.Text)
	return &s, nil
}

// FoldName returns the form of a name in which names are compared without regard to case.
func FoldName(name string) string { return strings.ToLower(name) }
