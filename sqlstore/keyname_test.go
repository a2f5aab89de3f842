package sqlstore_test

import (
	"bytes"
	"testing"

	"github.com/google/uuid"

	"strongroom/kms"
	"strongroom/sqlstore"
)

// TestPackKeepsItsOrder adds, replaces and removes entries.
func TestPackKeepsItsOrder(t *testing.T) {
	var pack []byte
	var err error
	ids := []kms.KeyID{}
	for range 50 {
		ids = append(ids, kms.KeyID(uuid.NewString()))
	}
	for _, with := range []bool{true, true, false} {
		for _, id := range ids {
			if pack, err = sqlstore.Repack(pack, kms.Key{ID: id, Name: "name", Ring: "ring"}, with); err != nil {
				t.Fatal(err)
			}
		}
		packed, err := sqlstore.PackedIDs(pack)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if with {
			want = len(ids)
		}
		if len(packed) != want {
			t.Errorf("%d keys are packed, want %d", len(packed), want)
		}
		for i := 1; i < len(packed); i++ {
			if bytes.Compare(packed[i-1][:], packed[i][:]) >= 0 {
				t.Errorf("%s comes before %s", packed[i-1], packed[i])
			}
		}
	}
}

// FuzzPack reads what an intruder may have written.
func FuzzPack(f *testing.F) {
	pack, err := sqlstore.Repack(nil, kms.Key{ID: "11111111-0000-4000-8000-000000000000", Name: "name", Aliases: []string{"alias"}}, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pack)
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, pack []byte) {
		ids, err := sqlstore.PackedIDs(pack)
		if err == nil && len(ids)*18 > len(pack) {
			t.Errorf("%d keys in %d bytes", len(ids), len(pack))
		}
	})
}
