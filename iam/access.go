package iam

import (
	"context"
	"time"

	"strongroom/crn"
	"strongroom/internal/lease"
)

// Kinds of change that the store announces when it writes what decides access.
// The scope is the account.
const (
	ChangePolicy     lease.Kind = "policy"       // ID: the subject of an access policy; empty for an authorization
	ChangeMembership lease.Kind = "group-member" // ID: the IAM ID of the member
	ChangeRole       lease.Kind = "role"         // ID: the CRN of a custom role
)

// AccessStore is everything that Access keeps. Each method that changes
// something commits it together with ev, if ev is not nil, and announces what
// it wrote. "Not there" is a fault of kind NotFound, a revision that was
// overtaken one of kind Stale, a taken name one of kind Conflict. Records with a
// Revision are written under the new one, and only over its predecessor.
type AccessStore interface {
	PolicyStore
	RoleStore
	GroupStore
}

// AccessConfig is what Access works with. All fields are needed but
// ResourceGroup.
type AccessConfig struct {
	Store    AccessStore
	Hub      *lease.Hub
	Recorder Recorder
	Now      func() time.Time

	// ResourceGroup tells the resource group of a service instance, for
	// authorizations by resource group, which match nothing without it. It must
	// answer from leased memory. "" is for an instance that is not there.
	ResourceGroup func(ctx context.Context, instance crn.CRN) (string, error)
}

// Access keeps policies, roles and access groups, and decides: additive, deny by
// default. Decisions are made from a compiled form in memory, which is loaded
// when a subject first asks and dropped when one of its policies changes. Safe
// for concurrent use.
type Access struct {
	store         AccessStore
	recorder      Recorder
	now           func() time.Time
	resourceGroup func(context.Context, crn.CRN) (string, error)

	policies *lease.Cache[subjectKey, *policySet]
	members  *lease.Cache[membership, []GroupID]
	roles    *lease.Cache[AccountID, map[string]*customActions]
}

// subjectKey names whose policies a set holds: an identity, an access group or,
// when the subject is empty, all instances that are authorized in the account.
type subjectKey struct {
	account AccountID
	subject string
}

// Sizes of the caches, in subjects; a subject with one policy takes about 1 KiB.
const (
	cachedSubjects = 50_000
	cachedRoles    = 10_000
)

// NewAccess returns the service.
func NewAccess(cfg AccessConfig) *Access {
	a := &Access{
		store: cfg.Store, recorder: cfg.Recorder, now: cfg.Now, resourceGroup: cfg.ResourceGroup,
		policies: lease.NewCache[subjectKey, *policySet](cfg.Hub, cachedSubjects, nil),
		members:  lease.NewCache[membership, []GroupID](cfg.Hub, cachedSubjects, nil),
		roles:    lease.NewCache[AccountID, map[string]*customActions](cfg.Hub, cachedRoles, nil),
	}
	cfg.Hub.Watch(func(c lease.Change) { a.policies.Heed(subjectKey{AccountID(c.Scope), c.ID}, c) }, ChangePolicy)
	cfg.Hub.Watch(func(c lease.Change) { a.members.Heed(membership{AccountID(c.Scope), IdentityID(c.ID)}, c) }, ChangeMembership)
	cfg.Hub.Watch(func(c lease.Change) { a.roles.Heed(AccountID(c.Scope), c) }, ChangeRole)
	return a
}

// Allow implements Decider.
//
// The caller must act in the account of the object, unless it is a service
// instance, which needs an authorization in the object's account. The owner of
// an account may do everything in it but purge keys. What an account grants to
// PublicAccess is granted to every caller. Nothing is granted beyond what the
// caller has confined the request to.
func (a *Access) Allow(ctx context.Context, who Caller, action Action, on Object) error {
	as := standingOf(&who, on.Account)
	if as == asNobody || !who.Reaches(on) {
		return ErrForbidden
	}
	if as == asOwner && action != PurgeKey {
		return nil
	}
	number, known := catalog.numbers[action]
	if !known {
		return ErrForbidden
	}
	q := question{access: a, who: &who, on: &on, action: number}
	return q.decide(ctx, as)
}

// standing says by which policies a caller is judged in an account.
type standing uint8

const (
	asNobody   standing = iota
	asPublic            // by what the account grants to everybody
	asInstance          // by the account's authorizations
	asMember            // by its own and its groups' policies
	asOwner             // as a member, and beyond
)

func standingOf(who *Caller, account AccountID) standing {
	switch {
	case account == "" || who.Identity == "":
		return asNobody
	case who.Kind == KindAnonymous:
		return asPublic
	case who.Account == "":
		return asNobody
	case who.Kind == KindInstance && who.Instance.Instance != "":
		return asInstance
	case who.Account != account && (who.Kind == KindUser || who.Kind == KindService):
		return asPublic
	case who.Account != account:
		return asNobody
	case who.Kind == KindUser && who.Owner:
		return asOwner
	case who.Kind == KindUser || who.Kind == KindService:
		return asMember
	default:
		return asNobody
	}
}

// question is one decision under way.
type question struct {
	access *Access
	who    *Caller
	on     *Object
	action int // number in the catalog
	now    time.Time
}

func (q *question) decide(ctx context.Context, as standing) error {
	var ok bool
	var err error
	switch as {
	case asInstance:
		ok, err = q.authorized(ctx)
	case asMember, asOwner:
		ok, err = q.member(ctx)
	}
	if !ok && err == nil {
		ok, err = q.public(ctx)
	}
	if !ok && err == nil {
		return ErrForbidden
	}
	return err
}

