package iam_test

import (
	"testing"

	"strongroom/iam"
)

func TestUsersAreMembersOnce(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	u, _, _ := r.newUser(t, "Ursula@Acme.example")
	if u.Email != "ursula@acme.example" || u.State != iam.UserActive || len(u.Identity) != len("IBMid-")+10 {
		t.Errorf("added as %+v", u)
	}
	again, err := r.AddUser(ctx, r.owner, u.Account, iam.NewUser{Email: "ursula@acme.example", FirstName: "Other"})
	wants(t, err, iam.ErrIdentityExists)
	if again.Identity != u.Identity || again.FirstName != u.FirstName {
		t.Errorf("the second time: %+v", again)
	}
	p, total, err := r.Users(ctx, r.owner, u.Account, iam.IdentityListing{Limit: 1})
	if err != nil || total != 2 || len(p.Items) != 1 || p.Next == "" {
		t.Errorf("%d of %d users, next %q (%v)", len(p.Items), total, p.Next, err)
	}
	for _, email := range []string{"", "ursula", "Ursula <u@acme.example>", "a@b@c", "u@acme.example\n", " u@acme.example"} {
		_, err := r.AddUser(ctx, r.owner, u.Account, iam.NewUser{Email: email})
		t.Logf("%q", email)
		wants(t, err, iam.ErrIdentityInvalid)
	}
}

func TestTheOwnerStays(t *testing.T) {
	r := newRig(t)
	state := iam.UserDisabled
	err := r.UpdateUser(t.Context(), r.owner, r.owner.Account, r.owner.Identity, iam.UserChange{State: &state})
	wants(t, err, iam.ErrIdentityOwner)
	wants(t, r.DeleteUser(t.Context(), r.owner, r.owner.Account, r.owner.Identity), iam.ErrIdentityOwner)
}

func TestUsersAreForAdministrators(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	u, _, value := r.newUser(t, "ursula@acme.example")
	other, _, _ := r.newUser(t, "other@acme.example")
	who := r.login(t, value)
	if _, err := r.User(ctx, who, u.Account, u.Identity); err != nil {
		t.Error("cannot read herself:", err)
	}
	_, err := r.User(ctx, who, u.Account, other.Identity)
	wants(t, err, iam.ErrForbidden)
	_, err = r.AddUser(ctx, who, u.Account, iam.NewUser{Email: "x@acme.example"})
	wants(t, err, iam.ErrForbidden)
	wants(t, r.DeleteUser(ctx, who, u.Account, u.Identity), iam.ErrForbidden)
	name := "Eve"
	wants(t, r.UpdateUser(ctx, who, u.Account, u.Identity, iam.UserChange{FirstName: &name}), iam.ErrForbidden)
	_, _, err = r.Users(ctx, who, u.Account, iam.IdentityListing{})
	wants(t, err, iam.ErrForbidden)
	wants(t, r.RefuseUser(ctx, who, "iam-identity.user.create", u.Account, "", iam.ErrIdentityInvalid), iam.ErrForbidden)
}

// A membership that is given again does not bring old credentials back.
func TestRemovedUserComesBackWithNothing(t *testing.T) {
	r := newRig(t)
	u, _, value := r.newUser(t, "ursula@acme.example")
	token := r.token(t, value)
	must(t, r.DeleteUser(t.Context(), r.owner, u.Account, u.Identity))
	again, err := r.AddUser(t.Context(), r.owner, u.Account, iam.NewUser{Email: u.Email})
	must(t, err)
	if again.Identity != u.Identity {
		t.Errorf("the person is now %s", again.Identity)
	}
	_, err = r.Authenticate(t.Context(), token, nil)
	wants(t, err, iam.ErrUnauthenticated)
	_, err = r.TokenForAPIKey(t.Context(), iam.ClientNone, string(value.Reveal()), trail())
	wants(t, err, iam.ErrUnknownAPIKey)
}
