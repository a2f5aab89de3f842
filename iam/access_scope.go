package iam

import (
	"context"
	"slices"
)

// Scope is the part of a service instance that a caller may do something to, for
// lists: what is not in it must not be listed, counted or hinted at. The zero
// value is nothing.
type Scope struct {
	All   bool     // everything in the instance; the rest is then empty
	Rings []string // key rings whose every key is in scope; sorted
	Keys  []string // single resources in scope, such as key IDs; sorted

	patterns []scopePattern
}

// scopePattern is a part that cannot be told as a list of names.
type scopePattern struct {
	ring, resource *matcher // nil matches all
}

// Exact reports whether All, Rings and Keys say everything, so that a database
// can select by them. If not, what they do not contain must be asked of Allows.
func (s Scope) Exact() bool { return len(s.patterns) == 0 }

// Allows reports whether a resource is in scope, by its ring ("" for none) and
// its ID.
func (s Scope) Allows(ring, resource string) bool {
	if s.All {
		return true
	}
	if _, ok := slices.BinarySearch(s.Rings, ring); ok && ring != "" {
		return true
	}
	if _, ok := slices.BinarySearch(s.Keys, resource); ok && resource != "" {
		return true
	}
	for _, p := range s.patterns {
		if (p.ring == nil || p.ring.match(ring, ring != "")) &&
			(p.resource == nil || p.resource.match(resource, resource != "")) {
			return true
		}
	}
	return false
}

// AllowsRing reports whether every resource of a ring is in scope, whatever its ID. Of other rings
// single resources may be.
func (s Scope) AllowsRing(ring string) bool {
	if s.All {
		return true
	}
	if _, ok := slices.BinarySearch(s.Rings, ring); ok && ring != "" {
		return true
	}
	return slices.ContainsFunc(s.patterns, func(p scopePattern) bool {
		return p.resource == nil && (p.ring == nil || p.ring.match(ring, ring != ""))
	})
}

// Visible says in which part of an instance the caller may do the action. on
// names the instance and, as Type, what sort of resource the list holds; its
// KeyRing and Resource are not looked at. The error is ErrForbidden if no policy
// allows the action anywhere in the instance, so a scope that is returned is not
// empty, though nothing may exist in it.
//
// The answer holds for the moment of the question, as one of Allow does.
func (a *Access) Visible(ctx context.Context, who Caller, action Action, on Object) (Scope, error) {
	on.KeyRing, on.Resource = "", ""
	as := standingOf(&who, on.Account)
	if as == asNobody || as == asPublic {
		return Scope{}, ErrForbidden
	}
	if as == asOwner && action != PurgeKey {
		return Scope{All: true}, nil
	}
	number, known := catalog.numbers[action]
	if !known {
		return Scope{}, ErrForbidden
	}
	v := view{question: question{access: a, who: &who, on: &on, action: number}}
	if err := v.gather(ctx, as); err != nil {
		return Scope{}, err
	}
	return v.result()
}

// view gathers a scope.
type view struct {
	question
	scope Scope
}

func (v *view) gather(ctx context.Context, as standing) error {
	subjects, sources := []string{""}, []string{v.who.Instance.Instance, ""}
	if as != asInstance {
		var err error
		if subjects, err = v.access.subjectsOf(ctx, v.who, v.on.Account); err != nil {
			return err
		}
		sources = []string{""}
	}
	for _, subject := range subjects {
		set, err := v.access.policiesOf(ctx, v.on.Account, subject)
		if err != nil {
			return err
		}
		for _, source := range sources {
			if err := v.add(ctx, set, source); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds what the policies of a set allow.
func (v *view) add(ctx context.Context, set *policySet, source string) (err error) {
	keys, n := keysFor(source, v.on.Service, v.on.Instance)
	for _, key := range keys[:n] {
		if b := set.buckets[key]; b != nil {
			b.all(func(c *compiledPolicy) bool {
				err = v.addPolicy(ctx, c)
				return err == nil && !v.scope.All
			})
		}
		if err != nil || v.scope.All {
			return err
		}
	}
	return nil
}

func (v *view) addPolicy(ctx context.Context, c *compiledPolicy) error {
	var p scopePattern
	for i := range c.resource {
		t := &c.resource[i]
		switch t.key {
		case keyKeyRing:
			p.ring = &t.matcher
			continue
		case keyResource:
			p.resource = &t.matcher
			continue
		}
		value := v.on.attribute(t.key)
		if !t.matcher.match(value, value != "") {
			return nil
		}
	}
	if ok, err := v.inForce(ctx, c); !ok || err != nil {
		return err
	}
	switch {
	case p.ring == nil && p.resource == nil:
		v.scope.All = true
	case p.resource == nil && p.ring.operator == StringEquals:
		v.scope.Rings = append(v.scope.Rings, p.ring.text)
	case p.ring == nil && p.resource.operator == StringEquals:
		v.scope.Keys = append(v.scope.Keys, p.resource.text)
	default:
		v.scope.patterns = append(v.scope.patterns, p)
	}
	return nil
}

func (v *view) result() (Scope, error) {
	s := v.scope
	if s.All {
		return Scope{All: true}, nil
	}
	if s.Rings == nil && s.Keys == nil && s.patterns == nil {
		return Scope{}, ErrForbidden
	}
	slices.Sort(s.Rings)
	slices.Sort(s.Keys)
	s.Rings, s.Keys = slices.Compact(s.Rings), slices.Compact(s.Keys)
	return s, nil
}
