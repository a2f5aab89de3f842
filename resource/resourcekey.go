package resource

import (
	"context"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
)

// KeyID is the GUID of a resource key: a UUID in lower case.
type KeyID string

// KeyState is where a resource key is in its life.
type KeyState string

const (
	KeyPending  KeyState = "pending" // being made; nobody sees it
	KeyActive   KeyState = "active"
	KeyRemoving KeyState = "removing" // its credentials are being withdrawn
	KeyRemoved  KeyState = "removed"
)

// typeKey is the resource type of resource keys in CRNs.
const typeKey = "resource-key"

// Key is a resource key: a service ID with an API key, a policy that gives it a
// role on an instance, and perhaps an HMAC pair, that are made and removed
// together. IBM's console calls it a service credential.
type Key struct {
	ID          KeyID
	Account     iam.AccountID
	Instance    InstanceID
	Name        string
	State       KeyState
	Role        string // CRN; empty if it has no policy
	ServiceID   iam.ServiceID
	OwnsService bool // the service ID was made for this key
	APIKey      iam.APIKeyID
	Policy      iam.PolicyID // empty without a role
	AccessKey   string       // access key ID of the HMAC pair; empty without
	Onetime     bool         // its secrets are in the answer that made it, and nowhere else
	Sealed      []byte       // its secrets; empty when removed, and if Onetime
	Created     Stamp
	Updated     Stamp
	Deleted     Stamp
	Revision    int64

	// Of the instance, for decisions. The store fills them.
	Service       string
	Region        string
	ResourceGroup GroupID
}

// Source is the CRN of the instance that the key is for.
func (k Key) Source() crn.CRN {
	return crn.Of(k.Service, k.Region, string(k.Account), string(k.Instance), "", "")
}

// CRN is the name of the key.
func (k Key) CRN() crn.CRN { return k.Source().Child(typeKey, string(k.ID)) }

// ServiceCRN is the name of its service ID.
func (k Key) ServiceCRN() crn.CRN {
	return crn.Of(crn.Identity, "", string(k.Account), "", "serviceid", string(k.ServiceID))
}

func (k Key) identity() iam.IdentityID { return iam.IdentityID("iam-" + string(k.ServiceID)) }

func (k Key) object() iam.Object {
	return iam.Object{
		Account: k.Account, Service: k.Service, Instance: string(k.Instance),
		Region: k.Region, ResourceGroup: string(k.ResourceGroup),
	}
}

func (k Key) target() audit.Target {
	return audit.Target{
		ID: k.CRN().String(), Name: k.Name, TypeURI: "resource-controller/key",
		ResourceGroupID: k.ResourceGroup.CRN(k.Account).String(),
	}
}

func (k Key) event(action iam.Action, by Stamp) *audit.Event {
	return leftover(action, by, k.Account, k.target(), k.Source())
}

// Revealed is a resource key as a caller may see it.
type Revealed struct {
	Key
	Secrets *Secrets // nil if they are not to be seen
}

// reveal opens the secrets of a key if the caller may see them.
func (s *Service) reveal(ctx context.Context, who iam.Caller, k Key) (Revealed, error) {
	if k.State != KeyActive || len(k.Sealed) == 0 {
		return Revealed{Key: k}, nil
	}
	ok, err := s.may(ctx, who, ActionCredentialRetrieve, k.object())
	if err != nil || !ok {
		return Revealed{Key: k}, err
	}
	secrets, err := s.open(ctx, k)
	return Revealed{Key: k, Secrets: secrets}, err
}

// locatedKey is what a client's name of a resource key led to.
type locatedKey struct {
	key    Key
	object iam.Object
	target audit.Target
	err    error // why there is no key
}

func (s *Service) locateKey(ctx context.Context, who iam.Caller, name string) locatedKey {
	r := parseRef(name)
	l := locatedKey{object: r.object(who), err: ErrNoKey}
	l.object.Instance = r.name.Instance
	l.target = audit.Target{ID: r.guid, TypeURI: "resource-controller/key"}
	if r.guid == "" {
		return l
	}
	k, err := s.store.Key(ctx, KeyID(r.guid))
	switch {
	case isAbsent(err):
	case err != nil:
		l.err = err
	case k.Account != who.Account || k.State == KeyPending || !r.names(k.CRN()):
	default:
		return locatedKey{key: k, object: k.object(), target: k.target()}
	}
	return l
}

