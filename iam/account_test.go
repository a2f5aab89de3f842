package iam_test

import (
	"testing"

	"strongroom/iam"
)

func TestSystemAccountIsOneAndUnseen(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	first, err := r.SystemAccount(ctx)
	must(t, err)
	second, err := r.SystemAccount(ctx)
	must(t, err)
	if first == "" || first != second {
		t.Errorf("system accounts %q and %q", first, second)
	}
	all, err := r.Accounts(ctx)
	must(t, err)
	if len(all) != 1 || all[0].ID != r.made.Account.ID {
		t.Errorf("tenants are %+v", all)
	}
	wants(t, r.SetAccountState(ctx, first, iam.AccountDisabled), iam.ErrIdentityInvalid)
	_, _, err = r.ResetOwner(ctx, first)
	wants(t, err, iam.ErrIdentityInvalid)
}

func TestOperatorGivesTheOwnerANewKey(t *testing.T) {
	r := newRig(t)
	must(t, r.DeleteAPIKey(t.Context(), r.owner, r.made.Key.ID))
	_, value, err := r.ResetOwner(t.Context(), r.made.Account.ID)
	must(t, err)
	if who := r.login(t, value); !who.Owner || who.Identity != r.owner.Identity {
		t.Errorf("the new key is that of %+v", who)
	}
	committed, err := r.db.Outbox(t.Context(), 100)
	must(t, err)
	ev := committed[len(committed)-1]
	if ev.Action != "iam-identity.account.reset" || ev.Initiator.ID != "strongroom" || ev.Account != string(r.made.Account.ID) {
		t.Errorf("recorded as %+v", ev)
	}
	_, _, err = r.ResetOwner(t.Context(), "none")
	wants(t, err, iam.ErrIdentityNotFound)
}
