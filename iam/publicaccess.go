package iam

import (
	"context"

	"strongroom/audit"
	"strongroom/crn"
)

// PublicAccess is the access group that everybody is in: callers without credentials, and those of
// other accounts. Every account has it without making it. What is granted to it is readable by the
// world, so it can be granted the reading of stored objects and nothing else.
const PublicAccess GroupID = "AccessGroupId-PublicAccess"

// KindAnonymous is a caller who showed no credentials.
const KindAnonymous Kind = "anonymous"

// anonymousIdentity is the identity and the name of [Anonymous]. No other caller has its form.
const anonymousIdentity = "anonymous"

// Anonymous is the caller of a request that came without credentials. It is in no account, and may
// do what an account grants to PublicAccess on its objects.
func Anonymous(trail *audit.Trail) Caller {
	return Caller{Identity: anonymousIdentity, Name: anonymousIdentity, Kind: KindAnonymous, Trail: trail}
}

// publicRoles are those that PublicAccess can be given.
var publicRoles = [...]string{
	crn.Role(crn.ObjectStorage, "serviceRole", "ContentReader").String(),
	crn.Role(crn.ObjectStorage, "serviceRole", "ObjectReader").String(),
}

// public reports whether what is asked is granted to everybody.
func (q *question) public(ctx context.Context) (bool, error) {
	if q.on.Service != crn.ObjectStorage {
		return false, nil
	}
	return q.subject(ctx, string(PublicAccess))
}

// publicGroup is PublicAccess as its account sees it.
func publicGroup(account AccountID) Group {
	return Group{
		ID: PublicAccess, Account: account, Name: "Public Access", Revision: 1,
		Description: "Everybody, with and without credentials. It cannot be changed.",
	}
}

// checkPublic refuses to change the group or who is in it.
func checkPublic(id GroupID) error {
	if id == PublicAccess {
		return ErrGroup.On("id", "the group of public access cannot be changed, and everybody is in it")
	}
	return nil
}

// checkPublicPolicy refuses a policy that grants everybody more than the reading of objects.
func (p *Policy) checkPublicPolicy() error {
	if p.SubjectID() != string(PublicAccess) {
		return nil
	}
	if p.Exact(AttrService) != crn.ObjectStorage {
		return ErrPolicy.On("resource", "public access can be given to objects alone: serviceName "+quoted(crn.ObjectStorage)+" is needed, with stringEquals")
	}
	for _, role := range p.Roles {
		if role != publicRoles[0] && role != publicRoles[1] {
			return ErrPolicy.On("roles", "public access can be given with the roles Content Reader and Object Reader alone")
		}
	}
	return nil
}
