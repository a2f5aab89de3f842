package iam_test

import (
	"testing"

	"strongroom/iam"
)

func TestHMACCredentialHangsOnItsAPIKey(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, k, _ := r.newUser(t, "ursula@acme.example")
	c, secret, err := r.CreateHMAC(ctx, k.ID)
	must(t, err)
	who, got, err := r.AuthenticateHMAC(ctx, c.AccessKeyID, nil)
	if err != nil || !got.Equal(secret) || who.Identity != k.Identity || who.Credential != k.ID {
		t.Errorf("signs as %+v (%v)", who, err)
	}
	before := r.db.Statements()
	_, _, err = r.AuthenticateHMAC(ctx, c.AccessKeyID, nil)
	if n := r.db.Statements() - before; err != nil || n != 0 {
		t.Errorf("%d statements (%v)", n, err)
	}

	must(t, r.DisableAPIKey(ctx, r.owner, k.ID, true))
	_, _, err = r.AuthenticateHMAC(ctx, c.AccessKeyID, nil)
	wants(t, err, iam.ErrUnauthenticated)
	must(t, r.DisableAPIKey(ctx, r.owner, k.ID, false))
	must(t, r.DeleteAPIKey(ctx, r.owner, k.ID))
	for _, id := range []string{c.AccessKeyID, "", "short", iam.NewAccessKeyID()} {
		_, _, err = r.AuthenticateHMAC(ctx, id, nil)
		wants(t, err, iam.ErrUnauthenticated)
	}
	_, _, err = r.CreateHMAC(ctx, k.ID)
	wants(t, err, iam.ErrIdentityNotFound)
}
