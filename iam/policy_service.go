package iam

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
)

// PolicyStore keeps policies.
type PolicyStore interface {
	// CreatePolicy stores a policy. If unique is set and an active policy of the
	// account has the same fingerprint, it returns a *PolicyConflict that wraps
	// ErrPolicyExists, and later creations and updates meet this one likewise.
	// Deleted policies of the account that were kept long enough go away.
	CreatePolicy(ctx context.Context, p Policy, unique bool, ev *audit.Event) error
	// Policy returns a policy, also a deleted one.
	Policy(ctx context.Context, account AccountID, id PolicyID) (Policy, error)
	// PoliciesOf returns the active access policies of a subject, or the active
	// authorizations if the subject is empty, in any order.
	PoliciesOf(ctx context.Context, account AccountID, subject string) ([]Policy, error)
	// Policies returns a part of an account's policies.
	Policies(ctx context.Context, account AccountID, r PolicyRange) ([]Policy, error)
	// UpdatePolicy stores a policy as it now is, deleted and restored ones too,
	// and refuses as CreatePolicy does.
	UpdatePolicy(ctx context.Context, p Policy, ev *audit.Event) error
	// RemovePolicy removes a policy at once. It is no error if there is none.
	RemovePolicy(ctx context.Context, account AccountID, id PolicyID) error
}

// PolicyFilter says which policies of an account are wanted. Empty fields match
// all.
type PolicyFilter struct {
	Subject      string // IAM ID or access group
	Type         PolicyType
	ServiceType  string
	Service      string
	ServiceGroup string
	TagName      string
	TagValue     string
	State        PolicyState // empty means PolicyActive
	Sort         PolicySort
	Descending   bool
}

// PolicySort names what policies are sorted by; equal ones by ID.
type PolicySort string

const (
	PolicyByCreated  PolicySort = "created_at" // also of the zero value
	PolicyByCreator  PolicySort = "created_by_id"
	PolicyByModified PolicySort = "last_modified_at"
	PolicyByModifier PolicySort = "last_modified_by_id"
	PolicyByID       PolicySort = "id"
	PolicyByType     PolicySort = "type"
	PolicyByState    PolicySort = "state"
)

// PolicyRange is a page of policies as a store understands it: up to Limit that
// come after the value At of what they are sorted by, and after ID.
type PolicyRange struct {
	PolicyFilter
	Limit  int
	Resume bool // false: from the start
	At     any  // string, or int64 microseconds since 1970
	ID     PolicyID
}

// MaxPolicyPage is the most policies of one page, and what a page has that asks
// for no number.
const MaxPolicyPage = 1000

const (
	actionPolicyList    Action = "iam-am.policy.list"
	actionPolicyGet     Action = "iam-am.policy.get"
	actionPolicyCreate  Action = "iam-am.policy.create"
	actionPolicyUpdate  Action = "iam-am.policy.update"
	actionPolicyDelete  Action = "iam-am.policy.delete"
	actionPolicyRestore Action = "iam-am.policy.restore"
)

// CreatePolicy grants what p says. The caller must administer everything that
// the policy is about. ID, state, revision, times and authors are chosen here.
func (a *Access) CreatePolicy(ctx context.Context, who Caller, p Policy) (Policy, error) {
	p.ID, p.State, p.Revision = PolicyID(uuid.NewString()), PolicyActive, 1
	p.Account = AccountID(exact(p.Resource, AttrAccount))
	p.CreatedAt, p.CreatedBy = a.now().UTC(), who.Identity
	p.ModifiedAt, p.ModifiedBy = p.CreatedAt, p.CreatedBy
	if p.Account == "" { // so that the fault is heard, by who may hear it
		p.Account = who.Account
	}
	ev := p.event(who, actionPolicyCreate)
	err := a.door(a.over(&p)).Change(ctx, who, actionPolicyCreate, aboutPolicies(p.Account), ev, func() error {
		if err := a.judge(ctx, &p); err != nil {
			return err
		}
		return policyFault(a.store.CreatePolicy(ctx, p, true, ev))
	})
	return p, err
}

// Policy returns a policy of the caller's account, also a deleted one.
func (a *Access) Policy(ctx context.Context, who Caller, id PolicyID) (Policy, error) {
	p, found, err := a.findPolicy(ctx, who, id)
	if err != nil {
		return Policy{}, err
	}
	err = a.door(a.sees(&p)).Read(ctx, who, actionPolicyGet, aboutPolicies(p.Account), p.event(who, actionPolicyGet),
		func() error { return found })
	return p, err
}

