package chaos_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needle is one form in which a secret might have been written down.
type needle struct {
	form  string
	bytes []byte
}

// needles lists the forms of a secret: as it is, hexadecimal, and base64 in both
// alphabets, at each of the three positions that it can have in a longer text.
func needles(secret []byte) []needle {
	hexed := hex.EncodeToString(secret)
	all := []needle{
		{"raw", secret},
		{"hexadecimal", []byte(hexed)},
		{"upper hexadecimal", []byte(strings.ToUpper(hexed))},
	}
	for name, encoding := range map[string]*base64.Encoding{
		"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding,
	} {
		for shift := range 3 {
			text := encoding.EncodeToString(append(make([]byte, shift), secret...))
			// The first and last characters also depend on the bytes around.
			from := (shift*8 + 5) / 6
			to := (shift + len(secret)) * 8 / 6
			all = append(all, needle{fmt.Sprintf("%s shifted by %d", name, shift), []byte(text[from:to])})
		}
	}
	return all
}

// search returns where a secret of any form stands in text.
func search(secrets map[string][]byte, where string, text []byte) []string {
	return newHaystack(secrets).search(where, text)
}

// haystack finds many needles in one pass. What they begin with is looked up at every place of a text.
type haystack struct {
	maybe [1 << 16]bool // by the first two bytes
	lists map[[prefix]byte][]named
}

// named is a needle of a secret that has a name.
type named struct {
	needle
	of string
}

// prefix is shorter than every needle.
const prefix = 8

func newHaystack(secrets map[string][]byte) *haystack {
	h := &haystack{lists: map[[prefix]byte][]named{}}
	for name, secret := range secrets {
		for _, n := range needles(secret) {
			h.maybe[uint16(n.bytes[0])<<8|uint16(n.bytes[1])] = true
			h.lists[[prefix]byte(n.bytes)] = append(h.lists[[prefix]byte(n.bytes)], named{n, name})
		}
	}
	return h
}

// search returns each needle that stands in text, once.
func (h *haystack) search(where string, text []byte) (found []string) {
	for i := 0; i+prefix <= len(text); i++ {
		if !h.maybe[uint16(text[i])<<8|uint16(text[i+1])] {
			continue
		}
		for _, n := range h.lists[[prefix]byte(text[i:])] {
			hit := fmt.Sprintf("%s: %s, %s", where, n.of, n.form)
			if bytes.HasPrefix(text[i:], n.bytes) && !slices.Contains(found, hit) {
				found = append(found, hit)
			}
		}
	}
	return found
}

// searchTree searches every file below a folder.
func searchTree(t *testing.T, secrets map[string][]byte, root string) (found []string, files int) {
	t.Helper()
	hay := newHaystack(secrets)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		found = append(found, hay.search(path, text)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, files
}

// TestSearchFindsEveryForm shows that the search can find what it looks for.
func TestSearchFindsEveryForm(t *testing.T) {
	secret := []byte("\xfb\xff\xbe 16 bytes+ \x00\xff")
	secrets := map[string][]byte{"the secret": secret}
	for name, text := range map[string]string{
		"raw":       string(secret),
		"hex":       hex.EncodeToString(secret),
		"HEX":       strings.ToUpper(hex.EncodeToString(secret)),
		"base64":    base64.StdEncoding.EncodeToString(secret),
		"base64url": base64.URLEncoding.EncodeToString(secret),
		"shifted 1": base64.StdEncoding.EncodeToString([]byte("x" + string(secret) + "yz")),
		"shifted 2": base64.RawURLEncoding.EncodeToString([]byte("xy" + string(secret) + "z")),
		"nested":    base64.StdEncoding.EncodeToString([]byte(`{"payload":"` + string(secret) + `"}`)),
	} {
		if len(search(secrets, name, []byte("before "+text+" after"))) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if found := search(secrets, "other", []byte("something else")); len(found) > 0 {
		t.Errorf("found where it is not: %v", found)
	}
}
