package iam

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/internal/lease"
)

// Kinds of change that the store announces when it writes identities. The scope
// is the account, except for signing keys, which belong to the server.
const (
	ChangeAccount    lease.Kind = "account"    // ID: the account
	ChangeUser       lease.Kind = "user"       // ID: the IAM ID of a member of the account
	ChangeServiceID  lease.Kind = "serviceid"  // ID: a ServiceID
	ChangeAPIKey     lease.Kind = "apikey"     // ID: an APIKeyID
	ChangeHMAC       lease.Kind = "hmac"       // ID: an access key ID
	ChangeSigningKey lease.Kind = "signingkey" // ID: a key ID of the JWKS; scope empty
)

// Failures that a caller of Identities may be told about.
var (
	ErrUnauthenticated  = fault.New(fault.Unauthenticated, "the access token is missing, expired, withdrawn or not ours")
	ErrIdentityNotFound = fault.New(fault.NotFound, "there is no such identity, API key or account")
	ErrIdentityExists   = fault.New(fault.Conflict, "already exists")
	ErrIdentityTag      = fault.New(fault.Stale, "the entity tag in If-Match is not the current one")
	ErrIdentityLocked   = fault.New(fault.Conflict, "what is locked cannot be changed or deleted; unlock it first")
	ErrIdentityOwner    = fault.New(fault.Conflict, "the owner of an account cannot be removed or disabled")
	ErrIdentityLimit    = fault.New(fault.Conflict, "the limit is reached; remove what is no longer needed")
	ErrIdentityInvalid  = fault.New(fault.Invalid, "the request is not valid")
)

// Bounds of what a caller may have stored.
const (
	maxName        = 255   // characters of a name
	maxDescription = 1000  // characters of a description
	maxServiceIDs  = 10000 // service IDs of one account
	maxUsers       = 100000
)

// MaxAPIKeys is how many API keys one identity may have in one account.
const MaxAPIKeys = 1000

// IdentityStore is everything that Identities keeps. Each method that changes
// something commits it together with ev, if ev is not nil, and announces each
// record that it wrote. "Not there" is a fault of kind NotFound, a revision that
// was overtaken one of kind Stale, a taken ID or value one of kind Conflict.
// Records with a Revision are written under the new one, and only over its
// predecessor.
type IdentityStore interface {
	AccountStore
	UserStore
	ServiceIDStore
	APIKeyStore
	HMACStore
	ServiceCredentialStore
	SigningKeyStore
}

// IdentitiesConfig is what Identities works with. All fields but those with a
// stated default are needed.
type IdentitiesConfig struct {
	Store    IdentityStore
	Vault    *custody.Vault // seals signing keys, HMAC secrets and refresh tokens
	Pepper   custody.Secret // 32 bytes, under which API keys are hashed
	Hub      *lease.Hub
	Decider  Decider
	Recorder Recorder
	Issuer   string // the iss of access tokens: public URL and "/identity"
	Now      func() time.Time
	Log      *slog.Logger

	// RotateAfter is the age at which the key that signs tokens is replaced.
	// Zero means 90 days; negative means never.
	RotateAfter time.Duration
	// VerifiedTokens bounds how many tokens with a checked signature are
	// remembered, of all accounts together. Zero means 10,000.
	VerifiedTokens int
}

// Identities keeps accounts, users, service IDs, API keys, HMAC credentials and
// token signing keys; issues access tokens; and tells who calls. Safe for
// concurrent use. Run does its housekeeping.
type Identities struct {
	store       IdentityStore
	vault       *custody.Vault
	pepper      custody.Secret
	hub         *lease.Hub
	decider     Decider
	recorder    Recorder
	issuer      string
	now         func() time.Time
	log         *slog.Logger
	rotateAfter time.Duration

	accounts *lease.Cache[AccountID, Account]
	users    *lease.Cache[membership, User]
	services *lease.Cache[ServiceID, ServiceIdentity]
	apiKeys  *lease.Cache[APIKeyID, APIKey]
	digests  *lease.Cache[Digest, APIKeyID]
	hmacs    *lease.Cache[string, openedHMAC]
	rings    *lease.Cache[struct{}, *ring]

	verified *verifiedTokens
	issued   *issuedTokens
	usage    usage
	rotating sync.Mutex // held while a signing key is replaced
}

// Sizes of the caches of records, in entries of a few hundred bytes.
const (
	cachedAccounts = 10_000
	cachedRecords  = 50_000
)