// ReplacePolicy changes the policy whose ETag is match, or whatever it is for
// "*", into what to says. The caller must administer what the policy is about
// before and after. Type, account and ID stay as they are.
func (a *Access) ReplacePolicy(ctx context.Context, who Caller, id PolicyID, match string, to Policy) (Policy, error) {
	was, found, err := a.findPolicy(ctx, who, id)
	if err != nil {
		return Policy{}, err
	}
	p := was
	p.Description, p.Subject, p.Resource, p.Tags = to.Description, to.Subject, to.Resource, to.Tags
	p.Roles, p.Pattern, p.Rule = to.Roles, to.Pattern, to.Rule
	p.Revision++
	p.ModifiedAt, p.ModifiedBy = a.now().UTC(), who.Identity
	ev := p.event(who, actionPolicyUpdate)
	err = a.door(a.over(&was, &p)).Change(ctx, who, actionPolicyUpdate, aboutPolicies(was.Account), ev, func() error {
		if err := a.mayReplace(&was, found, match); err != nil {
			return err
		}
		if to.Type != was.Type {
			return ErrPolicy.On("type", "the type of a policy cannot change")
		}
		if err := a.judge(ctx, &p); err != nil {
			return err
		}
		return a.stale(ctx, &p, a.store.UpdatePolicy(ctx, p, ev))
	})
	return p, err
}

// mayReplace refuses to change what is not there, deleted, or not what the
// caller has seen.
func (a *Access) mayReplace(was *Policy, found error, match string) error {
	switch {
	case found != nil:
		return found
	case was.State != PolicyActive:
		return ErrPolicyNotFound.On("", string(was.ID)+" is deleted; restore it first")
	case match != "*" && match != was.ETag():
		return &PolicyConflict{Fault: ErrPolicyStale, Policy: was.ID, ETag: was.ETag()}
	}
	return nil
}

// DeletePolicy withdraws a policy, which stays readable for PolicyKept.
func (a *Access) DeletePolicy(ctx context.Context, who Caller, id PolicyID) error {
	p, found, err := a.findPolicy(ctx, who, id)
	if err != nil {
		return err
	}
	if found == nil && p.State != PolicyActive {
		found = ErrPolicyNotFound.On("", string(id))
	}
	p.State = PolicyDeleted
	p.Revision++
	p.ModifiedAt, p.ModifiedBy = a.now().UTC(), who.Identity
	ev := p.event(who, actionPolicyDelete)
	return a.door(a.over(&p)).Change(ctx, who, actionPolicyDelete, aboutPolicies(p.Account), ev, func() error {
		if found != nil {
			return found
		}
		return a.stale(ctx, &p, a.store.UpdatePolicy(ctx, p, ev))
	})
}

// RestorePolicy makes a deleted policy count again.
func (a *Access) RestorePolicy(ctx context.Context, who Caller, id PolicyID, match string) (Policy, error) {
	p, found, err := a.findPolicy(ctx, who, id)
	if err != nil {
		return Policy{}, err
	}
	was := p
	p.State = PolicyActive
	p.Revision++
	p.ModifiedAt, p.ModifiedBy = a.now().UTC(), who.Identity
	ev := p.event(who, actionPolicyRestore)
	err = a.door(a.over(&p)).Change(ctx, who, actionPolicyRestore, aboutPolicies(p.Account), ev, func() error {
		switch {
		case found != nil:
			return found
		case match != "*" && match != was.ETag():
			return &PolicyConflict{Fault: ErrPolicyStale, Policy: id, ETag: was.ETag()}
		case was.State != PolicyDeleted:
			return ErrPolicy.On("state", "the policy is not deleted")
		}
		if err := a.judge(ctx, &p); err != nil {
			return err // a role of its own may be gone
		}
		return a.stale(ctx, &p, a.store.UpdatePolicy(ctx, p, ev))
	})
	return p, err
}

// PolicyPage is one page of policies.
type PolicyPage struct {
	Policies []Policy
	Limit    int    // as asked; zero if the caller named none
	Next     string // token of the next page; empty if this is the last
}

// Policies lists policies of an account: all, to who may list them, otherwise
// those about what the caller administers. A page may therefore be shorter than
// its limit without being the last.
func (a *Access) Policies(ctx context.Context, who Caller, account AccountID, f PolicyFilter, limit int, start string) (PolicyPage, error) {
	page := PolicyPage{Limit: limit}
	all := false
	door := a.door(func(ctx context.Context, who Caller, action Action, on Object) error {
		err := a.Allow(ctx, who, action, on)
		if all = err == nil; fault.KindOf(err) != fault.Forbidden {
			return err
		}
		return a.administersAny(ctx, who, actionPolicyCreate, on.Account)
	})
	ev := who.Event(actionPolicyList, policiesTarget(account))
	err := door.Read(ctx, who, actionPolicyList, aboutPolicies(account), ev, func() error {
		r, err := f.span(limit, start)
		if err != nil {
			return err
		}
		list, err := a.store.Policies(ctx, account, r)
		if err != nil {
			return err
		}
		if len(list) == r.Limit {
			list = list[:r.Limit-1]
			page.Next = f.bookmark(&list[len(list)-1])
		}
		if !all {
			list, err = a.administered(ctx, who, list)
		}
		page.Policies = list
		return err
	})
	return page, err
}

