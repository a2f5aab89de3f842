package iam

import (
	"context"
)

// deciderFunc is a decision of its own for one operation's door.
type deciderFunc func(ctx context.Context, who Caller, action Action, on Object) error

// Allow implements Decider.
func (f deciderFunc) Allow(ctx context.Context, who Caller, action Action, on Object) error {
	return f(ctx, who, action, on)
}

// door is the door of this service, with the decision of one operation.
func (a *Access) door(decide deciderFunc) *Door {
	return &Door{Decide: decide, Log: a.recorder, Service: "IAM"}
}

// administers returns nil if a policy of the caller's gives it the action on all
// that a policy with this resource would be about. Who administers an instance
// thus gives access to it and to what is in it, and to nothing beside it.
func (a *Access) administers(ctx context.Context, who Caller, action Action, account AccountID, resource []Attribute) error {
	return a.holds(ctx, who, action, account, func(c *compiledPolicy) bool {
		for i := range c.resource {
			if !c.resource[i].covers(resource) {
				return false
			}
		}
		return true
	})
}

// administersAny returns nil if the caller has the action on anything at all.
func (a *Access) administersAny(ctx context.Context, who Caller, action Action, account AccountID) error {
	return a.holds(ctx, who, action, account, func(*compiledPolicy) bool { return true })
}

// holds returns nil if a policy in force gives the caller the action, and fits.
func (a *Access) holds(ctx context.Context, who Caller, action Action, account AccountID, fits func(*compiledPolicy) bool) error {
	as := standingOf(&who, account)
	if as == asOwner && action != PurgeKey {
		return nil
	}
	number, known := catalog.numbers[action]
	if (as != asMember && as != asOwner) || !known {
		return ErrForbidden
	}
	subjects, err := a.subjectsOf(ctx, &who, account)
	if err != nil {
		return err
	}
	q := question{access: a, who: &who, on: &Object{Account: account}, action: number}
	for _, subject := range subjects {
		set, err := a.policiesOf(ctx, account, subject)
		if err != nil {
			return err
		}
		if ok, err := q.anyIn(ctx, set, fits); ok || err != nil {
			return err
		}
	}
	return ErrForbidden
}

func (q *question) anyIn(ctx context.Context, set *policySet, fits func(*compiledPolicy) bool) (found bool, err error) {
	for _, b := range set.buckets {
		b.all(func(c *compiledPolicy) bool {
			if fits(c) {
				found, err = q.inForce(ctx, c)
			}
			return !found && err == nil
		})
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// covers reports whether everything that a resource names has the attribute that
// the term demands. It errs towards no: of two patterns only equal ones cover.
func (t *term) covers(resource []Attribute) bool {
	a := find(resource, t.name)
	if a == nil {
		derived := ""
		switch t.key {
		case keyServiceType:
			derived = serviceTypeOf(exact(resource, AttrService))
		case keyServiceGroup:
			derived = serviceGroupOf(exact(resource, AttrService))
		}
		// A demand for absence is not met by a resource that says nothing: it is wider.
		return derived != "" && t.matcher.match(derived, true)
	}
	if len(a.Value.Texts) != 1 {
		return false // malformed, which is said to those who may hear it
	}
	switch a.Operator {
	case StringEquals:
		return t.matcher.match(a.Value.Texts[0], true)
	case StringMatch:
		return t.matcher.operator == StringMatch && t.matcher.globs[0].source == a.Value.Texts[0]
	case StringExists:
		return t.matcher.operator == StringExists && t.matcher.want == (a.Value.Texts[0] == "true")
	}
	return false
}

// MayGive returns nil if the caller may let somebody else have a role on an
// object, as when it makes a service credential: because it administers the
// object, or because it has every action of the role there itself. Otherwise
// the error is ErrForbidden.
func (a *Access) MayGive(ctx context.Context, who Caller, role string, on Object) error {
	err := a.administers(ctx, who, actionPolicyCreate, on.Account, ResourceOf(on))
	if err == nil {
		return nil
	}
	var actions []Action
	if r, ok := catalog.roles[role]; ok {
		actions = r.Actions(on.Service)
	} else {
		custom, err := a.customRoles(ctx, on.Account)
		if err != nil {
			return err
		}
		r := custom[role]
		if r == nil {
			return ErrForbidden
		}
		actions = catalog.names(&r.actions, "")
	}
	if len(actions) == 0 {
		return ErrForbidden
	}
	for _, action := range actions {
		if err := a.Allow(ctx, who, action, on); err != nil {
			return err
		}
	}
	return nil
}
