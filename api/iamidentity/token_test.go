package iamidentity_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"strongroom/audit"
	"strongroom/iam"
)

func TestTokenAnswer(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/identity/token", "/oidc/token"} {
		a := r.status(r.send("POST", path, apiKeyGrant(r.apiKey).Encode(), "Authorization", basicBX), 200)
		expires, _ := a.body["expires_in"].(float64)
		expiration, _ := a.body["expiration"].(float64)
		if expires < 3590 || expires > 3600 || int64(expiration) != r.clock.Now().Unix()+int64(expires) {
			t.Errorf("%s: expires in %v at %v", path, expires, expiration)
		}
		if a.text("token_type") != "Bearer" || a.text("scope") != "ibm openid" || len(a.text("refresh_token")) < 100 {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	for _, basic := range []string{"", "Basic a3ViZTprdWJl", "Basic Og=="} {
		if a := r.form(apiKeyGrant(r.apiKey), "Authorization", basic); a.text("refresh_token") != "not_supported" {
			t.Errorf("with %q: %s", basic, a.raw)
		}
	}
	// What the Node SDK adds is left out of account.
	extra := apiKeyGrant(r.apiKey)
	extra.Set("client_id", r.apiKey)
	extra.Set("redirect_uri", "")
	extra.Set("refresh_token", "")
	extra.Set("response_type", "cloud_iam")
	r.status(r.form(extra), 200)
}

func TestTokenVerifiesWithServedKeys(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/identity/keys", "/oidc/keys"} {
		a := r.status(r.send("GET", path, ""), 200)
		keys, _ := a.body["keys"].([]any)
		if len(keys) != 1 {
			t.Fatalf("%s: %s", path, a.raw)
		}
		k, _ := keys[0].(map[string]any)
		for name := range k {
			if !strings.Contains(" kty n e alg kid use ", " "+name+" ") {
				t.Errorf("serves member %q", name)
			}
		}
	}
	parsed, err := jwt.ParseSigned(r.token, []jose.SignatureAlgorithm{jose.RS256})
	r.must(err)
	set, err := r.ids.PublicKeys(t.Context())
	r.must(err)
	var said map[string]any
	r.must(parsed.Claims(set, &said))
	account, _ := said["account"].(map[string]any)
	if said["id"] != r.owner || said["iss"] != base+"/identity" || account["bss"] != r.account {
		t.Errorf("says %v", said)
	}
	d := r.status(r.send("GET", "/identity/.well-known/openid-configuration", ""), 200)
	if d.text("issuer") != base+"/identity" || d.text("jwks_uri") != base+"/identity/keys" || d.text("token_endpoint") != base+"/identity/token" {
		t.Errorf("discovery: %s", d.raw)
	}
}

func TestTokenErrors(t *testing.T) {
	r := newRig(t)
	disabled := r.status(r.as(r.token, "POST", "/v1/apikeys", `{"name":"k","iam_id":"`+r.owner+`"}`, "Entity-Disable", "true"), 201)
	for name, c := range map[string]struct {
		form   url.Values
		basic  string
		status int
		code   string
	}{
		"unknown key":        {apiKeyGrant("nobodys"), "", 400, "BXNIM0415E"},
		"long key":           {apiKeyGrant(strings.Repeat("x", 5000)), "", 400, "BXNIM0415E"},
		"disabled key":       {apiKeyGrant(disabled.text("apikey")), "", 400, "BXNIM0428E"},
		"no key":             {url.Values{"grant_type": {iam.GrantAPIKey}}, "", 400, "BXNIM0109E"},
		"no grant":           {url.Values{}, "", 400, "BXNIM0109E"},
		"other grant":        {url.Values{"grant_type": {"password"}}, basicBX, 400, "BXNIM0106E"},
		"passcode":           {url.Values{"grant_type": {"urn:ibm:params:oauth:grant-type:passcode"}}, "", 400, "BXNIM0106E"},
		"response type":      {url.Values{"grant_type": {iam.GrantAPIKey}, "apikey": {r.apiKey}, "response_type": {"uaa"}}, "", 400, "BXNIM0106E"},
		"two keys":           {url.Values{"grant_type": {iam.GrantAPIKey}, "apikey": {r.apiKey, "x"}}, "", 400, "BXNIM0102E"},
		"unknown client":     {apiKeyGrant(r.apiKey), "Basic Zm9vOmJhcg==", 401, "BXNIM0103E"},
		"wrong secret":       {apiKeyGrant(r.apiKey), "Basic Yng6bm8=", 401, "BXNIM0103E"},
		"other scheme":       {apiKeyGrant(r.apiKey), "Bearer x", 401, "BXNIM0103E"},
		"refresh, bad":       {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, basicBX, 401, "BXNIM0407E"},
		"refresh, none":      {url.Values{"grant_type": {"refresh_token"}}, basicBX, 401, "BXNIM0407E"},
		"refresh, no client": {url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "", 401, "BXNIM0103E"},
		"authz, no token":    {url.Values{"grant_type": {iam.GrantServiceAuthz}}, "", 400, "BXNIM0109E"},
		"authz, no CRN":      {url.Values{"grant_type": {iam.GrantServiceAuthz}, "access_token": {r.token}, "desired_iam_id": {"x"}}, "", 400, "BXNIM0109E"},
		"authz, bad token": {url.Values{
			"grant_type": {iam.GrantServiceAuthz}, "access_token": {"x"},
			"desired_iam_id": {"crn-crn:v1:bluemix:public:cloud-object-storage:global:a/x:1::"},
		}, "", 401, "BXNIM0408E"},
		"authz, not allowed": {url.Values{
			"grant_type": {iam.GrantServiceAuthz}, "access_token": {r.token},
			"desired_iam_id": {"crn:v1:bluemix:public:cloud-object-storage:global:a/x:1::"},
		}, "", 400, "BXNIM0513E"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.form(c.form, "Authorization", c.basic, "Transaction-Id", "5f2c9f1e-3f4a-4b7e-9d2c-111111111111")
			if a.status != c.status || a.text("errorCode") != c.code || a.text("errorMessage") == "" {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if a.text("context", "requestId") != "5f2c9f1e-3f4a-4b7e-9d2c-111111111111" {
				t.Errorf("context is %v", a.body["context"])
			}
			if strings.Contains(a.raw, r.apiKey) || strings.Contains(a.raw, r.token) {
				t.Error("the answer repeats a secret")
			}
		})
	}
	a := r.send("POST", "/identity/token", strings.Repeat("a", 70<<10))
	r.status(a, http.StatusRequestEntityTooLarge)
	r.status(r.send("GET", "/identity/token", ""), 405)
	if a := r.status(r.send("GET", "/identity/nothing", ""), 404); a.text("errorCode") == "" {
		t.Errorf("envelope of an unknown path: %s", a.raw)
	}
}

