package iam

import (
	"context"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
)

// Failures of the token service. Its protocol answers some of them with 400.
var (
	ErrUnknownAPIKey  = fault.New(fault.Unauthenticated, "the provided API key could not be found")
	ErrAPIKeyDisabled = fault.New(fault.Unauthenticated, "the API key is disabled")
	ErrAPIKeyExpired  = fault.New(fault.Unauthenticated, "the API key has expired")
	ErrSuspended      = fault.New(fault.Unauthenticated, "the identity of the API key, or its account, is disabled or removed")
	ErrRefreshToken   = fault.New(fault.Unauthenticated, "session expired or the provided refresh token is invalid")
	ErrNoInstance     = fault.New(fault.Forbidden, "you may not act as this service instance")
)

// Lifetimes of what the token service issues.
const (
	TokenLife   = time.Hour
	RefreshLife = 72 * time.Hour

	// sameTokenLeft is how long a token must still be good for to be given out
	// once more: clients that ask for a token for each request are common.
	sameTokenLeft = 50 * time.Minute

	// TokenScope is the scope of every access token.
	TokenScope = "ibm openid"
)

// Grants by which access tokens are had, as their claim grant_type names them.
const (
	GrantAPIKey       = "urn:ibm:params:oauth:grant-type:apikey"
	GrantRefresh      = "refresh_token"
	GrantServiceAuthz = "urn:ibm:params:oauth:grant-type:iam-authz"
)

// Client is the program that asks for a token, as it has authenticated itself.
type Client string

// Clients that are known. Their secrets are public and prove nothing.
const (
	ClientNone Client = "default" // sent no credentials of its own
	ClientCLI  Client = "bx"      // gets refresh tokens
	ClientKube Client = "kube"
)

// Token is what the token service gives out.
type Token struct {
	Access  string
	Refresh string // empty for clients that get none
	Expires time.Time
}

// Actions of the token service, which need no permission.
const (
	actionLoginUser     Action = "iam-identity.user-apikey.login"
	actionLoginService  Action = "iam-identity.serviceid-apikey.login"
	actionLoginRefresh  Action = "iam-identity.refreshtoken.login"
	actionLoginInstance Action = "iam-identity.instance.login"

	// actionInstanceAssume is the permission to obtain a token that is a service
	// instance. The role Instance Actor contains it, and no other: it is for object
	// stores elsewhere that use keys of ours. Instances have it of themselves.
	actionInstanceAssume Action = "iam-identity.instance.assume"
)

// TokenForAPIKey issues an access token to who holds the value of an API key.
func (s *Identities) TokenForAPIKey(ctx context.Context, client Client, value string, trail *audit.Trail) (Token, error) {
	k, err := s.keyOf(ctx, value)
	if isAbsent(err) {
		return Token{}, ErrUnknownAPIKey
	}
	if err != nil {
		return Token{}, err
	}
	g := grounds{account: k.Account, identity: k.Identity, credential: k.ID}
	action := actionLoginService
	if KindOf(k.Identity) == KindUser {
		action = actionLoginUser
	}
	return s.login(ctx, action, g, GrantAPIKey, client, trail)
}