func (l locatedKey) event(who iam.Caller, action iam.Action) *audit.Event {
	ev := who.Event(action, l.target)
	if l.err == nil {
		ev.LogSourceCRN = l.key.Source().String()
	}
	return ev
}

// Key returns a resource key by GUID or CRN, also a removed one.
func (s *Service) Key(ctx context.Context, who iam.Caller, name string) (k Revealed, err error) {
	l := s.locateKey(ctx, who, name)
	ev := l.event(who, ActionKeyRetrieve)
	err = s.door.Read(ctx, who, ActionKeyRetrieve, l.object, ev, func() error {
		if l.err != nil {
			return l.err
		}
		k, err = s.reveal(ctx, who, l.key)
		ev.ResponseData = map[string]any{"credentialsShown": k.Secrets != nil}
		return err
	})
	if err != nil {
		return Revealed{}, err
	}
	return k, nil
}

// RefuseKey is Refuse for a request about one resource key.
func (s *Service) RefuseKey(ctx context.Context, who iam.Caller, action iam.Action, name string, cause error) error {
	l := s.locateKey(ctx, who, name)
	return s.door.Refuse(ctx, who, action, l.object, l.event(who, action), cause)
}

// KeyFilter chooses resource keys that are active. Empty fields choose all.
type KeyFilter struct {
	ID            KeyID
	Instance      InstanceID
	Name          string
	ResourceGroup GroupID
	Service       string
	UpdatedFrom   time.Time // inclusive
	UpdatedTo     time.Time // inclusive
	APIKey        iam.APIKeyID
}