// NewIdentities returns the service. It panics if the pepper has not 32 bytes.
func NewIdentities(cfg IdentitiesConfig) *Identities {
	if cfg.Pepper.Len() != pepperSize {
		panic("iam: the pepper needs 32 bytes")
	}
	if cfg.RotateAfter == 0 {
		cfg.RotateAfter = 90 * 24 * time.Hour
	}
	if cfg.VerifiedTokens == 0 {
		cfg.VerifiedTokens = 10_000
	}
	s := &Identities{
		store: cfg.Store, vault: cfg.Vault, pepper: cfg.Pepper, hub: cfg.Hub, decider: cfg.Decider,
		recorder: cfg.Recorder, issuer: cfg.Issuer, now: cfg.Now, log: cfg.Log, rotateAfter: cfg.RotateAfter,
		accounts: lease.NewCache[AccountID, Account](cfg.Hub, cachedAccounts, nil),
		users:    lease.NewCache[membership, User](cfg.Hub, cachedRecords, nil),
		services: lease.NewCache[ServiceID, ServiceIdentity](cfg.Hub, cachedRecords, nil),
		apiKeys:  lease.NewCache[APIKeyID, APIKey](cfg.Hub, cachedRecords, nil),
		digests:  lease.NewCache[Digest, APIKeyID](cfg.Hub, cachedRecords, nil),
		hmacs:    lease.NewCache[string, openedHMAC](cfg.Hub, cachedRecords, nil),
		rings:    lease.NewCache[struct{}, *ring](cfg.Hub, 1, nil),
		verified: newVerifiedTokens(cfg.VerifiedTokens),
		issued:   newIssuedTokens(cfg.VerifiedTokens),
	}
	s.watch()
	return s
}

// Issuer is the iss of our access tokens.
func (s *Identities) Issuer() string { return s.issuer }

// watch drops from the caches what the store says has changed.
func (s *Identities) watch() {
	s.hub.Watch(func(c lease.Change) { s.accounts.Heed(AccountID(c.ID), c) }, ChangeAccount)
	s.hub.Watch(func(c lease.Change) { s.users.Heed(membership{AccountID(c.Scope), IdentityID(c.ID)}, c) }, ChangeUser)
	s.hub.Watch(func(c lease.Change) { s.services.Heed(ServiceID(c.ID), c) }, ChangeServiceID)
	s.hub.Watch(func(c lease.Change) { s.apiKeys.Heed(APIKeyID(c.ID), c) }, ChangeAPIKey)
	s.hub.Watch(func(c lease.Change) { s.hmacs.Heed(c.ID, c) }, ChangeHMAC)
	s.hub.Watch(func(lease.Change) { s.rings.Clear() }, ChangeSigningKey)
}

// Run does the housekeeping until ctx ends, and then writes out what is still in
// memory: once a minute how often API keys were used, once an hour a look at
// the age of the signing key. The store must outlive it.
func (s *Identities) Run(ctx context.Context) error {
	flush, look := time.NewTicker(time.Minute), time.NewTicker(time.Hour)
	defer flush.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.Flush(context.WithoutCancel(ctx))
		case <-flush.C:
			if err := s.Flush(ctx); err != nil {
				s.log.WarnContext(ctx, "uses of API keys are not written yet", "error", err)
			}
		case <-look.C:
			if err := s.RotateSigningKeyIfDue(ctx); err != nil {
				s.log.ErrorContext(ctx, "token signing key is not rotated", "error", err)
			}
		}
	}
}

// matter is what an operation of Identities is about.
type matter struct {
	account  AccountID
	kind     string     // what policies call its type: "serviceid", "user" or ""
	resource string     // the service ID or IAM ID that policies may name
	identity IdentityID // whose it is; who acts on itself needs no policy
	target   audit.Target
}

// aboutIdentity is a matter of a user or service ID, or of what belongs to it.
func aboutIdentity(account AccountID, id IdentityID, target audit.Target) matter {
	m := matter{account: account, identity: id, target: target}
	switch KindOf(id) {
	case KindUser:
		m.kind, m.resource = "user", string(id)
	case KindService:
		m.kind, m.resource = "serviceid", string(serviceOf(id))
	}
	return m
}

func (m matter) object() Object {
	return Object{Account: m.account, Service: crn.Identity, Type: m.kind, Resource: m.resource}
}

// target describes a thing of an account in events.
func target(account AccountID, kind, id, name string) audit.Target {
	return audit.Target{
		ID: crn.Of(crn.Identity, "", string(account), "", kind, id).String(), Name: name,
		TypeURI: "iam-identity/" + kind,
	}
}

