package software_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/custody/software"
)

// wrapRecord is one of NIST's vectors for key wrap.
type wrapRecord struct {
	kek, key, wrapped []byte
	fail              bool // the wrapped key must not open
}

// readWraps reads a file of NIST's validation program for key wrap.
func readWraps(t *testing.T, path string) []wrapRecord {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var records []wrapRecord
	for block := range strings.SplitSeq(string(data), "\n\n") {
		var r wrapRecord
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			name, value, _ := strings.Cut(line, " = ")
			field := map[string]*[]byte{"K": &r.kek, "P": &r.key, "C": &r.wrapped}[name]
			switch {
			case line == "FAIL":
				r.fail = true
			case field != nil:
				if *field, err = hex.DecodeString(value); err != nil {
					t.Fatalf("%s: %s: %v", path, line, err)
				}
			}
		}
		if r.kek != nil {
			records = append(records, r)
		}
	}
	return records
}

func TestCAVPKeyWrap(t *testing.T) {
	for _, c := range []struct {
		path   string
		wrap   func(kek, key []byte) []byte
		unwrap func(kek, wrapped []byte) ([]byte, error)
		ran    int
	}{
		{"testdata/cavp-kw.txt", software.WrapKey, software.UnwrapKey, 10},
		{"testdata/cavp-kwp.txt", software.WrapPadded, software.UnwrapPadded, 10},
	} {
		records := readWraps(t, c.path)
		for i, v := range records {
			got, err := c.unwrap(v.kek, v.wrapped)
			if v.fail {
				if !errors.Is(err, custody.ErrUnreadable) {
					t.Errorf("%s: %d: %v, want ErrUnreadable", c.path, i, err)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, v.key) {
				t.Errorf("%s: %d: unwrapped to %x, %v, want %x", c.path, i, got, err, v.key)
			}
			if got := c.wrap(v.kek, v.key); !bytes.Equal(got, v.wrapped) {
				t.Errorf("%s: %d: wrapped to %x, want %x", c.path, i, got, v.wrapped)
			}
			for at := range v.wrapped {
				changed := bytes.Clone(v.wrapped)
				changed[at] ^= 1
				if _, err := c.unwrap(v.kek, changed); !errors.Is(err, custody.ErrUnreadable) {
					t.Errorf("%s: %d: byte %d changed: %v, want ErrUnreadable", c.path, i, at, err)
				}
			}
		}
		if len(records) != c.ran {
			t.Errorf("%s: %d vectors ran, want %d", c.path, len(records), c.ran)
		}
	}
}