func TestRefreshGrant(t *testing.T) {
	r := newRig(t)
	a := r.form(apiKeyGrant(r.apiKey), "Authorization", basicBX)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}, "response_type": {"cloud_iam"}}
	r.clock.Advance(2 * time.Hour)
	b := r.status(r.form(refresh, "Authorization", basicBX), 200)
	if b.text("refresh_token") == a.text("refresh_token") || b.text("access_token") == a.text("access_token") {
		t.Error("nothing new came of the refresh")
	}
	r.status(r.as(b.text("access_token"), "GET", "/v1/apikeys", ""), 200)
	r.status(r.as(a.text("access_token"), "GET", "/v1/apikeys", ""), 401)
}

func TestIntrospectionAndUserInfo(t *testing.T) {
	r := newRig(t)
	a := r.status(r.send("POST", "/identity/introspect", url.Values{"token": {r.token}}.Encode()), 200)
	if a.body["active"] != true || a.text("iam_id") != r.owner {
		t.Errorf("introspection: %s", a.raw)
	}
	a = r.status(r.send("POST", "/identity/introspect", url.Values{"token": {r.token + "x"}}.Encode()), 200)
	if a.body["active"] != false || len(a.body) != 1 {
		t.Errorf("introspection of another token: %s", a.raw)
	}
	r.status(r.send("POST", "/identity/introspect", ""), 400)
	if a = r.status(r.as(r.token, "GET", "/identity/userinfo", ""), 200); a.text("email") != "root@acme.example" {
		t.Errorf("userinfo: %s", a.raw)
	}
	r.status(r.send("GET", "/identity/userinfo", ""), 401)
}

func TestLoginsAreRecorded(t *testing.T) {
	r := newRig(t)
	r.status(r.form(apiKeyGrant("nobodys")), 400)
	r.status(r.as("x", "GET", "/v1/apikeys", ""), 401)
	for action, want := range map[string]audit.Outcome{
		"iam-identity.user-apikey.login": audit.Success, // of newRig
		"iam-identity.token.create":      audit.Failure,
		"iam-identity.apikey.list":       audit.Failure,
	} {
		found, err := r.log.Search(context.Background(), audit.Query{Action: action, Limit: 10})
		r.must(err)
		if len(found.Events) != 1 || found.Events[0].Outcome != want {
			t.Errorf("%s: %d events", action, len(found.Events))
			continue
		}
		if ev := found.Events[0]; want == audit.Success && (ev.Initiator.ID != r.owner || ev.Account != r.account) {
			t.Errorf("%s by %s in %s", action, ev.Initiator.ID, ev.Account)
		}
	}
}

func FuzzTokenRequest(f *testing.F) {
	r := newRig(f)
	good := apiKeyGrant(r.apiKey).Encode()
	for _, seed := range []string{
		good, "", "&&&", "grant_type", "grant_type=%zz", good + "&" + good, "grant_type=refresh_token&refresh_token=sr1.AA",
		"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aiam-authz&access_token=a.b.c&desired_iam_id=crn-crn:v1:a:b:c:d:e:f:g:h",
		"response_type=,&" + good, ";" + good,
	} {
		f.Add(seed, "")
		f.Add(seed, basicBX)
	}
	f.Fuzz(func(t *testing.T, body, authorization string) {
		req := httptest.NewRequest("POST", "/identity/token", strings.NewReader(body))
		req.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
		if v, err := url.ParseQuery(body); w.Code == http.StatusOK && (err != nil || v.Get("apikey") != r.apiKey) {
			t.Errorf("a token for %q", body)
		}
	})
}