// administered keeps the policies that are about what the caller administers.
func (a *Access) administered(ctx context.Context, who Caller, list []Policy) ([]Policy, error) {
	var keep []Policy
	for i := range list {
		err := a.administers(ctx, who, actionPolicyCreate, list[i].Account, list[i].Resource)
		if err == nil {
			keep = append(keep, list[i])
		} else if fault.KindOf(err) != fault.Forbidden {
			return nil, err
		}
	}
	return keep, nil
}

// RefusePolicy records and returns why a request about policies was not
// understood, or that the caller may not even ask.
func (a *Access) RefusePolicy(ctx context.Context, who Caller, action Action, cause error) error {
	return a.refuse(ctx, who, action, policiesTarget(who.Account), cause)
}

// refuse lets those hear the cause who have the action on anything.
func (a *Access) refuse(ctx context.Context, who Caller, action Action, target audit.Target, cause error) error {
	door := a.door(func(ctx context.Context, who Caller, action Action, on Object) error {
		return a.administersAny(ctx, who, action, on.Account)
	})
	return door.Refuse(ctx, who, action, aboutPolicies(who.Account), who.Event(action, target), cause)
}

// Grant gives an identity a role on an object, as a step of an act whose own
// door has decided and recorded. The policy's ID is the act's, so that a repeated
// step finds its work done.
func (a *Access) Grant(ctx context.Context, id PolicyID, account AccountID, to IdentityID, role string, on Object) error {
	now := a.now().UTC()
	on.Account = account
	p := Policy{
		ID: id, Account: account, Type: PolicyAccess, State: PolicyActive, Revision: 1, Roles: []string{role},
		Subject:  []Attribute{{AttrIAMID, StringEquals, Text(string(to))}},
		Resource: ResourceOf(on), CreatedAt: now, ModifiedAt: now, CreatedBy: to, ModifiedBy: to,
	}
	if err := a.judge(ctx, &p); err != nil {
		return err
	}
	err := a.store.CreatePolicy(ctx, p, false, nil)
	if fault.KindOf(err) != fault.Conflict {
		return err
	}
	there, err := a.store.Policy(ctx, account, id)
	if err != nil {
		return err
	}
	if there.Fingerprint() != p.Fingerprint() {
		return ErrPolicyExists
	}
	return nil
}

// Revoke takes back what Grant gave under the ID. It is no error if that is gone.
func (a *Access) Revoke(ctx context.Context, account AccountID, id PolicyID) error {
	return a.store.RemovePolicy(ctx, account, id)
}

// judge refuses a policy that is not well-formed or names roles that do not fit.
func (a *Access) judge(ctx context.Context, p *Policy) error {
	if err := p.check(); err != nil {
		return err
	}
	custom := map[string]*CustomRole{}
	if slices.ContainsFunc(p.Roles, func(id string) bool { return catalog.roles[id] == nil }) {
		list, err := a.store.Roles(ctx, p.Account, "")
		if err != nil {
			return err
		}
		for i := range list {
			custom[list[i].CRN()] = &list[i]
		}
	}
	return p.checkRoles(custom)
}

// findPolicy looks a policy up before the decision, which needs its resource.
// If it is not there, found says so, and the policy is about everything in the
// account: who administers only a part learns nothing.
func (a *Access) findPolicy(ctx context.Context, who Caller, id PolicyID) (p Policy, found, err error) {
	p, err = a.store.Policy(ctx, who.Account, id)
	if isAbsent(err) || err == nil && p.State == PolicyDeleted && a.now().Sub(p.ModifiedAt) > PolicyKept {
		p = Policy{ID: id, Account: who.Account, Resource: ResourceOf(Object{Account: who.Account, Service: crn.AccessManagement})}
		return p, ErrPolicyNotFound.On("", "there is no policy "+quoted(string(id))), nil
	}
	return p, nil, err
}

// aboutPolicies is what the door is told that an operation on policies is about.
// The decision is made over the resources of the policies, see over.
func aboutPolicies(account AccountID) Object {
	return Object{Account: account, Service: crn.AccessManagement}
}

// policiesTarget describes an account's policies in events.
func policiesTarget(account AccountID) audit.Target {
	return audit.Target{
		ID: crn.Of(crn.AccessManagement, "", string(account), "", "policy", "").String(), Name: "policies", TypeURI: "iam-am/policy",
	}
}

