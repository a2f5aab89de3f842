package iamidentity

import (
	"context"
	"net/http"
	"strings"
	"time"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// apiKeyRequest is the body of a new API key, by itself or inside a service ID.
type apiKeyRequest struct {
	Name            string `json:"name"`
	IAMID           string `json:"iam_id"`
	Description     string `json:"description"`
	AccountID       string `json:"account_id"`
	Value           string `json:"apikey"`
	StoreValue      bool   `json:"store_value"`
	ActionWhenLeak  string `json:"action_when_leaked"`
	ExpiresAt       string `json:"expires_at"`
	SupportSessions bool   `json:"support_sessions"`
}

// apiKey is an API key as clients see it. Value is set in one answer only.
type apiKey struct {
	ID             string            `json:"id"`
	EntityTag      string            `json:"entity_tag"`
	CRN            string            `json:"crn"`
	Locked         bool              `json:"locked"`
	Disabled       bool              `json:"disabled"`
	CreatedAt      string            `json:"created_at"`
	CreatedBy      string            `json:"created_by"`
	ModifiedAt     string            `json:"modified_at"`
	Name           string            `json:"name"`
	Sessions       bool              `json:"support_sessions"`
	ActionWhenLeak string            `json:"action_when_leaked"`
	ExpiresAt      string            `json:"expires_at,omitempty"`
	Description    string            `json:"description"`
	IAMID          string            `json:"iam_id"`
	AccountID      string            `json:"account_id"`
	Value          string            `json:"apikey"`
	Activity       *identityActivity `json:"activity,omitempty"`
	History        *[]string         `json:"history,omitempty"`
}

type identityActivity struct {
	LastAuthn  string `json:"last_authn"`
	AuthnCount int64  `json:"authn_count"`
}

func newAPIKey(k iam.APIKey, value custody.Secret) apiKey {
	return apiKey{
		ID: string(k.ID), EntityTag: k.EntityTag(), CRN: k.CRN().String(), Locked: k.Locked, Disabled: k.Disabled,
		CreatedAt: stamp(k.Created), CreatedBy: string(k.CreatedBy), ModifiedAt: stamp(k.Modified), Name: k.Name,
		ActionWhenLeak: string(k.OnLeak), ExpiresAt: stamp(k.Expires), Description: k.Description,
		IAMID: string(k.Identity), AccountID: string(k.Account), Value: string(value.Reveal()),
	}
}

// tagged is an answer with its entity tag as the header that clients copy into
// If-Match, without quotes, as IBM's has none.
func tagged(body any, tag string) httpface.Answer {
	return httpface.Answer{Body: body, Header: http.Header{"Etag": {tag}}}
}

// order turns the request into what the domain knows, and refuses what we do
// not keep.
func (r apiKeyRequest) order() (iam.NewAPIKey, error) {
	n := iam.NewAPIKey{
		Identity: iam.IdentityID(r.IAMID), Name: r.Name, Description: r.Description,
		Value: custody.NewSecret([]byte(r.Value)), OnLeak: iam.LeakAction(r.ActionWhenLeak),
	}
	if r.StoreValue {
		return n, errUnsupport.On("store_value", "values of API keys are not kept and cannot be read back")
	}
	if r.SupportSessions {
		return n, errUnsupport.On("support_sessions", "there are no sessions")
	}
	var err error
	n.Expires, err = moment(r.ExpiresAt)
	return n, err
}

// moment reads a time in RFC 3339 or in the form that IBM's identity services
// write. An empty text is the zero time.
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04-0700", "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, iam.ErrIdentityInvalid.On("expires_at", "is not a time like 2026-01-31T12:34:56Z")
}

// flag reads a header that is "true" or "false".
func flag(c *httpface.Call, name string) (bool, error) {
	switch v := c.R.Header.Get(name); strings.ToLower(v) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, iam.ErrIdentityInvalid.On(name, "can be true or false")
}

// readAPIKey reads the request for a new key.
func readAPIKey(who iam.Caller, c *httpface.Call) (iam.NewAPIKey, error) {
	var in apiKeyRequest
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return iam.NewAPIKey{}, err
	}
	n, err := in.order()
	if err != nil {
		return n, err
	}
	if in.IAMID == "" {
		return n, iam.ErrIdentityInvalid.On("iam_id", "is missing or empty")
	}
	if in.AccountID != "" && in.AccountID != string(who.Account) {
		return n, iam.ErrForbidden
	}
	if n.Locked, err = flag(c, "Entity-Lock"); err != nil {
		return n, err
	}
	n.Disabled, err = flag(c, "Entity-Disable")
	return n, err
}

func (f *face) createAPIKey(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	n, err := readAPIKey(who, c)
	if err != nil {
		return httpface.Answer{}, f.identities.RefuseAPIKey(ctx, who, iam.Action(c.Action), "", err)
	}
	k, value, err := f.identities.CreateAPIKey(ctx, who, n)
	if err != nil {
		return httpface.Answer{}, err
	}
	return tagged(newAPIKey(k, value), k.EntityTag()), nil
}

func (f *face) getAPIKey(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	k, err := f.identities.APIKey(ctx, who, iam.APIKeyID(c.Path("id")))
	if err != nil {
		return httpface.Answer{}, err
	}
	return tagged(detail(c, k), k.EntityTag()), nil
}

