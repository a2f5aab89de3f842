package model_test

import (
	"context"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
	"strongroom/kms"
)

const (
	account iam.AccountID = "0123456789abcdef0123456789abcdef"
	// sharedRing is the ring that one of the callers has access to, and no other.
	sharedRing string = "team-a"
	// home is the address that every policy of an instance admits.
	home string = "10.1.2.3"
	// service is the caller that is a service, and registers its resources.
	service string = "storage"
)

// caller is who asks, and from where.
type caller struct{ name, from string }

// at returns somebody who calls from home.
func at(name string) caller { return caller{name, home} }

// person is what a caller may do.
type person struct {
	actions []iam.Action
	ring    string // in this ring only; empty means everywhere
}

// callers lists who asks. Two of them may delete, as some deletions need two; one is a service; one
// may do nothing.
func callers() map[string]person {
	reader := []iam.Action{
		kms.ActionList, kms.ActionHead, kms.ActionMetadata, kms.ActionVersions,
		kms.ActionWrap, kms.ActionUnwrap, kms.ActionRewrap, kms.ActionRingList,
		kms.ActionRegistrationList, kms.ActionRegistrationCreate, kms.ActionRegistrationWrite,
		kms.ActionRegistrationReplace, kms.ActionRegistrationDelete,
	}
	writer := append([]iam.Action{
		kms.ActionRead, kms.ActionCreate, kms.ActionRotate, kms.ActionAuthorize, kms.ActionUnauthorize,
		kms.ActionSync, kms.ActionAliasCreate, kms.ActionAliasDelete, kms.ActionRingCreate,
		kms.ActionCreateImportToken, kms.ActionReadImportToken,
	}, reader...)
	manager := append([]iam.Action{
		kms.ActionDisable, kms.ActionEnable, kms.ActionDelete, kms.ActionRestore, kms.ActionPatch,
		kms.ActionRingDelete, kms.ActionPolicyRead, kms.ActionPolicyWrite, kms.ActionCreateWithPolicies,
		kms.ActionInstancePolicyRead, kms.ActionInstancePolicyWrite, kms.ActionAllowedPort,
	}, writer...)
	return map[string]person{
		"reader":   {actions: reader},
		"writer":   {actions: writer},
		"manager":  {actions: manager},
		"deputy":   {actions: manager},
		"purger":   {actions: []iam.Action{kms.ActionPurge}},
		"ringmate": {actions: manager, ring: sharedRing},
		service:    {actions: reader},
		"nobody":   {},
	}
}

// storage is the instance that the calling service is.
func storage() crn.CRN {
	return crn.Of(crn.ObjectStorage, "global", string(account), "5d8f2f4a-1b1c-4c67-9d0e-0f8e3a7f6b11", "", "")
}

func identityOf(name string) iam.IdentityID {
	if name == service {
		return iam.IdentityID("crn-" + storage().String())
	}
	return iam.IdentityID("IBMid-" + name)
}

// identities knows callers by tokens that are their names.
type identities struct{}

func (identities) Authenticate(_ context.Context, token string, trail *audit.Trail) (iam.Caller, error) {
	if _, ok := callers()[token]; !ok {
		return iam.Caller{}, iam.ErrUnauthenticated
	}
	who := iam.Caller{Identity: identityOf(token), Kind: iam.KindUser, Account: account, Name: token, Trail: trail}
	if token == service {
		who.Kind, who.Instance = iam.KindInstance, storage()
	}
	return who, nil
}

// may says whether a caller may do something to what is in a ring; no ring means what is in none.
func (m *model) may(c caller, action iam.Action, ring string) bool {
	p := callers()[c.name]
	return m.admits(c) && slices.Contains(p.actions, action) && (p.ring == "" || p.ring == ring)
}

// someone draws a caller, most often one who may do nearly all.
func someone(t *rapid.T) caller { return oneOf(t, "manager", "manager", "deputy") }

// oneOf draws one of some callers, or seldom any; most often one who calls from home.
func oneOf(t *rapid.T, names ...string) caller {
	if rapid.IntRange(0, 7).Draw(t, "anybody") == 0 {
		names = slices.Sorted(maps.Keys(callers()))
	}
	c := at(rapid.SampledFrom(names).Draw(t, "who"))
	if rapid.IntRange(0, 7).Draw(t, "elsewhere") == 0 {
		c.from = rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::5", "fd00::7", "::ffff:10.1.2.3"}).Draw(t, "from")
	}
	return c
}
