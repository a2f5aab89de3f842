package clients_test

import (
	"net/http"
	"testing"

	kp "github.com/IBM/keyprotect-go-client"
)

func TestKeyPolicies(t *testing.T) {
	t.Parallel()
	c := keyProtect(t)
	key := rootKey(t, c)
	none, err := c.GetPolicies(t.Context(), key.ID)
	must(t, err)
	if len(none) != 0 {
		t.Errorf("a new key has policies %+v", none)
	}
	set, err := c.SetPolicy(t.Context(), key.ID, kp.ReturnRepresentation, 3)
	must(t, err)
	if set.Rotation.Interval != 3 {
		t.Errorf("policy %+v", set.Rotation)
	}
	off, err := c.DisableRotationPolicy(t.Context(), key.ID)
	must(t, err)
	if *off.Rotation.Enabled || off.Rotation.Interval != 3 {
		t.Errorf("a disabled policy: %+v", off.Rotation)
	}
	on, err := c.EnableRotationPolicy(t.Context(), key.ID)
	must(t, err)
	if !*on.Rotation.Enabled {
		t.Error("the policy is still off")
	}
	_, err = c.SetRotationPolicy(t.Context(), key.ID, 13)
	wantRefused(t, err, http.StatusBadRequest, "INVALID_FIELD_ERR")
	rotation, err := c.GetRotationPolicy(t.Context(), key.ID)
	must(t, err)
	if rotation.Rotation.Interval != 3 {
		t.Errorf("rotation %+v", rotation.Rotation)
	}
	both, err := c.SetPolicies(t.Context(), key.ID, true, 5, true, false)
	must(t, err)
	if len(both) != 2 {
		t.Errorf("%d policies, want 2", len(both))
	}
	dual, err := c.GetDualAuthDeletePolicy(t.Context(), key.ID)
	must(t, err)
	if *dual.DualAuth.Enabled {
		t.Error("dual authorization is on")
	}
	if one, err := c.GetPolicy(t.Context(), key.ID); err != nil || one.CreatedAt == nil || one.UpdatedAt == nil {
		t.Errorf("GetPolicy: %+v, %v", one, err)
	}
}

func TestPolicyOverrides(t *testing.T) {
	t.Parallel()
	c, _ := freshInstance(t)
	three, on, off := 3, true, false
	must(t, c.SetInstancePolicies(t.Context(), kp.MultiplePolicies{
		DualAuthDelete: &kp.BasicPolicyData{Enabled: true}, Rotation: &kp.RotationPolicyData{Enabled: true, IntervalMonth: &three},
	}))
	key := rootKey(t, c)
	rotation, err := c.GetRotationPolicy(t.Context(), key.ID)
	must(t, err)
	if rotation.Rotation.Interval != 3 {
		t.Errorf("the key's rotation policy is %+v, not the instance's", rotation.Rotation)
	}
	monthly := kp.Policy{Rotation: &kp.Rotation{Interval: 1}}
	dual := kp.Policy{DualAuth: &kp.DualAuth{Enabled: &on}}
	made := []struct {
		policies int
		create   func() (*kp.Key, error)
	}{
		{1, func() (*kp.Key, error) {
			return c.CreateRootKeyWithPolicyOverrides(t.Context(), "root", nil, nil, monthly)
		}},
		{0, func() (*kp.Key, error) {
			return c.CreateKeyWithPolicyOverrides(t.Context(), "bare", nil, false, nil, kp.Policy{})
		}},
		{1, func() (*kp.Key, error) {
			return c.CreateStandardKeyWithPolicyOverrides(t.Context(), "standard", nil, nil, dual)
		}},
		{1, func() (*kp.Key, error) {
			return c.CreateImportedRootKeyWithPolicyOverrides(t.Context(), "imported", nil, material(32), "", "", nil, dual)
		}},
		{1, func() (*kp.Key, error) {
			return c.CreateImportedStandardKeyWithPolicyOverrides(t.Context(), "imported", nil, material(9), nil, dual)
		}},
		{1, func() (*kp.Key, error) {
			return c.CreateImportedKeyWithPolicyOverrides(t.Context(), "imported", nil, material(16), "", "", false, nil, dual)
		}},
		{1, func() (*kp.Key, error) {
			return c.CreateKeyWithPolicyOverridesWithOptions(t.Context(), "described", false,
				kp.Policy{DualAuth: &kp.DualAuth{Enabled: &off}}, kp.WithDescription("by options"))
		}},
	}
	for i, m := range made {
		key, err := m.create()
		must(t, err)
		policies, err := c.GetPolicies(t.Context(), key.ID)
		must(t, err)
		if len(policies) != m.policies {
			t.Errorf("key %d has %d policies, want %d", i, len(policies), m.policies)
		}
	}
	_, err = c.CreateStandardKeyWithPolicyOverrides(t.Context(), "standard", nil, nil, monthly)
	wantRefused(t, err, http.StatusBadRequest, "KEY_ROOT_REQ_ERR")
	_, err = c.CreateRootKeyWithPolicyOverrides(t.Context(), "never", nil, nil, kp.Policy{Rotation: &kp.Rotation{}})
	wantRefused(t, err, http.StatusBadRequest, "INVALID_FIELD_ERR")
	_, err = c.CreateImportedKeyWithPolicyOverridesWithSHA1(t.Context(), "SHA-1", nil, material(32), "bm9uY2U=", "aXY=", false, nil, dual)
	wantRefused(t, err, http.StatusBadRequest, "INVALID_FIELD_ERR")
}