// login issues a token on the grounds, if they hold, and records it either way.
func (s *Identities) login(ctx context.Context, action Action, g grounds, grant string, client Client, trail *audit.Trail) (Token, error) {
	var t Token
	st, err := s.stand(ctx, g)
	who := st.caller(g, trail)
	ev := who.Event(action, target(g.account, "apikey", string(g.credential), st.keyName))
	ev.Initiator.CredentialType = "apikey"
	note(&ev.RequestData, "clientId", string(client))
	door := Door{Decide: anybody{}, Log: s.recorder, Service: "IAM Identity"}
	err = door.Read(ctx, who, action, Object{Account: g.account}, ev, func() error {
		if err != nil {
			return err
		}
		t, err = s.issue(ctx, g, st, grant, client)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	s.usage.note(g.credential, s.now().UTC())
	return t, nil
}

// anybody is the decision about operations that need no permission.
type anybody struct{}

func (anybody) Allow(context.Context, Caller, Action, Object) error { return nil }

// issue makes the token, or finds one that is as good.
func (s *Identities) issue(ctx context.Context, g grounds, st footing, grant string, client Client) (Token, error) {
	r, err := s.ring(ctx)
	if err != nil {
		return Token{}, err
	}
	now := s.now().UTC().Truncate(time.Second)
	slot := issuedSlot{g, grant, client, st.stamp, r.current}
	t, ok := s.issued.get(slot, now.Add(sameTokenLeft))
	if !ok {
		t.Expires = now.Add(TokenLife)
		c := claimsOf(g, st)
		c.ID, c.Issuer, c.GrantType, c.Client = uuid.NewString(), s.issuer, grant, string(client)
		c.IssuedAt, c.Expiry = now.Unix(), t.Expires.Unix()
		if t.Access, err = jwt.Signed(r.signer).Claims(c).Serialize(); err != nil {
			return Token{}, fmt.Errorf("signing a token: %w", err)
		}
		s.issued.put(slot, t)
	}
	if client == ClientCLI {
		if t.Refresh, err = s.sealRefresh(ctx, g, client, now.Add(RefreshLife)); err != nil {
			return Token{}, err
		}
	}
	return t, nil
}

// TokenForInstance issues a token that is a service instance (the caller's token
// being that of the instance itself, or of an identity that may act as it).
func (s *Identities) TokenForInstance(ctx context.Context, client Client, access string, instance crn.CRN, trail *audit.Trail) (Token, error) {
	who, g, err := s.authenticate(ctx, access, trail)
	if err != nil {
		return Token{}, err
	}
	var t Token
	on := assumed(instance)
	ev := who.Event(actionLoginInstance, audit.Target{ID: instance.String(), Name: instance.Instance, TypeURI: instance.Service + "/instance"})
	door := Door{Decide: actAsInstance{s.decider, instance}, Log: s.recorder, Service: "IAM Identity"}
	err = door.Read(ctx, who, actionInstanceAssume, on, ev, func() error {
		g.identity = InstanceIdentity(instance)
		st, err := s.stand(ctx, g)
		if err != nil {
			return err
		}
		t, err = s.issue(ctx, g, st, GrantServiceAuthz, client)
		return err
	})
	return t, err
}

// assumed is a service instance, as what somebody acts as.
func assumed(instance crn.CRN) Object {
	return Object{Account: AccountID(instance.Account()), Service: instance.Service, Instance: instance.Instance, Region: instance.Location}
}

// actAsInstance decides who may have a token that is an instance.
type actAsInstance struct {
	policy   Decider
	instance crn.CRN
}

// Allow implements Decider.
func (a actAsInstance) Allow(ctx context.Context, who Caller, action Action, on Object) error {
	if !a.instance.IsInstance() || on.Account == "" || on.Account != who.Account {
		return ErrNoInstance
	}
	if who.Kind == KindInstance && who.Instance == a.instance {
		return nil
	}
	// The owner of an account may do everything in it, but is not its services:
	// what others have allowed to those was not meant for him.
	who.Owner = false
	err := a.policy.Allow(ctx, who, action, on)
	if fault.KindOf(err) == fault.Forbidden {
		return ErrNoInstance
	}
	return err
}

// InstanceIdentity is the IAM ID of a service instance.
func InstanceIdentity(instance crn.CRN) IdentityID {
	return IdentityID(instancePrefix + instance.String())
}

// InstanceCaller is a service instance acting on its own behalf, without a
// token. Only the server, which runs the service, may make one.
func (s *Identities) InstanceCaller(instance crn.CRN, trail *audit.Trail) Caller {
	return Caller{
		Identity: InstanceIdentity(instance), Kind: KindInstance, Account: AccountID(instance.Account()),
		Name: instance.Service, Instance: instance, Trail: trail,
	}
}
