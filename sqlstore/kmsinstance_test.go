package sqlstore_test

import (
	"testing"

	"strongroom/kms"
)

// TestDestroyedInstanceLeavesNoRow looks into every table, also those to come. That it was destroyed
// is all that is kept.
func TestDestroyedInstanceLeavesNoRow(t *testing.T) {
	db, keys, k, v := keyStore(t)
	for _, err := range []error{
		keys.InsertRing(t.Context(), k.Instance, kms.Ring{ID: "team-a", Created: k.Created}, 10, 1, keyEvent()),
		keys.InsertKey(t.Context(), k, v, 1, keyEvent()),
		keys.InsertRegistration(t.Context(), kms.Registration{
			Instance: k.Instance, Key: k.ID, Resource: "crn", Version: k.Newest, Created: k.Created, Updated: k.Created, Revision: 1,
		}, 1, keyEvent()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before, err := db.RowsOf(t.Context(), string(k.Instance))
	if err != nil || before["keys"] != 1 || before["key_names"] != 1 || before["key_rings"] != 1 || before["key_registrations"] != 1 {
		t.Fatalf("%v, %v", before, err)
	}
	if err := keys.DestroyInstance(t.Context(), k.Instance); err != nil {
		t.Fatal(err)
	}
	after, err := db.RowsOf(t.Context(), string(k.Instance))
	if err != nil {
		t.Fatal(err)
	}
	if after["purged_keys"] != 1 {
		t.Errorf("%d rows tell that the instance was destroyed", after["purged_keys"])
	}
	delete(after, "purged_keys")
	for table, n := range after {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}
