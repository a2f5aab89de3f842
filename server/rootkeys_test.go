package server

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/objects"
	"strongroom/resource"
)

// vaultedHouse is a house with a root key that its object storage instance is authorized to use.
type vaultedHouse struct {
	*house
	roots   objects.RootKeys
	owner   iam.Caller // of the account
	user    iam.Caller // who has no rights in the key service
	storage crn.CRN
	root    crn.CRN
	policy  iam.PolicyID // that authorizes
	bucket  crn.CRN
	ahead   *atomic.Int64 // of the clock
}

// withRootKeys calls do with a house of its own.
func withRootKeys(t *testing.T, do func(t *testing.T, v *vaultedHouse)) {
	t.Helper()
	ahead := new(atomic.Int64)
	cfg := Config{Data: emptied(t), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	if _, err := Bootstrap(t.Context(), cfg, io.Discard, false); err != nil {
		t.Fatal(err)
	}
	err := offline(t.Context(), cfg, io.Discard, func(h *house) error {
		v := &vaultedHouse{house: h, ahead: ahead}
		provider, err := h.providerRoot(t.Context())
		if err != nil {
			return err
		}
		v.roots = newRootKeys(h, provider)
		if err := v.furnish(t); err != nil {
			return err
		}
		do(t, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (v *vaultedHouse) furnish(t testing.TB) error {
	account, _, err := v.operator(t.Context())
	if err != nil {
		return err
	}
	v.owner = iam.Caller{Identity: account.Owner, Kind: iam.KindUser, Account: account.ID, Owner: true}
	v.user = iam.Caller{
		Identity: "IBMid-SOMEBODY", Kind: iam.KindUser, Account: account.ID,
		Trail: &audit.Trail{CorrelationID: "8c4aab39-7d7a-4a35-a2dc-0f1a7aa57b13", Address: "192.0.2.7"},
	}
	if v.storage, err = v.named(t, settingCOS); err != nil {
		return err
	}
	instance, err := v.named(t, settingKMS)
	if err != nil {
		return err
	}
	made, err := v.keys.Create(t.Context(), v.owner, kms.Ref{Instance: kms.InstanceID(instance.Instance)}, kms.NewKey{
		Name: "root", Aliases: []string{"mine"}, Expires: v.now().Add(24 * time.Hour),
	})
	if err != nil {
		return err
	}
	v.root = instance.Child("key", string(made.Key.ID))
	v.bucket = v.storage.Child("bucket", "photos")
	v.policy, err = v.authorize(t)
	return err
}

func (v *vaultedHouse) named(t testing.TB, setting string) (crn.CRN, error) {
	name, err := v.db.Setting(t.Context(), setting)
	if err != nil {
		return crn.CRN{}, err
	}
	return crn.Parse(name)
}

// authorize lets the object storage instance use the one key.
func (v *vaultedHouse) authorize(t testing.TB) (iam.PolicyID, error) {
	is := func(key, value string) iam.Attribute {
		return iam.Attribute{Key: key, Operator: iam.StringEquals, Value: iam.Text(value)}
	}
	p, err := v.access.CreatePolicy(t.Context(), v.owner, iam.Policy{
		Type: iam.PolicyAuthorization, Roles: []string{crn.Role("iam", "serviceRole", "Reader").String()},
		Subject: []iam.Attribute{
			is(iam.AttrAccount, string(v.owner.Account)), is(iam.AttrService, crn.ObjectStorage), is(iam.AttrInstance, v.storage.Instance),
		},
		Resource: []iam.Attribute{
			is(iam.AttrAccount, string(v.owner.Account)), is(iam.AttrService, crn.KeyProtect),
			is(iam.AttrInstance, v.root.Instance), is(iam.AttrType, "key"), is(iam.AttrResource, v.root.Resource),
		},
	})
	return p.ID, err
}

func (v *vaultedHouse) ref() kms.Ref { return refOf(v.root) }

func (v *vaultedHouse) forward(d time.Duration) { v.ahead.Add(int64(d)) }

func (v *vaultedHouse) generate(t *testing.T, root crn.CRN) (custody.Secret, objects.WrappedKey) {
	t.Helper()
	key, w, err := v.roots.Generate(t.Context(), v.user, v.storage, root, []string{v.bucket.String()})
	if err != nil {
		t.Fatal(err)
	}
	return key, w
}

func wantFault(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
	if err != nil && want != nil && fault.KindOf(err) != fault.KindOf(want) {
		t.Errorf("%s: the kind of %v is %d", what, err, fault.KindOf(err))
	}
}

func TestBucketKeysFollowTheStateOfTheRootKey(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(t *testing.T, v *vaultedHouse) error
		use, choose error
	}{
		{"active", func(*testing.T, *vaultedHouse) error { return nil }, nil, nil},
		{"disabled", func(t *testing.T, v *vaultedHouse) error {
			return v.keys.Disable(t.Context(), v.owner, v.ref())
		}, objects.ErrRootDisabled, objects.ErrRootUnusable},
		{"enabled again", func(t *testing.T, v *vaultedHouse) error {
			return errors.Join(v.keys.Disable(t.Context(), v.owner, v.ref()), v.keys.Enable(t.Context(), v.owner, v.ref()))
		}, nil, nil},
		{"expired", func(_ *testing.T, v *vaultedHouse) error {
			v.forward(25 * time.Hour)
			return nil
		}, nil, objects.ErrRootUnusable},
		{"deleted", func(t *testing.T, v *vaultedHouse) error {
			_, err := v.keys.Delete(t.Context(), v.owner, v.ref())
			return err
		}, objects.ErrRootDeleted, objects.ErrRootUnknown},
		{"purged", func(t *testing.T, v *vaultedHouse) error {
			_, err := v.keys.Delete(t.Context(), v.owner, v.ref())
			v.forward(kms.PurgeAfter + time.Hour)
			return errors.Join(err, v.keys.Tick(t.Context()))
		}, objects.ErrRootDeleted, objects.ErrRootUnknown},
		{"authorization withdrawn", func(t *testing.T, v *vaultedHouse) error {
			return v.access.DeletePolicy(t.Context(), v.owner, v.policy)
		}, objects.ErrUnauthorized, objects.ErrRootUnknown},
		{"instance of the key deleted", func(t *testing.T, v *vaultedHouse) error {
			_, err := v.keys.Delete(t.Context(), v.owner, v.ref())
			_, derr := v.resources.DeleteInstance(t.Context(), v.owner, v.root.Instance, true)
			return errors.Join(err, derr)
		}, objects.ErrUnauthorized, objects.ErrRootUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
				ctx, aad := t.Context(), []string{v.bucket.String()}
				key, w := v.generate(t, v.root)
				wantFault(t, "standing before", v.roots.Standing(ctx, v.storage, v.root), nil)
				if err := c.change(t, v); err != nil {
					t.Fatal(err)
				}
				wantFault(t, "standing", v.roots.Standing(ctx, v.storage, v.root), c.use)
				_, err := v.roots.Version(ctx, v.storage, v.root)
				wantFault(t, "version", err, c.use)
				got, _, err := v.roots.Unwrap(ctx, v.user, v.storage, v.root, w, aad)
				wantFault(t, "unwrap", err, c.use)
				if err == nil && !got.Equal(key) {
					t.Error("another key was unwrapped")
				}
				_, err = v.roots.Describe(ctx, v.user, v.storage, v.root)
				wantFault(t, "describe", err, c.choose)
				_, _, err = v.roots.Generate(ctx, v.user, v.storage, v.root, aad)
				wantFault(t, "generate", err, c.choose)
				wantFault(t, "unregister", v.roots.Unregister(ctx, v.user, v.storage, v.root, v.bucket), nil)
			})
		})
	}
}

func TestRootKeysAreFoundAndToldApart(t *testing.T) {
	withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
		ctx := t.Context()
		standard, err := v.keys.Create(ctx, v.owner, kms.Ref{Instance: kms.InstanceID(v.root.Instance)}, kms.NewKey{
			Name: "standard", Extractable: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		foreign := v.root
		foreign.Scope = "a/00000000000000000000000000000000"
		elsewhere := v.root
		elsewhere.Location = "eu-de"
		other := crn.Of(crn.ObjectStorage, "global", string(v.owner.Account), "another-instance", "", "")
		for name, c := range map[string]struct {
			instance, root, want crn.CRN
			err                  error
		}{
			"by ID":                    {v.storage, v.root, v.root, nil},
			"by alias":                 {v.storage, v.root.Child("key", "mine"), v.root, nil},
			"of another account":       {v.storage, foreign, crn.CRN{}, objects.ErrRootUnknown},
			"of another region":        {v.storage, elsewhere, crn.CRN{}, objects.ErrRootUnknown},
			"for another instance":     {other, v.root, crn.CRN{}, objects.ErrRootUnknown},
			"not authorized for it":    {v.storage, v.root.Child("key", string(standard.Key.ID)), crn.CRN{}, objects.ErrRootUnknown},
			"an instance":              {v.storage, v.root.Child("", ""), crn.CRN{}, objects.ErrRootUnknown},
			"a bucket":                 {v.storage, v.bucket, crn.CRN{}, objects.ErrRootUnknown},
			"an alias of nothing":      {v.storage, v.root.Child("key", "nothing"), crn.CRN{}, objects.ErrRootUnknown},
			"the provider's, by theft": {v.storage, v.roots.(*rootKeys).provider, crn.CRN{}, objects.ErrRootUnknown},
		} {
			got, err := v.roots.Describe(ctx, v.user, c.instance, c.root)
			wantFault(t, name, err, c.err)
			if got != c.want {
				t.Errorf("%s: got %v", name, got)
			}
		}
	})
}

func TestRotatedRootKeyIsSeenRewrappedAndCounted(t *testing.T) {
	withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
		ctx, aad := t.Context(), []string{v.bucket.String()}
		key, old := v.generate(t, v.root)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(v.roots.Register(ctx, v.user, v.storage, v.root, v.bucket, old.Version, false))
		must(v.keys.Rotate(ctx, v.owner, v.ref(), kms.NewVersion{}))
		newest, err := v.roots.Version(ctx, v.storage, v.root)
		must(err)
		if newest == old.Version {
			t.Fatal("the rotation is not seen")
		}
		_, newer, err := v.roots.Unwrap(ctx, v.user, v.storage, v.root, old, aad)
		must(err)
		if newer == nil || newer.Version != newest {
			t.Errorf("unwrapping tells of %+v, want version %s", newer, newest)
		}
		rewrapped, err := v.roots.Rewrap(ctx, v.storage, v.root, old, aad)
		must(err)
		got, newer, err := v.roots.Unwrap(ctx, v.user, v.storage, v.root, rewrapped, aad)
		must(err)
		if !got.Equal(key) || newer != nil || rewrapped.Version != newest {
			t.Errorf("rewrapped by %s: same key %t, newer %v", rewrapped.Version, got.Equal(key), newer)
		}
		must(v.roots.Register(ctx, v.user, v.storage, v.root, v.bucket, newest, true))
		must(v.roots.Register(ctx, v.user, v.storage, v.root, v.bucket, newest, true)) // once more
		must(v.roots.Report(ctx, v.storage, v.root, newest, 3, 4096))
		list, _, err := v.keys.Registrations(ctx, v.owner, v.ref(), kms.RegistrationQuery{Limit: 10})
		must(err)
		if len(list) != 1 || string(list[0].Version.ID) != newest || !list[0].Retained || list[0].Resource != v.bucket.String() {
			t.Errorf("registrations: %+v", list)
		}
		census, err := v.keys.Census(ctx, v.owner, v.ref())
		must(err)
		if len(census) != 2 || len(census[0].Data) != 1 || census[0].Data[0].Objects != 3 || census[0].Registrations != 1 || census[1].Registrations != 0 {
			t.Errorf("census: %+v", census)
		}
		must(v.roots.Unregister(ctx, v.user, v.storage, v.root, v.bucket))
		must(v.roots.Unregister(ctx, v.user, v.storage, v.root, v.bucket))
	})
}

