package iam

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"strongroom/crn"
	"strongroom/fault"
)

// Failures of policies that a caller may be told about.
var (
	ErrPolicy         = fault.New(fault.Invalid, "invalid policy")
	ErrPolicyNotFound = fault.New(fault.NotFound, "policy not found")
	ErrPolicyExists   = fault.New(fault.Conflict, "a policy with this subject, resource and roles already exists")
	ErrPolicyStale    = fault.New(fault.Stale, "the policy was changed in the meantime; read it again and retry with its ETag")
)

// PolicyConflict is ErrPolicyExists or ErrPolicyStale together with the policy
// that is in the way.
type PolicyConflict struct {
	Fault  *fault.Fault
	Policy PolicyID
	ETag   string
}

// Error returns the text of the fault and names the policy.
func (c *PolicyConflict) Error() string { return c.Fault.Error() + ": " + string(c.Policy) }

// Unwrap makes errors.Is find the fault.
func (c *PolicyConflict) Unwrap() error { return c.Fault }

// PolicyType says what sort of subject a policy has.
type PolicyType string

const (
	PolicyAccess        PolicyType = "access"        // a person, a service ID or an access group
	PolicyAuthorization PolicyType = "authorization" // service instances
)

// PolicyState says whether a policy counts.
type PolicyState string

const (
	PolicyActive  PolicyState = "active"
	PolicyDeleted PolicyState = "deleted" // kept for 30 days, to be read and restored
)

// PolicyKept is how long a deleted policy can be read and restored.
const PolicyKept = 30 * 24 * time.Hour

// Bounds of a policy document. The length of values is IBM's.
const (
	maxAttributes = 32
	maxRoles      = 16
	maxValue      = 1000 // characters of one value
	maxValues     = 10   // values of an …AnyOf
	maxDepth      = 4    // of nested rule conditions
	maxConditions = 64   // of a rule, in all
	maxPolicyText = 300
)

// Policy grants roles on resources to a subject. There is no policy that denies.
type Policy struct {
	ID          PolicyID
	Account     AccountID // that owns the resources
	Type        PolicyType
	Description string
	Subject     []Attribute
	Resource    []Attribute
	Tags        []Attribute // access tags that the resource must carry; ours carry none
	Roles       []string    // CRNs
	Pattern     string      // of the rule; empty without one
	Rule        *Condition  // further condition, or nil
	State       PolicyState
	Revision    int64 // 1 when created

	CreatedAt, ModifiedAt time.Time
	CreatedBy, ModifiedBy IdentityID
}

// Attribute is one condition on a subject or a resource.
type Attribute struct {
	Key      string // "serviceName", "keyRing", …
	Operator Operator
	Value    Value
}

// Operator names a comparison.
type Operator string

const (
	StringEquals      Operator = "stringEquals"
	StringMatch       Operator = "stringMatch" // "*" and "?" are wildcards, "{{*}}" and "{{?}}" are not
	StringExists      Operator = "stringExists"
	StringEqualsAnyOf Operator = "stringEqualsAnyOf"
	StringMatchAnyOf  Operator = "stringMatchAnyOf"
)

// Value is what an attribute is compared with.
type Value struct {
	Texts []string // one, or several for an …AnyOf
	List  bool     // written as a list
	Bare  bool     // written without quotes: numbers and booleans
}

// Text is the value of a single string.
func Text(s string) Value { return Value{Texts: []string{s}} }

// Names of the attributes that policies may name.
const (
	AttrIAMID         = "iam_id"
	AttrAccessGroup   = "access_group_id"
	AttrAccount       = "accountId"
	AttrService       = "serviceName"
	AttrServiceType   = "serviceType"
	AttrServiceGroup  = "service_group_id"
	AttrInstance      = "serviceInstance"
	AttrRegion        = "region"
	AttrResourceGroup = "resourceGroupId"
	AttrType          = "resourceType"
	AttrResource      = "resource"
	AttrKeyRing       = "keyRing"
)

// ETag names the revision of the policy.
func (p *Policy) ETag() string { return EntityTag(string(p.ID), p.Revision) }

// CRN names the policy.
func (p *Policy) CRN() crn.CRN {
	return crn.Of(crn.AccessManagement, "", string(p.Account), "", "policy", string(p.ID))
}

// SubjectID is the identity or the access group that an access policy is for,
// and empty for an authorization.
func (p *Policy) SubjectID() string {
	if p.Type != PolicyAccess {
		return ""
	}
	if id := exact(p.Subject, AttrIAMID); id != "" {
		return id
	}
	return exact(p.Subject, AttrAccessGroup)
}

// Exact is the value that the resource's attribute must equal, or "" if the
// policy does not name one.
func (p *Policy) Exact(key string) string { return exact(p.Resource, key) }

// ServiceType is "service" or "platform_service", as far as the policy tells.
func (p *Policy) ServiceType() string {
	if t := p.Exact(AttrServiceType); t != "" {
		return t
	}
	return serviceTypeOf(p.Exact(AttrService))
}

// Fingerprint is equal for policies of an account that grant the same roles on
// the same resources under the same rule to the same subject.
func (p *Policy) Fingerprint() string {
	var b strings.Builder
	put := func(parts ...string) {
		for _, s := range parts {
			b.WriteString(strconv.Quote(s))
		}
		b.WriteByte('\n')
	}
	put("policy", string(p.Type), p.Pattern)
	for _, list := range [][]Attribute{p.Subject, p.Resource, p.Tags} {
		lines := make([]string, len(list))
		for i, a := range list {
			lines[i] = strconv.Quote(a.Key) + strconv.Quote(string(a.Operator)) + strconv.Quote(strings.Join(a.Value.Texts, "\x00"))
		}
		slices.Sort(lines)
		put(lines...)
	}
	roles := slices.Clone(p.Roles)
	slices.Sort(roles)
	put(roles...)
	p.Rule.fingerprint(put)
	h := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(h[:])
}

// exact finds the value that an attribute must equal.
func exact(list []Attribute, key string) string {
	for i := range list {
		if list[i].Key == key && list[i].Operator == StringEquals && len(list[i].Value.Texts) == 1 {
			return list[i].Value.Texts[0]
		}
	}
	return ""
}

// find returns the attribute with the key, or nil.
func find(list []Attribute, key string) *Attribute {
	for i := range list {
		if list[i].Key == key {
			return &list[i]
		}
	}
	return nil
}

// Service types and the group of the services by which access is managed.
const (
	TypeService         = "service"
	TypePlatformService = "platform_service"
	GroupIAM            = "IAM"
)

// serviceTypeOf tells services that tenants have instances of from those of the
// platform itself.
func serviceTypeOf(service string) string {
	switch service {
	case "":
		return ""
	case crn.KeyProtect, crn.ObjectStorage:
		return TypeService
	default:
		return TypePlatformService
	}
}

func serviceGroupOf(service string) string {
	switch service {
	case crn.Identity, crn.Groups, crn.AccessManagement:
		return GroupIAM
	default:
		return ""
	}
}
