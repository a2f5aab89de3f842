package clients_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/go-sdk-core/v5/core"
	"github.com/IBM/platform-services-go-sdk/iamidentityv1"
)

// whoami returns the administrator's identity, found by its API key.
func whoami(t *testing.T, p *platform) *iamidentityv1.APIKey {
	t.Helper()
	options := p.identity.NewGetAPIKeysDetailsOptions()
	options.SetIamAPIKey(env(t, "STRONGROOM_API_KEY"))
	key, resp, err := p.identity.GetAPIKeysDetails(options)
	ok(t, resp, err, http.StatusOK)
	return key
}

func TestAPIKeyLife(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	me := whoami(t, p)
	if *me.AccountID != env(t, "STRONGROOM_ACCOUNT_ID") || *me.Apikey != "" {
		t.Errorf("account %s, value shown: %v", *me.AccountID, *me.Apikey != "")
	}

	create := p.identity.NewCreateAPIKeyOptions("laptop", *me.IamID)
	create.SetDescription("of the test").SetAccountID(*me.AccountID)
	key, resp, err := p.identity.CreateAPIKey(create)
	ok(t, resp, err, http.StatusCreated)
	if len(*key.Apikey) != 44 || !strings.HasPrefix(*key.ID, "ApiKey-") || *key.Locked || *key.CRN == "" {
		t.Errorf("a new API key: value of %d characters, ID %s, locked %v, CRN %s", len(*key.Apikey), *key.ID, *key.Locked, *key.CRN)
	}
	value := *key.Apikey

	got, resp, err := p.identity.GetAPIKey(p.identity.NewGetAPIKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusOK)
	if *got.Apikey != "" || *got.Name != "laptop" || resp.Headers.Get("ETag") != *got.EntityTag {
		t.Errorf("value shown again: %v, name %s, ETag %s and %s", *got.Apikey != "", *got.Name, resp.Headers.Get("ETag"), *got.EntityTag)
	}

	update := p.identity.NewUpdateAPIKeyOptions(*key.ID, *got.EntityTag)
	update.SetName("desktop")
	updated, resp, err := p.identity.UpdateAPIKey(update)
	ok(t, resp, err, http.StatusOK)
	if *updated.Name != "desktop" || *updated.EntityTag == *got.EntityTag {
		t.Errorf("name %s, tag changed: %v", *updated.Name, *updated.EntityTag != *got.EntityTag)
	}
	_, resp, err = p.identity.UpdateAPIKey(update) // with the tag of before
	refused(t, resp, err, http.StatusConflict)

	resp, err = p.identity.LockAPIKey(p.identity.NewLockAPIKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusNoContent)
	if _, err := p.identity.DeleteAPIKey(p.identity.NewDeleteAPIKeyOptions(*key.ID)); err == nil {
		t.Error("a locked API key was deleted")
	}
	if _, err := keyProtect(t, withAPIKey(value)).GetKeys(t.Context(), 1, 0); err != nil {
		t.Errorf("a locked API key must still work: %v", err)
	}
	resp, err = p.identity.UnlockAPIKey(p.identity.NewUnlockAPIKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusNoContent)

	client := keyProtect(t, withAPIKey(value))
	if _, err := client.GetKeys(t.Context(), 1, 0); err != nil {
		t.Fatal(err)
	}
	resp, err = p.identity.DisableAPIKey(p.identity.NewDisableAPIKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusNoContent)
	_, err = client.GetKeys(t.Context(), 1, 0) // with the token it already has
	wantNoAccess(t, err)
	if _, err := keyProtect(t, withAPIKey(value)).GetKeys(t.Context(), 1, 0); err == nil {
		t.Error("a disabled API key gives tokens")
	}
	resp, err = p.identity.EnableAPIKey(p.identity.NewEnableAPIKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusNoContent)
	if _, err := client.GetKeys(t.Context(), 1, 0); err != nil {
		t.Errorf("an API key that is enabled again: %v", err)
	}

	resp, err = p.identity.DeleteAPIKey(p.identity.NewDeleteAPIKeyOptions(*key.ID))
	ok(t, resp, err, http.StatusNoContent)
	_, err = client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
	_, resp, err = p.identity.GetAPIKey(p.identity.NewGetAPIKeyOptions(*key.ID))
	refused(t, resp, err, http.StatusNotFound)
}