// over decides by whether the caller administers all that the policies are about.
func (a *Access) over(policies ...*Policy) deciderFunc {
	return func(ctx context.Context, who Caller, action Action, on Object) error {
		for _, p := range policies {
			if err := a.administers(ctx, who, action, on.Account, p.Resource); err != nil {
				return err
			}
		}
		return nil
	}
}

// sees decides by whether the caller may see the account's policies, or
// administers what this one is about.
func (a *Access) sees(p *Policy) deciderFunc {
	return func(ctx context.Context, who Caller, action Action, on Object) error {
		if err := a.Allow(ctx, who, action, on); fault.KindOf(err) != fault.Forbidden {
			return err
		}
		return a.administers(ctx, who, actionPolicyCreate, on.Account, p.Resource)
	}
}

func (p *Policy) event(who Caller, action Action) *audit.Event {
	ev := who.Event(action, audit.Target{ID: p.CRN().String(), Name: string(p.ID), TypeURI: "iam-am/policy"})
	if action != actionPolicyGet {
		detail(ev, "policyType", string(p.Type))
		detail(ev, "subject", describe(p.Subject))
		detail(ev, "resource", describe(p.Resource))
		detail(ev, "roles", strings.Join(p.Roles, " "))
	}
	return ev
}

// describe writes attributes for events.
func describe(list []Attribute) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = a.Key + " " + string(a.Operator) + " " + strings.Join(a.Value.Texts, ",")
	}
	return strings.Join(parts, "; ")
}

// policyFault turns the store's failures into those of policies.
func policyFault(err error) error {
	var conflict *PolicyConflict
	if errors.As(err, &conflict) {
		return err
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return ErrPolicyNotFound
	case fault.Stale:
		return ErrPolicyStale
	case fault.Conflict:
		return ErrPolicyExists
	}
	return err
}

// stale completes a stale failure with the policy's present ETag.
func (a *Access) stale(ctx context.Context, p *Policy, err error) error {
	if fault.KindOf(err) != fault.Stale {
		return policyFault(err)
	}
	now, err := a.store.Policy(ctx, p.Account, p.ID)
	if err != nil {
		return policyFault(err)
	}
	return &PolicyConflict{Fault: ErrPolicyStale, Policy: now.ID, ETag: now.ETag()}
}

// policyBookmark is the content of a page token. It is no secret: whoever makes
// one up sees another part of a list that is open to him.
type policyBookmark struct {
	Sort       PolicySort `json:"s"`
	Descending bool       `json:"d,omitempty"`
	Text       string     `json:"t,omitempty"`
	Micros     int64      `json:"m,omitempty"`
	ID         PolicyID   `json:"i"`
}

// span checks a listing and turns it into a range of one policy more than a page
// has, which tells whether there is a next page.
func (f PolicyFilter) span(limit int, start string) (PolicyRange, error) {
	if limit == 0 {
		limit = MaxPolicyPage
	}
	if limit < 1 || limit > MaxPolicyPage {
		return PolicyRange{}, ErrPolicy.On("limit", "it must be 1 to 1000")
	}
	if f.Sort == "" {
		f.Sort = PolicyByCreated
	}
	if f.State == "" {
		f.State = PolicyActive
	}
	r := PolicyRange{PolicyFilter: f, Limit: limit + 1}
	if start == "" {
		return r, nil
	}
	var b policyBookmark
	raw, err := base64.RawURLEncoding.DecodeString(start)
	if err == nil {
		err = json.Unmarshal(raw, &b)
	}
	if err != nil || b.Sort != f.Sort || b.Descending != f.Descending || b.ID == "" {
		return PolicyRange{}, ErrPolicy.On("start", "it does not belong to this list")
	}
	r.Resume, r.ID, r.At = true, b.ID, b.Text
	if f.byTime() {
		r.At = b.Micros
	}
	return r, nil
}

func (f PolicyFilter) byTime() bool {
	return f.Sort == PolicyByCreated || f.Sort == PolicyByModified || f.Sort == ""
}

// bookmark names the place after a policy.
func (f PolicyFilter) bookmark(p *Policy) string {
	if f.Sort == "" {
		f.Sort = PolicyByCreated
	}
	b := policyBookmark{Sort: f.Sort, Descending: f.Descending, ID: p.ID}
	switch f.Sort {
	case PolicyByCreated:
		b.Micros = p.CreatedAt.UnixMicro()
	case PolicyByModified:
		b.Micros = p.ModifiedAt.UnixMicro()
	case PolicyByCreator:
		b.Text = string(p.CreatedBy)
	case PolicyByModifier:
		b.Text = string(p.ModifiedBy)
	case PolicyByID:
		b.Text = string(p.ID)
	case PolicyByType:
		b.Text = string(p.Type)
	case PolicyByState:
		b.Text = string(p.State)
	}
	raw, err := json.Marshal(b)
	if err != nil {
		panic("iam: a page token cannot fail to encode: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
