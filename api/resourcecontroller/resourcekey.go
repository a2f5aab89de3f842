package resourcecontroller

import (
	"context"
	"encoding/json"
	"strconv"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

// keyBody has no member that could be null where Terraform reads it without
// looking; "" stands for nobody.
type keyBody struct {
	ID                  string  `json:"id"`
	GUID                string  `json:"guid"`
	URL                 string  `json:"url"`
	CreatedAt           *string `json:"created_at"`
	UpdatedAt           *string `json:"updated_at"`
	DeletedAt           *string `json:"deleted_at"`
	CreatedBy           string  `json:"created_by"`
	UpdatedBy           string  `json:"updated_by"`
	DeletedBy           string  `json:"deleted_by"`
	SourceCRN           string  `json:"source_crn"`
	Name                string  `json:"name"`
	CRN                 string  `json:"crn"`
	State               string  `json:"state"`
	AccountID           string  `json:"account_id"`
	ResourceGroupID     string  `json:"resource_group_id"`
	ResourceID          string  `json:"resource_id"`
	OnetimeCredentials  bool    `json:"onetime_credentials"`
	Credentials         any     `json:"credentials"`
	IAMCompatible       bool    `json:"iam_compatible"`
	Migrated            bool    `json:"migrated"`
	ResourceInstanceURL string  `json:"resource_instance_url"`
	ResourceAliasURL    *string `json:"resource_alias_url"`
}

// redacted stands for credentials that the caller may not see.
type redacted struct {
	Redacted string `json:"REDACTED"`
}

type credentialsBody struct {
	APIKey             string    `json:"apikey"`
	HMACKeys           *hmacKeys `json:"cos_hmac_keys,omitempty"`
	Endpoints          string    `json:"endpoints,omitempty"`
	APIKeyDescription  string    `json:"iam_apikey_description"`
	APIKeyID           string    `json:"iam_apikey_id"`
	APIKeyName         string    `json:"iam_apikey_name"`
	RoleCRN            string    `json:"iam_role_crn,omitempty"`
	ServiceIDCRN       string    `json:"iam_serviceid_crn"`
	ResourceInstanceID string    `json:"resource_instance_id"`
}

type hmacKeys struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

func (s *server) key(k resource.Revealed) keyBody {
	name := k.CRN().String()
	offering, _ := resource.OfferingOf(k.Service)
	state := string(k.State)
	if k.State == resource.KeyRemoving {
		state = "inactive"
	}
	return keyBody{
		ID: name, GUID: string(k.ID), URL: "/v2/resource_keys/" + string(k.ID), CRN: name,
		CreatedAt: instant(k.Created.At), CreatedBy: string(k.Created.By),
		UpdatedAt: instant(k.Updated.At), UpdatedBy: string(k.Updated.By),
		DeletedAt: instant(k.Deleted.At), DeletedBy: string(k.Deleted.By),
		SourceCRN: k.Source().String(), Name: k.Name, State: state, AccountID: string(k.Account),
		ResourceGroupID: string(k.ResourceGroup), ResourceID: offering.ID, OnetimeCredentials: k.Onetime,
		Credentials: s.credentials(k), IAMCompatible: true,
		ResourceInstanceURL: "/v2/resource_instances/" + string(k.Instance),
	}
}

func (s *server) credentials(k resource.Revealed) any {
	if k.Secrets == nil {
		return redacted{"REDACTED"}
	}
	b := credentialsBody{
		APIKey:            string(k.Secrets.APIKey.Reveal()),
		APIKeyDescription: "Auto-generated for key " + k.CRN().String(),
		APIKeyID:          string(k.APIKey), APIKeyName: k.Name, RoleCRN: k.Role, ServiceIDCRN: k.ServiceCRN().String(),
		ResourceInstanceID: k.Source().String(),
	}
	if k.Service == crn.ObjectStorage {
		b.Endpoints = s.public + "/v2/endpoints"
	}
	if k.AccessKey != "" {
		b.HMACKeys = &hmacKeys{k.AccessKey, string(k.Secrets.SecretAccessKey.Reveal())}
	}
	return b
}

type createKeyBody struct {
	Name       string        `json:"name"`
	Source     string        `json:"source"`
	Role       string        `json:"role"`
	Parameters keyParameters `json:"parameters"`
}

type keyParameters struct {
	HMAC         looseBool `json:"HMAC"`
	RoleCRN      string    `json:"role_crn"`
	ServiceIDCRN string    `json:"serviceid_crn"`
}

// looseBool also takes "true" and "false" as texts, as Terraform may send them.
type looseBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (b *looseBool) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	if text == "null" {
		return nil
	}
	v, err := strconv.ParseBool(text)
	*b = looseBool(v)
	return err
}

func (s *server) createKey(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in createKeyBody
	err := c.JSON(&in, httpface.AnyFields)
	switch role := in.Parameters.RoleCRN; {
	case in.Role == "":
		in.Role = role
	case err == nil && role != "" && role != in.Role:
		err = resource.ErrInvalid.On("parameters.role_crn", "is another role than role")
	}
	if err != nil {
		return answer{}, s.resources.RefuseInstance(ctx, who, resource.ActionKeyCreate, in.Source, err)
	}
	k, err := s.resources.CreateKey(ctx, who, resource.NewKey{
		Name: in.Name, Source: in.Source, Role: in.Role,
		ServiceID: in.Parameters.ServiceIDCRN, HMAC: bool(in.Parameters.HMAC),
	})
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.key(k)}, nil
}

func (s *server) getKey(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	k, err := s.resources.Key(ctx, who, c.Path("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.key(k)}, nil
}

func (s *server) listKeys(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	p, err := page(c, maxPage, maxPage)
	if err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	f := resource.KeyFilter{
		ID: resource.KeyID(value(c, "guid")), Name: value(c, "name"), ResourceGroup: resource.GroupID(value(c, "resource_group_id")),
	}
	if id := value(c, "resource_id"); id != "" {
		f.Service = serviceOf(id)
	}
	if f.UpdatedFrom, err = when(c, "updated_from"); err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	if f.UpdatedTo, err = when(c, "updated_to"); err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	rows, more, err := s.resources.Keys(ctx, who, f, p)
	if err != nil {
		return answer{}, err
	}
	return s.keyPage(c, p, rows, more), nil
}

func (s *server) listInstanceKeys(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	p, err := page(c, maxPage, maxPage)
	if err != nil {
		return answer{}, s.resources.RefuseInstance(ctx, who, resource.ActionKeyRetrieve, c.Path("id"), err)
	}
	rows, more, err := s.resources.KeysOf(ctx, who, c.Path("id"), p)
	if err != nil {
		return answer{}, err
	}
	return s.keyPage(c, p, rows, more), nil
}

func (s *server) keyPage(c *call, p resource.Page, rows []resource.Revealed, more bool) answer {
	return answer{Body: paged(c, p, rows, more, func(k resource.Revealed) string { return string(k.ID) }, s.key)}
}

type nameBody struct {
	Name string `json:"name"`
}

func (s *server) renameKey(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in nameBody
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return answer{}, s.resources.RefuseKey(ctx, who, resource.ActionKeyUpdate, c.Path("id"), err)
	}
	k, err := s.resources.RenameKey(ctx, who, c.Path("id"), in.Name)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: s.key(k)}, nil
}

func (s *server) deleteKey(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	done, err := s.resources.DeleteKey(ctx, who, c.Path("id"))
	if err != nil {
		return answer{}, err
	}
	return deleted(done), nil
}
