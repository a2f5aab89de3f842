package iam

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// glob is a compiled stringMatch pattern: "*" stands for any run of characters
// and "?" for exactly one; "{{*}}" and "{{?}}" are the characters themselves.
//
// Patterns come from tenants and texts from requests, so matching takes time in
// proportion to the text whatever the pattern: an automaton of one bit for each
// character of the pattern steps over the text once, without going back.
type glob struct {
	source string
	kind   globKind
	text   string // of the forms that need no automaton

	// The automaton: bit i of a state stands for "i characters of the pattern
	// are matched". by[c] and other say which characters of the pattern the
	// character c matches; loop has bit i where a "*" stands after i characters.
	length int
	by     map[rune]globBits
	other  globBits
	loop   globBits
}

type globKind uint8

const (
	globLiteral globKind = iota // no wildcard
	globPrefix                  // one "*", at the end
	globPattern
)

// globWords is the size of a state for the longest pattern.
const globWords = maxValue/64 + 1

// globBits is a set of positions in a pattern.
type globBits []uint64

func (b globBits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b globBits) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }

// globToken is one character of a pattern.
type globToken struct {
	char rune
	any  bool // "?"
	star bool // "*"
}

// nextToken reads the first character of a pattern, which is not empty.
func nextToken(p string) (globToken, string) {
	switch {
	case strings.HasPrefix(p, "{{*}}"), strings.HasPrefix(p, "{{?}}"):
		return globToken{char: rune(p[2])}, p[5:]
	case p[0] == '*':
		return globToken{star: true}, p[1:]
	case p[0] == '?':
		return globToken{any: true}, p[1:]
	}
	c, size := utf8.DecodeRuneInString(p)
	return globToken{char: c}, p[size:]
}

// compileGlob reads a pattern of valid UTF-8 with at most maxValue characters.
func compileGlob(pattern string) *glob {
	var tokens []globToken
	for rest := pattern; rest != ""; {
		var t globToken
		t, rest = nextToken(rest)
		if t.star && len(tokens) > 0 && tokens[len(tokens)-1].star {
			continue // a run of "*" is one
		}
		tokens = append(tokens, t)
	}
	g := &glob{source: pattern}
	if g.simple(tokens) {
		return g
	}
	g.automaton(tokens)
	return g
}

// simple recognises the forms that need only a comparison.
func (g *glob) simple(tokens []globToken) bool {
	var text strings.Builder
	for i, t := range tokens {
		switch {
		case t.any, t.star && i < len(tokens)-1:
			return false
		case t.star:
			g.kind = globPrefix
		default:
			text.WriteRune(t.char)
		}
	}
	g.text = text.String()
	return true
}

func (g *glob) automaton(tokens []globToken) {
	g.kind, g.by = globPattern, map[rune]globBits{}
	words := len(tokens)/64 + 1
	g.other, g.loop = make(globBits, words), make(globBits, words)
	for _, t := range tokens {
		switch {
		case t.star:
			g.loop.set(g.length)
			continue
		case t.any:
			g.other.set(g.length)
		}
		g.length++
	}
	at := 0
	for _, t := range tokens {
		if t.star {
			continue
		}
		if !t.any {
			if g.by[t.char] == nil {
				g.by[t.char] = slices.Clone(g.other)
			}
			g.by[t.char].set(at)
		}
		at++
	}
}

// match reports whether the whole text has the form of the pattern.
func (g *glob) match(text string) bool {
	switch g.kind {
	case globLiteral:
		return text == g.text
	case globPrefix:
		return strings.HasPrefix(text, g.text)
	default:
		return g.run(text)
	}
}

func (g *glob) run(text string) bool {
	var space [globWords]uint64
	state := globBits(space[:g.length/64+1])
	state.set(0)
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		if c == utf8.RuneError && size == 1 {
			return false // no character, so nothing stands for it
		}
		i += size
		accepts := g.by[c]
		if accepts == nil {
			accepts = g.other
		}
		var carry, alive uint64
		for w, s := range state {
			moved := s & accepts[w]
			state[w] = moved<<1 | carry | s&g.loop[w]
			carry = moved >> 63
			alive |= state[w]
		}
		if alive == 0 {
			return false
		}
	}
	return state.has(g.length)
}

// matcher is a compiled comparison of one attribute.
type matcher struct {
	operator Operator
	text     string   // stringEquals
	texts    []string // stringEqualsAnyOf
	globs    []*glob  // stringMatch and stringMatchAnyOf
	want     bool     // stringExists
}

// compileMatcher expects a valid operator on strings with valid values.
func compileMatcher(op Operator, v Value) matcher {
	m := matcher{operator: op}
	switch op {
	case StringEquals:
		m.text = v.Texts[0]
	case StringEqualsAnyOf:
		m.texts = v.Texts
	case StringExists:
		m.want = v.Texts[0] == "true"
	case StringMatch, StringMatchAnyOf:
		for _, t := range v.Texts {
			m.globs = append(m.globs, compileGlob(t))
		}
	}
	return m
}

// match compares an attribute of a request. One that is absent matches nothing
// but a demand that it be absent.
func (m *matcher) match(value string, present bool) bool {
	if m.operator == StringExists {
		return present == m.want
	}
	if !present {
		return false
	}
	switch m.operator {
	case StringEquals:
		return value == m.text
	case StringEqualsAnyOf:
		for _, t := range m.texts {
			if t == value {
				return true
			}
		}
	case StringMatch, StringMatchAnyOf:
		for _, g := range m.globs {
			if g.match(value) {
				return true
			}
		}
	}
	return false
}