func (f *face) detailAPIKey(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	k, err := f.identities.APIKeyByValue(ctx, who, c.R.Header.Get("IAM-ApiKey"))
	if err != nil {
		return httpface.Answer{}, err
	}
	return tagged(detail(c, k), k.EntityTag()), nil
}

// detail adds what the query asks for. The history of a key is in the audit log
// alone, so the list of changes is empty.
func detail(c *httpface.Call, k iam.APIKey) apiKey {
	out := newAPIKey(k, custody.Secret{})
	if v, _ := c.Query("include_history"); v == "true" {
		out.History = &[]string{}
	}
	if v, _ := c.Query("include_activity"); v == "true" {
		out.Activity = &identityActivity{LastAuthn: stamp(k.LastAuthn), AuthnCount: k.AuthnCount}
	}
	return out
}

// apiKeyChange is the body of an update; absent members stay as they are.
type apiKeyChange struct {
	Name            *string `json:"name"`
	Description     *string `json:"description"`
	SupportSessions *bool   `json:"support_sessions"`
	ActionWhenLeak  *string `json:"action_when_leaked"`
	ExpiresAt       *string `json:"expires_at"`
}

func readAPIKeyChange(c *httpface.Call) (iam.APIKeyChange, error) {
	var in apiKeyChange
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return iam.APIKeyChange{}, err
	}
	if in.SupportSessions != nil && *in.SupportSessions {
		return iam.APIKeyChange{}, errUnsupport.On("support_sessions", "there are no sessions")
	}
	out := iam.APIKeyChange{Name: in.Name, Description: in.Description, OnLeak: (*iam.LeakAction)(in.ActionWhenLeak)}
	if in.ExpiresAt != nil {
		t, err := moment(*in.ExpiresAt)
		if err != nil {
			return out, err
		}
		out.Expires = &t
	}
	return out, nil
}

func (f *face) updateAPIKey(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	id := iam.APIKeyID(c.Path("id"))
	change, err := readAPIKeyChange(c)
	if err != nil {
		return httpface.Answer{}, f.identities.RefuseAPIKey(ctx, who, iam.Action(c.Action), id, err)
	}
	k, err := f.identities.UpdateAPIKey(ctx, who, id, ifMatch(c), change)
	if err != nil {
		return httpface.Answer{}, err
	}
	return tagged(newAPIKey(k, custody.Secret{}), k.EntityTag()), nil
}

// ifMatch returns the entity tag that a change is meant for; quotes, which
// RFC 9110 wants and IBM's clients do not send, are left out.
func ifMatch(c *httpface.Call) string {
	return strings.Trim(c.R.Header.Get("If-Match"), `"`)
}

func (f *face) deleteAPIKey(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	return httpface.Answer{}, f.identities.DeleteAPIKey(ctx, who, iam.APIKeyID(c.Path("id")))
}

type handler = func(context.Context, iam.Caller, *httpface.Call) (httpface.Answer, error)

func (f *face) lockAPIKey(locked bool) handler {
	return func(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
		return httpface.Answer{}, f.identities.LockAPIKey(ctx, who, iam.APIKeyID(c.Path("id")), locked)
	}
}

func (f *face) disableAPIKey(disabled bool) handler {
	return func(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
		return httpface.Answer{}, f.identities.DisableAPIKey(ctx, who, iam.APIKeyID(c.Path("id")), disabled)
	}
}

// apiKeyList is one page of API keys.
type apiKeyList struct {
	pageLinks
	Keys []apiKey `json:"apikeys"`
}

func (f *face) listAPIKeys(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	filter, err := apiKeyFilter(who, c)
	var l iam.IdentityListing
	if err == nil {
		l, err = listing(c)
	}
	if err != nil {
		return httpface.Answer{}, f.identities.RefuseAPIKey(ctx, who, iam.Action(c.Action), "", err)
	}
	p, err := f.identities.APIKeys(ctx, who, filter, l)
	if err != nil {
		return httpface.Answer{}, err
	}
	out := apiKeyList{pageLinks: f.links(c, p.Limit, p.Next), Keys: make([]apiKey, 0, len(p.Items))}
	for _, k := range p.Items {
		out.Keys = append(out.Keys, detail(c, k))
	}
	return httpface.Answer{Body: out}, nil
}

// apiKeyFilter is what the query selects: without a scope, the caller's own.
func apiKeyFilter(who iam.Caller, c *httpface.Call) (iam.APIKeyFilter, error) {
	var f iam.APIKeyFilter
	account, _ := c.Query("account_id")
	if account != "" && account != string(who.Account) {
		return f, iam.ErrForbidden
	}
	id, _ := c.Query("iam_id")
	f.Identity = iam.IdentityID(id)
	switch scope, _ := c.Query("scope"); scope {
	case "", "entity":
		if id == "" {
			f.Identity = who.Identity
		}
	case "account":
	default:
		return f, iam.ErrIdentityInvalid.On("scope", "can be entity or account")
	}
	kind, _ := c.Query("type")
	f.Kind = iam.Kind(kind)
	return f, nil
}
