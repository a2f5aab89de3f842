package keyprotect

import "strongroom/kms"

// searchQuery tells the caller how its search was understood.
type searchQuery struct {
	Query  string   `json:"query"`
	Scopes []string `json:"scopes"`
	Not    bool     `json:"not,omitempty"`
	Exact  bool     `json:"exact,omitempty"`
}

func showSearch(s *kms.Search) *searchQuery {
	if s == nil {
		return nil
	}
	out := &searchQuery{Query: s.Text, Scopes: []string{}, Not: s.Not, Exact: s.Exact}
	if s.Names {
		out.Scopes = append(out.Scopes, "name")
	}
	if s.Aliases {
		out.Scopes = append(out.Scopes, "alias")
	}
	return out
}
