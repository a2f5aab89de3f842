package iam

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
)

// LeakAction says what should happen to an API key that is found in public.
type LeakAction string

// The actions upon a leak. Strongroom keeps the wish and leaves the search for
// leaks to others.
const (
	LeakNone    LeakAction = "none"
	LeakDisable LeakAction = "disable"
	LeakDelete  LeakAction = "delete"
)

// APIKey is a credential of an identity in one account. Of its value only the
// digest is kept.
type APIKey struct {
	ID          APIKeyID
	Account     AccountID
	Identity    IdentityID
	Name        string
	Description string
	Digest      Digest
	Locked      bool // can be neither changed nor deleted; tokens are issued all the same
	Disabled    bool
	OnLeak      LeakAction
	Expires     time.Time // zero: never
	Created     time.Time
	CreatedBy   IdentityID
	Modified    time.Time
	Revision    int64

	// How often and when last a token was asked for with it: up to a minute
	// behind in the store.
	LastAuthn  time.Time
	AuthnCount int64
}

// CRN is its cloud resource name.
func (k APIKey) CRN() crn.CRN {
	return crn.Of(crn.Identity, "", string(k.Account), "", "apikey", string(k.ID))
}

// EntityTag names this revision, for If-Match.
func (k APIKey) EntityTag() string { return EntityTag(string(k.ID), k.Revision) }

// APIKeyFilter selects API keys of an account. Empty fields select all.
type APIKeyFilter struct {
	Identity IdentityID
	Kind     Kind // KindUser or KindService
}

// APIKeyStore keeps API keys.
type APIKeyStore interface {
	// CreateAPIKey refuses a digest that is taken, an identity that does not
	// exist (any more) in the account, and more than MaxAPIKeys of one identity.
	CreateAPIKey(ctx context.Context, k APIKey, ev *audit.Event) error
	APIKey(ctx context.Context, id APIKeyID) (APIKey, error)
	APIKeyByDigest(ctx context.Context, d Digest) (APIKey, error)
	APIKeys(ctx context.Context, account AccountID, f APIKeyFilter, r IdentityRange) ([]APIKey, error)
	UpdateAPIKey(ctx context.Context, k APIKey, ev *audit.Event) error
	// DeleteAPIKey removes it with the HMAC credentials that hang on it.
	DeleteAPIKey(ctx context.Context, k APIKey, ev *audit.Event) error
	// AddUses adds to the counters of API keys; those that are gone are left out.
	AddUses(ctx context.Context, uses []KeyUse) error
}

// Actions on API keys.
const (
	actionAPIKeyCreate  Action = "iam-identity.apikey.create"
	actionAPIKeyGet     Action = "iam-identity.apikey.get"
	actionAPIKeyList    Action = "iam-identity.apikey.list"
	actionAPIKeyUpdate  Action = "iam-identity.apikey.update"
	actionAPIKeyDelete  Action = "iam-identity.apikey.delete"
	actionAPIKeyLock    Action = "iam-identity.apikey.lock"
	actionAPIKeyUnlock  Action = "iam-identity.apikey.unlock"
	actionAPIKeyDisable Action = "iam-identity.apikey.disable"
	actionAPIKeyEnable  Action = "iam-identity.apikey.enable"
)

// NewAPIKey is what is needed to make an API key.
type NewAPIKey struct {
	Identity    IdentityID // whose it will be; empty means the caller's
	Name        string
	Description string
	Value       custody.Secret // brought by the caller; empty: drawn
	Expires     time.Time
	OnLeak      LeakAction // empty means LeakNone
	Locked      bool
	Disabled    bool
}

// APIKeyChange says what to change; nil leaves a field as it is.
type APIKeyChange struct {
	Name, Description *string
	OnLeak            *LeakAction
	Expires           *time.Time // to the zero time: never
}

// aboutKey is the matter of one API key. A key that is not there is decided upon
// like one that no narrower grant covers.
func aboutKey(account AccountID, id APIKeyID, k APIKey) matter {
	return aboutIdentity(account, k.Identity, target(account, "apikey", string(id), k.Name))
}

// CreateAPIKey makes an API key of an identity of the caller's account and
// returns its value, this once. Who makes a key for somebody else could act as
// that identity; nobody but the owner makes one for the owner.
func (s *Identities) CreateAPIKey(ctx context.Context, who Caller, n NewAPIKey) (APIKey, custody.Secret, error) {
	if n.Identity == "" {
		n.Identity = who.Identity
	}
	var (
		k     APIKey
		value custody.Secret
	)
	m := aboutIdentity(who.Account, n.Identity, target(who.Account, "apikey", "", n.Name))
	ev := who.Event(actionAPIKeyCreate, m.target)
	note(&ev.RequestData, "iamId", string(n.Identity))
	err := s.change(ctx, who, actionAPIKeyCreate, m, ev, func() error {
		a, err := s.store.Account(ctx, who.Account)
		if err != nil {
			return err
		}
		if n.Identity == a.Owner && who.Identity != a.Owner {
			return ErrForbidden.On("iam_id", "only the owner of the account makes API keys of the owner")
		}
		if k, value, err = s.makeKey(who.Account, n.Identity, n, who.Identity); err != nil {
			return err
		}
		ev.Target = target(who.Account, "apikey", string(k.ID), k.Name)
		return s.store.CreateAPIKey(ctx, k, ev)
	})
	if err != nil {
		return APIKey{}, custody.Secret{}, err
	}
	return k, value, nil
}

