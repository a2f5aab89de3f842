package iam

import (
	"strings"

	"strongroom/audit"
	"strongroom/crn"
)

type (
	// AccountID names an account: 32 lower-case hexadecimal digits.
	AccountID string
	// IdentityID is the IAM ID of a person ("IBMid-…"), a service ID
	// ("iam-ServiceId-…") or a service instance ("crn-crn:v1:…").
	IdentityID string
	// ServiceID names a service ID: "ServiceId-" and a UUID.
	ServiceID string
	// APIKeyID names an API key: "ApiKey-" and a UUID.
	APIKeyID string
	// GroupID names an access group: "AccessGroupId-" and a UUID.
	GroupID string
	// PolicyID names a policy: a UUID.
	PolicyID string
	// Action names an operation that a role may contain, as "kms.secrets.wrap".
	Action string
)

// Kind says what sort of identity a caller is.
type Kind string

const (
	KindUser     Kind = "user"
	KindService  Kind = "serviceid"
	KindInstance Kind = "crn" // a service instance acting on its own behalf
)

// Prefixes by which the kind of an identity is told from its ID.
const (
	userPrefix     = "IBMid-"
	servicePrefix  = "iam-ServiceId-"
	instancePrefix = "crn-"
)

// KindOf tells the kind of an identity from its ID, or "" for an unknown form.
func KindOf(id IdentityID) Kind {
	switch s := string(id); {
	case strings.HasPrefix(s, userPrefix):
		return KindUser
	case strings.HasPrefix(s, servicePrefix):
		return KindService
	case strings.HasPrefix(s, instancePrefix):
		return KindInstance
	}
	return ""
}

// Caller is an authenticated identity acting in one account, with the request
// it makes. It is an argument of every operation. The zero value is nobody and
// is allowed nothing.
type Caller struct {
	Identity   IdentityID
	Kind       Kind
	Account    AccountID // the account it acts in
	Owner      bool      // owns that account: every role on everything, except purging keys
	Name       string
	Email      string
	Credential APIKeyID     // the API key its token was issued for; empty for a service instance
	Instance   crn.CRN      // the instance it is, if Kind is KindInstance
	Trail      *audit.Trail // the request; nil for work that the server does by itself
	// OnBehalfOf is who asked for what a service instance does now, as far as the service knows. It
	// is named in the event and decides nothing.
	OnBehalfOf IdentityID
	// Within confines the request to what belongs to this instance or this account, whatever else the
	// caller may do. Empty confines it to nothing.
	Within string
}

// Reaches reports whether an object is one that the caller has confined the request to.
func (c *Caller) Reaches(on Object) bool {
	return c.Within == "" || c.Within == on.Instance || c.Within == string(on.Account)
}

// ServerCaller is the initiator of what the server does by itself, or who works on
// its machine, without a caller of the interfaces. No policy allows it anything.
func ServerCaller(account AccountID) Caller {
	return Caller{Identity: serverIdentity, Name: serverIdentity, Account: account}
}

// serverIdentity is the identity and the name of [ServerCaller]. No caller has its form.
const serverIdentity = "strongroom"

// typeURIs are the CADF types of initiators.
var typeURIs = map[Kind]string{
	KindUser:     "service/security/account/user",
	KindService:  "service/security/account/serviceid",
	KindInstance: "service/security/clientid",
}

// Initiator describes the caller in an event.
func (c Caller) Initiator() audit.Initiator {
	in := audit.Initiator{
		ID: string(c.Identity), Name: c.Name, TypeURI: typeURIs[c.Kind],
		AuthnID: string(c.Identity), AuthnName: c.Name,
		CredentialType: "token", CredentialID: string(c.Credential),
	}
	if c.Identity == serverIdentity || c.Kind == KindAnonymous {
		in.TypeURI, in.CredentialType = "service/security", ""
	}
	if c.Trail != nil {
		in.Host = audit.Host{Address: c.Trail.Address, Agent: c.Trail.Agent}
	}
	return in
}

// recorded tells the request's trail that its event is kept.
func (c Caller) recorded() {
	if c.Trail != nil {
		c.Trail.MarkRecorded()
	}
}

// Event begins the record of what the caller does to target.
func (c Caller) Event(action Action, target audit.Target) *audit.Event {
	ev := &audit.Event{
		Action: string(action), Account: string(c.Account),
		Initiator: c.Initiator(), Target: target,
	}
	if c.Trail != nil {
		ev.Time, ev.CorrelationID, ev.Reason.Code = c.Trail.Time, c.Trail.CorrelationID, c.Trail.Success
		ev.RequestData = map[string]any{"requestURI": c.Trail.URI}
	}
	if c.OnBehalfOf != "" {
		if ev.RequestData == nil {
			ev.RequestData = map[string]any{}
		}
		ev.RequestData["onBehalfOf"] = string(c.OnBehalfOf)
	}
	return ev
}
