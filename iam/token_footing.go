package iam

import (
	"context"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
)

// grounds are what a token, a refresh token or a signature stands on.
type grounds struct {
	account    AccountID
	identity   IdentityID // the credential's, or a service instance's
	credential APIKeyID
}

// footing is what the grounds were found to be.
type footing struct {
	owner   bool
	user    User            // of the credential, if it is a user's
	service ServiceIdentity // of the credential, if it is a service ID's
	by      IdentityID      // the credential's
	keyName string
	stamp   int64 // grows whenever claims of a token may have changed
}

// stand checks, from leased memory, that everything a token stands on is there
// and in force now: API key, identity with its membership, account, and for a
// token that is an instance that the identity may still act as it.
func (s *Identities) stand(ctx context.Context, g grounds) (footing, error) {
	st, err := s.standOn(ctx, g)
	if err != nil || KindOf(g.identity) != KindInstance {
		return st, err
	}
	instance, err := crn.Parse(strings.TrimPrefix(string(g.identity), instancePrefix))
	if err != nil {
		return st, ErrSuspended
	}
	g.identity = st.by
	err = actAsInstance{s.decider, instance}.Allow(ctx, st.caller(g, nil), actionInstanceAssume, assumed(instance))
	if fault.KindOf(err) == fault.Forbidden {
		return st, ErrSuspended
	}
	return st, err
}

// standOn is stand without what an instance needs beyond.
func (s *Identities) standOn(ctx context.Context, g grounds) (footing, error) {
	var st footing
	k, err := s.apiKey(ctx, g.credential)
	switch {
	case isAbsent(err):
		return st, ErrUnknownAPIKey
	case err != nil:
		return st, err
	}
	st.by, st.keyName = k.Identity, k.Name
	switch {
	case k.Account != g.account || (k.Identity != g.identity && KindOf(g.identity) != KindInstance):
		return st, ErrUnknownAPIKey // a credential of somebody else is none
	case k.Disabled:
		return st, ErrAPIKeyDisabled
	case !k.Expires.IsZero() && !s.now().Before(k.Expires):
		return st, ErrAPIKeyExpired
	}
	a, err := s.account(ctx, g.account)
	if err != nil || a.State != AccountActive {
		return st, suspended(err)
	}
	st.owner = a.Owner == g.identity && a.Owner != ""
	switch KindOf(k.Identity) {
	case KindUser:
		m := membership{k.Account, k.Identity}
		st.user, err = s.users.Get(ctx, m, func(ctx context.Context) (User, error) {
			return s.store.User(ctx, m.account, m.identity)
		})
		st.stamp = st.user.Revision
		if err != nil || st.user.State != UserActive {
			return st, suspended(err)
		}
		return st, nil
	case KindService:
		id := serviceOf(k.Identity)
		st.service, err = s.services.Get(ctx, id, func(ctx context.Context) (ServiceIdentity, error) {
			return s.store.ServiceID(ctx, k.Account, id)
		})
		st.stamp = st.service.Revision
		if err != nil || st.service.Account != k.Account {
			return st, suspended(err)
		}
		return st, nil
	}
	return st, ErrSuspended
}

// suspended is the refusal of an identity or account that is absent or not in
// force; a store that cannot say remains an error.
func suspended(err error) error {
	if err == nil || isAbsent(err) {
		return ErrSuspended
	}
	return err
}

// refusal hides from who merely shows a token why it is not accepted.
func refusal(err error) error {
	if fault.KindOf(err) == fault.Unauthenticated {
		return ErrUnauthenticated
	}
	return err
}

// caller is who acts on the grounds.
func (st *footing) caller(g grounds, trail *audit.Trail) Caller {
	c := Caller{
		Identity: g.identity, Kind: KindOf(g.identity), Account: g.account, Owner: st.owner,
		Credential: g.credential, Trail: trail,
	}
	switch c.Kind {
	case KindUser:
		c.Email = st.user.Email
		if c.Name = c.Email; c.Name == "" {
			c.Name = string(g.identity)
		}
	case KindService:
		c.Name = st.service.Name
	case KindInstance:
		if instance, err := crn.Parse(string(g.identity)[len(instancePrefix):]); err == nil {
			c.Instance, c.Name = instance, instance.Service
		}
	}
	return c
}

// valid reports whether a moment lies in the life of a token that was issued at
// iat and ends at exp, both in seconds since 1970.
func valid(now time.Time, iat, exp int64) bool {
	const skew = 60 // seconds that another server's clock may be ahead
	t := now.Unix()
	return t < exp && iat <= t+skew && exp-iat > 0 && exp-iat <= int64(TokenLife/time.Second)
}
