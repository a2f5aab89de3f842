package iampolicy

import (
	"strongroom/iam"
)

// policyV2 is a policy as the second version's requests say it.
type policyV2 struct {
	ignored
	contentV2
	Description string `json:"description"`
	Type        string `json:"type"`
}

// answerV2 is a policy as the second version's answers say it.
type answerV2 struct {
	head
	contentV2
}

// contentV2 is what a policy grants.
type contentV2 struct {
	Subject  *partV2      `json:"subject,omitempty"`
	Resource *partV2      `json:"resource,omitempty"`
	Control  *controlV2   `json:"control"`
	Pattern  string       `json:"pattern,omitempty"`
	Rule     *conditionV2 `json:"rule,omitempty"`
}

type controlV2 struct {
	Grant grantV2 `json:"grant"`
}

type grantV2 struct {
	Roles []policyRole `json:"roles"`
}

// partV2 is the subject or the resource.
type partV2 struct {
	Attributes []attributeV2 `json:"attributes"`
	Tags       []attributeV2 `json:"tags,omitempty"`
}

type attributeV2 struct {
	Key      string `json:"key"`
	Operator string `json:"operator"`
	Value    value  `json:"value"`
}

// conditionV2 is a rule or a part of one.
type conditionV2 struct {
	Key        string        `json:"key,omitempty"`
	Operator   string        `json:"operator"`
	Value      *value        `json:"value,omitempty"`
	Conditions []conditionV2 `json:"conditions,omitempty"`
}

func decodeV2(body []byte) (iam.Policy, error) {
	var in policyV2
	if err := strict(body, &in); err != nil {
		return iam.Policy{}, err
	}
	if in.Control == nil || in.Subject == nil || in.Resource == nil {
		return iam.Policy{}, iam.ErrPolicy.On("control", "control, subject and resource are needed")
	}
	if in.Subject.Tags != nil {
		return iam.Policy{}, iam.ErrPolicy.On("subject", "a subject has no tags")
	}
	return iam.Policy{
		Type: iam.PolicyType(in.Type), Description: in.Description, Subject: readV2(in.Subject.Attributes),
		Resource: readV2(in.Resource.Attributes), Tags: readV2(in.Resource.Tags), Roles: roleIDs(in.Control.Grant.Roles),
		Pattern: in.Pattern, Rule: in.Rule.read(),
	}, nil
}

func readV2(list []attributeV2) []iam.Attribute {
	var all []iam.Attribute
	for _, a := range list {
		all = append(all, iam.Attribute{Key: a.Key, Operator: iam.Operator(a.Operator), Value: a.Value.Value})
	}
	return all
}

func (c *conditionV2) read() *iam.Condition {
	if c == nil {
		return nil
	}
	out := &iam.Condition{Operator: iam.Operator(c.Operator), Key: c.Key}
	if c.Value != nil {
		out.Value = c.Value.Value
	}
	for i := range c.Conditions {
		out.Conditions = append(out.Conditions, *c.Conditions[i].read())
	}
	return out
}

func (s *server) encodeV2(p *iam.Policy, display bool) answerV2 {
	out := answerV2{head: s.head(p, "v2"), contentV2: contentV2{
		Subject:  &partV2{Attributes: writeV2(p.Subject)},
		Resource: &partV2{Attributes: writeV2(p.Resource), Tags: writeV2(p.Tags)},
		Control:  &controlV2{}, Pattern: p.Pattern, Rule: writeRule(p.Rule),
	}}
	for _, id := range p.Roles {
		r := policyRole{ID: id}
		if display {
			r = displayed(id, p.Exact(iam.AttrService))
		}
		out.Control.Grant.Roles = append(out.Control.Grant.Roles, r)
	}
	return out
}

// shownAction is an action where roles are shown to people.
type shownAction struct {
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	Description string `json:"description"`
}

// displayed says all that is known of a built-in role in a service.
func displayed(id, service string) policyRole {
	out := named(id)
	r, ok := iam.RoleByCRN(id)
	if !ok {
		return out
	}
	actions := []shownAction{}
	for _, a := range r.Actions(service) {
		actions = append(actions, shownAction{ID: string(a), DisplayName: string(a)})
	}
	out.Actions = actions
	return out
}

func writeV2(list []iam.Attribute) []attributeV2 {
	var all []attributeV2
	for _, a := range list {
		all = append(all, attributeV2{Key: a.Key, Operator: string(a.Operator), Value: value{a.Value}})
	}
	return all
}

func writeRule(c *iam.Condition) *conditionV2 {
	if c == nil {
		return nil
	}
	out := &conditionV2{Key: c.Key, Operator: string(c.Operator)}
	if c.Value.Texts != nil {
		out.Value = &value{c.Value}
	}
	for i := range c.Conditions {
		out.Conditions = append(out.Conditions, *writeRule(&c.Conditions[i]))
	}
	return out
}
