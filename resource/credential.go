package resource

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
)

// Credentials makes and withdraws the identities behind resource keys. Both are
// steps of acts, idempotent by the identifiers that the caller chose.
type Credentials interface {
	// IssueServiceCredential makes the service ID if there is none, an API key for
	// it, and an HMAC pair if wanted.
	IssueServiceCredential(ctx context.Context, c iam.ServiceCredential) (iam.IssuedCredential, error)
	// WithdrawServiceCredential removes what IssueServiceCredential made, all or
	// part of it, and nothing else.
	WithdrawServiceCredential(ctx context.Context, account iam.AccountID, service iam.ServiceID, key iam.APIKeyID, accessKey string) error
}

// Grants makes and withdraws the policies of resource keys. Both are steps of
// acts, idempotent by the ID of the policy.
type Grants interface {
	// MayGive returns iam.ErrForbidden unless the caller may let somebody else have
	// the role on an object: a resource key must not be a way to more than one has.
	MayGive(ctx context.Context, who iam.Caller, role string, on iam.Object) error
	Grant(ctx context.Context, id iam.PolicyID, account iam.AccountID, to iam.IdentityID, role string, on iam.Object) error
	Revoke(ctx context.Context, account iam.AccountID, id iam.PolicyID) error
}

// Secrets is what is secret in a resource key.
type Secrets struct {
	APIKey          custody.Secret
	SecretAccessKey custody.Secret // empty without HMAC
}

// sealKind is the kind under which the secrets of resource keys are sealed.
const sealKind = "resource-key"

// seal returns the stored form of secrets. Neither holds a newline: both are
// text of a small alphabet.
func (s *Service) seal(ctx context.Context, id KeyID, secrets Secrets) ([]byte, error) {
	plain := custody.NewSecret(slices.Concat(secrets.APIKey.Reveal(), []byte{'\n'}, secrets.SecretAccessKey.Reveal()))
	defer plain.Wipe()
	sealed, err := s.vault.Seal(ctx, sealKind, string(id), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing resource key %s: %w", id, err)
	}
	return sealed, nil
}

func (s *Service) open(ctx context.Context, k Key) (*Secrets, error) {
	plain, err := s.vault.Open(ctx, sealKind, string(k.ID), k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("opening resource key %s: %w", k.ID, err)
	}
	apiKey, secret, ok := bytes.Cut(plain.Reveal(), []byte{'\n'})
	if !ok {
		return nil, fmt.Errorf("opening resource key %s: it has another form than was sealed", k.ID)
	}
	return &Secrets{APIKey: custody.NewSecret(apiKey), SecretAccessKey: custody.NewSecret(secret)}, nil
}

// credentialRoles are the roles that a resource key may have. They give access
// to data alone: who may make a resource key cannot give itself a role on the
// platform with it, nor the right to purge.
func credentialRoles(service string) []string {
	roles := []string{
		crn.Role("iam", "serviceRole", "Reader").String(),
		crn.Role("iam", "serviceRole", "Writer").String(),
		crn.Role("iam", "serviceRole", "Manager").String(),
	}
	switch service {
	case crn.KeyProtect:
		roles = append(roles, crn.Role(service, "serviceRole", "ReaderPlus").String())
	case crn.ObjectStorage:
		for _, name := range []string{"ObjectReader", "ContentReader", "ObjectWriter"} {
			roles = append(roles, crn.Role(service, "serviceRole", name).String())
		}
	}
	return roles
}

// parseRole reads a role's name, display name or CRN. None, and an empty text,
// stand for a key without a policy.
func parseRole(service, s string) (string, error) {
	if s == "" || strings.EqualFold(s, "NONE") {
		return "", nil
	}
	name := strings.ReplaceAll(s, " ", "")
	for _, role := range credentialRoles(service) {
		if s == role || strings.EqualFold(name, role[strings.LastIndexByte(role, ':')+1:]) {
			return role, nil
		}
	}
	return "", ErrInvalid.On("role", "is not a service role that a resource key of "+service+" can have")
}

// parseServiceID reads the CRN of a service ID of the account.
func parseServiceID(account iam.AccountID, s string) (iam.ServiceID, error) {
	c, err := crn.Parse(s)
	if err != nil || c.Service != crn.Identity || c.Type != "serviceid" || c.Account() != string(account) || c.Resource == "" {
		return "", ErrInvalid.On("parameters.serviceid_crn", "needs the CRN of a service ID of this account")
	}
	return iam.ServiceID(c.Resource), nil
}
