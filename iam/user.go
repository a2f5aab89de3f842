package iam

import (
	"context"
	"errors"
	"net/mail"
	"strings"
	"time"

	"strongroom/audit"
)

// UserState says whether a user may act in an account.
type UserState string

// The states of a membership. Any other value counts as disabled.
const (
	UserActive   UserState = "ACTIVE"
	UserDisabled UserState = "DISABLED"
)

// User is a person as a member of one account. The same person has the same
// identity in every account, but names and state are each account's own.
type User struct {
	Account   AccountID
	Identity  IdentityID
	Email     string // in lower case
	FirstName string
	LastName  string
	State     UserState
	Added     time.Time
	Revision  int64
}

// Name is what the user is called in lists and events.
func (u User) Name() string {
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		return name
	}
	return u.Email
}

// membership is the key of a User.
type membership struct {
	account  AccountID
	identity IdentityID
}

// UserStore keeps people and their memberships of accounts.
type UserStore interface {
	// Person returns the identity of the person with this e-mail address, which
	// is fresh if nobody has had the address before.
	Person(ctx context.Context, email string, fresh IdentityID) (IdentityID, error)
	// AddUser refuses a second membership and more than limit of an account.
	AddUser(ctx context.Context, u User, limit int, ev *audit.Event) error
	User(ctx context.Context, account AccountID, id IdentityID) (User, error)
	Users(ctx context.Context, account AccountID, r IdentityRange) ([]User, error)
	CountUsers(ctx context.Context, account AccountID) (int, error)
	UpdateUser(ctx context.Context, u User, ev *audit.Event) error
	// DeleteUser removes the membership with the user's API keys, HMAC
	// credentials, policies and group memberships of the account.
	DeleteUser(ctx context.Context, u User, ev *audit.Event) error
}

// Actions on users.
const (
	actionUserCreate Action = "iam-identity.user.create"
	actionUserGet    Action = "iam-identity.user.get"
	actionUserList   Action = "iam-identity.user.list"
	actionUserUpdate Action = "iam-identity.user.update"
	actionUserDelete Action = "iam-identity.user.delete"
)

// NewUser is what is needed to add a user to an account.
type NewUser struct {
	Email, FirstName, LastName string
}

// newUser checks n and gives it an identity.
func (s *Identities) newUser(ctx context.Context, account AccountID, n NewUser) (User, error) {
	email, err := checkEmail(n.Email)
	if err != nil {
		return User{}, err
	}
	if err := checkName("first_name", n.FirstName, maxName, false); err != nil {
		return User{}, err
	}
	if err := checkName("last_name", n.LastName, maxName, false); err != nil {
		return User{}, err
	}
	id, err := s.store.Person(ctx, email, newUserIdentity())
	if err != nil {
		return User{}, err
	}
	return User{
		Account: account, Identity: id, Email: email, FirstName: n.FirstName, LastName: n.LastName,
		State: UserActive, Added: s.now().UTC(), Revision: 1,
	}, nil
}

// checkEmail accepts a bare address and returns it in lower case: nobody runs a
// mail server that tells people apart by it.
func checkEmail(address string) (string, error) {
	const limit = 254 // RFC 5321, section 4.5.3.1.3, less the brackets
	a, err := mail.ParseAddress(address)
	if err != nil || a.Address != address || len(address) > limit {
		return "", ErrIdentityInvalid.On("email", "is not an e-mail address")
	}
	if err := checkName("email", address, limit, true); err != nil {
		return "", err
	}
	return strings.ToLower(address), nil
}

func aboutUsers(account AccountID) matter {
	return matter{account: account, kind: "user", target: target(account, "user", "", "users")}
}

func aboutUser(account AccountID, id IdentityID, name string) matter {
	m := aboutIdentity(account, id, target(account, "user", string(id), name))
	m.kind, m.resource = "user", string(id)
	return m
}

// AddUser makes a person a member of an account. The person can do nothing until
// policies allow it and an administrator has made an API key. With
// ErrIdentityExists comes the member that the person already is.
func (s *Identities) AddUser(ctx context.Context, who Caller, account AccountID, n NewUser) (User, error) {
	var u User
	m := aboutUsers(account)
	ev := who.Event(actionUserCreate, m.target)
	err := s.change(ctx, who, actionUserCreate, m, ev, func() error {
		var err error
		if u, err = s.newUser(ctx, account, n); err != nil {
			return err
		}
		ev.Target = target(account, "user", string(u.Identity), u.Email)
		err = known(s.store.AddUser(ctx, u, maxUsers, ev))
		if errors.Is(err, ErrIdentityExists) {
			member, lerr := s.store.User(ctx, account, u.Identity)
			u, err = member, errors.Join(err, lerr)
		}
		return err
	})
	return u, err
}

