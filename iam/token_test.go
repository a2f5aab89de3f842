package iam_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
)

func TestTokenNamesItsCaller(t *testing.T) {
	r := newRig(t)
	u, uk, uvalue := r.newUser(t, "ursula@acme.example")
	v, vk, vvalue := r.newService(t, "robot")
	account := r.made.Account.ID
	for _, c := range []struct {
		got  iam.Caller
		want iam.Caller
	}{
		{r.owner, iam.Caller{
			Identity: r.made.Owner.Identity, Kind: iam.KindUser, Account: account, Owner: true,
			Name: "root@acme.example", Email: "root@acme.example", Credential: r.made.Key.ID,
		}},
		{r.login(t, uvalue), iam.Caller{
			Identity: u.Identity, Kind: iam.KindUser, Account: account,
			Name: "ursula@acme.example", Email: "ursula@acme.example", Credential: uk.ID,
		}},
		{r.login(t, vvalue), iam.Caller{
			Identity: v.Identity(), Kind: iam.KindService, Account: account, Name: "robot", Credential: vk.ID,
		}},
	} {
		c.got.Trail = nil
		if c.got != c.want {
			t.Errorf("got  %+v\nwant %+v", c.got, c.want)
		}
	}
}

func TestClaims(t *testing.T) {
	r := newRig(t)
	v, k, value, err := r.CreateServiceID(t.Context(), r.owner, iam.NewServiceID{
		Account: r.owner.Account, Name: "robot", Key: &iam.NewAPIKey{Name: "key"},
		Instances: []string{"crn:v1:bluemix:public:kms:us-south:a/x:y::"},
	})
	must(t, err)
	said, err := r.Introspect(t.Context(), r.token(t, value))
	must(t, err)
	if len(said["jti"].(string)) != 36 {
		t.Errorf("jti is %v", said["jti"])
	}
	delete(said, "jti")
	now := float64(r.clock.Now().Unix())
	want := map[string]any{
		"iam_id": string(v.Identity()), "id": string(v.Identity()), "realmid": "iam", "identifier": string(v.ID),
		"sub": string(v.ID), "sub_type": "ServiceId", "name": "robot", "unique_instance_crns": []any{v.Instances[0]},
		"authn":   map[string]any{"sub": string(v.ID), "iam_id": string(v.Identity()), "sub_type": "ServiceId", "name": "robot"},
		"account": map[string]any{"valid": true, "bss": string(v.Account), "frozen": true},
		"iat":     now, "exp": now + 3600, "iss": issuer, "grant_type": iam.GrantAPIKey, "scope": "ibm openid",
		"client_id": "default", "acr": float64(1), "amr": []any{"pwd"}, "credential_id": string(k.ID),
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

// TestWithdrawalIsImmediate takes away what a token stands on, one by one.
func TestWithdrawalIsImmediate(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	state := func(s iam.UserState) iam.UserChange { return iam.UserChange{State: &s} }
	for name, c := range map[string]struct {
		user     bool
		withdraw func(u iam.User, v iam.ServiceIdentity, k iam.APIKey) error
		restore  func(u iam.User, v iam.ServiceIdentity, k iam.APIKey) error
	}{
		"key disabled": {
			withdraw: func(_ iam.User, _ iam.ServiceIdentity, k iam.APIKey) error {
				return r.DisableAPIKey(ctx, r.owner, k.ID, true)
			},
			restore: func(_ iam.User, _ iam.ServiceIdentity, k iam.APIKey) error {
				return r.DisableAPIKey(ctx, r.owner, k.ID, false)
			},
		},
		"key deleted": {
			withdraw: func(_ iam.User, _ iam.ServiceIdentity, k iam.APIKey) error { return r.DeleteAPIKey(ctx, r.owner, k.ID) },
		},
		"service ID deleted": {
			withdraw: func(_ iam.User, v iam.ServiceIdentity, _ iam.APIKey) error {
				return r.DeleteServiceID(ctx, r.owner, v.ID)
			},
		},
		"user disabled": {
			user: true,
			withdraw: func(u iam.User, _ iam.ServiceIdentity, _ iam.APIKey) error {
				return r.UpdateUser(ctx, r.owner, u.Account, u.Identity, state(iam.UserDisabled))
			},
			restore: func(u iam.User, _ iam.ServiceIdentity, _ iam.APIKey) error {
				return r.UpdateUser(ctx, r.owner, u.Account, u.Identity, state(iam.UserActive))
			},
		},
		"user deleted": {
			user: true,
			withdraw: func(u iam.User, _ iam.ServiceIdentity, _ iam.APIKey) error {
				return r.DeleteUser(ctx, r.owner, u.Account, u.Identity)
			},
		},
		"account disabled": {
			withdraw: func(iam.User, iam.ServiceIdentity, iam.APIKey) error {
				return r.SetAccountState(ctx, r.owner.Account, iam.AccountDisabled)
			},
			restore: func(iam.User, iam.ServiceIdentity, iam.APIKey) error {
				return r.SetAccountState(ctx, r.owner.Account, iam.AccountActive)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var (
				u     iam.User
				v     iam.ServiceIdentity
				k     iam.APIKey
				value = r.made.APIKey
			)
			if c.user {
				u, k, value = r.newUser(t, strings.ReplaceAll(name, " ", "-")+"@acme.example")
			} else {
				v, k, value = r.newService(t, name)
			}
			issued, err := r.TokenForAPIKey(ctx, iam.ClientCLI, string(value.Reveal()), trail())
			must(t, err)
			check := func() error { _, err := r.Authenticate(ctx, issued.Access, nil); return err }
			must(t, check())
			must(t, c.withdraw(u, v, k))
			wants(t, check(), iam.ErrUnauthenticated)
			_, err = r.TokenForRefresh(ctx, iam.ClientCLI, issued.Refresh, "", trail())
			wants(t, err, iam.ErrRefreshToken)
			if _, err := r.TokenForAPIKey(ctx, iam.ClientNone, string(value.Reveal()), trail()); err == nil {
				t.Error("the API key still gives tokens")
			}
			if c.restore != nil {
				must(t, c.restore(u, v, k))
				must(t, check())
			}
		})
	}
}

func TestTokensOfExpiredKeyAreRefused(t *testing.T) {
	r := newRig(t)
	k, value, err := r.CreateAPIKey(t.Context(), r.owner, iam.NewAPIKey{Name: "brief", Expires: r.clock.Now().Add(time.Minute)})
	must(t, err)
	token := r.token(t, value)
	r.clock.Advance(time.Minute)
	_, err = r.Authenticate(t.Context(), token, nil)
	wants(t, err, iam.ErrUnauthenticated)
	_, err = r.TokenForAPIKey(t.Context(), iam.ClientNone, string(value.Reveal()), trail())
	wants(t, err, iam.ErrAPIKeyExpired)
	if ev := r.events.last(); ev.Outcome != audit.Failure || !strings.Contains(ev.Target.ID, string(k.ID)) {
		t.Errorf("the refusal is recorded as %+v", ev)
	}
}

func TestRememberedTokenEndsWithItsLife(t *testing.T) {
	r := newRig(t)
	token := r.token(t, r.made.APIKey)
	for _, c := range []struct {
		wait time.Duration
		good bool
	}{{0, true}, {iam.TokenLife - time.Second, true}, {time.Second, false}} {
		r.clock.Advance(c.wait)
		if _, err := r.Authenticate(t.Context(), token, nil); (err == nil) != c.good {
			t.Errorf("after another %v: %v", c.wait, err)
		}
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	r := newRig(t)
	good := map[string]any{}
	said, err := r.Introspect(t.Context(), r.token(t, r.made.APIKey))
	must(t, err)
	maps.Copy(good, said)
	set, err := r.PublicKeys(t.Context())
	must(t, err)
	kid, public := set.Keys[0].KeyID, set.Keys[0].Key.(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)

	with := func(change map[string]any) map[string]any {
		all := maps.Clone(good)
		maps.Copy(all, change)
		return all
	}
	sign := func(alg jose.SignatureAlgorithm, key any, kid string) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
		must(t, err)
		token, err := jwt.Signed(s).Claims(good).Serialize()
		must(t, err)
		return token
	}
	body, err := json.Marshal(good)
	must(t, err)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"`+kid+`"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(body) + "."
	valid := r.Sign(t, good)
	now := r.clock.Now().Unix()
	if _, err := r.Authenticate(t.Context(), valid, nil); err != nil {
		t.Fatal("the token that the others are made of:", err)
	}

	for name, token := range map[string]string{
		"empty":                                "",
		"not a JWT":                            "abc",
		"alg none":                             none,
		"alg none with signature":              none + valid[strings.LastIndexByte(valid, '.')+1:],
		"HS256 with the DER of the public key": sign(jose.HS256, der, kid),
		"HS256 with the PEM of the public key": sign(jose.HS256,
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), kid),
		"PS256":              sign(jose.PS256, stranger, kid),
		"RS512":              sign(jose.RS512, stranger, kid),
		"another key":        sign(jose.RS256, stranger, kid),
		"unknown kid":        sign(jose.RS256, stranger, "20200101-0000"),
		"no kid":             sign(jose.RS256, stranger, ""),
		"expired":            r.Sign(t, with(map[string]any{"exp": now, "iat": now - 3600})),
		"no expiry":          r.Sign(t, with(map[string]any{"exp": 0})),
		"lives too long":     r.Sign(t, with(map[string]any{"exp": now + 7200})),
		"from the future":    r.Sign(t, with(map[string]any{"iat": now + 120, "exp": now + 3600})),
		"other issuer":       r.Sign(t, with(map[string]any{"iss": "https://iam.cloud.ibm.com/identity"})),
		"no account":         r.Sign(t, with(map[string]any{"account": map[string]any{}})),
		"other account":      r.Sign(t, with(map[string]any{"account": map[string]any{"bss": "f00"}})),
		"no credential":      r.Sign(t, with(map[string]any{"credential_id": ""})),
		"unknown credential": r.Sign(t, with(map[string]any{"credential_id": "ApiKey-x"})),
		"other identity":     r.Sign(t, with(map[string]any{"iam_id": "IBMid-1", "id": "IBMid-1"})),
		"two identities":     r.Sign(t, with(map[string]any{"iam_id": "IBMid-1"})),
		"instance of another account": r.Sign(t, with(map[string]any{
			"iam_id": "crn-crn:v1:bluemix:public:kms:us-south:a/f00:1::", "id": "crn-crn:v1:bluemix:public:kms:us-south:a/f00:1::",
		})),
		"truncated":  valid[:len(valid)-2],
		"appended":   valid + ".x",
		"oversized":  valid + strings.Repeat("A", 8192),
		"two tokens": valid + " " + valid,
	} {
		t.Run(name, func(t *testing.T) {
			before := r.Remembered()
			who, err := r.Authenticate(t.Context(), token, nil)
			wants(t, err, iam.ErrUnauthenticated)
			if who != (iam.Caller{}) {
				t.Errorf("refused, and yet %+v", who)
			}
			if name != "unknown credential" && name != "other account" && name != "other identity" && r.Remembered() != before {
				t.Error("a token that was refused is remembered")
			}
		})
	}
}

func TestSameTokenIsGivenWhileItIsFresh(t *testing.T) {
	r := newRig(t)
	first := r.token(t, r.made.APIKey)
	r.clock.Advance(5 * time.Minute)
	if r.token(t, r.made.APIKey) != first {
		t.Error("another token within five minutes")
	}
	r.clock.Advance(6 * time.Minute)
	if r.token(t, r.made.APIKey) == first {
		t.Error("the same token with less than 50 minutes left")
	}
	second := r.token(t, r.made.APIKey)
	if _, err := r.RotateSigningKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.token(t, r.made.APIKey) == second {
		t.Error("a token of the key that no longer signs")
	}
}

func TestRefreshTokens(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	value := string(r.made.APIKey.Reveal())
	for _, client := range []iam.Client{iam.ClientNone, iam.ClientKube} {
		if got, err := r.TokenForAPIKey(ctx, client, value, trail()); err != nil || got.Refresh != "" {
			t.Errorf("client %s got refresh token %q (%v)", client, got.Refresh, err)
		}
	}
	first, err := r.TokenForAPIKey(ctx, iam.ClientCLI, value, trail())
	must(t, err)
	r.clock.Advance(time.Hour)
	second, err := r.TokenForRefresh(ctx, iam.ClientCLI, first.Refresh, "", trail())
	must(t, err)
	if second.Refresh == "" || second.Refresh == first.Refresh {
		t.Errorf("refreshing gave refresh token %q", second.Refresh)
	}
	if who, err := r.Authenticate(ctx, second.Access, nil); err != nil || who.Identity != r.owner.Identity {
		t.Errorf("the refreshed token is %v (%v)", who.Identity, err)
	}
	_, err = r.TokenForRefresh(ctx, iam.ClientCLI, first.Refresh, "", trail())
	must(t, err) // the old one stays good

	r.clock.Advance(71 * time.Hour)
	damaged := []byte(second.Refresh)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string]struct {
		client  iam.Client
		token   string
		account string
	}{
		"expired":         {client: iam.ClientCLI, token: first.Refresh},
		"other client":    {client: iam.ClientKube, token: second.Refresh},
		"damaged":         {client: iam.ClientCLI, token: string(damaged)},
		"an access token": {client: iam.ClientCLI, token: second.Access},
		"empty":           {client: iam.ClientCLI},
		"other account":   {client: iam.ClientCLI, token: second.Refresh, account: "f00"},
	} {
		_, err := r.TokenForRefresh(ctx, c.client, c.token, c.account, trail())
		t.Log(name)
		wants(t, err, iam.ErrRefreshToken)
	}
	_, err = r.Authenticate(ctx, second.Refresh, nil)
	wants(t, err, iam.ErrUnauthenticated)
}

