package iam

import (
	"slices"
	"strings"
	"unicode/utf8"

	"strongroom/crn"
)

// Attributes that the two sides of a policy may name, beside those that every
// policy must.
var (
	resourceAttributes = []string{
		AttrAccount, AttrService, AttrServiceType, AttrServiceGroup, AttrInstance, AttrRegion,
		AttrResourceGroup, AttrType, AttrResource, AttrKeyRing,
	}
	sourceAttributes = []string{
		AttrAccount, AttrService, AttrInstance, AttrRegion, AttrResourceGroup, AttrType, AttrResource,
	}
	operatorsOfAttributes = []Operator{StringEquals, StringMatch, StringExists}
)

// check refuses a policy that is not well-formed, naming the member at fault.
// The roles are judged by the caller, who knows the account's own.
func (p *Policy) check() error {
	if err := checkPolicyText("description", p.Description, 0, maxPolicyText); err != nil {
		return err
	}
	if len(p.Roles) == 0 || len(p.Roles) > maxRoles {
		return ErrPolicy.On("roles", "from 1 to 16 are needed")
	}
	if err := p.checkSubject(); err != nil {
		return err
	}
	if err := p.checkResource(); err != nil {
		return err
	}
	if err := checkAttributes("resource.tags", p.Tags, nil); err != nil {
		return err
	}
	if err := p.checkPublicPolicy(); err != nil {
		return err
	}
	return p.checkRule()
}

func (p *Policy) checkSubject() error {
	switch p.Type {
	case PolicyAccess:
		if len(p.Subject) != 1 || p.Subject[0].Operator != StringEquals {
			return ErrPolicy.On("subject", "it must name exactly one iam_id or access_group_id, with stringEquals")
		}
		return checkAccessSubject(p.Subject[0])
	case PolicyAuthorization:
		return p.checkSource()
	default:
		return ErrPolicy.On("type", `it must be "access" or "authorization"`)
	}
}

func checkAccessSubject(a Attribute) error {
	if err := checkValue("subject", a); err != nil {
		return err
	}
	id := a.Value.Texts[0]
	switch a.Key {
	case AttrIAMID:
		if kind := KindOf(IdentityID(id)); kind != KindUser && kind != KindService {
			return ErrPolicy.On("subject", "iam_id is not that of a user or a service ID")
		}
	case AttrAccessGroup:
		if !strings.HasPrefix(id, groupPrefix) {
			return ErrPolicy.On("subject", "access_group_id is not that of an access group")
		}
	default:
		return ErrPolicy.On("subject", "it must name exactly one iam_id or access_group_id, with stringEquals")
	}
	return nil
}

// checkSource checks the subject of an authorization: the instances that may act.
func (p *Policy) checkSource() error {
	if err := checkAttributes("subject", p.Subject, sourceAttributes); err != nil {
		return err
	}
	if exact(p.Subject, AttrAccount) == "" {
		return ErrPolicy.On("subject", "accountId is needed, with stringEquals")
	}
	if find(p.Subject, AttrService) == nil && find(p.Subject, AttrResourceGroup) == nil {
		return ErrPolicy.On("subject", "serviceName or resourceGroupId is needed")
	}
	return nil
}

func (p *Policy) checkResource() error {
	if err := checkAttributes("resource", p.Resource, resourceAttributes); err != nil {
		return err
	}
	if account := exact(p.Resource, AttrAccount); account == "" || account != string(p.Account) {
		return ErrPolicy.On("resource", "accountId is needed, with stringEquals and the account of the policy")
	}
	for _, key := range []string{AttrService, AttrServiceType, AttrResourceGroup, AttrServiceGroup, AttrType} {
		if find(p.Resource, key) != nil {
			return nil
		}
	}
	return ErrPolicy.On("resource", "serviceName, serviceType, resourceGroupId or service_group_id is needed")
}