func TestWrappedBucketKeyOpensForItsBucketAlone(t *testing.T) {
	withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
		_, w := v.generate(t, v.root)
		_, _, err := v.roots.Unwrap(t.Context(), v.user, v.storage, v.root, w, []string{v.storage.Child("bucket", "other").String()})
		wantFault(t, "another bucket", err, objects.ErrRootUnreadable)
	})
}

func TestProviderRootNeedsNoAuthorizationAndIsHidden(t *testing.T) {
	withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
		ctx := t.Context()
		provider := v.roots.(*rootKeys).provider
		again, err := v.providerRoot(ctx)
		if err != nil || again != provider {
			t.Errorf("asked again: %v, %v", again, err)
		}
		key, w := v.generate(t, provider)
		got, _, err := v.roots.Unwrap(ctx, v.user, v.storage, provider, w, []string{v.bucket.String()})
		wantFault(t, "unwrap", err, nil)
		if !got.Equal(key) {
			t.Error("another key was unwrapped")
		}
		wantFault(t, "standing", v.roots.Standing(ctx, v.storage, provider), nil)
		wantFault(t, "register", v.roots.Register(ctx, v.user, v.storage, provider, v.bucket, w.Version, true), nil)
		wantFault(t, "report", v.roots.Report(ctx, v.storage, provider, w.Version, 1, 1), nil)
		wantFault(t, "unregister", v.roots.Unregister(ctx, v.user, v.storage, provider, v.bucket), nil)

		_, err = v.keys.Metadata(ctx, v.owner, refOf(provider))
		wantFault(t, "a tenant's look at the provider's key", err, iam.ErrForbidden)
		list, _, err := v.resources.Instances(ctx, v.owner, resource.InstanceFilter{}, resource.Page{Limit: 100})
		wantFault(t, "list", err, nil)
		for _, i := range list {
			if string(i.ID) == provider.Instance {
				t.Error("the provider's instance is among a tenant's")
			}
		}
	})
}