// Keys lists the resource keys of the caller's account that it may retrieve,
// oldest first, each with its secrets if the caller may see them.
func (s *Service) Keys(ctx context.Context, who iam.Caller, f KeyFilter, p Page) (list []Revealed, more bool, err error) {
	ev := who.Event(ActionKeyList, audit.Target{TypeURI: "resource-controller/key"})
	err = s.lists.Read(ctx, who, ActionKeyList, iam.Object{Account: who.Account}, ev, func() error {
		list, more, err = s.visibleKeys(ctx, who, f, p, ev)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

// KeysOf lists the resource keys of one instance.
func (s *Service) KeysOf(ctx context.Context, who iam.Caller, instance string, p Page) (list []Revealed, more bool, err error) {
	l := s.locate(ctx, who, instance)
	ev := l.event(who, ActionKeyRetrieve)
	err = s.door.Read(ctx, who, ActionKeyRetrieve, l.object, ev, func() error {
		if l.err != nil {
			return l.err
		}
		list, more, err = s.visibleKeys(ctx, who, KeyFilter{Instance: l.instance.ID}, p, ev)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

func (s *Service) visibleKeys(ctx context.Context, who iam.Caller, f KeyFilter, p Page, ev *audit.Event) ([]Revealed, bool, error) {
	found, more, err := visible(ctx, p,
		func(ctx context.Context, p Page) ([]Key, error) { return s.store.Keys(ctx, who.Account, f, p) },
		func(k Key) string { return string(k.ID) },
		func(k Key) (bool, error) { return s.may(ctx, who, ActionKeyRetrieve, k.object()) })
	if err != nil {
		return nil, false, err
	}
	list, shown := make([]Revealed, len(found)), 0
	for n, k := range found {
		if list[n], err = s.reveal(ctx, who, k); err != nil {
			return nil, false, err
		}
		if list[n].Secrets != nil {
			shown++
		}
	}
	ev.ResponseData = map[string]any{"credentialsShown": shown}
	return list, more, nil
}

// NewKey is what a caller says of the resource key that it wants.
type NewKey struct {
	Name      string
	Source    string // GUID or CRN of the instance
	Role      string // name or CRN of a service role; empty for none
	ServiceID string // CRN of a service ID to use; empty to make one
	HMAC      bool   // with an HMAC pair; for the object store
}

// actionUseServiceID is what a caller must be allowed to do with a service ID
// that already exists, before a resource key gives it one more API key.
const actionUseServiceID iam.Action = "iam-identity.apikey.create"

// creation is what the act of making a resource key works with.
type creation struct {
	key     Key
	secrets Secrets // once issued; only in memory
}

// CreateKey makes a resource key: the service ID unless one is given, its API
// key, its policy and its HMAC pair, all or nothing. The answer always has its
// secrets.
func (s *Service) CreateKey(ctx context.Context, who iam.Caller, in NewKey) (Revealed, error) {
	l := s.locate(ctx, who, in.Source)
	ev := l.event(who, ActionKeyCreate)
	ev.Target.Name, ev.Target.TypeURI = in.Name, "resource-controller/key"
	c := new(creation)
	err := s.door.Change(ctx, who, ActionKeyCreate, l.object, ev, func() error {
		if l.err != nil {
			return l.err
		}
		k, err := s.newKey(ctx, who, l.instance, in)
		if err != nil {
			return err
		}
		ev.Target = k.target()
		c.key = k
		act, err := newAct(actCreateKey, string(k.ID), struct{}{}, k.Created.At)
		if err != nil {
			return err
		}
		release, _ := s.acts.hold(act.ID)
		defer release()
		if err := s.store.CreateKey(ctx, k, act); err != nil {
			return err
		}
		return s.acts.run(ctx, act, s.keyCreation(c, ev, nil))
	})
	if err != nil {
		return Revealed{}, err
	}
	return Revealed{Key: c.key, Secrets: &c.secrets}, nil
}

// newKey checks what is wanted and chooses every identifier, so that the steps
// of the act can be repeated.
func (s *Service) newKey(ctx context.Context, who iam.Caller, i Instance, in NewKey) (Key, error) {
	if err := i.inUse(); err != nil {
		return Key{}, err
	}
	if err := checkName(in.Name); err != nil {
		return Key{}, err
	}
	role, err := parseRole(i.Service, in.Role)
	if err != nil {
		return Key{}, err
	}
	if in.HMAC && i.Service != crn.ObjectStorage {
		return Key{}, ErrInvalid.On("parameters.HMAC", "only "+crn.ObjectStorage+" has HMAC credentials")
	}
	by := s.stamp(who)
	service, apiKey, accessKey := iam.NewServiceCredentialIDs()
	k := Key{
		ID: KeyID(uuid.NewString()), Account: i.Account, Instance: i.ID, Name: in.Name, State: KeyPending, Role: role,
		ServiceID: service, OwnsService: true, APIKey: apiKey, Onetime: i.Onetime,
		Created: by, Updated: by, Revision: 1,
		Service: i.Service, Region: i.Region, ResourceGroup: i.ResourceGroup,
	}
	if role != "" {
		if err := s.grants.MayGive(ctx, who, role, i.object()); err != nil {
			return Key{}, err
		}
		k.Policy = iam.PolicyID(uuid.NewString())
	}
	if in.HMAC {
		k.AccessKey = accessKey
	}
	if in.ServiceID == "" {
		return k, nil
	}
	if k.ServiceID, err = parseServiceID(i.Account, in.ServiceID); err != nil {
		return Key{}, err
	}
	k.OwnsService = false
	return k, s.mayUse(ctx, who, k)
}

// mayUse refuses a service ID that the caller could not make API keys for
// itself: its API key would hand over all that the service ID may do.
func (s *Service) mayUse(ctx context.Context, who iam.Caller, k Key) error {
	if who.Identity == k.identity() {
		return nil
	}
	return s.decide.Allow(ctx, who, actionUseServiceID, iam.Object{
		Account: k.Account, Service: crn.Identity, Type: "serviceid", Resource: string(k.ServiceID),
	})
}

// keyCreation makes what the key stands for: ev is committed when it is done,
// undone when it had to be undone.
func (s *Service) keyCreation(c *creation, ev, undone *audit.Event) script {
	k := c.key
	steps := []step{{
		do: func(ctx context.Context) error {
			issued, err := s.credentials.IssueServiceCredential(ctx, iam.ServiceCredential{
				Account: k.Account, Service: k.ServiceID, Name: k.Name,
				Description: "Auto-generated for key " + k.CRN().String(),
				NewService:  k.OwnsService, Key: k.APIKey, HMAC: k.AccessKey != "", AccessKeyID: k.AccessKey, CreatedBy: k.Created.By,
			})
			c.secrets = Secrets{APIKey: issued.APIKey, SecretAccessKey: issued.SecretAccessKey}
			return err
		},
		undo: func(ctx context.Context) error {
			return s.credentials.WithdrawServiceCredential(ctx, k.Account, k.ServiceID, k.APIKey, k.AccessKey)
		},
	}}
	if k.Policy != "" {
		steps = append(steps, step{
			do: func(ctx context.Context) error {
				return s.grants.Grant(ctx, k.Policy, k.Account, k.identity(), k.Role, iam.Object{
					Account: k.Account, Service: k.Service, Instance: string(k.Instance),
				})
			},
			undo: func(ctx context.Context) error { return s.grants.Revoke(ctx, k.Account, k.Policy) },
		})
	}
	return script{
		steps: steps,
		finish: func(ctx context.Context, act Act) error {
			done := k
			done.State = KeyActive
			if !k.Onetime {
				sealed, err := s.seal(ctx, k.ID, c.secrets)
				if err != nil {
					return err
				}
				done.Sealed = sealed
			}
			if err := s.store.FinishKey(ctx, done, act, ev); err != nil {
				return err
			}
			done.Revision++
			c.key = done
			return nil
		},
		abandon: func(ctx context.Context, act Act) error { return s.store.AbandonKey(ctx, k, act, undone) },
	}
}

// RenameKey gives a resource key another name.
func (s *Service) RenameKey(ctx context.Context, who iam.Caller, name, to string) (k Revealed, err error) {
	l := s.locateKey(ctx, who, name)
	ev := l.event(who, ActionKeyUpdate)
	err = s.door.Change(ctx, who, ActionKeyUpdate, l.object, ev, func() error {
		if err := l.changeable(); err != nil {
			return err
		}
		if err := checkName(to); err != nil {
			return err
		}
		next := l.key
		next.Name, next.Updated = to, s.stamp(who)
		if k, err = s.reveal(ctx, who, next); err != nil {
			return err
		}
		ev.Target.Name = to
		k.Revision++
		return s.store.UpdateKey(ctx, next, ev)
	})
	if err != nil {
		return Revealed{}, err
	}
	return k, nil
}

// changeable says why a key cannot be changed, or nil.
func (l locatedKey) changeable() error {
	switch {
	case l.err != nil:
		return l.err
	case l.key.State != KeyActive:
		return ErrKeyDeleted
	}
	return nil
}

// removal is the body of the act that removes a resource key.
type removal struct{ By Stamp }

// DeleteKey removes a resource key and all that was made with it. It is decided
// when DeleteKey returns without an error; done says that it is also finished.
func (s *Service) DeleteKey(ctx context.Context, who iam.Caller, name string) (done bool, err error) {
	l := s.locateKey(ctx, who, name)
	ev := l.event(who, ActionKeyDelete)
	var act Act
	err = s.door.Change(ctx, who, ActionKeyDelete, l.object, ev, func() (err error) {
		if err := l.changeable(); err != nil {
			return err
		}
		by := s.stamp(who)
		if act, err = NewRemoval(l.key, by); err != nil {
			return err
		}
		k := l.key
		k.State, k.Updated = KeyRemoving, by
		return s.store.BeginRemoveKey(ctx, k, act, ev)
	})
	if err != nil {
		return false, err
	}
	return s.proceed(ctx, act), nil
}

// proceed takes up an act that is decided and recorded. What cannot be finished
// now, Reconcile finishes.
func (s *Service) proceed(ctx context.Context, act Act) (done bool) {
	if err := s.takeUp(ctx, act); err != nil {
		s.log.WarnContext(ctx, "an act is not finished yet", "kind", act.Kind, "subject", act.Subject, "error", err)
		return false
	}
	return true
}

// keyRemoval withdraws what the key stands for. There is no way back.
func (s *Service) keyRemoval(k Key, by Stamp) script {
	steps := []step{{
		do: func(ctx context.Context) error {
			return s.credentials.WithdrawServiceCredential(ctx, k.Account, k.ServiceID, k.APIKey, k.AccessKey)
		},
	}}
	if k.Policy != "" {
		steps = append(steps, step{
			do: func(ctx context.Context) error { return s.grants.Revoke(ctx, k.Account, k.Policy) },
		})
	}
	return script{
		steps: steps,
		finish: func(ctx context.Context, act Act) error {
			done := k
			done.State, done.Sealed, done.Deleted, done.Updated = KeyRemoved, nil, by, by
			return s.store.FinishRemoveKey(ctx, done, act)
		},
	}
}
