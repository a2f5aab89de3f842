package model_test

import (
	"net/http"
	"slices"

	"pgregory.net/rapid"

	"strongroom/kms"
)

// taken says whether a live key has an alias.
func (m *model) taken(alias string, except *modelKey) bool {
	return slices.ContainsFunc(m.keys, func(k *modelKey) bool {
		return k != except && k.state != 5 && slices.Contains(k.aliases, alias)
	})
}

func (m *model) addAlias(c caller, ref, alias string) outcome {
	k, refused := m.alive(c, ref, kms.ActionAliasCreate)
	switch {
	case refused != nil:
		return *refused
	case slices.Contains(k.aliases, alias):
		return aliasTaken
	case len(k.aliases) == 5:
		return outcome{http.StatusConflict, "KEY_ALIAS_QUOTA_ERR"}
	case m.taken(alias, k):
		return aliasTaken
	}
	k.aliases, k.updated = append(slices.Clone(k.aliases), alias), m.now
	return created
}

func (m *model) removeAlias(c caller, ref, alias string) outcome {
	k, refused := m.alive(c, ref, kms.ActionAliasDelete)
	switch {
	case refused != nil:
		return *refused
	case !slices.Contains(k.aliases, alias):
		return outcome{http.StatusNotFound, "KEY_ALIAS_NOT_FOUND_ERR"}
	}
	k.aliases = slices.DeleteFunc(slices.Clone(k.aliases), func(a string) bool { return a == alias })
	k.updated = m.now
	return done
}

func (m *machine) addAlias(t *rapid.T) {
	alias := somealias(t)
	r := request{caller: someone(t), method: http.MethodPost, path: "/keys/" + m.somekey(t) + "/aliases/" + alias}
	m.do(t, r, m.model.addAlias(r.caller, named(r), alias))
}

func (m *machine) removeAlias(t *rapid.T) {
	alias := somealias(t)
	r := request{caller: someone(t), method: http.MethodDelete, path: "/keys/" + m.somekey(t) + "/aliases/" + alias}
	m.do(t, r, m.model.removeAlias(r.caller, named(r), alias))
}

func somealias(t *rapid.T) string {
	return rapid.SampledFrom([]string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"}).Draw(t, "alias")
}
