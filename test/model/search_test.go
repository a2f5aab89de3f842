package model_test

import (
	"encoding/json"
	"slices"
	"strings"

	compare "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// search looks for keys by their names.
type search struct {
	text           string
	names, aliases bool // where to look; neither is both
	exact, not     bool
	first          bool // a key that is named in full comes before all others
}

func (s *search) match(k *modelKey) bool {
	return s.named(k) != s.not
}

func (s *search) named(k *modelKey) bool {
	if strings.EqualFold(s.text, k.id) {
		return true
	}
	both := !s.names && !s.aliases
	var names []string
	if s.names || both {
		names = append(names, k.name)
	}
	if s.aliases || both {
		names = append(names, k.aliases...)
	}
	text := strings.ToLower(s.text)
	return slices.ContainsFunc(names, func(name string) bool {
		name = strings.ToLower(name)
		return name == text || !s.exact && strings.Contains(name, text)
	})
}

// searchView is how the service says that it has understood a search.
type searchView struct {
	Query      string
	Scopes     []string
	Not, Exact bool
}

func (s *search) view() *searchView {
	v := &searchView{Query: s.text, Not: s.not, Exact: s.exact}
	if s.names || !s.aliases {
		v.Scopes = append(v.Scopes, "name")
	}
	if s.aliases || !s.names {
		v.Scopes = append(v.Scopes, "alias")
	}
	return v
}

// somesearch draws a search, as an object and as a text.
func (m *machine) somesearch(t *rapid.T) (*search, string) {
	texts := []string{"pay", "PAY", "payments", "a", "alpha", "ALPHA", "alp", "eta", "über", "zz", "not: exact"}
	for _, k := range m.model.keys {
		texts = append(texts, k.id)
	}
	s := &search{text: rapid.SampledFrom(texts).Draw(t, "text")}
	options := rapid.Permutation([]string{"name:", "alias:", "exact:", "not:"}).Draw(t, "options")
	options = options[:rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3, 4}).Draw(t, "of them")]
	for _, o := range options {
		switch o {
		case "name:":
			s.names = true
		case "alias:":
			s.aliases = true
		case "exact:":
			s.exact = true
		case "not:":
			s.not = true
		}
	}
	text := strings.Join(options, "")
	if strings.Contains(s.text, ":") {
		text += "escape:"
	}
	if text += s.text; rapid.Bool().Draw(t, "comma") {
		text += "," // as IBM's Go client has it
	}
	id := len(s.text) == 36
	s.first = !s.not && (id || s.aliases || !s.names)
	return s, text
}

func (m *machine) search(t *rapid.T) {
	l := m.narrow(t)
	if rapid.Bool().Draw(t, "sorted") {
		l.drawSort(t)
	}
	s, text := m.somesearch(t)
	l.search = s
	l.query.Set("search", text)
	got := m.compareList(t, l)
	if got.outcome != ok {
		return
	}
	var told struct {
		Metadata struct{ SearchQuery *searchView }
	}
	if err := json.Unmarshal(got.body, &told); err != nil {
		t.Fatal(err)
	}
	if diff := compare.Diff(s.view(), told.Metadata.SearchQuery); diff != "" {
		t.Fatalf("search %s (-model +service):\n%s", text, diff)
	}
}
