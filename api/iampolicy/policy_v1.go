package iampolicy

import (
	"slices"

	"strongroom/iam"
)

// policyV1 is a policy as the first version's requests say it.
type policyV1 struct {
	ignored
	Type        string       `json:"type"`
	Description string       `json:"description"`
	Subjects    []partV1     `json:"subjects"`
	Roles       []policyRole `json:"roles"`
	Resources   []partV1     `json:"resources"`
}

// partV1 is a subject or a resource.
type partV1 struct {
	Attributes []attributeV1 `json:"attributes"`
	Tags       []attributeV1 `json:"tags,omitempty"`
}

type attributeV1 struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Operator string `json:"operator,omitempty"`
}

// answerV1 is a policy as the first version's answers say it.
type answerV1 struct {
	head
	Subjects  []partV1     `json:"subjects"`
	Roles     []policyRole `json:"roles"`
	Resources []partV1     `json:"resources"`
}

func decodeV1(body []byte) (iam.Policy, error) {
	var in policyV1
	if err := strict(body, &in); err != nil {
		return iam.Policy{}, err
	}
	if len(in.Subjects) != 1 || len(in.Resources) != 1 {
		return iam.Policy{}, iam.ErrPolicy.On("subjects", "exactly one subject and one resource are needed")
	}
	if in.Subjects[0].Tags != nil {
		return iam.Policy{}, iam.ErrPolicy.On("subjects", "a subject has no tags")
	}
	p := iam.Policy{Type: iam.PolicyType(in.Type), Description: in.Description, Roles: roleIDs(in.Roles)}
	var err error
	if p.Subject, err = readV1("subjects", in.Subjects[0].Attributes); err != nil {
		return iam.Policy{}, err
	}
	if p.Resource, err = readV1("resources", in.Resources[0].Attributes); err != nil {
		return iam.Policy{}, err
	}
	p.Tags, err = readV1("resources", in.Resources[0].Tags)
	return p, err
}

func readV1(where string, list []attributeV1) ([]iam.Attribute, error) {
	var all []iam.Attribute
	for _, a := range list {
		op := iam.Operator(a.Operator)
		switch op {
		case "":
			op = iam.StringEquals
		case iam.StringEquals, iam.StringMatch:
		default:
			return nil, iam.ErrPolicy.On(where, "an operator can be stringEquals or stringMatch; /v2/policies knows more")
		}
		all = append(all, iam.Attribute{Key: a.Name, Operator: op, Value: iam.Text(a.Value)})
	}
	return all, nil
}

// Texts of the placeholder for a policy that the first version cannot say.
const (
	placeholderText = "**This is a unsupported policy version placeholder, to view the full content, please call GET with provided href**"
	placeholderRole = "crn:v1:bluemix:public:iam::::role:UnsupportedVersion"
)

// saysV1 reports whether the first version has the words for a policy. Subjects
// have no operators there.
func saysV1(p *iam.Policy) bool {
	if p.Rule != nil || p.Pattern != "" {
		return false
	}
	for _, a := range p.Subject {
		if a.Operator != iam.StringEquals {
			return false
		}
	}
	for _, a := range slices.Concat(p.Resource, p.Tags) {
		if a.Operator != iam.StringEquals && a.Operator != iam.StringMatch {
			return false
		}
	}
	return true
}

func (s *server) encodeV1(p *iam.Policy) answerV1 {
	if !saysV1(p) {
		return s.placeholder(p)
	}
	out := answerV1{
		head: s.head(p, "v1"), Subjects: []partV1{{Attributes: writeV1(p.Subject, false)}},
		Resources: []partV1{{Attributes: writeV1(p.Resource, true), Tags: writeV1(p.Tags, true)}},
	}
	for _, id := range p.Roles {
		out.Roles = append(out.Roles, named(id))
	}
	return out
}

func (s *server) placeholder(p *iam.Policy) answerV1 {
	out := answerV1{
		head:      s.head(p, "v2"), // where it can be read
		Subjects:  []partV1{{Attributes: []attributeV1{{Name: iam.AttrIAMID, Value: "unsupported version"}}}},
		Roles:     []policyRole{{ID: placeholderRole, DisplayName: "Unsupported Version", Description: placeholderText}},
		Resources: []partV1{{Attributes: []attributeV1{{Name: iam.AttrAccount, Value: string(p.Account)}}}},
	}
	out.Desc = placeholderText
	return out
}

func writeV1(list []iam.Attribute, operators bool) []attributeV1 {
	var all []attributeV1
	for _, a := range list {
		one := attributeV1{Name: a.Key, Value: a.Value.Texts[0]}
		if operators {
			one.Operator = string(a.Operator)
		}
		all = append(all, one)
	}
	return all
}