// checkAttributes checks one side of a policy. A key may occur once.
func checkAttributes(where string, list []Attribute, known []string) error {
	if len(list) > maxAttributes {
		return ErrPolicy.On(where, "it has more than 32 attributes")
	}
	for i, a := range list {
		if known != nil && !slices.Contains(known, a.Key) {
			return ErrPolicy.On(where, "unknown attribute "+quoted(a.Key))
		}
		if err := checkPolicyText(where, a.Key, 1, maxValue); err != nil {
			return err
		}
		if !slices.Contains(operatorsOfAttributes, a.Operator) {
			return ErrPolicy.On(where, "the operator of "+quoted(a.Key)+" must be stringEquals, stringMatch or stringExists")
		}
		if known != nil && find(list[:i], a.Key) != nil {
			return ErrPolicy.On(where, quoted(a.Key)+" occurs twice")
		}
		if err := checkValue(where, a); err != nil {
			return err
		}
	}
	return nil
}

// checkValue checks that a value has the form that its operator needs.
func checkValue(where string, a Attribute) error {
	v := a.Value
	anyOf := a.Operator.anyOf()
	if v.List != anyOf || len(v.Texts) == 0 || len(v.Texts) > maxValues || !anyOf && len(v.Texts) != 1 {
		return ErrPolicy.On(where, "the value of "+quoted(a.Key)+" must be "+map[bool]string{
			true: "a list of 1 to 10 values", false: "a single value",
		}[anyOf])
	}
	for _, t := range v.Texts {
		if err := checkPolicyText(where, t, 1, maxValue); err != nil {
			return err
		}
	}
	if a.Operator == StringExists && v.Texts[0] != "true" && v.Texts[0] != "false" {
		return ErrPolicy.On(where, "the value of "+quoted(a.Key)+" must be true or false")
	}
	return nil
}

// checkPolicyText bounds a text that will be kept and shown.
func checkPolicyText(where, s string, least, most int) error {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return ErrPolicy.On(where, "a text is empty or too long")
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return ErrPolicy.On(where, "a text has characters that are not allowed")
	}
	return nil
}

// checkRoles refuses roles that do not fit the policy. custom holds the
// account's own roles.
func (p *Policy) checkRoles(custom map[string]*CustomRole) error {
	service := p.Exact(AttrService)
	for i, id := range p.Roles {
		if slices.Contains(p.Roles[:i], id) {
			return ErrPolicy.On("roles", "a role occurs twice")
		}
		of, authorizes := "", false
		if r, ok := catalog.roles[id]; ok {
			of, authorizes = r.Service, r.Authorizes
		} else if r, ok := custom[id]; ok {
			of = r.Service
		} else {
			return ErrPolicy.On("roles", "unknown role "+quoted(id))
		}
		if of != "" && of != service {
			return ErrPolicy.On("roles", "the role "+quoted(id)+" needs the resource attribute serviceName "+quoted(of))
		}
		if p.Type == PolicyAuthorization && !authorizes {
			return ErrPolicy.On("roles", "the role "+quoted(id)+" cannot be given to a service")
		}
	}
	return nil
}

// quoted shows a name of the caller's in a message, cut to a sensible length.
func quoted(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return `"` + s + `"`
}

// anyOf reports whether the operator compares with several values.
func (o Operator) anyOf() bool { return strings.HasSuffix(string(o), "AnyOf") }

// ResourceOf writes what an object is as the resource of a policy.
func ResourceOf(on Object) []Attribute {
	var list []Attribute
	for _, a := range []struct{ key, value string }{
		{AttrAccount, string(on.Account)},
		{AttrService, on.Service},
		{AttrInstance, on.Instance},
		{AttrRegion, on.Region},
		{AttrResourceGroup, on.ResourceGroup},
		{AttrKeyRing, on.KeyRing},
		{AttrType, on.Type},
		{AttrResource, on.Resource},
	} {
		if a.value != "" {
			list = append(list, Attribute{a.key, StringEquals, Text(a.value)})
		}
	}
	return list
}

// customRolePrefix begins the CRNs of an account's own roles.
func customRolePrefix(account AccountID) string {
	return crn.Of(crn.AccessManagement, "", string(account), "", "customRole", "").String()
}