// read and change pass an operation through the door.
func (s *Identities) read(ctx context.Context, who Caller, action Action, m matter, ev *audit.Event, do func() error) error {
	return s.door(m).Read(ctx, who, action, m.object(), ev, do)
}

func (s *Identities) change(ctx context.Context, who Caller, action Action, m matter, ev *audit.Event, do func() error) error {
	return s.door(m).Change(ctx, who, action, m.object(), ev, func() error { return known(do()) })
}

func (s *Identities) door(m matter) *Door {
	return &Door{
		Decide: own{policy: s.decider, identity: m.identity}, Log: s.recorder, Service: "IAM Identity",
	}
}

// own lets users and service IDs look after themselves and their API keys;
// everything else is for the policies.
type own struct {
	policy   Decider
	identity IdentityID // whose the matter is; empty for nobody's
}

// Allow implements Decider.
func (o own) Allow(ctx context.Context, who Caller, action Action, on Object) error {
	mine := o.identity != "" && who.Identity == o.identity && who.Account == on.Account &&
		(who.Kind == KindUser || who.Kind == KindService)
	if mine && selfService(action) {
		return nil
	}
	return o.policy.Allow(ctx, who, action, on)
}

func selfService(action Action) bool {
	return action == actionUserGet || action == actionServiceIDGet ||
		strings.HasPrefix(string(action), "iam-identity.apikey.")
}

// known turns the failures of the store into those of this domain.
func known(err error) error {
	var own *fault.Fault
	if !errors.As(err, &own) || slices.Contains(identityFaults(), own) {
		return err
	}
	switch own.Kind() {
	case fault.NotFound:
		return ErrIdentityNotFound
	case fault.Stale:
		return ErrIdentityTag
	case fault.Conflict:
		return ErrIdentityExists
	}
	return err
}

func identityFaults() []*fault.Fault {
	return []*fault.Fault{
		ErrUnauthenticated, ErrForbidden, ErrIdentityNotFound, ErrIdentityExists, ErrIdentityTag, ErrIdentityLocked,
		ErrIdentityOwner, ErrIdentityLimit, ErrIdentityInvalid,
	}
}

// absent reports whether err says authoritatively that something is not there.
func isAbsent(err error) bool { return fault.KindOf(err) == fault.NotFound }

// serverEvent is the event of a change that the server or its operator makes, as
// a success: it is committed with the change or not at all.
func (s *Identities) serverEvent(account AccountID, action Action, t audit.Target) *audit.Event {
	ev := ServerCaller(account).Event(action, t)
	ev.Time = s.now()
	(&Door{Service: "IAM Identity"}).conclude(ev, nil)
	return ev
}

// newAccountID draws 32 hexadecimal digits.
func newAccountID() AccountID { return AccountID(randomHex(16)) }

func newServiceID() ServiceID { return ServiceID("ServiceId-" + uuid.NewString()) }

func newAPIKeyID() APIKeyID { return APIKeyID("ApiKey-" + uuid.NewString()) }

// newUserIdentity draws the IAM ID of a person: ten characters, 50 bits.
func newUserIdentity() IdentityID {
	const letters = "0123456789ABCDEFGHJKLMNPQRSTUVWX" // 32, so that a byte chooses evenly
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	for i := range b {
		b[i] = letters[b[i]%byte(len(letters))]
	}
	return IdentityID(userPrefix + string(b))
}

func randomHex(size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b)
}

// checkName is checkText for a text of one line.
func checkName(field, name string, limit int, needed bool) error {
	if strings.ContainsAny(name, "\n\t") {
		return ErrIdentityInvalid.On(field, "has control characters")
	}
	return checkText(field, name, limit, needed)
}

// checkText refuses texts that are too long, not UTF-8 or hold control characters
// other than tabs and ends of lines, which have no place in logs and terminals.
func checkText(field, text string, limit int, needed bool) error {
	switch {
	case needed && strings.TrimSpace(text) == "":
		return ErrIdentityInvalid.On(field, "is missing or empty")
	case !utf8.ValidString(text):
		return ErrIdentityInvalid.On(field, "is not UTF-8")
	case utf8.RuneCountInString(text) > limit:
		return ErrIdentityInvalid.On(field, fmt.Sprintf("is longer than %d characters", limit))
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return ErrIdentityInvalid.On(field, "has control characters")
	}
	return nil
}
