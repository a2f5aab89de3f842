package iam

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/fault"
)

// AccountState says whether the identities of an account may act.
type AccountState string

// The states of an account. Any other value counts as disabled.
const (
	AccountActive   AccountState = "active"
	AccountDisabled AccountState = "disabled"
)

// Account is a tenant.
type Account struct {
	ID       AccountID
	Name     string
	Owner    IdentityID // a user of the account; empty for the system account
	State    AccountState
	System   bool // holds what is the provider's own; tenants never see it
	Created  time.Time
	Revision int64
}

// AccountStore keeps accounts.
type AccountStore interface {
	// CreateAccount stores an account and, unless they are nil, its owner's
	// membership and the owner's first API key, all or nothing.
	CreateAccount(ctx context.Context, a Account, owner *User, key *APIKey, ev *audit.Event) error
	Account(ctx context.Context, id AccountID) (Account, error)
	// Accounts returns all of them, the system account too, by age.
	Accounts(ctx context.Context) ([]Account, error)
	UpdateAccount(ctx context.Context, a Account, ev *audit.Event) error
}

const actionAccountGet Action = "iam-identity.account.get"

// Account returns an account to those who may see it.
func (s *Identities) Account(ctx context.Context, who Caller, id AccountID) (Account, error) {
	var a Account
	m := matter{account: id, target: target(id, "account", string(id), "")}
	err := s.read(ctx, who, actionAccountGet, m, who.Event(actionAccountGet, m.target), func() error {
		var err error
		a, err = s.account(ctx, id)
		return known(err)
	})
	return a, err
}

// account returns an account from leased memory.
func (s *Identities) account(ctx context.Context, id AccountID) (Account, error) {
	return s.accounts.Get(ctx, id, func(ctx context.Context) (Account, error) { return s.store.Account(ctx, id) })
}

// Person is who a new account belongs to.
type Person struct {
	Email, FirstName, LastName string
}

// NewAccount is what CreateAccount made: the value of APIKey is shown once.
type NewAccount struct {
	Account Account
	Owner   User
	Key     APIKey
	APIKey  custody.Secret
}

// Actions of the operator of the server, which no role contains.
const (
	actionAccountCreate Action = "iam-identity.account.create"
	actionAccountUpdate Action = "iam-identity.account.update"
	actionAccountReset  Action = "iam-identity.account.reset"
)

// CreateAccount makes an account with its owner and the owner's first API key.
// It is for the operator of the server, not for callers of the interfaces.
func (s *Identities) CreateAccount(ctx context.Context, name string, owner Person) (NewAccount, error) {
	if err := checkName("name", name, maxName, true); err != nil {
		return NewAccount{}, err
	}
	user, err := s.newUser(ctx, newAccountID(), NewUser(owner))
	if err != nil {
		return NewAccount{}, err
	}
	n := NewAccount{Owner: user}
	n.Account = Account{
		ID: user.Account, Name: name, Owner: user.Identity, State: AccountActive, Created: user.Added, Revision: 1,
	}
	n.Key, n.APIKey = s.drawKey(user.Account, user.Identity, "owner", "made with the account", "strongroom")
	ev := s.serverEvent(user.Account, actionAccountCreate, target(user.Account, "account", string(user.Account), name))
	ev.ResponseData = map[string]any{"owner": string(user.Identity), "apiKeyId": string(n.Key.ID)}
	if err := s.store.CreateAccount(ctx, n.Account, &n.Owner, &n.Key, ev); err != nil {
		return NewAccount{}, known(err)
	}
	return n, nil
}

// SystemAccount returns the account that holds the provider's own resources, and
// makes it if there is none yet.
func (s *Identities) SystemAccount(ctx context.Context) (AccountID, error) {
	all, err := s.store.Accounts(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if a.System {
			return a.ID, nil
		}
	}
	a := Account{ID: newAccountID(), Name: "system", State: AccountActive, System: true, Created: s.now().UTC(), Revision: 1}
	ev := s.serverEvent(a.ID, actionAccountCreate, target(a.ID, "account", string(a.ID), a.Name))
	if err := s.store.CreateAccount(ctx, a, nil, nil, ev); err != nil {
		if fault.KindOf(err) == fault.Conflict { // somebody else was first
			return s.SystemAccount(ctx)
		}
		return "", err
	}
	return a.ID, nil
}

// Accounts returns the accounts of tenants, by age. It is for the operator.
func (s *Identities) Accounts(ctx context.Context) ([]Account, error) {
	all, err := s.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var tenants []Account
	for _, a := range all {
		if !a.System {
			tenants = append(tenants, a)
		}
	}
	return tenants, nil
}

// SetAccountState disables an account, whose identities then can do nothing, or
// activates it again. It is for the operator.
func (s *Identities) SetAccountState(ctx context.Context, id AccountID, state AccountState) error {
	a, err := s.store.Account(ctx, id)
	if err != nil {
		return known(err)
	}
	if a.System || (state != AccountActive && state != AccountDisabled) {
		return ErrIdentityInvalid.On("state", "this account cannot be in it")
	}
	a.State = state
	a.Revision++
	ev := s.serverEvent(id, actionAccountUpdate, target(id, "account", string(id), a.Name))
	ev.RequestData = map[string]any{"state": string(state)}
	return known(s.store.UpdateAccount(ctx, a, ev))
}

// ResetOwner makes a new API key for the owner of an account who has lost his.
// It is for the operator. Other keys stay as they are.
func (s *Identities) ResetOwner(ctx context.Context, id AccountID) (APIKey, custody.Secret, error) {
	a, err := s.store.Account(ctx, id)
	if err != nil {
		return APIKey{}, custody.Secret{}, known(err)
	}
	if a.Owner == "" {
		return APIKey{}, custody.Secret{}, ErrIdentityInvalid.On("account", "it has no owner")
	}
	key, value := s.drawKey(id, a.Owner, "owner", "made by the operator of the server", "strongroom")
	ev := s.serverEvent(id, actionAccountReset, target(id, "apikey", string(key.ID), key.Name))
	if err := s.store.CreateAPIKey(ctx, key, ev); err != nil {
		return APIKey{}, custody.Secret{}, known(err)
	}
	return key, value, nil
}