func TestInstanceTokensAreForTheInstance(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	instance := crn.Of(crn.ObjectStorage, "global", string(r.owner.Account), "8a2b", "", "")
	access := r.token(t, r.made.APIKey)
	v, _, value := r.newService(t, "storage")

	_, err := r.TokenForInstance(ctx, iam.ClientNone, access, instance, trail())
	wants(t, err, iam.ErrNoInstance) // not even the owner
	_, err = r.TokenForInstance(ctx, iam.ClientNone, r.token(t, value), instance, trail())
	wants(t, err, iam.ErrNoInstance)
	r.grants.allow(v.Identity(), "iam-identity.instance.assume")
	foreign := crn.Of(crn.ObjectStorage, "global", "f00", "8a2b", "", "")
	_, err = r.TokenForInstance(ctx, iam.ClientNone, r.token(t, value), foreign, trail())
	wants(t, err, iam.ErrNoInstance)
	_, err = r.TokenForInstance(ctx, iam.ClientNone, "abc", instance, trail())
	wants(t, err, iam.ErrUnauthenticated)

	token, err := r.TokenForInstance(ctx, iam.ClientNone, r.token(t, value), instance, trail())
	must(t, err)
	who, err := r.Authenticate(ctx, token.Access, nil)
	must(t, err)
	if who.Kind != iam.KindInstance || who.Instance != instance || who.Owner || who.Identity != iam.InstanceIdentity(instance) {
		t.Errorf("got %+v", who)
	}
	again, err := r.TokenForInstance(ctx, iam.ClientNone, token.Access, instance, trail())
	must(t, err) // the instance may ask for itself
	r.grants.revoke(v.Identity())
	for _, token := range []iam.Token{token, again} {
		_, err := r.Authenticate(ctx, token.Access, nil)
		wants(t, err, iam.ErrUnauthenticated) // not without the permission that it began with
	}
	r.grants.allow(v.Identity(), "iam-identity.instance.assume")
	_, err = r.Authenticate(ctx, token.Access, nil)
	must(t, err)
	must(t, r.DeleteServiceID(ctx, r.owner, v.ID))
	for _, token := range []iam.Token{token, again} {
		_, err := r.Authenticate(ctx, token.Access, nil)
		wants(t, err, iam.ErrUnauthenticated)
	}
}