// makeKey checks n and gives it an ID and, if it brings none, a value.
func (s *Identities) makeKey(account AccountID, identity IdentityID, n NewAPIKey, by IdentityID) (APIKey, custody.Secret, error) {
	value := n.Value
	if value.Len() == 0 {
		value = drawValue()
	} else if err := checkKeyValue(value); err != nil {
		return APIKey{}, custody.Secret{}, err
	}
	if n.OnLeak == "" {
		n.OnLeak = LeakNone
	}
	now := s.now().UTC()
	k := APIKey{
		ID: newAPIKeyID(), Account: account, Identity: identity, Name: n.Name, Description: n.Description,
		Digest: s.digest(string(value.Reveal())), Locked: n.Locked, Disabled: n.Disabled, OnLeak: n.OnLeak,
		Expires: n.Expires, Created: now, CreatedBy: by, Modified: now, Revision: 1,
	}
	if err := k.check(now); err != nil {
		return APIKey{}, custody.Secret{}, err
	}
	return k, value, nil
}

// drawKey makes an API key that the server itself asks for, of checked texts.
func (s *Identities) drawKey(account AccountID, identity IdentityID, name, description string, by IdentityID) (APIKey, custody.Secret) {
	k, value, err := s.makeKey(account, identity, NewAPIKey{Name: name, Description: description}, by)
	if err != nil {
		panic("iam: an API key of our own making is not valid: " + err.Error())
	}
	return k, value
}

func (k APIKey) check(now time.Time) error {
	if err := checkName("name", k.Name, maxName, true); err != nil {
		return err
	}
	if err := checkText("description", k.Description, maxDescription, false); err != nil {
		return err
	}
	switch k.OnLeak {
	case LeakNone, LeakDisable, LeakDelete:
	default:
		return ErrIdentityInvalid.On("action_when_leaked", "can be none, disable or delete")
	}
	if !k.Expires.IsZero() && !k.Expires.After(now) {
		return ErrIdentityInvalid.On("expires_at", "is in the past")
	}
	return nil
}

// find returns an API key of the caller's account, or a zero one if there is
// none: whether the caller may hear so is for the door to decide.
func (s *Identities) find(ctx context.Context, who Caller, id APIKeyID) (APIKey, error) {
	k, err := s.store.APIKey(ctx, id)
	if isAbsent(err) || (err == nil && k.Account != who.Account) {
		return APIKey{}, nil
	}
	return k, err
}

// APIKey returns an API key of the caller's account.
func (s *Identities) APIKey(ctx context.Context, who Caller, id APIKeyID) (APIKey, error) {
	found, ferr := s.find(ctx, who, id)
	m := aboutKey(who.Account, id, found)
	return found, s.read(ctx, who, actionAPIKeyGet, m, who.Event(actionAPIKeyGet, m.target), func() error {
		return s.present(&found, ferr)
	})
}

// APIKeyByValue returns the API key that has the value, if it is the caller's or
// the caller may read it.
func (s *Identities) APIKeyByValue(ctx context.Context, who Caller, value string) (APIKey, error) {
	found, ferr := s.keyOf(ctx, value)
	if ferr == nil {
		found, ferr = s.find(ctx, who, found.ID)
	}
	if isAbsent(ferr) {
		found, ferr = APIKey{}, nil
	}
	m := aboutKey(who.Account, found.ID, found)
	return found, s.read(ctx, who, actionAPIKeyGet, m, who.Event(actionAPIKeyGet, m.target), func() error {
		return s.present(&found, ferr)
	})
}

// present adds the uses not yet written, or says that there is no such key.
func (s *Identities) present(k *APIKey, err error) error {
	if err != nil {
		return err
	}
	if k.ID == "" {
		return ErrIdentityNotFound
	}
	s.usage.addTo(k)
	return nil
}

// APIKeys lists API keys of the caller's account: everybody may list those of
// its own identity.
func (s *Identities) APIKeys(ctx context.Context, who Caller, f APIKeyFilter, l IdentityListing) (IdentityPage[APIKey], error) {
	var p IdentityPage[APIKey]
	m := matter{account: who.Account}
	if f.Identity != "" {
		m = aboutIdentity(who.Account, f.Identity, audit.Target{})
	}
	m.target = target(who.Account, "apikey", "", "API keys")
	ev := who.Event(actionAPIKeyList, m.target)
	err := s.read(ctx, who, actionAPIKeyList, m, ev, func() error {
		if f.Kind != "" && f.Kind != KindUser && f.Kind != KindService {
			return ErrIdentityInvalid.On("type", "can be user or serviceid")
		}
		r, err := l.span()
		if err != nil {
			return err
		}
		items, err := s.store.APIKeys(ctx, who.Account, f, r)
		for i := range items {
			s.usage.addTo(&items[i])
		}
		p = page(items, r, func(k APIKey) (string, time.Time, string) { return k.Name, k.Created, string(k.ID) })
		return err
	})
	return p, err
}