func TestInstancePolicies(t *testing.T) {
	t.Parallel()
	c, _ := freshInstance(t)
	none, err := c.GetInstancePolicies(t.Context())
	must(t, err)
	if len(none) != 0 {
		t.Errorf("a new instance has policies %+v", none)
	}
	must(t, c.SetDualAuthInstancePolicy(t.Context(), true))
	dual, err := c.GetDualAuthInstancePolicy(t.Context())
	must(t, err)
	if !*dual.PolicyData.Enabled || dual.UpdatedAt == nil {
		t.Errorf("dual authorization %+v", dual)
	}
	must(t, c.SetDualAuthInstancePolicy(t.Context(), false))
	six := 6
	must(t, c.SetRotationInstancePolicy(t.Context(), true, &six))
	rotation, err := c.GetRotationInstancePolicy(t.Context())
	must(t, err)
	if *rotation.PolicyData.Attributes.IntervalMonth != 6 {
		t.Errorf("rotation %+v", rotation.PolicyData.Attributes)
	}
	must(t, c.SetMetricsInstancePolicy(t.Context(), true))
	metrics, err := c.GetMetricsInstancePolicy(t.Context())
	must(t, err)
	if !*metrics.PolicyData.Enabled {
		t.Error("metrics are off")
	}
	must(t, c.SetAllowedNetworkInstancePolicy(t.Context(), true, "public-and-private"))
	must(t, c.SetAllowedNetworkInstancePolicy(t.Context(), false, "public-and-private"))
	network, err := c.GetAllowedNetworkInstancePolicy(t.Context())
	must(t, err)
	if *network.PolicyData.Enabled {
		t.Error("the network is restricted")
	}
	must(t, c.SetAllowedIPInstancePolicy(t.Context(), true, []string{"127.0.0.0/8", "::1/128"}))
	addresses, err := c.GetAllowedIPInstancePolicy(t.Context())
	must(t, err)
	if len(*addresses.PolicyData.Attributes.AllowedIP) != 2 {
		t.Errorf("addresses %+v", addresses.PolicyData.Attributes)
	}
	if port, err := c.GetAllowedIPPrivateNetworkPort(t.Context()); err != nil || port == 0 {
		t.Errorf("port %d, %v", port, err)
	}
	must(t, c.SetAllowedIPInstancePolicy(t.Context(), true, []string{"192.0.2.0/24"}))
	_, err = c.GetKeys(t.Context(), 1, 0)
	wantNoAccess(t, err)
}

func TestKeyCreateImportAccess(t *testing.T) {
	t.Parallel()
	c, _ := freshInstance(t)
	must(t, c.SetKeyCreateImportAccessInstancePolicy(t.Context(), true, map[string]bool{kp.CreateStandardKey: false, kp.EnforceToken: true}))
	access, err := c.GetKeyCreateImportAccessInstancePolicy(t.Context())
	must(t, err)
	if a := access.PolicyData.Attributes; *a.CreateStandardKey || !*a.EnforceToken || !*a.CreateRootKey {
		t.Errorf("attributes %+v", a)
	}
	_, err = c.CreateStandardKey(t.Context(), "standard", nil)
	wantRefused(t, err, http.StatusConflict, "KEY_CREATE_IMPORT_ACCESS_ERR")
	_, err = c.CreateImportedRootKey(t.Context(), "in the clear", nil, material(32), "", "")
	wantRefused(t, err, http.StatusConflict, "KEY_CREATE_IMPORT_ACCESS_ERR")
	rootKey(t, c)
	must(t, c.SetKeyCreateImportAccessInstancePolicy(t.Context(), false, nil))
	_, err = c.CreateStandardKey(t.Context(), "standard", nil)
	must(t, err)
}
