package iam_test

import (
	"testing"
	"time"

	"strongroom/iam"
)

// served lists the kids of the JWKS.
func served(t *testing.T, r *rig) []string {
	t.Helper()
	set, err := r.PublicKeys(t.Context())
	must(t, err)
	var kids []string
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Algorithm != "RS256" {
			t.Errorf("serves %s, public %v", k.Algorithm, k.IsPublic())
		}
		kids = append(kids, k.KeyID)
	}
	return kids
}

func TestRotationKeepsTheOldKeyForADay(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	old := r.token(t, r.made.APIKey)
	kid, err := r.RotateSigningKey(ctx)
	must(t, err)
	if _, err := r.Authenticate(ctx, old, nil); err != nil {
		t.Error("a token of the old key is refused:", err)
	}
	if kids := served(t, r); len(kids) != 2 || kids[0] != kid {
		// Both were made in the same instant of the test clock.
		if len(kids) != 2 || kids[1] != kid {
			t.Errorf("served are %v, the new one is %s", kids, kid)
		}
	}
	r.clock.Advance(24 * time.Hour)
	if kids := served(t, r); len(kids) != 1 || kids[0] != kid {
		t.Errorf("after a day served are %v", kids)
	}
	must(t, r.RotateSigningKeyIfDue(ctx)) // forgets the old one and keeps the young
	if kids := served(t, r); len(kids) != 1 || kids[0] != kid {
		t.Errorf("after the look served are %v", kids)
	}
	r.clock.Advance(90 * 24 * time.Hour)
	must(t, r.RotateSigningKeyIfDue(ctx))
	if kids := served(t, r); len(kids) != 2 || kids[0] == kid {
		t.Errorf("after 90 days served are %v", kids)
	}
}

func TestWithdrawnSigningKeyIsRefusedAtOnce(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	token := r.token(t, r.made.APIKey)
	_, err := r.Authenticate(ctx, token, nil)
	must(t, err)
	kid := served(t, r)[0]
	must(t, r.WithdrawSigningKey(ctx, kid))
	_, err = r.Authenticate(ctx, token, nil)
	wants(t, err, iam.ErrUnauthenticated)
	_, err = r.Authenticate(ctx, r.token(t, r.made.APIKey), nil)
	must(t, err)
	wants(t, r.WithdrawSigningKey(ctx, kid), iam.ErrIdentityNotFound)
}
