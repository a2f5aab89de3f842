package sqlstore_test

import (
	"strings"
	"testing"
	"time"

	"strongroom/kms"
	"strongroom/sqlstore"
)

// TestWhatIsDueIsFoundInItsIndex keeps the clock from looking at every key at each turn.
func TestWhatIsDueIsFoundInItsIndex(t *testing.T) {
	db, keys, k, v := keyStore(t)
	k.Expires = k.Created.Add(time.Hour)
	wantNil(t, keys.InsertKey(t.Context(), k, v, 1, nil))
	for due, index := range map[kms.Due]string{
		kms.DueExpiry: "keys_expiring", kms.DueRotation: "keys_rotating", kms.DuePurge: "keys_deleted",
	} {
		if plan := sqlstore.PlanOfDueKeys(t, db, due); !strings.Contains(plan, index+" ") || strings.Contains(plan, "B-TREE") || strings.Contains(plan, "SCAN") {
			t.Errorf("%d: %s", due, plan)
		}
	}
	found, err := keys.DueKeys(t.Context(), kms.DueExpiry, k.Expires, kms.DueKey{}, 10)
	wantNil(t, err)
	want := kms.DueKey{At: k.Expires, Instance: k.Instance, Key: k.ID}
	if len(found) != 1 || found[0] != want {
		t.Errorf("%+v", found)
	}
	for _, c := range []struct {
		until time.Time
		after kms.DueKey
	}{{k.Expires.Add(-time.Microsecond), kms.DueKey{}}, {k.Expires, want}} {
		if found, err := keys.DueKeys(t.Context(), kms.DueExpiry, c.until, c.after, 10); err != nil || len(found) != 0 {
			t.Errorf("%+v, %v", found, err)
		}
	}
}

func wantNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
