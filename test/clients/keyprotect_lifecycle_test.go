package clients_test

import (
	"bytes"
	"net/http"
	"slices"
	"testing"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
	"github.com/google/go-cmp/cmp"
)

// must fails the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDisableAndEnable(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	plain, wrapped, err := c.WrapCreateDEK(t.Context(), key.ID, nil)
	must(t, err)
	must(t, c.DisableKey(t.Context(), key.ID))
	_, err = c.Unwrap(t.Context(), key.ID, wrapped, nil)
	wantRefused(t, err, http.StatusConflict, "KEY_ACTION_INVALID_STATE_ERR")
	wantRefused(t, c.DisableKey(t.Context(), key.ID), http.StatusConflict, "KEY_ACTION_INVALID_STATE_ERR")
	must(t, c.EnableKey(t.Context(), key.ID))
	got, err := c.Unwrap(t.Context(), key.ID, wrapped, nil)
	must(t, err)
	if !bytes.Equal(got, plain) {
		t.Error("unwrap gives something else")
	}
	wantRefused(t, c.SyncAssociatedResources(t.Context(), key.ID), http.StatusConflict, "REQ_TOO_EARLY_ERR")
	must(t, c.SyncAssociatedResources(t.Context(), rootKey(t, c).ID))
}

func TestRestoreAndPurge(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	_, err := c.RestoreKey(t.Context(), key.ID)
	wantRefused(t, err, http.StatusConflict, "KEY_ACTION_INVALID_STATE_ERR")
	_, err = c.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal, kp.ForceOpt{Force: true})
	must(t, err)
	restored, err := c.RestoreKey(t.Context(), key.ID)
	must(t, err)
	if restored.State != int(kp.Active) || restored.ID != key.ID {
		t.Errorf("restored: %+v", restored)
	}
	_, err = c.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	must(t, err)

	p := administrator(t)
	id, apiKey := newServiceID(t, p)
	grant(t, p, "iam_id", *id.IamID, "crn:v1:bluemix:public:kms::::serviceRole:KeyPurge",
		attribute("serviceName", "kms"), attribute("serviceInstance", env(t, "STRONGROOM_KMS_INSTANCE_ID")))
	purger := keyProtect(t, withAPIKey(apiKey))
	_, err = purger.PurgeKey(t.Context(), key.ID, kp.ReturnRepresentation)
	wantRefused(t, err, http.StatusConflict, "REQ_TOO_EARLY_ERR")
	_, err = purger.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	wantNoAccess(t, err)
}

func TestDualAuthorization(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	wantRefused(t, c.InitiateDualAuthDelete(t.Context(), key.ID), http.StatusConflict, "NOT_DUAL_AUTH_ERR")
	policy, err := c.SetDualAuthDeletePolicy(t.Context(), key.ID, true)
	must(t, err)
	if policy.DualAuth == nil || !*policy.DualAuth.Enabled {
		t.Errorf("policy %+v", policy)
	}
	must(t, c.InitiateDualAuthDelete(t.Context(), key.ID))
	_, err = c.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	wantRefused(t, err, http.StatusConflict, "AUTHORIZATIONS_NOT_MET")
	must(t, c.CancelDualAuthDelete(t.Context(), key.ID))

	p := administrator(t)
	id, apiKey := newServiceID(t, p)
	grant(t, p, "iam_id", *id.IamID, roleManager,
		attribute("serviceName", "kms"), attribute("serviceInstance", env(t, "STRONGROOM_KMS_INSTANCE_ID")))
	other := keyProtect(t, withAPIKey(apiKey))
	_, err = other.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	wantRefused(t, err, http.StatusConflict, "AUTHORIZATIONS_NOT_MET")
	must(t, c.InitiateDualAuthDelete(t.Context(), key.ID))
	_, err = other.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	must(t, err)
}

func TestRingsAndAliases(t *testing.T) {
	t.Parallel()
	c, instance := freshInstance(t)
	must(t, c.CreateKeyRing(t.Context(), "team-a"))
	wantRefused(t, c.CreateKeyRing(t.Context(), "team-a"), http.StatusConflict, "KEY_RING_ID_NOT_UNIQUE_ERR")
	inRing := keyProtect(t, func(cc *kp.ClientConfig) { cc.InstanceID, cc.KeyRing = *instance.GUID, "team-a" })
	key, err := inRing.CreateKey(t.Context(), "in a ring", nil, false)
	must(t, err)
	if key.KeyRingID != "team-a" {
		t.Errorf("the key is in ring %q", key.KeyRingID)
	}
	rings, err := c.GetKeyRings(t.Context())
	must(t, err)
	if len(rings.KeyRings) != 2 || rings.KeyRings[0].ID != "default" {
		t.Errorf("rings %+v", rings.KeyRings)
	}
	wantRefused(t, c.DeleteKeyRing(t.Context(), "team-a", kp.WithForce(true)), http.StatusConflict, "KEY_RING_NOT_EMPTY_ERR")
	moved, err := c.SetKeyRing(t.Context(), key.ID, "default")
	must(t, err)
	if moved.KeyRingID != "default" {
		t.Errorf("the key is in ring %q", moved.KeyRingID)
	}
	must(t, c.DeleteKeyRing(t.Context(), "team-a"))

	alias, err := c.CreateKeyAlias(t.Context(), "payroll", key.ID)
	must(t, err)
	if alias.Alias != "payroll" || alias.KeyID != key.ID {
		t.Errorf("alias %+v", alias)
	}
	found, err := c.GetKey(t.Context(), "payroll")
	must(t, err)
	if found.ID != key.ID || !slices.Equal(found.Aliases, []string{"payroll"}) {
		t.Errorf("the alias finds %+v", found)
	}
	must(t, c.DeleteKeyAlias(t.Context(), "payroll", key.ID))
	again, err := c.CreateKeyWithAliases(t.Context(), "another", nil, true, []string{"payroll", "wages"})
	must(t, err)
	if len(again.Aliases) != 2 {
		t.Errorf("aliases %v", again.Aliases)
	}
	_, err = c.CreateImportedKeyWithAliases(t.Context(), "third", nil, material(32), "", "", false, []string{"wages"})
	wantRefused(t, err, http.StatusConflict, "KEY_ALIAS_NOT_UNIQUE_ERR")
}

