package iamidentity

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// notSupported stands in for the refresh token of clients that get none.
const notSupported = "not_supported"

// tokenResponse is what the token service gives out (RFC 6749, section 5.1).
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	Expiration   int64  `json:"expiration"`
	Scope        string `json:"scope"`
}

// form is the body of a token request.
type form struct{ values url.Values }

// readForm reads a form. A field that is given twice is not ours to choose from.
func readForm(body []byte) (form, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return form{}, errForm
	}
	for name, all := range values {
		if len(all) > 1 {
			return form{}, errForm.On(clipped(name), "is given more than once")
		}
	}
	return form{values}, nil
}

func clipped(name string) string {
	const limit = 64
	if len(name) > limit {
		return name[:limit]
	}
	return name
}

func (v form) get(name string) string { return v.values.Get(name) }

// need returns a field that must not be empty.
func (v form) need(name string) (string, error) {
	value := v.get(name)
	if value == "" {
		return "", errProperty.On("", name)
	}
	return value, nil
}

func (f *face) form(c *httpface.Call) (form, error) {
	body, err := c.Body()
	if err != nil {
		return form{}, err
	}
	return readForm(body)
}

// client is the program that asks: known ones authenticate with Basic, whose
// secrets are public and equal their names.
func client(r *http.Request) (iam.Client, error) {
	if r.Header.Get("Authorization") == "" {
		return iam.ClientNone, nil
	}
	name, secret, ok := r.BasicAuth()
	if !ok {
		return "", errClient
	}
	switch id := iam.Client(name); {
	case name == "" && secret == "":
		return iam.ClientNone, nil
	case secret != name:
		return "", errClient
	case id == iam.ClientCLI, id == iam.ClientKube, id == iam.ClientNone:
		return id, nil
	}
	return "", errClient
}

func (f *face) token(ctx context.Context, c *httpface.Call) (httpface.Answer, error) {
	id, err := client(c.R)
	if err != nil {
		return httpface.Answer{}, err
	}
	v, err := f.form(c)
	if err != nil {
		return httpface.Answer{}, err
	}
	t, err := f.grant(ctx, c, id, v)
	if err != nil {
		return httpface.Answer{}, err
	}
	out := tokenResponse{
		AccessToken: t.Access, RefreshToken: t.Refresh, TokenType: "Bearer", Scope: iam.TokenScope,
		Expiration: t.Expires.Unix(), ExpiresIn: t.Expires.Unix() - f.now().Unix(),
	}
	if out.RefreshToken == "" {
		out.RefreshToken = notSupported
	}
	return httpface.Answer{Body: out}, nil
}

// grant obtains a token in one of the ways that we know.
func (f *face) grant(ctx context.Context, c *httpface.Call, id iam.Client, v form) (iam.Token, error) {
	grant, err := v.need("grant_type")
	if err != nil {
		return iam.Token{}, err
	}
	if kind := strings.TrimSpace(v.get("response_type")); kind != "" && kind != "cloud_iam" {
		return iam.Token{}, errResponse.On("", "Valid values: 'cloud_iam'")
	}
	switch grant {
	case iam.GrantAPIKey:
		value, err := v.need("apikey")
		if err != nil {
			return iam.Token{}, err
		}
		return f.identities.TokenForAPIKey(ctx, id, value, c.Trail)
	case iam.GrantRefresh:
		// What is missing here is a session that cannot be refreshed: see tokenReasons.
		if id == iam.ClientNone {
			return iam.Token{}, errClient
		}
		return f.identities.TokenForRefresh(ctx, id, v.get("refresh_token"), v.get("account"), c.Trail)
	case iam.GrantServiceAuthz:
		return f.serviceAuthz(ctx, c, id, v)
	}
	return iam.Token{}, errGrant.On("", "Valid values: '"+strings.Join(grants(), "', '")+"'")
}

func grants() []string {
	return []string{iam.GrantAPIKey, iam.GrantRefresh, iam.GrantServiceAuthz}
}

func (f *face) serviceAuthz(ctx context.Context, c *httpface.Call, id iam.Client, v form) (iam.Token, error) {
	access, err := v.need("access_token")
	if err != nil {
		return iam.Token{}, err
	}
	desired, err := v.need("desired_iam_id")
	if err != nil {
		return iam.Token{}, err
	}
	instance, err := crn.Parse(strings.TrimPrefix(desired, "crn-"))
	if err != nil {
		return iam.Token{}, errProperty.On("", "desired_iam_id has to be crn- and the CRN of a service instance")
	}
	return f.identities.TokenForInstance(ctx, id, access, instance, c.Trail)
}

func (f *face) introspect(ctx context.Context, c *httpface.Call) (httpface.Answer, error) {
	if _, err := client(c.R); err != nil {
		return httpface.Answer{}, err
	}
	v, err := f.form(c)
	if err != nil {
		return httpface.Answer{}, err
	}
	token, err := v.need("token")
	if err != nil {
		return httpface.Answer{}, err
	}
	claims, err := f.identities.Introspect(ctx, token)
	if err != nil {
		return httpface.Answer{}, err
	}
	out := map[string]any{}
	for name, value := range claims {
		out[name] = value
	}
	out["active"] = claims != nil
	return httpface.Answer{Body: out}, nil
}

// userinfo answers with the claims of the caller's own token.
func (f *face) userinfo(ctx context.Context, _ iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	token, _ := c.Bearer()
	claims, err := f.identities.Introspect(ctx, token)
	if err != nil {
		return httpface.Answer{}, err
	}
	if claims == nil { // withdrawn since it was authenticated
		return httpface.Answer{}, iam.ErrUnauthenticated
	}
	return httpface.Answer{Body: claims}, nil
}

func (f *face) jwks(ctx context.Context, _ *httpface.Call) (httpface.Answer, error) {
	set, err := f.identities.PublicKeys(ctx)
	return httpface.Answer{Body: set}, err
}

// discoveryDocument describes the token service (OpenID Connect Discovery 1.0, section 3).
type discoveryDocument struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Introspection string   `json:"introspection_endpoint"`
	Passcode      string   `json:"passcode_endpoint"`
	PasswordToken string   `json:"password_token_endpoint"`
	Subjects      []string `json:"subject_types_supported"`
	Responses     []string `json:"response_types_supported"`
	Scopes        []string `json:"scopes_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Grants        []string `json:"grant_types_supported"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
}

func (f *face) discovery(_ context.Context, _ *httpface.Call) (httpface.Answer, error) {
	base := f.base + "/identity"
	return httpface.Answer{Body: discoveryDocument{
		Issuer: f.identities.Issuer(), Authorization: base + "/authorize", Token: base + "/token",
		UserInfo: base + "/userinfo", JWKS: base + "/keys", Introspection: base + "/introspect",
		Passcode: base + "/passcode", PasswordToken: base + "/token",
		Subjects: []string{"public"}, Responses: []string{"token"}, Scopes: strings.Fields(iam.TokenScope),
		Algorithms: []string{"RS256"}, Grants: grants(), ClientAuth: []string{"client_secret_basic"},
	}}, nil
}
