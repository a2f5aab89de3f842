package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/objectstest"
	"strongroom/sqlstore"
	"strongroom/sqlstore/sqlstoretest"
)

func TestAKeyServiceElsewhereIsForSomeAccountsOnly(t *testing.T) {
	for name, c := range map[string]struct {
		operator string
		accounts []string
		want     map[string]bool
	}{
		"nobody named":                  {"operator", nil, map[string]bool{"operator": true, "one": false, "": false}},
		"nobody named, before a start":  {"", nil, map[string]bool{"operator": false, "": false}},
		"accounts named":                {"operator", []string{"one", "two"}, map[string]bool{"operator": false, "one": true, "two": true, "three": false, "": false}},
		"the operator named as another": {"operator", []string{"operator", "one"}, map[string]bool{"operator": true, "one": true, "two": false}},
	} {
		db := sqlstoretest.Open(t, sqlstore.Options{Path: filepath.Join(t.TempDir(), databaseFile)})
		if c.operator != "" {
			if _, err := db.FixSetting(t.Context(), settingOperator, c.operator); err != nil {
				t.Fatal(err)
			}
		}
		h := &house{core: &core{config: Config{Objects: Objects{KeyService: &KeyService{Accounts: c.accounts}}}, db: db}}
		elsewhere, here := objectstest.NewRootKeys(t), objectstest.NewRootKeys(t)
		provider, root := here.NewRoot("system"), elsewhere.NewRoot("vaults")
		keys := &remoteRoots{RootKeys: elsewhere, local: here, provider: provider, may: h.mayUseRemote}
		for account, may := range c.want {
			instance := crn.Of(crn.ObjectStorage, "global", account, "storage", "", "")
			got, err := keys.Describe(t.Context(), iam.Caller{}, instance, root)
			if may && (err != nil || got != root) {
				t.Errorf("%s: account %q: %v", name, account, err)
			}
			if _, unknown := keys.Describe(t.Context(), iam.Caller{}, instance, root.Child("key", "unknown")); !may && (!errors.Is(err, objects.ErrRootUnknown) || !errors.Is(unknown, err)) {
				t.Errorf("%s: account %q: %v, and of a key that is not there %v", name, account, err, unknown)
			}
		}
		if here.Calls("Describe") > 0 {
			t.Errorf("%s: a customer's key is looked for here", name)
		}
	}
}

func TestTheProvidersRootKeyStaysHere(t *testing.T) {
	elsewhere, here := objectstest.NewRootKeys(t), objectstest.NewRootKeys(t)
	provider, root := here.NewRoot("system"), elsewhere.NewRoot("vaults")
	keys := &remoteRoots{RootKeys: elsewhere, local: here, provider: provider}
	instance := crn.Of(crn.ObjectStorage, "global", "account", "storage", "", "")
	bucket := instance.Child("bucket", "photos")
	for _, name := range []crn.CRN{provider, root} {
		key, w, err := keys.Generate(t.Context(), iam.Caller{}, instance, name, []string{"bucket"})
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := keys.Unwrap(t.Context(), iam.Caller{}, instance, name, w, []string{"bucket"})
		if err != nil || !again.Equal(key) {
			t.Errorf("%s: unwrapped: %v", name, err)
		}
		_, rerr := keys.Rewrap(t.Context(), instance, name, w, []string{"bucket"})
		_, verr := keys.Version(t.Context(), instance, name)
		if err := errors.Join(rerr, verr, keys.Standing(t.Context(), instance, name),
			keys.Register(t.Context(), iam.Caller{}, instance, name, bucket, w.Version, false),
			keys.Report(t.Context(), instance, name, w.Version, 1, 2),
			keys.Unregister(t.Context(), iam.Caller{}, instance, name, bucket)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheAuthorityOfAKeyServiceElsewhereIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := &KeyService{CAFile: file}
	if _, err := s.client(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client(); err == nil {
		t.Error("a file without a certificate is taken: every authority of the machine would be trusted, or none")
	}
}