func TestSteadyStateAsksNoDatabase(t *testing.T) {
	r := newRig(t)
	token := r.token(t, r.made.APIKey)
	_, err := r.Authenticate(t.Context(), token, nil)
	must(t, err)
	before := r.db.Statements()
	for range 100 {
		_, err := r.Authenticate(t.Context(), token, nil)
		must(t, err)
		r.token(t, r.made.APIKey)
	}
	if n := r.db.Statements() - before; n != 0 {
		t.Errorf("%d statements for 100 requests", n)
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	r := newRigWith(t, iam.IdentitiesConfig{VerifiedTokens: 40})
	said, err := r.Introspect(t.Context(), r.token(t, r.made.APIKey))
	must(t, err)
	for i := range 3 * r.RememberedShare() {
		said["jti"] = strconv.Itoa(i)
		_, err := r.Authenticate(t.Context(), r.Sign(t, said), nil)
		must(t, err)
	}
	if n := r.Remembered(); n != r.RememberedShare() {
		t.Errorf("one account has %d tokens remembered, want its share of %d", n, r.RememberedShare())
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	r := newRig(b)
	token := r.token(b, r.made.APIKey)
	ctx, tr := context.Background(), trail()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Authenticate(ctx, token, tr); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	r := newRig(f)
	good := r.token(f, r.made.APIKey)
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, "", "..", "a.b.c", parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2],
		`{"payload":"","signatures":[{},{}]}`, good + "=", strings.ToUpper(good), strings.Repeat(".", 9000),
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","crit":["exp"],"exp":1}`)) + "." + parts[1] + "." + parts[2],
	} {
		f.Add(seed)
	}
	genuine := func(s string) bool { // differs from good in the unused bits of base64 at most
		p := strings.Split(s, ".")
		if len(p) != 3 {
			return false
		}
		for i := range p {
			a, errA := base64.RawURLEncoding.DecodeString(p[i])
			b, errB := base64.RawURLEncoding.DecodeString(parts[i])
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				return false
			}
		}
		return true
	}
	f.Fuzz(func(t *testing.T, token string) {
		who, err := r.Authenticate(context.Background(), token, nil)
		if err == nil && !genuine(token) {
			t.Errorf("%q was accepted as %v", token, who.Identity)
		}
		if err != nil && who != (iam.Caller{}) {
			t.Errorf("refused, and yet %+v", who)
		}
	})
}

func FuzzRefreshToken(f *testing.F) {
	r := newRig(f)
	good, err := r.SealRefresh(context.Background(), r.made.Key, iam.ClientCLI, r.clock.Now().Add(time.Hour))
	must(f, err)
	for _, seed := range []string{good, "", "sr1.", good[4:], good + "A", "sr1.AAAA", strings.Repeat("A", 3000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := r.TokenForRefresh(context.Background(), iam.ClientCLI, token, "", trail())
		if err == nil && token[:len(token)-1] != good[:len(good)-1] { // the last character has unused bits
			t.Errorf("%q was accepted", token)
		}
	})
}
