package iamidentity

import (
	"context"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// serviceIDRequest is the body of a new service ID.
type serviceIDRequest struct {
	AccountID   string         `json:"account_id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Instances   []string       `json:"unique_instance_crns"`
	GroupID     string         `json:"group_id"`
	Key         *apiKeyRequest `json:"apikey"`
}

// serviceID is a service ID as clients see it.
type serviceID struct {
	ID          string    `json:"id"`
	IAMID       string    `json:"iam_id"`
	EntityTag   string    `json:"entity_tag"`
	CRN         string    `json:"crn"`
	Locked      bool      `json:"locked"`
	CreatedAt   string    `json:"created_at"`
	ModifiedAt  string    `json:"modified_at"`
	AccountID   string    `json:"account_id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Instances   []string  `json:"unique_instance_crns"`
	History     *[]string `json:"history,omitempty"`
	Key         *apiKey   `json:"apikey,omitempty"`
}

func newServiceID(v iam.ServiceIdentity) serviceID {
	out := serviceID{
		ID: string(v.ID), IAMID: string(v.Identity()), EntityTag: v.EntityTag(), CRN: v.CRN().String(),
		Locked: v.Locked, CreatedAt: stamp(v.Created), ModifiedAt: stamp(v.Modified), AccountID: string(v.Account),
		Name: v.Name, Description: v.Description, Instances: v.Instances,
	}
	if out.Instances == nil {
		out.Instances = []string{}
	}
	return out
}

func readServiceID(who iam.Caller, c *httpface.Call) (iam.NewServiceID, error) {
	var in serviceIDRequest
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return iam.NewServiceID{}, err
	}
	n := iam.NewServiceID{
		Account: iam.AccountID(in.AccountID), Name: in.Name, Description: in.Description, Instances: in.Instances,
	}
	switch {
	case in.AccountID == "":
		return n, iam.ErrIdentityInvalid.On("account_id", "is missing or empty")
	case n.Account != who.Account:
		return n, iam.ErrForbidden
	case in.GroupID != "":
		return n, errUnsupport.On("group_id", "service IDs have no groups")
	}
	if in.Key != nil {
		key, err := in.Key.order()
		if err != nil {
			return n, err
		}
		n.Key = &key
	}
	var err error
	n.Locked, err = flag(c, "Entity-Lock")
	return n, err
}

func (f *face) createServiceID(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	n, err := readServiceID(who, c)
	if err != nil {
		return httpface.Answer{}, f.identities.RefuseServiceID(ctx, who, iam.Action(c.Action), "", err)
	}
	v, key, value, err := f.identities.CreateServiceID(ctx, who, n)
	if err != nil {
		return httpface.Answer{}, err
	}
	out := newServiceID(v)
	if key != nil {
		k := newAPIKey(*key, value)
		out.Key = &k
	}
	return tagged(out, v.EntityTag()), nil
}

func (f *face) getServiceID(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	v, err := f.identities.ServiceID(ctx, who, iam.ServiceID(c.Path("id")))
	if err != nil {
		return httpface.Answer{}, err
	}
	return tagged(describe(c, v), v.EntityTag()), nil
}

// describe adds what the query asks for; see detail.
func describe(c *httpface.Call, v iam.ServiceIdentity) serviceID {
	out := newServiceID(v)
	if history, _ := c.Query("include_history"); history == "true" {
		out.History = &[]string{}
	}
	return out
}

// serviceIDList is one page of service IDs.
type serviceIDList struct {
	pageLinks
	ServiceIDs []serviceID `json:"serviceids"`
}

func (f *face) listServiceIDs(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	l, err := listing(c)
	if err != nil {
		return httpface.Answer{}, f.identities.RefuseServiceID(ctx, who, iam.Action(c.Action), "", err)
	}
	account := who.Account
	if v, ok := c.Query("account_id"); ok && v != "" {
		account = iam.AccountID(v)
	}
	name, _ := c.Query("name")
	p, err := f.identities.ServiceIDs(ctx, who, account, name, l)
	if err != nil {
		return httpface.Answer{}, err
	}
	out := serviceIDList{pageLinks: f.links(c, p.Limit, p.Next), ServiceIDs: make([]serviceID, 0, len(p.Items))}
	for _, v := range p.Items {
		out.ServiceIDs = append(out.ServiceIDs, describe(c, v))
	}
	return httpface.Answer{Body: out}, nil
}

// serviceIDChange is the body of an update; absent members stay as they are.
type serviceIDChange struct {
	Name        *string   `json:"name"`
	Description *string   `json:"description"`
	Instances   *[]string `json:"unique_instance_crns"`
}

func (f *face) updateServiceID(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	id := iam.ServiceID(c.Path("id"))
	var in serviceIDChange
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return httpface.Answer{}, f.identities.RefuseServiceID(ctx, who, iam.Action(c.Action), id, err)
	}
	v, err := f.identities.UpdateServiceID(ctx, who, id, ifMatch(c), iam.ServiceIDChange(in))
	if err != nil {
		return httpface.Answer{}, err
	}
	return tagged(newServiceID(v), v.EntityTag()), nil
}

func (f *face) deleteServiceID(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	return httpface.Answer{}, f.identities.DeleteServiceID(ctx, who, iam.ServiceID(c.Path("id")))
}

func (f *face) lockServiceID(locked bool) handler {
	return func(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
		return httpface.Answer{}, f.identities.LockServiceID(ctx, who, iam.ServiceID(c.Path("id")), locked)
	}
}

// identitySettings are the settings of an account that clients may ask for. They
// state what holds; none can be changed.
type identitySettings struct {
	AccountID      string `json:"account_id"`
	RestrictIDs    string `json:"restrict_create_service_id"`
	RestrictKeys   string `json:"restrict_create_platform_apikey"`
	EntityTag      string `json:"entity_tag"`
	MFA            string `json:"mfa"`
	SessionExpires string `json:"session_expiration_in_seconds"`
	SessionIdle    string `json:"session_invalidation_in_seconds"`
	MaxSessions    string `json:"max_sessions_per_identity"`
	AccessExpires  string `json:"system_access_token_expiration_in_seconds"`
	RefreshExpires string `json:"system_refresh_token_expiration_in_seconds"`
}

func (f *face) getSettings(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	a, err := f.identities.Account(ctx, who, iam.AccountID(c.Path("account")))
	if err != nil {
		return httpface.Answer{}, err
	}
	tag := iam.EntityTag(string(a.ID), a.Revision)
	return tagged(identitySettings{
		AccountID: string(a.ID), RestrictIDs: "NOT_SET", RestrictKeys: "NOT_SET", EntityTag: tag, MFA: "NONE",
		SessionExpires: "86400", SessionIdle: "7200", MaxSessions: "NOT_SET",
		AccessExpires: seconds(iam.TokenLife), RefreshExpires: seconds(iam.RefreshLife),
	}, tag), nil
}