// UpdateAPIKey changes an API key whose entity tag is match ("*": any).
func (s *Identities) UpdateAPIKey(ctx context.Context, who Caller, id APIKeyID, match string, c APIKeyChange) (APIKey, error) {
	return s.alterKey(ctx, who, actionAPIKeyUpdate, id, func(k *APIKey) error {
		if err := checkTag(match, string(id), k.Revision); err != nil {
			return err
		}
		if k.Locked {
			return ErrIdentityLocked.On("", "API key "+string(id))
		}
		if c.Name != nil {
			k.Name = *c.Name
		}
		if c.Description != nil {
			k.Description = *c.Description
		}
		if c.OnLeak != nil {
			k.OnLeak = *c.OnLeak
		}
		checked := *k
		if c.Expires != nil {
			k.Expires, checked.Expires = *c.Expires, *c.Expires
		} else {
			checked.Expires = time.Time{} // one that has expired may still be renamed
		}
		return checked.check(s.now())
	})
}

// LockAPIKey locks an API key, so that it can be neither changed nor deleted, or
// unlocks it.
func (s *Identities) LockAPIKey(ctx context.Context, who Caller, id APIKeyID, locked bool) error {
	action := actionAPIKeyUnlock
	if locked {
		action = actionAPIKeyLock
	}
	_, err := s.alterKey(ctx, who, action, id, func(k *APIKey) error {
		k.Locked = locked
		return nil
	})
	return err
}

// DisableAPIKey disables an API key and all tokens issued for it, or enables it
// again.
func (s *Identities) DisableAPIKey(ctx context.Context, who Caller, id APIKeyID, disabled bool) error {
	action := actionAPIKeyEnable
	if disabled {
		action = actionAPIKeyDisable
	}
	_, err := s.alterKey(ctx, who, action, id, func(k *APIKey) error {
		k.Disabled = disabled
		return nil
	})
	return err
}

func (s *Identities) alterKey(ctx context.Context, who Caller, action Action, id APIKeyID, do func(*APIKey) error) (APIKey, error) {
	k, ferr := s.find(ctx, who, id)
	m := aboutKey(who.Account, id, k)
	ev := who.Event(action, m.target)
	err := s.change(ctx, who, action, m, ev, func() error {
		if err := s.present(&k, ferr); err != nil {
			return err
		}
		if err := do(&k); err != nil {
			return err
		}
		k.Modified = s.now().UTC()
		k.Revision++
		return s.store.UpdateAPIKey(ctx, k, ev)
	})
	return k, err
}

// DeleteAPIKey removes an API key, and with it all tokens issued for it.
func (s *Identities) DeleteAPIKey(ctx context.Context, who Caller, id APIKeyID) error {
	k, ferr := s.find(ctx, who, id)
	m := aboutKey(who.Account, id, k)
	ev := who.Event(actionAPIKeyDelete, m.target)
	return s.change(ctx, who, actionAPIKeyDelete, m, ev, func() error {
		if err := s.present(&k, ferr); err != nil {
			return err
		}
		if k.Locked {
			return ErrIdentityLocked.On("", "API key "+string(id))
		}
		return s.store.DeleteAPIKey(ctx, k, ev)
	})
}

// RefuseAPIKey records and returns why a request about an API key, or about the
// caller's own keys if id is empty, was not understood, or that the caller may
// not even ask.
func (s *Identities) RefuseAPIKey(ctx context.Context, who Caller, action Action, id APIKeyID, cause error) error {
	k := APIKey{Identity: who.Identity}
	if id != "" {
		var err error
		if k, err = s.find(ctx, who, id); err != nil {
			cause = err
		}
	}
	m := aboutKey(who.Account, id, k)
	return s.door(m).Refuse(ctx, who, action, m.object(), who.Event(action, m.target), cause)
}

// keyOf returns the API key that has the value, from leased memory.
func (s *Identities) keyOf(ctx context.Context, value string) (APIKey, error) {
	if len(value) > maxKeyValue {
		return APIKey{}, ErrIdentityNotFound
	}
	d := s.digest(value)
	id, err := s.digests.Get(ctx, d, func(ctx context.Context) (APIKeyID, error) {
		k, err := s.store.APIKeyByDigest(ctx, d)
		return k.ID, err
	})
	if err != nil {
		return APIKey{}, err
	}
	k, err := s.apiKey(ctx, id)
	if isAbsent(err) || (err == nil && k.Digest != d) {
		// The link from value to key is not dropped with changes of the key, whose
		// record has the last word; the value may be another key's by now.
		s.digests.Drop(d)
		return s.store.APIKeyByDigest(ctx, d)
	}
	return k, err
}

// apiKey returns an API key from leased memory.
func (s *Identities) apiKey(ctx context.Context, id APIKeyID) (APIKey, error) {
	return s.apiKeys.Get(ctx, id, func(ctx context.Context) (APIKey, error) { return s.store.APIKey(ctx, id) })
}
