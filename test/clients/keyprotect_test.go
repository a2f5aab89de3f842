package clients_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
	"github.com/IBM/keyprotect-go-client/iam"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// keyProtect returns IBM's client as its users make it: no transport, no
// options but those that name the server and the caller.
func keyProtect(t *testing.T, change ...func(*kp.ClientConfig)) *kp.Client {
	t.Helper()
	config := kp.ClientConfig{
		BaseURL:    env(t, "STRONGROOM_URL"),
		APIKey:     env(t, "STRONGROOM_API_KEY"),
		TokenURL:   env(t, "STRONGROOM_URL") + "/identity/token",
		InstanceID: env(t, "STRONGROOM_KMS_INSTANCE_ID"),
	}
	for _, c := range change {
		c(&config)
	}
	client, err := kp.New(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func withAPIKey(apiKey string) func(*kp.ClientConfig) {
	return func(c *kp.ClientConfig) { c.APIKey = apiKey }
}

// rootKey makes a generated root key, named for the test.
func rootKey(t *testing.T, c *kp.Client) *kp.Key {
	t.Helper()
	key, err := c.CreateRootKey(t.Context(), t.Name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// material returns n random bytes in base64, as the client wants them.
func material(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// wantRefused checks that err is an error of Key Protect with this status and,
// unless code is empty, with this code as its first reason.
func wantRefused(t *testing.T, err error, status int, code string) {
	t.Helper()
	var refused *kp.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal with %d %s", err, status, code)
	}
	if refused.StatusCode != status {
		t.Errorf("status %d, want %d: %v", refused.StatusCode, status, refused)
	}
	switch {
	case code == "" && len(refused.Reasons) > 0:
		t.Errorf("reasons %v, want none", refused.Reasons)
	case code != "" && (len(refused.Reasons) == 0 || refused.Reasons[0].Code != code):
		t.Errorf("reasons %v, want %s", refused.Reasons, code)
	}
	if refused.CorrelationID == "" {
		t.Error("no correlation ID")
	}
}

func TestTokenFromBothPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/identity/token", "/oidc/token"} {
		source := iam.CredentialFromAPIKey(env(t, "STRONGROOM_API_KEY"))
		source.TokenURL = env(t, "STRONGROOM_URL") + path
		token, err := source.Token()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if token.TokenType != "Bearer" || token.AccessToken == "" {
			t.Errorf("%s: type %q, token of %d bytes", path, token.TokenType, len(token.AccessToken))
		}
		if left := time.Until(token.Expiry); left < 30*time.Minute || left > time.Hour {
			t.Errorf("%s: the client thinks the token lives for another %v", path, left)
		}
	}
}

func TestWrongAPIKey(t *testing.T) {
	t.Parallel()
	c := keyProtect(t, withAPIKey(strings.Repeat("x", 44)))
	_, err := c.GetKeys(t.Context(), 0, 0)
	var refused iam.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want an error of the token service", err)
	}
	if got := refused.HTTPResponse.StatusCode; got != http.StatusBadRequest {
		t.Errorf("status %d, want 400", got)
	}
	if refused.ErrorMessage != "Provided API key could not be found." {
		t.Errorf("message %q", refused.ErrorMessage)
	}
}

func TestBadBearer(t *testing.T) {
	t.Parallel()
	for _, bearer := range []string{"Bearer nonsense", "Bearer a.b.c", "Basic YTpi"} {
		c := keyProtect(t, func(c *kp.ClientConfig) { c.Authorization = bearer })
		_, err := c.GetKeys(t.Context(), 0, 0)
		wantRefused(t, err, http.StatusUnauthorized, "")
	}
}

func TestCreateRootKey(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	expires := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second)
	created, err := c.CreateKeyWithOptions(t.Context(), "orders", false,
		kp.WithExpiration(&expires), kp.WithDescription("of the shop"), kp.WithTags([]string{"shop", "a b"}))
	if err != nil {
		t.Fatal(err)
	}
	if created.LastUpdateDate != nil || created.LastRotateDate != nil {
		t.Error("the answer to a creation must not have update dates")
	}
	if created.Deleted == nil || *created.Deleted {
		t.Error("deleted must be present and false")
	}
	if created.Extractable || created.Imported || created.Payload != "" || created.State != int(kp.Active) {
		t.Errorf("not a fresh generated root key: %+v", created)
	}

	got, err := c.GetKey(t.Context(), created.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := *created
	want.Tags = []string{"shop", "a b"}
	ignore := cmp.FilterPath(func(p cmp.Path) bool {
		switch p.Last().String() {
		case ".AlgorithmType", ".CreatedBy", ".CreationDate", ".LastUpdateDate", ".KeyVersion", ".DualAuthDelete":
			return true
		}
		return false
	}, cmp.Ignore())
	if diff := cmp.Diff(&want, got, ignore); diff != "" {
		t.Errorf("the key read back differs from the key made (-made +read):\n%s", diff)
	}
	if got.LastUpdateDate == nil || got.CreationDate == nil || got.CreatedBy == "" {
		t.Errorf("dates and creator are missing: %+v", got)
	}
	if got.KeyVersion == nil || got.KeyVersion.ID != created.ID {
		t.Errorf("version %+v, want one named like the key", got.KeyVersion)
	}
	instance := strings.TrimSuffix(env(t, "STRONGROOM_KMS_INSTANCE_CRN"), "::")
	if want := instance + ":key:" + created.ID; got.CRN != want {
		t.Errorf("CRN %s, want %s", got.CRN, want)
	}
	if got.KeyRingID != "default" {
		t.Errorf("key ring %q, want default", got.KeyRingID)
	}
}

func TestStandardKeyGivesItsPayload(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	payload := material(40)
	imported, err := c.CreateImportedStandardKey(t.Context(), "token of a partner", nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	if imported.Payload != "" {
		t.Error("the answer to a creation shows the payload without being asked to")
	}
	got, err := c.GetKey(t.Context(), imported.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Payload != payload || !got.Imported || !got.Extractable {
		t.Errorf("payload equal: %v, imported %v, extractable %v", got.Payload == payload, got.Imported, got.Extractable)
	}
	metadata, err := c.GetKeyMetadata(t.Context(), imported.ID)
	if err != nil {
		t.Fatal(err)
	}
	if metadata.Payload != "" {
		t.Error("metadata shows the payload")
	}

	generated, err := c.CreateStandardKey(t.Context(), "generated", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err = c.GetKey(t.Context(), generated.ID)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := base64.StdEncoding.DecodeString(got.Payload); err != nil || len(b) != 32 {
		t.Errorf("a generated standard key has %d bytes (%v), want 32", len(b), err)
	}
}

func TestRootKeyKeepsItsMaterial(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key, err := c.CreateImportedRootKey(t.Context(), "brought along", nil, material(32), "", "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetKey(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Payload != "" || !got.Imported {
		t.Errorf("payload of %d characters, imported %v", len(got.Payload), got.Imported)
	}
}

func TestWrapAndUnwrap(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	aad := &[]string{"customer 7", "documents"}
	for _, size := range []int{1, 16, 18, 24, 32, 7500} {
		dek := []byte(material(size))
		wrapped, err := c.Wrap(t.Context(), key.ID, dek, aad)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, rewrapped, err := c.UnwrapV2(t.Context(), key.ID, wrapped, aad)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(got, dek) {
			t.Errorf("%d bytes: unwrap gives something else", size)
		}
		if len(rewrapped) > 0 {
			t.Errorf("%d bytes: rewrapped although the version is the newest", size)
		}
	}
}

func TestWrapMakesADataKey(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	made, err := c.WrapCreateDEKV2(t.Context(), key.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := base64.StdEncoding.DecodeString(made.PlainText); err != nil || len(b) != 32 {
		t.Errorf("a data key of %d bytes (%v), want 32", len(b), err)
	}
	if made.KeyVersion == nil || made.KeyVersion.ID != key.ID {
		t.Errorf("version %+v, want the first, which is named like the key", made.KeyVersion)
	}
	got, err := c.Unwrap(t.Context(), key.ID, []byte(made.CipherText), nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != made.PlainText {
		t.Error("unwrap gives something else")
	}
}

func TestWrappedKeyOpensOnlyAsItWasWrapped(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key, sibling := rootKey(t, c), rootKey(t, c)
	dek := []byte(material(32))
	aad := &[]string{"a", "b"}
	wrapped, err := c.Wrap(t.Context(), key.ID, dek, aad)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*[]string{
		"none": nil, "order": {"b", "a"}, "joined": {"ab"}, "longer": {"a", "b", ""}, "shorter": {"a"},
	} {
		_, err := c.Unwrap(t.Context(), key.ID, wrapped, other)
		t.Run(name, func(t *testing.T) {
			wantRefused(t, err, http.StatusUnprocessableEntity, "UNPROCESSABLE_CIPHERTEXT_ERR")
		})
	}
	_, err = c.Unwrap(t.Context(), sibling.ID, wrapped, aad)
	wantRefused(t, err, http.StatusUnprocessableEntity, "UNPROCESSABLE_CIPHERTEXT_ERR")
	_, err = c.Unwrap(t.Context(), key.ID, []byte("wdek"), aad)
	wantRefused(t, err, http.StatusBadRequest, "INVALID_FIELD_ERR")
}

func TestRotateKeepsOldDataKeys(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	dek := []byte(material(32))
	before, err := c.WrapV2(t.Context(), key.ID, dek, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Rotate(t.Context(), key.ID, ""); err != nil {
		t.Fatal(err)
	}
	after, err := c.WrapV2(t.Context(), key.ID, dek, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after.KeyVersion.ID == before.KeyVersion.ID {
		t.Error("the version is the same as before")
	}

	plain, rewrapped, err := c.UnwrapV2(t.Context(), key.ID, []byte(before.CipherText), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain, dek) || len(rewrapped) == 0 {
		t.Fatalf("plaintext equal: %v, rewrapped: %d characters", bytes.Equal(plain, dek), len(rewrapped))
	}
	plain, again, err := c.UnwrapV2(t.Context(), key.ID, rewrapped, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain, dek) || len(again) != 0 {
		t.Errorf("what was rewrapped: plaintext equal: %v, rewrapped again: %v", bytes.Equal(plain, dek), len(again) != 0)
	}

	if err := c.RotateV2(t.Context(), key.ID, nil); err != nil {
		t.Fatal(err)
	}
	total := true
	versions, err := c.ListKeyVersions(t.Context(), key.ID, &kp.ListKeyVersionsOptions{TotalCount: &total})
	if err != nil {
		t.Fatal(err)
	}
	if len(versions.KeyVersion) != 3 || versions.Metadata.TotalCount == nil || *versions.Metadata.TotalCount != 3 {
		t.Fatalf("versions %+v, want three", versions)
	}
	if versions.KeyVersion[1].ID != after.KeyVersion.ID || versions.KeyVersion[2].ID != key.ID {
		t.Errorf("versions %+v, want the newest first", versions.KeyVersion)
	}
	got, err := c.GetKey(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.LastRotateDate == nil || got.KeyVersion.ID != versions.KeyVersion[0].ID {
		t.Errorf("last rotated %v, version %+v", got.LastRotateDate, got.KeyVersion)
	}
}

func TestRotateWithMaterial(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	imported, err := c.CreateImportedRootKey(t.Context(), "brought along", nil, material(16), "", "")
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, c.Rotate(t.Context(), imported.ID, ""), http.StatusBadRequest, "KEY_PAYLOAD_REQ_ERR")
	if err := c.Rotate(t.Context(), imported.ID, material(32)); err != nil {
		t.Error(err)
	}
	generated := rootKey(t, c)
	wantRefused(t, c.Rotate(t.Context(), generated.ID, material(32)), http.StatusBadRequest, "INVALID_QUERY_PARAM_ERR")
}

func TestSameMaterialOpensTheSameDataKeys(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	payload := material(24)
	var keys [2]*kp.Key
	for i := range keys {
		var err error
		if keys[i], err = c.CreateImportedRootKey(t.Context(), "twin", nil, payload, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	dek := []byte(material(32))
	wrapped, err := c.Wrap(t.Context(), keys[0].ID, dek, &[]string{"moved"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Unwrap(t.Context(), keys[1].ID, wrapped, &[]string{"moved"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, dek) {
		t.Error("unwrap gives something else")
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	wrapped, err := c.Wrap(t.Context(), key.ID, []byte(material(32)), nil)
	if err != nil {
		t.Fatal(err)
	}
	deleted, err := c.DeleteKey(t.Context(), key.ID, kp.ReturnRepresentation)
	if err != nil {
		t.Fatal(err)
	}
	if deleted == nil || deleted.State != int(kp.Destroyed) || deleted.Deleted == nil || !*deleted.Deleted ||
		deleted.DeletionDate == nil || deleted.DeletedBy == nil || deleted.PurgeAllowed == nil || *deleted.PurgeAllowed {
		t.Errorf("the representation of a deleted key is %+v", deleted)
	}
	_, err = c.DeleteKey(t.Context(), key.ID, kp.ReturnMinimal)
	wantRefused(t, err, http.StatusGone, "KEY_DELETED_ERR")
	_, err = c.Unwrap(t.Context(), key.ID, wrapped, nil)
	wantRefused(t, err, http.StatusGone, "KEY_DELETED_ERR")
	wantRefused(t, c.Rotate(t.Context(), key.ID, ""), http.StatusGone, "KEY_DELETED_ERR")

	got, err := c.GetKey(t.Context(), key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != int(kp.Destroyed) {
		t.Errorf("state %d, want 5", got.State)
	}
	other := rootKey(t, c)
	if minimal, err := c.DeleteKey(t.Context(), other.ID, kp.ReturnMinimal); err != nil || minimal != nil {
		t.Errorf("a deletion that wants little gives %+v, %v", minimal, err)
	}
}

func TestKeysThatAreNotThere(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	unknown := uuid.NewString()
	_, err := c.GetKey(t.Context(), unknown)
	wantRefused(t, err, http.StatusNotFound, "KEY_NOT_FOUND_ERR")
	_, err = c.GetKeyMetadata(t.Context(), "no-such-alias")
	wantRefused(t, err, http.StatusNotFound, "KEY_NOT_FOUND_ERR")
	_, err = c.Wrap(t.Context(), unknown, nil, nil)
	wantRefused(t, err, http.StatusNotFound, "KEY_NOT_FOUND_ERR")
	_, err = c.DeleteKey(t.Context(), unknown, kp.ReturnMinimal)
	wantRefused(t, err, http.StatusNotFound, "KEY_NOT_FOUND_ERR")
}

func TestStandardKeysDoNotWrap(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key, err := c.CreateStandardKey(t.Context(), "standard", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Wrap(t.Context(), key.ID, nil, nil)
	wantRefused(t, err, http.StatusBadRequest, "KEY_ROOT_REQ_ERR")
	_, err = c.ListKeyVersions(t.Context(), key.ID, nil)
	wantRefused(t, err, http.StatusBadRequest, "KEY_ROOT_REQ_ERR")
	wantRefused(t, c.Rotate(t.Context(), key.ID, ""), http.StatusBadRequest, "KEY_ROOT_REQ_ERR")
}

func TestBadFields(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	past := time.Now().Add(-time.Hour)
	for name, create := range map[string]func() (*kp.Key, error){
		"name too short": func() (*kp.Key, error) { return c.CreateRootKey(t.Context(), "x", nil) },
		"name too long":  func() (*kp.Key, error) { return c.CreateRootKey(t.Context(), strings.Repeat("x", 91), nil) },
		"expired":        func() (*kp.Key, error) { return c.CreateRootKey(t.Context(), "expired", &past) },
		"not base64": func() (*kp.Key, error) {
			return c.CreateImportedRootKey(t.Context(), "imported", nil, "***", "", "")
		},
		"wrong size": func() (*kp.Key, error) {
			return c.CreateImportedRootKey(t.Context(), "imported", nil, material(20), "", "")
		},
		"bad tag": func() (*kp.Key, error) {
			return c.CreateKeyWithOptions(t.Context(), "tagged", false, kp.WithTags([]string{"a<b"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := create()
			wantRefused(t, err, http.StatusBadRequest, "INVALID_FIELD_ERR")
		})
	}
}

func TestInstancesThatAreNotThere(t *testing.T) {
	t.Parallel()
	for id, status := range map[string]int{
		"":                                http.StatusBadRequest,
		"not-a-uuid":                      http.StatusBadRequest,
		uuid.NewString():                  http.StatusUnauthorized,
		strings.ToUpper(uuid.NewString()): http.StatusUnauthorized,
	} {
		c := keyProtect(t, func(c *kp.ClientConfig) { c.InstanceID = id })
		_, err := c.GetKeys(t.Context(), 0, 0)
		wantRefused(t, err, status, "")
	}
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	c, _ := freshInstance(t)
	ids := map[string]string{} // by name
	for _, name := range []string{"alpha", "beta", "gamma"} {
		key, err := c.CreateRootKey(t.Context(), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = key.ID
	}
	standard, err := c.CreateStandardKey(t.Context(), "delta", nil)
	if err != nil {
		t.Fatal(err)
	}
	ids["delta"] = standard.ID
	if _, err := c.DeleteKey(t.Context(), ids["gamma"], kp.ReturnMinimal); err != nil {
		t.Fatal(err)
	}

	all, err := c.GetKeys(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, all, "alpha", "beta", "delta")
	if all.Metadata.NumberOfKeys != 3 {
		t.Errorf("collectionTotal %d, want 3", all.Metadata.NumberOfKeys)
	}
	var paged []string
	for offset := range 3 {
		page, err := c.GetKeys(t.Context(), 1, offset)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Keys) != 1 {
			t.Fatalf("page %d has %d keys", offset, len(page.Keys))
		}
		paged = append(paged, page.Keys[0].ID)
	}
	if !slices.IsSorted(paged) || len(slices.Compact(paged)) != 3 {
		t.Errorf("pages show %v, want three keys in the order of their IDs", paged)
	}

	yes := true
	for name, c2 := range map[string]struct {
		options kp.ListKeysOptions
		want    []string
	}{
		"standard keys": {kp.ListKeysOptions{Extractable: &yes}, []string{"delta"}},
		"deleted keys":  {kp.ListKeysOptions{State: []kp.KeyState{kp.Destroyed}}, []string{"gamma"}},
		"any state": {
			kp.ListKeysOptions{State: []kp.KeyState{kp.Active, kp.Destroyed}}, []string{"alpha", "beta", "delta", "gamma"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.ListKeys(t.Context(), &c2.options)
			if err != nil {
				t.Fatal(err)
			}
			wantNames(t, got, c2.want...)
		})
	}
}

// wantNames checks which keys a list holds, whatever their order.
func wantNames(t *testing.T, got *kp.Keys, want ...string) {
	t.Helper()
	names := []string{}
	for _, k := range got.Keys {
		names = append(names, k.Name)
		if k.Payload != "" {
			t.Errorf("the list shows the payload of %s", k.Name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestCorrelationIDComesBack(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	id := uuid.New()
	_, err := c.GetKey(kp.NewContextWithCorrelationID(t.Context(), &id), uuid.NewString())
	var refused *kp.Error
	if !errors.As(err, &refused) || refused.CorrelationID != id.String() {
		t.Errorf("got %v, want an error with correlation ID %s", err, id)
	}
}

// TestRewrap uses the client's own HTTP client: it has no method for rewrap.
func TestRewrap(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	dek := []byte(material(32))
	before, err := c.WrapV2(t.Context(), key.ID, dek, &[]string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Rotate(t.Context(), key.ID, ""); err != nil {
		t.Fatal(err)
	}
	var out struct {
		Plaintext           string
		Ciphertext          string
		KeyVersion          kp.KeyVersion
		RewrappedKeyVersion kp.KeyVersion
	}
	for _, path := range []string{"/actions/rewrap", "?action=rewrap"} {
		call(t, http.MethodPost, "/api/v2/keys/"+key.ID+path,
			map[string]any{"ciphertext": before.CipherText, "aad": []string{"a"}}, http.StatusOK, &out)
		if out.Plaintext != "" {
			t.Error("rewrap shows the plaintext")
		}
		if out.KeyVersion.ID != key.ID || out.RewrappedKeyVersion.ID == key.ID || out.RewrappedKeyVersion.ID == "" {
			t.Errorf("versions %+v and %+v", out.KeyVersion, out.RewrappedKeyVersion)
		}
		got, rewrapped, err := c.UnwrapV2(t.Context(), key.ID, []byte(out.Ciphertext), &[]string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, dek) || len(rewrapped) != 0 {
			t.Errorf("plaintext equal: %v, rewrapped again: %v", bytes.Equal(got, dek), len(rewrapped) != 0)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	const workers, rounds = 8, 10
	failed := make(chan error, workers)
	for range workers {
		go func() { failed <- wrapRounds(t.Context(), c, key.ID, rounds) }()
	}
	for range workers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func wrapRounds(ctx context.Context, c *kp.Client, key string, rounds int) error {
	for range rounds {
		plain, wrapped, err := c.WrapCreateDEK(ctx, key, nil)
		if err != nil {
			return err
		}
		got, err := c.Unwrap(ctx, key, wrapped, nil)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, plain) {
			return errors.New("unwrap gives something else")
		}
	}
	return nil
}
