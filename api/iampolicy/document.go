package iampolicy

import (
	"bytes"
	"encoding/json"
	"errors"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// value is a string, a number, a boolean or a list of these.
type value struct{ iam.Value }

var errValue = errors.New("a value has the wrong form")

// UnmarshalJSON reads any of the forms; numbers are kept as they were written.
func (v *value) UnmarshalJSON(data []byte) error {
	v.Value = iam.Value{Bare: true}
	if data[0] != '[' {
		return v.add(data)
	}
	v.List = true
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return errValue
	}
	for _, one := range list {
		if err := v.add(one); err != nil {
			return err
		}
	}
	return nil
}

// add appends one text; a value is bare if all of its texts are.
func (v *value) add(data []byte) error {
	switch {
	case data[0] == '"':
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return errValue
		}
		v.Bare = false
		v.Texts = append(v.Texts, s)
	case data[0] == '{', data[0] == '[', bytes.Equal(data, []byte("null")):
		return errValue
	default:
		v.Texts = append(v.Texts, string(data))
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON read.
func (v value) MarshalJSON() ([]byte, error) {
	list := make([]any, len(v.Texts))
	for i, t := range v.Texts {
		list[i] = t
		if v.Bare {
			list[i] = json.RawMessage(t)
		}
	}
	if !v.List && len(list) == 1 {
		return json.Marshal(list[0])
	}
	return json.Marshal(list)
}

// ignored are members that clients send back as they once got them.
type ignored struct {
	ID             json.RawMessage `json:"id,omitempty"`
	Href           json.RawMessage `json:"href,omitempty"`
	State          json.RawMessage `json:"state,omitempty"`
	CreatedAt      json.RawMessage `json:"created_at,omitempty"`
	CreatedBy      json.RawMessage `json:"created_by_id,omitempty"`
	ModifiedAt     json.RawMessage `json:"last_modified_at,omitempty"`
	ModifiedBy     json.RawMessage `json:"last_modified_by_id,omitempty"`
	LastPermitAt   json.RawMessage `json:"last_permit_at,omitempty"`
	LastPermitRate json.RawMessage `json:"last_permit_frequency,omitempty"`
}

// head is what both versions say of a policy beside what it grants.
type head struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Desc       string `json:"description,omitempty"`
	Href       string `json:"href"`
	State      string `json:"state"`
	CreatedAt  string `json:"created_at"`
	CreatedBy  string `json:"created_by_id"`
	ModifiedAt string `json:"last_modified_at"`
	ModifiedBy string `json:"last_modified_by_id"`
}

func (s *server) head(p *iam.Policy, version string) head {
	return head{
		ID: string(p.ID), Type: string(p.Type), Desc: p.Description, Href: s.public + "/" + version + "/policies/" + string(p.ID),
		State: string(p.State), CreatedAt: instant(p.CreatedAt), CreatedBy: string(p.CreatedBy),
		ModifiedAt: instant(p.ModifiedAt), ModifiedBy: string(p.ModifiedBy),
	}
}

// policyRole is a role in a policy. Only its ID is read.
type policyRole struct {
	ID          string `json:"role_id"`
	DisplayName string `json:"display_name,omitempty"`
	Description string `json:"description,omitempty"`
	Actions     any    `json:"actions,omitempty"`
}

// named fills what is known of a built-in role.
func named(id string) policyRole {
	out := policyRole{ID: id}
	if r, ok := iam.RoleByCRN(id); ok {
		out.DisplayName, out.Description = r.DisplayName, r.Description
	}
	return out
}

func roleIDs(list []policyRole) []string {
	var ids []string
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

// strict reads a document and refuses members that it does not know: a
// misspelt condition must not become a wider grant.
func strict(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return iam.ErrPolicy.On("", "the body is empty")
	}
	return httpface.Decode(body, into, httpface.KnownFields)
}
