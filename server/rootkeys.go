package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/objects"
)

// rootKeys is the key service of this server as the object store uses it. It acts as the object
// storage instance, which the key service lets use a key only under an authorization of the key's
// account; the user for whom it does so is named in the events and has no part in the decision.
//
// The provider's own root key is used by the owner of the system account, which nobody else is.
// Nothing that a tenant can name reaches it: Describe always asks as the tenant's instance.
type rootKeys struct {
	keys       *kms.Service
	instances  kms.Instances
	identities *iam.Identities
	now        func() time.Time
	provider   crn.CRN
}

// newRootKeys returns the root keys of the house; provider is what providerRoot returned.
func newRootKeys(h *house, provider crn.CRN) objects.RootKeys {
	return &rootKeys{
		keys: h.keys, instances: instances{h}, identities: h.identities, now: h.now, provider: provider,
	}
}

// as is who acts on a root key: the object storage instance, or the provider on its own.
func (r *rootKeys) as(instance, root crn.CRN, who *iam.Caller) iam.Caller {
	var by iam.Caller
	if root == r.provider {
		by = providerCaller(iam.AccountID(root.Account()))
	} else {
		by = r.identities.InstanceCaller(instance, nil)
	}
	if who != nil {
		by.Trail, by.OnBehalfOf = partOf(who.Trail), who.Identity
	}
	return by
}

// providerCaller owns the system account.
func providerCaller(system iam.AccountID) iam.Caller {
	c := iam.ServerCaller(system)
	c.Kind, c.Owner = iam.KindUser, true
	return c
}

// partOf is the trail of what is done in the course of a request: that it is recorded does not mean
// that the request is.
func partOf(t *audit.Trail) *audit.Trail {
	if t == nil {
		return nil
	}
	return &audit.Trail{
		CorrelationID: t.CorrelationID, Method: t.Method, URI: t.URI, Address: t.Address, Agent: t.Agent, Time: t.Time,
	}
}

func refOf(root crn.CRN) kms.Ref {
	return kms.Ref{Instance: kms.InstanceID(root.Instance), Key: root.Resource}
}

// Describe implements objects.RootKeys.
func (r *rootKeys) Describe(ctx context.Context, who iam.Caller, instance, root crn.CRN) (crn.CRN, error) {
	if root.Service != crn.KeyProtect || root.Type != "key" || root.Resource == "" {
		return crn.CRN{}, objects.ErrRootUnknown
	}
	by := r.as(instance, crn.CRN{}, &who)
	k, err := r.keys.Metadata(ctx, by, refOf(root))
	if err != nil {
		return crn.CRN{}, rootChoice(err)
	}
	in, err := r.instances.Instance(ctx, k.Instance)
	if err != nil {
		return crn.CRN{}, rootChoice(err)
	}
	if in.CRN != root.Child("", "") { // another account or region around the right GUID
		return crn.CRN{}, objects.ErrRootUnknown
	}
	switch state := k.StateAt(r.now()); {
	case state == kms.Destroyed:
		return crn.CRN{}, objects.ErrRootUnknown
	case k.Extractable || state != kms.Active:
		return crn.CRN{}, objects.ErrRootUnusable
	}
	return in.CRN.Child("key", string(k.ID)), nil
}

// Generate implements objects.RootKeys.
func (r *rootKeys) Generate(ctx context.Context, who iam.Caller, instance, root crn.CRN, aad []string) (custody.Secret, objects.WrappedKey, error) {
	w, err := r.keys.Wrap(ctx, r.as(instance, root, &who), refOf(root), custody.Secret{}, aad)
	if err != nil {
		return custody.Secret{}, objects.WrappedKey{}, rootChoice(err)
	}
	return w.Drawn, objects.WrappedKey{Ciphertext: w.Ciphertext, Version: string(w.Version)}, nil
}

// Unwrap implements objects.RootKeys.
func (r *rootKeys) Unwrap(ctx context.Context, who iam.Caller, instance, root crn.CRN, w objects.WrappedKey, aad []string) (custody.Secret, *objects.WrappedKey, error) {
	u, err := r.keys.Unwrap(ctx, r.as(instance, root, &who), refOf(root), w.Ciphertext, aad)
	if err != nil {
		return custody.Secret{}, nil, r.refused(ctx, instance, root, err)
	}
	if u.Rewrapped == "" {
		return u.Plaintext, nil, nil
	}
	return u.Plaintext, &objects.WrappedKey{Ciphertext: u.Rewrapped, Version: string(u.RewrappedVersion)}, nil
}

