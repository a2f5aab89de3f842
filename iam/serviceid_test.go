package iam_test

import (
	"errors"
	"testing"

	"strongroom/fault"
	"strongroom/iam"
)

func TestLockedServiceIDStays(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	v, _, _ := r.newService(t, "robot")
	must(t, r.LockServiceID(ctx, r.owner, v.ID, true))
	name := "renamed"
	_, err := r.UpdateServiceID(ctx, r.owner, v.ID, "*", iam.ServiceIDChange{Name: &name})
	wants(t, err, iam.ErrIdentityLocked)
	wants(t, r.DeleteServiceID(ctx, r.owner, v.ID), iam.ErrIdentityLocked)
	must(t, r.LockServiceID(ctx, r.owner, v.ID, false))
	if got, err := r.UpdateServiceID(ctx, r.owner, v.ID, "*", iam.ServiceIDChange{Name: &name}); err != nil || got.Name != name {
		t.Errorf("renamed to %q (%v)", got.Name, err)
	}
	p, err := r.ServiceIDs(ctx, r.owner, v.Account, name, iam.IdentityListing{})
	if err != nil || len(p.Items) != 1 {
		t.Errorf("%d found by name (%v)", len(p.Items), err)
	}
}

// Making service IDs is not making credentials for them.
func TestKeyOfNewServiceIDNeedsItsOwnPermission(t *testing.T) {
	r := newRig(t)
	_, _, value := r.newUser(t, "ursula@acme.example")
	who := r.login(t, value)
	r.grants.allow(who.Identity, "iam-identity.serviceid.create")
	n := iam.NewServiceID{Account: who.Account, Name: "robot"}
	_, _, _, err := r.CreateServiceID(t.Context(), who, n)
	must(t, err)
	n.Key = &iam.NewAPIKey{Name: "key"}
	_, _, _, err = r.CreateServiceID(t.Context(), who, n)
	wants(t, err, iam.ErrForbidden)
}

func TestServiceCredentialsAreIssuedAndWithdrawn(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	service, key, access := iam.NewServiceCredentialIDs()
	c := iam.ServiceCredential{
		Account: r.owner.Account, Service: service, NewService: true, Key: key, Name: "cred1",
		HMAC: true, AccessKeyID: access, CreatedBy: r.owner.Identity,
	}
	first, err := r.IssueServiceCredential(ctx, c)
	must(t, err)
	old := r.token(t, first.APIKey)
	issued, err := r.IssueServiceCredential(ctx, c) // the act was cut off and goes on
	must(t, err)
	if _, err := r.TokenForAPIKey(ctx, iam.ClientNone, string(first.APIKey.Reveal()), trail()); err == nil {
		t.Error("the value of the first try is still good")
	}
	who, secret, err := r.AuthenticateHMAC(ctx, access, nil)
	must(t, err)
	if !secret.Equal(issued.SecretAccessKey) || secret.Equal(first.SecretAccessKey) || secret.Len() != 48 || len(access) != 32 {
		t.Error("the secret is not the one that was issued last")
	}
	if who.Identity != r.login(t, issued.APIKey).Identity || who.Kind != iam.KindService {
		t.Errorf("HMAC acts as %+v", who)
	}

	// IDs of another account, or of another identity, are not taken over.
	other, err := r.CreateAccount(ctx, "Other", iam.Person{Email: "root@other.example"})
	must(t, err)
	for _, theft := range []iam.ServiceCredential{
		{Account: other.Account.ID, Service: service, NewService: true, Key: key, Name: "x"},
		{Account: r.owner.Account, Service: "ServiceId-other", NewService: true, Key: key, Name: "x"},
		{Account: r.owner.Account, Service: "ServiceId-none", Key: "ApiKey-new", Name: "x"},
	} {
		if _, err := r.IssueServiceCredential(ctx, theft); fault.KindOf(err) != fault.Conflict && !errors.Is(err, iam.ErrIdentityNotFound) {
			t.Errorf("%+v: %v", theft, err)
		}
	}
	must(t, r.WithdrawServiceCredential(ctx, other.Account.ID, service, key, access)) // changes nothing
	if _, _, err := r.AuthenticateHMAC(ctx, access, nil); err != nil {
		t.Error("another account withdrew it:", err)
	}

	must(t, r.WithdrawServiceCredential(ctx, c.Account, service, key, access))
	must(t, r.WithdrawServiceCredential(ctx, c.Account, service, key, access))
	_, _, err = r.AuthenticateHMAC(ctx, access, nil)
	wants(t, err, iam.ErrUnauthenticated)
	_, err = r.Authenticate(ctx, old, nil)
	wants(t, err, iam.ErrUnauthenticated)
	_, err = r.ServiceID(ctx, r.owner, service)
	wants(t, err, iam.ErrIdentityNotFound)
}

func TestServiceIDThatWasThereOutlivesItsCredential(t *testing.T) {
	r := newRig(t)
	v, _, _ := r.newService(t, "robot")
	_, key, access := iam.NewServiceCredentialIDs()
	_, err := r.IssueServiceCredential(t.Context(), iam.ServiceCredential{
		Account: v.Account, Service: v.ID, Key: key, Name: "cred", HMAC: true, AccessKeyID: access,
	})
	must(t, err)
	must(t, r.WithdrawServiceCredential(t.Context(), v.Account, v.ID, key, access))
	if _, err := r.ServiceID(t.Context(), r.owner, v.ID); err != nil {
		t.Error("the service ID is gone:", err)
	}
	_, err = r.APIKey(t.Context(), r.owner, key)
	wants(t, err, iam.ErrIdentityNotFound)
}