// member reports whether a policy of the caller's, or of one of its groups, allows.
func (q *question) member(ctx context.Context) (bool, error) {
	ok, err := q.subject(ctx, string(q.who.Identity))
	if ok || err != nil {
		return ok, err
	}
	groups, err := q.access.groupsOf(ctx, q.on.Account, q.who.Identity)
	if err != nil {
		return false, err
	}
	for _, g := range groups {
		if ok, err := q.subject(ctx, string(g)); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// authorized reports whether an authorization of the object's account allows.
func (q *question) authorized(ctx context.Context) (bool, error) {
	set, err := q.access.policiesOf(ctx, q.on.Account, "")
	if err != nil {
		return false, err
	}
	for _, source := range [...]string{q.who.Instance.Instance, ""} {
		if ok, err := q.search(ctx, set, source); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// subject reports whether a policy of the subject allows.
func (q *question) subject(ctx context.Context, id string) (bool, error) {
	set, err := q.access.policiesOf(ctx, q.on.Account, id)
	if err != nil {
		return false, err
	}
	return q.search(ctx, set, "")
}

// search reports whether a policy of the set allows. It looks only where a
// policy that matches can be.
func (q *question) search(ctx context.Context, set *policySet, source string) (bool, error) {
	keys, n := keysFor(source, q.on.Service, q.on.Instance)
	for _, key := range keys[:n] {
		b := set.buckets[key]
		if b == nil {
			continue
		}
		lists := [3][]*compiledPolicy{b.wide}
		if q.on.Resource != "" && b.byResource != nil {
			lists[1] = b.byResource[q.on.Resource]
		}
		if q.on.KeyRing != "" && b.byRing != nil {
			lists[2] = b.byRing[q.on.KeyRing]
		}
		for _, list := range lists {
			for _, c := range list {
				if ok, err := q.allowedBy(ctx, c); ok || err != nil {
					return ok, err
				}
			}
		}
	}
	return false, nil
}

// allowedBy reports whether one policy allows what is asked.
func (q *question) allowedBy(ctx context.Context, c *compiledPolicy) (bool, error) {
	if !c.actions.has(q.action) && c.custom == nil {
		return false, nil
	}
	for i := range c.resource {
		t := &c.resource[i]
		v := q.on.attribute(t.key)
		if !t.matcher.match(v, v != "") {
			return false, nil
		}
	}
	return q.inForce(ctx, c)
}

// inForce reports whether a policy gives the action to the caller now, whatever
// it is on.
func (q *question) inForce(ctx context.Context, c *compiledPolicy) (bool, error) {
	if c.tagged {
		return false, nil
	}
	if !c.actions.has(q.action) {
		if ok, err := q.customAllows(ctx, c); !ok || err != nil {
			return false, err
		}
	}
	if c.rule != nil && !c.rule.holds(q.on.Data, q.clock()) {
		return false, nil
	}
	for i := range c.subject {
		t := &c.subject[i]
		v, err := q.source(ctx, t.key)
		if err != nil || !t.matcher.match(v, v != "") {
			return false, err
		}
	}
	return true, nil
}

// clock reads the clock once for a decision, and only when a rule needs it.
func (q *question) clock() time.Time {
	if q.now.IsZero() {
		q.now = q.access.now()
	}
	return q.now
}

// source returns what the calling instance is in the terms of an authorization's
// subject; empty is absent.
func (q *question) source(ctx context.Context, key attributeKey) (string, error) {
	from := &q.who.Instance
	switch key {
	case keyAccount:
		return from.Account(), nil
	case keyService:
		return from.Service, nil
	case keyInstance:
		return from.Instance, nil
	case keyRegion:
		return from.Location, nil
	case keyType:
		return from.Type, nil
	case keyResource:
		return from.Resource, nil
	case keyResourceGroup:
		if q.access.resourceGroup == nil {
			return "", nil
		}
		return q.access.resourceGroup(ctx, *from)
	}
	return "", nil
}

// customAllows asks the account's own roles that a policy names.
func (q *question) customAllows(ctx context.Context, c *compiledPolicy) (bool, error) {
	if len(c.custom) == 0 {
		return false, nil
	}
	roles, err := q.access.customRoles(ctx, q.on.Account)
	if err != nil {
		return false, err
	}
	for _, id := range c.custom {
		if r := roles[id]; r != nil && r.actions.has(q.action) {
			return true, nil
		}
	}
	return false, nil
}

// policiesOf returns the compiled policies of a subject; the empty subject
// stands for the account's authorizations.
func (a *Access) policiesOf(ctx context.Context, account AccountID, subject string) (*policySet, error) {
	return a.policies.Get(ctx, subjectKey{account, subject}, func(ctx context.Context) (*policySet, error) {
		list, err := a.store.PoliciesOf(ctx, account, subject)
		if err != nil {
			return nil, err
		}
		return compilePolicies(list)
	})
}

// groupsOf returns the access groups of an identity.
func (a *Access) groupsOf(ctx context.Context, account AccountID, id IdentityID) ([]GroupID, error) {
	return a.members.Get(ctx, membership{account, id}, func(ctx context.Context) ([]GroupID, error) {
		return a.store.GroupsOf(ctx, account, id)
	})
}

// subjectsOf returns a caller and its groups, as subjects of policies.
func (a *Access) subjectsOf(ctx context.Context, who *Caller, account AccountID) ([]string, error) {
	groups, err := a.groupsOf(ctx, account, who.Identity)
	if err != nil {
		return nil, err
	}
	subjects := []string{string(who.Identity)}
	for _, g := range groups {
		subjects = append(subjects, string(g))
	}
	return subjects, nil
}