// refused is why a root key in use cannot be used. Its owner may have authorized the instance for
// this key alone, which then has no place any more where it could be found once it is purged: so the
// standing, which knows, is asked as well.
func (r *rootKeys) refused(ctx context.Context, instance, root crn.CRN, err error) error {
	err = rootUse(err)
	if errors.Is(err, objects.ErrUnauthorized) {
		if standing := r.Standing(ctx, instance, root); standing != nil {
			return standing
		}
	}
	return err
}

// Rewrap implements objects.RootKeys.
func (r *rootKeys) Rewrap(ctx context.Context, instance, root crn.CRN, w objects.WrappedKey, aad []string) (objects.WrappedKey, error) {
	out, err := r.keys.Rewrap(ctx, r.as(instance, root, nil), refOf(root), w.Ciphertext, aad)
	if err != nil {
		return objects.WrappedKey{}, r.refused(ctx, instance, root, err)
	}
	return objects.WrappedKey{Ciphertext: out.Ciphertext, Version: string(out.Newest)}, nil
}

// Standing implements objects.RootKeys.
func (r *rootKeys) Standing(ctx context.Context, instance, root crn.CRN) error {
	return rootUse(r.keys.Standing(ctx, r.as(instance, root, nil), refOf(root)))
}

// Version implements objects.RootKeys.
func (r *rootKeys) Version(ctx context.Context, instance, root crn.CRN) (string, error) {
	v, err := r.keys.NewestVersion(ctx, r.as(instance, root, nil), refOf(root))
	return string(v), rootUse(err)
}

// Register implements objects.RootKeys. Nobody but the provider can delete its own root key, which
// is not registered.
func (r *rootKeys) Register(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN, version string, prevent bool) error {
	if root == r.provider {
		return nil
	}
	by, ref := r.as(instance, root, &who), refOf(root)
	about := "bucket " + bucket.Resource
	fields := kms.RegistrationFields{Description: &about, Retained: &prevent}
	_, err := r.keys.Register(ctx, by, ref, bucket.String(), fields)
	if !errors.Is(err, kms.ErrRegistered) {
		return rootUse(err)
	}
	newer := kms.VersionID(version)
	fields.Version = &newer
	_, err = r.keys.UpdateRegistration(ctx, by, ref, bucket.String(), fields)
	if errors.Is(err, kms.ErrOldVersion) { // it names this version already
		fields.Version = nil
		_, err = r.keys.UpdateRegistration(ctx, by, ref, bucket.String(), fields)
	}
	return rootUse(err)
}

// Unregister implements objects.RootKeys.
func (r *rootKeys) Unregister(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN) error {
	if root == r.provider {
		return nil
	}
	_, err := r.keys.Unregister(ctx, r.as(instance, root, &who), refOf(root), bucket.String())
	switch {
	case errors.Is(err, kms.ErrRegistrationNotFound), errors.Is(err, kms.ErrKeyNotFound), errors.Is(err, iam.ErrForbidden):
		return nil
	}
	return rootUse(err)
}

// Report implements objects.RootKeys. There is nobody to tell of the provider's own root key.
func (r *rootKeys) Report(ctx context.Context, instance, root crn.CRN, version string, objects, bytes int64) error {
	if root == r.provider {
		return nil
	}
	return rootUse(r.keys.ReportData(ctx, r.as(instance, root, nil), refOf(root), kms.VersionID(version), objects, bytes))
}

// rootChoice is the failure of a root key that somebody wants to use from now on. Whether it is
// absent or not authorized looks the same (cos-api.md, section 20.3).
func rootChoice(err error) error {
	switch err = rootUse(err); {
	case errors.Is(err, objects.ErrUnauthorized), errors.Is(err, objects.ErrRootDeleted):
		return objects.ErrRootUnknown
	case errors.Is(err, objects.ErrRootDisabled):
		return objects.ErrRootUnusable
	}
	return err
}

// rootUse is the failure of a root key in use (cos-api.md, section 20.6). The key service's own words
// are for its own callers: they stay in the log.
func rootUse(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, iam.ErrForbidden):
		return objects.ErrUnauthorized
	case errors.Is(err, kms.ErrKeyNotFound), errors.Is(err, kms.ErrDeleted):
		return objects.ErrRootDeleted
	case errors.Is(err, kms.ErrState):
		return objects.ErrRootDisabled
	case errors.Is(err, kms.ErrNotRoot), errors.Is(err, kms.ErrRegisterNotRoot), errors.Is(err, kms.ErrRegisterState):
		return objects.ErrRootUnusable
	case errors.Is(err, kms.ErrUnreadable):
		return objects.ErrRootUnreadable
	}
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable:
		return fmt.Errorf("%w: %v", objects.ErrRootService, err)
	}
	return fmt.Errorf("using a root key: %v", err)
}