func TestFilterSearchAndSort(t *testing.T) {
	t.Parallel()
	c, _ := freshInstance(t)
	for _, name := range []string{"wages 2025", "wages 2026", "rent"} {
		_, err := c.CreateRootKey(t.Context(), name, nil)
		must(t, err)
	}
	rotated, err := c.CreateKeyWithAliases(t.Context(), "rotated", nil, false, []string{"wages-alias"})
	must(t, err)
	must(t, c.Rotate(t.Context(), rotated.ID, ""))
	anywhere, inNames := "wages", "wages" // the client changes what it is given
	everywhere, err := kp.GetKeySearchQuery(&anywhere)
	must(t, err)
	names, err := kp.GetKeySearchQuery(&inNames, kp.AddKeyNameScope())
	must(t, err)
	filter := kp.GetFilterQueryBuilder().LastRotationDate().GreaterThan(time.Now().Add(-time.Hour)).Build()
	sort := kp.GetKeySortStr(kp.WithCreationDateDesc(), kp.WithIDDesc())
	for name, c2 := range map[string]struct {
		options kp.ListKeysOptions
		want    []string
	}{
		"everywhere": {kp.ListKeysOptions{Search: everywhere}, []string{"rotated", "wages 2025", "wages 2026"}},
		"in names":   {kp.ListKeysOptions{Search: names}, []string{"wages 2025", "wages 2026"}},
		"filter":     {kp.ListKeysOptions{Filter: &filter}, []string{"rotated"}},
		"sort":       {kp.ListKeysOptions{Sort: sort}, []string{"rent", "rotated", "wages 2025", "wages 2026"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.ListKeys(t.Context(), &c2.options)
			must(t, err)
			wantNames(t, got, c2.want...)
		})
	}
}

func TestImportUnderAToken(t *testing.T) {
	t.Parallel()
	c, _ := freshInstance(t)
	made, err := c.CreateImportToken(t.Context(), 300, 1)
	must(t, err)
	if made.RemainingRetrievals != 1 || made.ExpirationDate == nil {
		t.Errorf("token %+v", made)
	}
	token, err := c.GetImportTokenTransportKey(t.Context())
	must(t, err)
	_, err = c.GetImportTokenTransportKey(t.Context())
	wantRefused(t, err, http.StatusConflict, "IMPORT_TOKEN_EXPIRED_ERR")

	payload := material(32)
	sealedNonce, iv, err := kp.EncryptNonce(payload, token.Nonce, "")
	must(t, err)
	sealed, err := kp.EncryptKey(payload, token.Payload)
	must(t, err)
	key, err := c.CreateImportedKey(t.Context(), "under a token", nil, sealed, sealedNonce, iv, false)
	must(t, err)
	if !key.Imported {
		t.Error("the key is not imported")
	}
	// What was wrapped by the material that came in the clear opens under the same that came sealed.
	plain, err := c.CreateImportedRootKey(t.Context(), "in the clear", nil, payload, "", "")
	must(t, err)
	dek, wrapped, err := c.WrapCreateDEK(t.Context(), plain.ID, nil)
	must(t, err)
	got, err := c.Unwrap(t.Context(), key.ID, wrapped, nil)
	must(t, err)
	if !bytes.Equal(got, dek) {
		t.Error("unwrap gives something else")
	}
	wantRefused(t, c.RotateV2(t.Context(), key.ID, nil), http.StatusBadRequest, "KEY_PAYLOAD_REQ_ERR")
	next := kp.NewKeyPayload(sealed, sealedNonce, iv).WithRSA256()
	must(t, c.RotateV2(t.Context(), key.ID, &next))
	_, err = c.CreateImportedKeyWithSHA1(t.Context(), "SHA-1", nil, sealed, sealedNonce, iv, false, nil)
	wantRefused(t, err, http.StatusBadRequest, "INVALID_FIELD_ERR")
}

func TestRegistrationsOfKeysThatProtectNothing(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	standard, err := c.CreateStandardKey(t.Context(), "standard", nil)
	must(t, err)
	got, err := c.ListRegistrations(t.Context(), standard.ID, "")
	must(t, err)
	if diff := cmp.Diff(0, len(got.Registrations)); diff != "" {
		t.Error(diff)
	}
	_, err = c.ListRegistrations(t.Context(), "", "crn:v1:bluemix:public:cloud-object-storage:global:a/"+
		env(t, "STRONGROOM_ACCOUNT_ID")+":"+env(t, "STRONGROOM_COS_INSTANCE_ID")+":bucket:*")
	must(t, err)
}
