package iam_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"strongroom/iam"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"dev-*", "dev-1", true},
		{"dev-*", "dev-", true},
		{"dev-*", "xdev-1", false},
		{"*", "", true},
		{"*", "anything", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a?c", "aéc", true},
		{"a?c", "a\xffc", false},
		{"*-prod", "eu-prod", true},
		{"*-prod", "eu-prod-2", false},
		{"a*b*c", "a1b2c", true},
		{"a*b*c", "a1c2b", false},
		{"a**c", "abc", true},
		{"{{*}}", "*", true},
		{"{{*}}", "x", false},
		{"{{?}}x*", "?xyz", true},
		{"{{?}}x*", "axyz", false},
		{"{{x}}", "{{x}}", true},
		{"Dev", "dev", false},
		{"", "", true},
		{"", "x", false},
		{strings.Repeat("?", 1000), strings.Repeat("é", 1000), true},
		{strings.Repeat("?", 1000), strings.Repeat("é", 999), false},
		{strings.Repeat("ab*", 300), strings.Repeat("ab", 300) + "c", true},
	} {
		if got := iam.GlobMatch(c.pattern, c.text); got != c.want {
			t.Errorf("%.40q matches %.40q: %t, want %t", c.pattern, c.text, got, c.want)
		}
	}
}

// TestGlobIsLinear ends: a matcher that goes back would take centuries.
func TestGlobIsLinear(t *testing.T) {
	pattern, text := strings.Repeat("a*", 499)+"b", strings.Repeat("a", 1<<20)
	if iam.GlobMatch(pattern, text) {
		t.Error("matched")
	}
}

// naiveGlob decides by a table of every prefix of the pattern against every
// prefix of the text.
func naiveGlob(pattern, text string) bool {
	type token struct {
		r    rune
		kind byte
	}
	var tokens []token
	for i := 0; i < len(pattern); {
		if rest := pattern[i:]; strings.HasPrefix(rest, "{{*}}") || strings.HasPrefix(rest, "{{?}}") {
			tokens = append(tokens, token{r: rune(rest[2])})
			i += 5
			continue
		}
		r, size := utf8.DecodeRuneInString(pattern[i:])
		switch r {
		case '*', '?':
			tokens = append(tokens, token{kind: byte(r)})
		default:
			tokens = append(tokens, token{r: r})
		}
		i += size
	}
	runes := []rune(text)
	row := make([]bool, len(runes)+1)
	row[0] = true
	for _, tk := range tokens {
		next := make([]bool, len(runes)+1)
		for j := range next {
			switch {
			case tk.kind == '*':
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0 && (tk.kind == '?' || tk.r == runes[j-1]):
				next[j] = row[j-1]
			}
		}
		row = next
	}
	return row[len(runes)]
}

func TestGlobAgreesWithNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "é", "*", "?", "{{*}}", "{{?}}"}), 0, 90).Draw(t, "pattern"), "")
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "é", "*", "?"}), 0, 90).Draw(t, "text"), "")
		if got, want := iam.GlobMatch(pattern, text), naiveGlob(pattern, text); got != want {
			t.Fatalf("%q matches %q: %t, want %t", pattern, text, got, want)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("dev-*", "dev-1")
	f.Add("a*b?c{{*}}", "axxbyc*")
	f.Add("{{?}}**", "?")
	f.Add("?é*", "xé")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || utf8.RuneCountInString(pattern) > 1000 || len(text) > 4000 {
			t.Skip()
		}
		if got, want := iam.GlobMatch(pattern, text), naiveGlob(pattern, text); got != want {
			t.Errorf("%q matches %q: %t, want %t", pattern, text, got, want)
		}
	})
}
