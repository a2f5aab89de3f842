package chaos_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	var found []string
	for name, secret := range secrets {
		for _, n := range needles(secret) {
			if bytes.Contains(text, n.bytes) {
				found = append(found, fmt.Sprintf("%s: %s, %s", where, name, n.form))
			}
		}
	}
	return found
}

// searchTree searches every file below a folder.
func searchTree(t *testing.T, secrets map[string][]byte, root string) (found []string, files int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		found = append(found, search(secrets, path, text)...)
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
