package server

import (
	"io"
	"path/filepath"
	"testing"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/kms"
)

// TestKeysAreMadeInAStoppedServer makes a key in a folder that was prepared and is not served, and
// refuses a folder that was not.
func TestKeysAreMadeInAStoppedServer(t *testing.T) {
	cfg := Config{Data: t.TempDir()}
	file, err := Bootstrap(t.Context(), cfg, io.Discard, false)
	if err != nil {
		t.Fatal(err)
	}
	env, err := readCredentials(file)
	if err != nil {
		t.Fatal(err)
	}
	who := iam.Caller{Identity: "IBMid-1", Kind: iam.KindUser, Account: iam.AccountID(env["STRONGROOM_ACCOUNT_ID"]), Owner: true, Trail: &audit.Trail{}}
	ref := kms.Ref{Instance: kms.InstanceID(env["STRONGROOM_KMS_INSTANCE_ID"])}
	err = WithKeys(t.Context(), cfg, io.Discard, func(c kms.Config) error {
		made, err := kms.New(c).Create(t.Context(), who, ref, kms.NewKey{Name: "made offline"})
		ref.Key = string(made.Key.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = WithKeys(t.Context(), cfg, io.Discard, func(c kms.Config) error {
		_, err := kms.New(c).Wrap(t.Context(), who, ref, custody.Secret{}, nil)
		return err
	})
	if err != nil {
		t.Errorf("the key does not wrap: %v", err)
	}
	cfg.Data = filepath.Join(cfg.Data, "mistyped")
	if err := WithKeys(t.Context(), cfg, io.Discard, func(kms.Config) error { return nil }); err == nil {
		t.Error("a folder that nothing has prepared was opened")
	}
}