func TestListAPIKeysByPages(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	id, _ := newServiceID(t, p)
	want := []string{"key"}
	for _, name := range []string{"second", "third"} {
		_, resp, err := p.identity.CreateAPIKey(p.identity.NewCreateAPIKeyOptions(name, *id.IamID))
		ok(t, resp, err, http.StatusCreated)
		want = append(want, name)
	}
	var names []string
	list := p.identity.NewListAPIKeysOptions()
	list.SetAccountID(env(t, "STRONGROOM_ACCOUNT_ID")).SetIamID(*id.IamID).SetPagesize(2)
	for {
		page, resp, err := p.identity.ListAPIKeys(list)
		ok(t, resp, err, http.StatusOK)
		for _, k := range page.Apikeys {
			names = append(names, *k.Name)
		}
		if page.Next == nil {
			break
		}
		token, err := core.GetQueryParam(page.Next, "pagetoken")
		if err != nil || token == nil {
			t.Fatalf("next is %s (%v)", *page.Next, err)
		}
		list.SetPagetoken(*token)
	}
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("API keys %v, want %v", names, want)
	}
}

func TestServiceIDLife(t *testing.T) {
	t.Parallel()
	p := administrator(t)
	id, apiKey := newServiceID(t, p)
	if *id.IamID != "iam-"+*id.ID || *id.CRN == "" {
		t.Errorf("ID %s, IAM ID %s, CRN %s", *id.ID, *id.IamID, *id.CRN)
	}
	got, resp, err := p.identity.GetServiceID(p.identity.NewGetServiceIDOptions(*id.ID))
	ok(t, resp, err, http.StatusOK)

	update := p.identity.NewUpdateServiceIDOptions(*id.ID, *got.EntityTag)
	update.SetDescription("renamed").SetName(t.Name() + " renamed")
	updated, resp, err := p.identity.UpdateServiceID(update)
	ok(t, resp, err, http.StatusOK)
	if *updated.Description != "renamed" || *updated.EntityTag == *got.EntityTag {
		t.Errorf("description %q, tag changed: %v", *updated.Description, *updated.EntityTag != *got.EntityTag)
	}

	list := p.identity.NewListServiceIdsOptions()
	list.SetAccountID(env(t, "STRONGROOM_ACCOUNT_ID")).SetName(t.Name() + " renamed")
	ids, resp, err := p.identity.ListServiceIds(list)
	ok(t, resp, err, http.StatusOK)
	if len(ids.Serviceids) != 1 || *ids.Serviceids[0].ID != *id.ID {
		t.Errorf("found %d service IDs by name", len(ids.Serviceids))
	}

	resp, err = p.identity.LockServiceID(p.identity.NewLockServiceIDOptions(*id.ID))
	ok(t, resp, err, http.StatusNoContent)
	if _, err := p.identity.DeleteServiceID(p.identity.NewDeleteServiceIDOptions(*id.ID)); err == nil {
		t.Error("a locked service ID was deleted")
	}
	resp, err = p.identity.UnlockServiceID(p.identity.NewUnlockServiceIDOptions(*id.ID))
	ok(t, resp, err, http.StatusNoContent)

	grant(t, p, "iam_id", *id.IamID, roleReader, attribute("serviceName", "kms"))
	client := keyProtect(t, withAPIKey(apiKey))
	if _, err := client.GetKeys(t.Context(), 1, 0); err != nil {
		t.Fatal(err)
	}
	resp, err = p.identity.DeleteServiceID(p.identity.NewDeleteServiceIDOptions(*id.ID))
	ok(t, resp, err, http.StatusNoContent)
	_, err = client.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
}