func TestInterruptedStartMakesOneProviderRoot(t *testing.T) {
	withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
		provider := v.roots.(*rootKeys).provider
		tamper(t, v.config.Data, `DELETE FROM settings WHERE name = $1`, settingProviderRoot)
		again, err := v.providerRoot(t.Context())
		if err != nil || again != provider {
			t.Errorf("got %v, %v, want %v", again, err, provider)
		}
	})
}

func TestKeyServiceRecordsForWhomABucketKeyIsUsed(t *testing.T) {
	withRootKeys(t, func(t *testing.T, v *vaultedHouse) {
		_, w := v.generate(t, v.root)
		if _, _, err := v.roots.Unwrap(t.Context(), v.user, v.storage, v.root, w, []string{v.bucket.String()}); err != nil {
			t.Fatal(err)
		}
		page, err := v.audit.Search(t.Context(), audit.Query{Account: string(v.owner.Account), Action: string(kms.ActionUnwrap), Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) != 1 {
			t.Fatalf("%d events of one unwrapping", len(page.Events))
		}
		ev := page.Events[0]
		if ev.Initiator.ID != string(iam.InstanceIdentity(v.storage)) || ev.RequestData["onBehalfOf"] != string(v.user.Identity) ||
			ev.CorrelationID != v.user.Trail.CorrelationID {
			t.Errorf("initiator %s for %v, correlation %s", ev.Initiator.ID, ev.RequestData["onBehalfOf"], ev.CorrelationID)
		}
		if v.user.Trail.Recorded() {
			t.Error("the event of the key service passes for that of the request")
		}
	})
}

func BenchmarkStandingOfRootKey(b *testing.B) {
	cfg := Config{Data: b.TempDir(), Now: time.Now}
	if _, err := Bootstrap(b.Context(), cfg, io.Discard, false); err != nil {
		b.Fatal(err)
	}
	err := offline(b.Context(), cfg, io.Discard, func(h *house) error {
		provider, err := h.providerRoot(b.Context())
		if err != nil {
			return err
		}
		v := &vaultedHouse{house: h, roots: newRootKeys(h, provider), ahead: new(atomic.Int64)}
		if err := v.furnish(b); err != nil {
			return err
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := v.roots.Standing(b.Context(), v.storage, v.root); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
