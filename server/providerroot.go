package server

import (
	"context"
	"errors"
	"fmt"

	"strongroom/crn"
	"strongroom/kms"
	"strongroom/resource"
)

// Settings that name the provider's own root key.
const (
	settingProvider     = "provider-kms-instance"
	settingProviderRoot = "provider-root-key"
)

// providerAlias finds a root key that was made and not named, because the first start was interrupted.
const providerAlias = "object-storage"

// providerRoot returns the root key of buckets without one of the customer's, and makes it at the
// first start: the one key of an instance in the system account, where no tenant sees it.
func (h *house) providerRoot(ctx context.Context) (crn.CRN, error) {
	name, err := h.db.Setting(ctx, settingProviderRoot)
	if err != nil {
		return crn.CRN{}, err
	}
	if name != "" {
		return crn.Parse(name)
	}
	system, err := h.identities.SystemAccount(ctx)
	if err != nil {
		return crn.CRN{}, fmt.Errorf("making the system account: %w", err)
	}
	group, err := h.resources.EnsureDefaultGroup(ctx, system)
	if err != nil {
		return crn.CRN{}, fmt.Errorf("making the resource group of the system account: %w", err)
	}
	owner := providerCaller(system)
	instance, err := h.instance(ctx, owner, settingProvider, resource.NewInstance{
		Name: "provider", Plan: kmsPlan, Target: h.fixed.region, ResourceGroup: group.ID,
	})
	if err != nil {
		return crn.CRN{}, fmt.Errorf("making the provider's Key Protect instance: %w", err)
	}
	ref := kms.Ref{Instance: kms.InstanceID(instance.Instance), Key: providerAlias}
	key, err := h.keys.Metadata(ctx, owner, ref)
	if errors.Is(err, kms.ErrKeyNotFound) {
		ref.Key = ""
		var made kms.Created
		made, err = h.keys.Create(ctx, owner, ref, kms.NewKey{Name: providerAlias, Aliases: []string{providerAlias}})
		key = made.Key
	}
	if err != nil {
		return crn.CRN{}, fmt.Errorf("making the provider's root key: %w", err)
	}
	name, err = h.db.FixSetting(ctx, settingProviderRoot, instance.Child("key", string(key.ID)).String())
	if err != nil {
		return crn.CRN{}, fmt.Errorf("remembering the provider's root key: %w", err)
	}
	return crn.Parse(name)
}