// User returns a member of an account.
func (s *Identities) User(ctx context.Context, who Caller, account AccountID, id IdentityID) (User, error) {
	var u User
	m := aboutUser(account, id, "")
	ev := who.Event(actionUserGet, m.target)
	err := s.read(ctx, who, actionUserGet, m, ev, func() error {
		var err error
		u, err = s.store.User(ctx, account, id)
		ev.Target.Name = u.Email
		return known(err)
	})
	return u, err
}

// Users lists the members of an account and says how many there are in all.
func (s *Identities) Users(ctx context.Context, who Caller, account AccountID, l IdentityListing) (IdentityPage[User], int, error) {
	var (
		p     IdentityPage[User]
		total int
	)
	m := aboutUsers(account)
	err := s.read(ctx, who, actionUserList, m, who.Event(actionUserList, m.target), func() error {
		r, err := l.span()
		if err != nil {
			return err
		}
		if total, err = s.store.CountUsers(ctx, account); err != nil {
			return err
		}
		users, err := s.store.Users(ctx, account, r)
		p = page(users, r, func(u User) (string, time.Time, string) { return u.Email, u.Added, string(u.Identity) })
		return err
	})
	return p, total, err
}

// UserChange says what to change of a user; nil leaves a field as it is.
type UserChange struct {
	FirstName, LastName *string
	State               *UserState
}

// UpdateUser changes a member of an account.
func (s *Identities) UpdateUser(ctx context.Context, who Caller, account AccountID, id IdentityID, c UserChange) error {
	m := aboutUser(account, id, "")
	ev := who.Event(actionUserUpdate, m.target)
	return s.change(ctx, who, actionUserUpdate, m, ev, func() error {
		u, err := s.store.User(ctx, account, id)
		if err != nil {
			return err
		}
		ev.Target.Name = u.Email
		if err := c.apply(&u); err != nil {
			return err
		}
		if u.State != UserActive {
			if err := s.spareOwner(ctx, account, id); err != nil {
				return err
			}
		}
		if c.State != nil {
			note(&ev.RequestData, "state", string(u.State))
		}
		u.Revision++
		return s.store.UpdateUser(ctx, u, ev)
	})
}

func (c UserChange) apply(u *User) error {
	if c.FirstName != nil {
		if err := checkName("firstname", *c.FirstName, maxName, false); err != nil {
			return err
		}
		u.FirstName = *c.FirstName
	}
	if c.LastName != nil {
		if err := checkName("lastname", *c.LastName, maxName, false); err != nil {
			return err
		}
		u.LastName = *c.LastName
	}
	if c.State != nil {
		if *c.State != UserActive && *c.State != UserDisabled {
			return ErrIdentityInvalid.On("state", "can be ACTIVE or DISABLED")
		}
		u.State = *c.State
	}
	return nil
}

// DeleteUser ends a membership and removes what hangs on it.
func (s *Identities) DeleteUser(ctx context.Context, who Caller, account AccountID, id IdentityID) error {
	m := aboutUser(account, id, "")
	ev := who.Event(actionUserDelete, m.target)
	return s.change(ctx, who, actionUserDelete, m, ev, func() error {
		u, err := s.store.User(ctx, account, id)
		if err != nil {
			return err
		}
		ev.Target.Name = u.Email
		if err := s.spareOwner(ctx, account, id); err != nil {
			return err
		}
		return s.store.DeleteUser(ctx, u, ev)
	})
}

// spareOwner refuses what would leave an account without its owner.
func (s *Identities) spareOwner(ctx context.Context, account AccountID, id IdentityID) error {
	a, err := s.store.Account(ctx, account)
	if err == nil && a.Owner == id {
		err = ErrIdentityOwner
	}
	return err
}

// RefuseUser records and returns why a request about a user, or about the list
// if id is empty, was not understood, or that the caller may not even ask.
func (s *Identities) RefuseUser(ctx context.Context, who Caller, action Action, account AccountID, id IdentityID, cause error) error {
	m := aboutUsers(account)
	if id != "" {
		m = aboutUser(account, id, "")
	}
	return s.door(m).Refuse(ctx, who, action, m.object(), who.Event(action, m.target), cause)
}
