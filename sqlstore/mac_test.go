package sqlstore_test

import (
	"encoding/hex"
	"testing"
	"time"
)

// TestRowMACsStay compares a MAC with one that was computed elsewhere: those of rows that are stored
// must go on to match.
func TestRowMACsStay(t *testing.T) {
	db, _ := fresh(t)
	const want = "58d34facc3613280c14c40fa8a77963480bdd2c44a63e3e64d1105f1e3203675"
	for range 2 { // the second is computed by what is left of the first
		mac := db.Sum("table", "text", []byte{1, 2}, int64(-5), 7, true, false, time.UnixMicro(1_782_900_000_123_456), []byte(nil))
		if got := hex.EncodeToString(mac); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		db.Sum("another", "longer text than the first")
	}
}
