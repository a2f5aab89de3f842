package resource_test

import (
	"testing"
	"time"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

func TestACredentialMeansTheInstanceThatItWasMadeFor(t *testing.T) {
	h := resourcetest.New(t)
	s := h.Service()
	ctx := t.Context()
	h.NewInstance(t, s, resourcetest.KeysPlan, "of another service")
	first := h.NewInstance(t, s, resourcetest.StorePlan, "first")
	h.Clock.Advance(time.Second)
	second := h.NewInstance(t, s, resourcetest.StorePlan, "second")
	made, err := s.CreateKey(ctx, resourcetest.Admin(), resource.NewKey{Source: string(second.ID), Name: "for a program"})
	if err != nil {
		t.Fatal(err)
	}
	program, stranger := resourcetest.Admin(), iamtest.Caller(resourcetest.OtherAccount, "stranger")
	program.Credential = made.APIKey
	strange := program
	strange.Account = resourcetest.OtherAccount
	nobody := program
	nobody.Account = ""
	other := resourcetest.Admin()
	other.Credential = "one-of-no-instance"
	for name, c := range map[string]struct {
		who  iam.Caller
		want resource.InstanceID
	}{
		"without a credential":              {resourcetest.Admin(), first.ID},
		"with a credential of no instance":  {other, first.ID},
		"with one of the second":            {program, second.ID},
		"with one, in another account":      {strange, ""},
		"of an account without an instance": {stranger, ""},
		"of no account":                     {nobody, ""},
	} {
		if got, err := s.InstanceOf(ctx, c.who, crn.ObjectStorage); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
