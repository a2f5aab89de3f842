package kms_test

import (
	"errors"
	"testing"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

// everything is all actions on single keys.
var everything = []iam.Action{
	kms.ActionCreate, kms.ActionRead, kms.ActionMetadata, kms.ActionDelete, kms.ActionVersions,
	kms.ActionWrap, kms.ActionUnwrap, kms.ActionRewrap, kms.ActionRotate,
}

// TestNobodyReachesWhatIsNotTheirs tries every operation as everybody who may not.
func TestNobodyReachesWhatIsNotTheirs(t *testing.T) {
	h := newHouse(t)
	ref, sibling := h.create(t, kms.NewKey{Aliases: []string{"mine"}}), h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")

	stranger := iamtest.Caller("fedcba9876543210fedcba9876543210", "stranger")
	stranger.Owner = true
	colleague := iamtest.Caller(account, "colleague")
	neighbour := iamtest.Caller(account, "neighbour")
	h.Access.Grant(kmstest.Grant{Identity: neighbour.Identity, Account: account, Instance: h.ID, Key: sibling.Key, Actions: everything})
	elsewhere := iamtest.Caller(account, "elsewhere")
	h.Access.Grant(kmstest.Grant{Identity: elsewhere.Identity, Account: account, Instance: h.ID, Ring: "team-a", Actions: everything})

	absent := "00000000-0000-4000-8000-000000000000"
	for _, who := range []iam.Caller{stranger, colleague, neighbour, elsewhere, {}} {
		if who.Trail == nil {
			who.Trail = &audit.Trail{}
		}
		for _, key := range []string{ref.Key, "mine", absent, "no-such-alias"} {
			for name, err := range operations(h, who, h.ref(key), wrapped) {
				if !errors.Is(err, iam.ErrForbidden) {
					t.Errorf("%s: %s of %s: %v", who.Name, name, key, err)
				}
			}
			for name, err := range operations(h, who, kms.Ref{Instance: "00000000-0000-4000-8000-000000000000", Key: key}, wrapped) {
				if !errors.Is(err, iam.ErrForbidden) {
					t.Errorf("%s: %s in an unknown instance: %v", who.Name, name, err)
				}
			}
			err := h.Refuse(t.Context(), who, kms.ActionWrap, h.ref(key), kms.ErrField.On("aad", "something"))
			wantError(t, err, iam.ErrForbidden)
		}
		for _, action := range []iam.Action{kms.ActionCreate, kms.ActionList, kms.ActionHead, kms.ActionUnknown} {
			err := h.Refuse(t.Context(), who, action, h.ref(""), kms.ErrField.On("name", "something"))
			wantError(t, err, iam.ErrForbidden)
		}
		_, err := h.Create(t.Context(), who, h.ref(""), kms.NewKey{Name: "theirs"})
		wantError(t, err, iam.ErrForbidden)
	}
	for name, err := range operations(h, h.owner, h.ref(absent), wrapped) {
		if !errors.Is(err, kms.ErrKeyNotFound) {
			t.Errorf("%s of an absent key by the owner: %v", name, err)
		}
	}
	h.Access.Grant(kmstest.Grant{Identity: colleague.Identity, Account: account, Instance: h.ID, Key: ref.Key, Actions: everything})
	for name, err := range operations(h, colleague, h.ref("mine"), wrapped) {
		wantError(t, err, nil)
		_ = name
	}
}

func TestRevokedAccessEndsAtOnce(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	who := iamtest.Caller(account, "user")
	h.Access.Grant(kmstest.Grant{Identity: who.Identity, Account: account, Instance: h.ID, Actions: everything})
	_, err := h.Wrap(t.Context(), who, ref, secret("x"), nil)
	wantError(t, err, nil)
	h.Access.Revoke(who.Identity)
	_, err = h.Wrap(t.Context(), who, ref, secret("x"), nil)
	wantError(t, err, iam.ErrForbidden)
}

// TestRefusalsComeInOrder: who may not hears nothing of what else is wrong; then the request,
// then the key.
func TestRefusalsComeInOrder(t *testing.T) {
	h := newHouse(t)
	malformed := kms.ErrField.On("aad", "something")
	wantError(t, h.Refuse(t.Context(), h.owner, kms.ActionWrap, h.ref("absent"), malformed), kms.ErrField)
	_, err := h.Unwrap(t.Context(), h.owner, h.ref("absent"), "not a wrapped key", nil)
	wantError(t, err, kms.ErrField)
	if ev := h.Log.Last(); ev.Action != "kms.secrets.unwrap" || ev.Reason.Code != 400 || ev.Outcome != audit.Failure {
		t.Errorf("recorded as %+v", ev)
	}
	wantError(t, h.Refuse(t.Context(), h.owner, kms.ActionUnknown, h.ref("absent"), malformed), kms.ErrField)
	if ev := h.Log.Last(); ev.Action != "kms.secrets.default" {
		t.Errorf("recorded as %+v", ev)
	}
}
