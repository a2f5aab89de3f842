package sqlstore_test

import (
	"testing"

	"strongroom/iam"
	"strongroom/resource"
)

// TestForgedResourceKeyIsAnError changes whose a key is, where it is and what is
// removed with it: each would let somebody see its secrets who may not.
func TestForgedResourceKeyIsAnError(t *testing.T) {
	const other = "fedcba9876543210fedcba9876543210"
	for name, forge := range map[string]string{
		"other account":  `UPDATE resource_keys SET account = '` + other + `'`,
		"other instance": `UPDATE resource_keys SET instance = 'two'`,
		"other state":    `UPDATE resource_keys SET state = 'removing'`,
		"other role":     `UPDATE resource_keys SET role = 'Manager'`,
		"other identity": `UPDATE resource_keys SET service_id = 'ServiceId-2'`,
		"other secrets":  `UPDATE resource_keys SET sealed = x'00'`,
		"shown again":    `UPDATE resource_keys SET onetime = FALSE`,
		"moved instance": `UPDATE instances SET resource_group = 'mine'`,
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := fresh(t)
			s := db.Resources()
			by := resource.Stamp{At: created, By: "IBMid-1"}
			for _, id := range []resource.InstanceID{"one", "two"} {
				if err := db.Forge(t.Context(), `INSERT INTO instances (guid, account, service, plan, region, resource_group,
					name, state, locked, allow_cleanup, onetime, parameters, plans, last_operation, created_at, created_by,
					updated_at, updated_by, deleted_at, deleted_by, restored_at, restored_by, reclaim_at, reclaim_by, revision, mac)
					VALUES ($1, $2, 'kms', '', 'us-south', 'group', 'keys', 'active', FALSE, FALSE, FALSE, x'', x'', '',
					0, '', 0, '', 0, '', 0, '', 0, '', 1, x'')`, string(id), string(tenant)); err != nil {
					t.Fatal(err)
				}
			}
			k := resource.Key{
				ID: "k", Account: tenant, Instance: "one", Name: "name", State: resource.KeyPending, Role: "Reader",
				ServiceID: "ServiceId-1", OwnsService: true, APIKey: "ApiKey-1", Policy: "p", Onetime: true, Created: by, Updated: by, Revision: 1,
				Service: "kms", Region: "us-south", ResourceGroup: "group",
			}
			act := resource.Act{ID: "act", Kind: "key.create", Subject: "k", Body: []byte("{}"), Attempts: 1, Created: created, Updated: created}
			if err := s.CreateKey(t.Context(), k, act); err != nil {
				t.Fatal(err)
			}
			k.State, k.Sealed = resource.KeyActive, []byte("sealed")
			if err := s.FinishKey(t.Context(), k, act, nil); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Key(t.Context(), "k"); err != nil || got.Revision != 2 || got.State != resource.KeyActive {
				t.Fatalf("the key is %+v, %v", got, err)
			}
			if err := db.Forge(t.Context(), forge); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Key(t.Context(), "k"); err == nil {
				t.Error("the forged row was read")
			}
			for _, account := range []iam.AccountID{tenant, other} {
				list, err := s.Keys(t.Context(), account, resource.KeyFilter{}, resource.Page{Limit: 10})
				if err == nil && len(list) > 0 {
					t.Error("the forged row was listed")
				}
			}
		})
	}
}
