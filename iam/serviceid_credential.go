package iam

import (
	"context"

	"strongroom/crn"
	"strongroom/custody"
)

// ServiceCredential is what a service credential (resource key) needs of this
// service: an API key of a service ID, and an HMAC credential if asked for. All
// IDs are chosen by the act that makes it, so that a step can be repeated.
type ServiceCredential struct {
	Account     AccountID
	Service     ServiceID
	NewService  bool // the act makes the service ID; false: it is there already
	Key         APIKeyID
	Name        string // of the API key, and of the service ID if it is new
	Description string
	HMAC        bool
	AccessKeyID string // 32 hexadecimal digits, if HMAC; see NewAccessKeyID
	CreatedBy   IdentityID
}

// IssuedCredential holds the values of a service credential.
type IssuedCredential struct {
	APIKey          custody.Secret
	SecretAccessKey custody.Secret // empty without HMAC
}

// ServiceCredentialStore keeps the parts of service credentials. Neither method
// records an event: the act that they are steps of does.
type ServiceCredentialStore interface {
	// PutServiceCredential stores the parts, all or nothing. Parts that are there
	// already, with these IDs in this account and of this service ID, are left
	// (the service ID) or get the new digest and secret (the others). It refuses
	// IDs that belong to something else, and a service ID that is not there
	// unless v.MadeFor says that it is new.
	PutServiceCredential(ctx context.Context, v ServiceIdentity, k APIKey, h *HMACCredential) error
	// DropServiceCredential removes API key, HMAC credential and, if it was made
	// for that API key, the service ID with all that hangs on it. Parts that are
	// not there are no error.
	DropServiceCredential(ctx context.Context, account AccountID, service ServiceID, key APIKeyID, accessKeyID string) error
}

// NewServiceCredentialIDs draws the IDs of a service credential.
func NewServiceCredentialIDs() (service ServiceID, key APIKeyID, accessKeyID string) {
	return newServiceID(), newAPIKeyID(), NewAccessKeyID()
}

// IssueServiceCredential is a step of an act whose own door has decided and
// recorded. Repeated, it replaces the values, so that an act that was cut off
// before it had kept them can go on.
func (s *Identities) IssueServiceCredential(ctx context.Context, c ServiceCredential) (IssuedCredential, error) {
	now := s.now().UTC()
	v := ServiceIdentity{
		ID: c.Service, Account: c.Account, Name: c.Name, Description: c.Description,
		Created: now, CreatedBy: c.CreatedBy, Modified: now, Revision: 1,
	}
	if c.NewService {
		v.MadeFor = c.Key
	}
	if err := v.check(); err != nil {
		return IssuedCredential{}, err
	}
	k, value, err := s.makeKey(c.Account, v.Identity(), NewAPIKey{Name: c.Name, Description: c.Description}, c.CreatedBy)
	if err != nil {
		return IssuedCredential{}, err
	}
	k.ID = c.Key
	issued := IssuedCredential{APIKey: value}
	var h *HMACCredential
	if c.HMAC {
		h = &HMACCredential{AccessKeyID: c.AccessKeyID, Account: c.Account, Identity: v.Identity(), Key: c.Key, Created: now}
		if issued.SecretAccessKey, err = s.sealHMAC(ctx, h); err != nil {
			return IssuedCredential{}, err
		}
	}
	if err := s.store.PutServiceCredential(ctx, v, k, h); err != nil {
		return IssuedCredential{}, known(err)
	}
	return issued, nil
}

// WithdrawServiceCredential is a step of an act whose own door has decided and
// recorded. The service ID goes too, with its policies, if the credential
// brought it. Repeating it changes nothing.
func (s *Identities) WithdrawServiceCredential(ctx context.Context, account AccountID, service ServiceID, key APIKeyID, accessKeyID string) error {
	return known(s.store.DropServiceCredential(ctx, account, service, key, accessKeyID))
}

// ServiceIDCRN names a service ID of an account.
func ServiceIDCRN(account AccountID, id ServiceID) crn.CRN {
	return ServiceIdentity{ID: id, Account: account}.CRN()
}
