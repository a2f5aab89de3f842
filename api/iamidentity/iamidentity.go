// Package iamidentity is the face of identities: the token service with its
// JWKS and discovery (/identity, /oidc), API keys and service IDs (/v1) and the
// users of an account (/v2/accounts), as IBM Cloud IAM speaks them.
package iamidentity

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// Config is what the face needs of the house.
type Config struct {
	Identities *iam.Identities
	Log        iam.RefusalRecorder
	PublicURL  string // how clients reach us, without a slash at the end
	Now        func() time.Time
	Logger     *slog.Logger
}

// face holds what the handlers need.
type face struct {
	identities *iam.Identities
	base       string
	now        func() time.Time
}

// maxForm bounds the form of a token request, in bytes.
const maxForm = 64 << 10

// New returns the face.
func New(c Config) *httpface.Face[iam.Caller] {
	f := &face{identities: c.Identities, base: c.PublicURL, now: c.Now}
	return &httpface.Face[iam.Caller]{
		Name:     "iam-identity",
		Prefixes: []string{"/identity", "/oidc", "/v1/apikeys", "/v1/serviceids", "/v1/accounts", "/v2/accounts"},
		Routes:   f.routes(), Now: c.Now, Log: c.Logger,
		Authenticate: httpface.ByToken(c.Identities.Authenticate, iam.ErrUnauthenticated), Fail: f.fail,
		Record: func(ctx context.Context, call *httpface.Call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, c.Log, "IAM Identity", who, call.Trail, call.Action, status, err)
		},
		RequestID: []string{"Transaction-Id", "X-Correlation-Id", "X-Request-Id"},
	}
}

// routes is what the face offers. SDKs send some paths with a slash at the end.
func (f *face) routes() []httpface.Route[iam.Caller] {
	type route = httpface.Route[iam.Caller]
	rows := []route{
		{Method: "POST", Path: "/identity/token", Action: "iam-identity.token.create", MaxBody: maxForm, Open: f.token},
		{Method: "POST", Path: "/identity/introspect", Action: "iam-identity.token.introspect", MaxBody: maxForm, Open: f.introspect},
		{Method: "GET", Path: "/identity/keys", Action: "iam-identity.signingkey.list", Open: f.jwks},
		{Method: "GET", Path: "/identity/.well-known/openid-configuration", Action: "iam-identity.discovery.get", Open: f.discovery},
		{Method: "GET", Path: "/identity/userinfo", Action: "iam-identity.userinfo.get", Handle: f.userinfo},
		{Method: "POST", Path: "/oidc/token", Action: "iam-identity.token.create", MaxBody: maxForm, Open: f.token},
		{Method: "GET", Path: "/oidc/keys", Action: "iam-identity.signingkey.list", Open: f.jwks},

		{Method: "GET", Path: "/v1/apikeys/details", Action: "iam-identity.apikey.get", Handle: f.detailAPIKey},
		{Method: "GET", Path: "/v1/apikeys/{id}", Action: "iam-identity.apikey.get", Handle: f.getAPIKey},
		{Method: "PUT", Path: "/v1/apikeys/{id}", Action: "iam-identity.apikey.update", Handle: f.updateAPIKey},
		{Method: "DELETE", Path: "/v1/apikeys/{id}", Action: "iam-identity.apikey.delete", Status: http.StatusNoContent, Handle: f.deleteAPIKey},
		{Method: "POST", Path: "/v1/apikeys/{id}/lock", Action: "iam-identity.apikey.lock", Status: http.StatusNoContent, Handle: f.lockAPIKey(true)},
		{Method: "DELETE", Path: "/v1/apikeys/{id}/lock", Action: "iam-identity.apikey.unlock", Status: http.StatusNoContent, Handle: f.lockAPIKey(false)},
		{Method: "POST", Path: "/v1/apikeys/{id}/disable", Action: "iam-identity.apikey.disable", Status: http.StatusNoContent, Handle: f.disableAPIKey(true)},
		{Method: "DELETE", Path: "/v1/apikeys/{id}/disable", Action: "iam-identity.apikey.enable", Status: http.StatusNoContent, Handle: f.disableAPIKey(false)},

		{Method: "GET", Path: "/v1/serviceids/{id}", Action: "iam-identity.serviceid.get", Handle: f.getServiceID},
		{Method: "PUT", Path: "/v1/serviceids/{id}", Action: "iam-identity.serviceid.update", Handle: f.updateServiceID},
		{Method: "DELETE", Path: "/v1/serviceids/{id}", Action: "iam-identity.serviceid.delete", Status: http.StatusNoContent, Handle: f.deleteServiceID},
		{Method: "POST", Path: "/v1/serviceids/{id}/lock", Action: "iam-identity.serviceid.lock", Status: http.StatusNoContent, Handle: f.lockServiceID(true)},
		{Method: "DELETE", Path: "/v1/serviceids/{id}/lock", Action: "iam-identity.serviceid.unlock", Status: http.StatusNoContent, Handle: f.lockServiceID(false)},

		{Method: "GET", Path: "/v1/accounts/{account}/settings/identity", Action: "iam-identity.account.get", Handle: f.getSettings},

		{Method: "GET", Path: "/v2/accounts/{account}/users/{id}", Action: "iam-identity.user.get", Handle: f.getUser},
		{Method: "PATCH", Path: "/v2/accounts/{account}/users/{id}", Action: "iam-identity.user.update", Status: http.StatusNoContent, Handle: f.updateUser},
		{Method: "DELETE", Path: "/v2/accounts/{account}/users/{id}", Action: "iam-identity.user.delete", Status: http.StatusNoContent, Handle: f.deleteUser},
	}
	for _, slash := range []string{"", "/"} {
		rows = append(rows,
			route{Method: "POST", Path: "/v1/apikeys" + slash, Action: "iam-identity.apikey.create", Status: http.StatusCreated, Handle: f.createAPIKey},
			route{Method: "GET", Path: "/v1/apikeys" + slash, Action: "iam-identity.apikey.list", Handle: f.listAPIKeys},
			route{Method: "POST", Path: "/v1/serviceids" + slash, Action: "iam-identity.serviceid.create", Status: http.StatusCreated, Handle: f.createServiceID},
			route{Method: "GET", Path: "/v1/serviceids" + slash, Action: "iam-identity.serviceid.list", Handle: f.listServiceIDs},
			route{Method: "POST", Path: "/v2/accounts/{account}/users" + slash, Action: "iam-identity.user.create", Status: http.StatusAccepted, Handle: f.createUsers},
			route{Method: "GET", Path: "/v2/accounts/{account}/users" + slash, Action: "iam-identity.user.list", Handle: f.listUsers},
		)
	}
	return rows
}

// stamp is how times look in this protocol; zero times do not appear.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
