package custody_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"strongroom/custody"
)

// readCAVP reads a file of NIST's validation program: records of "name = hexadecimal" lines, divided by
// empty lines.
func readCAVP(t *testing.T, path string) []map[string][]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var records []map[string][]byte
	for block := range strings.SplitSeq(string(data), "\n\n") {
		record := map[string][]byte{}
		for line := range strings.Lines(block) {
			name, value, found := strings.Cut(strings.TrimSpace(line), "=")
			if !found || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
				continue
			}
			b, err := hex.DecodeString(strings.TrimSpace(value))
			if err != nil {
				t.Fatalf("%s: %s: %v", path, line, err)
			}
			record[strings.TrimSpace(name)] = b
		}
		if len(record) > 0 {
			records = append(records, record)
		}
	}
	return records
}

// TestCAVPGCM opens what NIST sealed, and what it sealed with a bit changed.
func TestCAVPGCM(t *testing.T) {
	records := readCAVP(t, "testdata/cavp-gcm.txt")
	for i, v := range records {
		box := custody.Box{Nonce: [12]byte(v["IV"]), Ciphertext: append(v["CT"], v["Tag"]...)}
		got, err := custody.OpenGCM(v["Key"], box)
		if err != nil || !bytes.Equal(got.Reveal(), v["PT"]) {
			t.Errorf("%d: opened to %x, %v, want %x", i, got.Reveal(), err, v["PT"])
		}
		for at := range box.Ciphertext {
			box.Ciphertext[at] ^= 1
			if _, err := custody.OpenGCM(v["Key"], box); err == nil {
				t.Errorf("%d: opened with byte %d changed", i, at)
			}
			box.Ciphertext[at] ^= 1
		}
	}
	if len(records) != 6 {
		t.Errorf("%d vectors ran, want 6", len(records))
	}
}
