//go:build cgo && pkcs11

package chaos_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ground "strongroom/custody"
	"strongroom/custody/pkcs11/softhsm"
	"strongroom/test/process"
)

// TestATokenLeavesNoKeyBytesBehind is TestNoKeyBytesAreLeftBehind of a server
// whose masters are in a token. What came under an import token must not even be
// in the memory of that server, while it wraps with it.
func TestATokenLeavesNoKeyBytesBehind(t *testing.T) {
	place := process.NewPlace(t, process.Build(t, "pkcs11"))
	dir := t.TempDir() // as far from the server's folder as a token is
	token, err := softhsm.New(dir, "scan")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(softhsm.ConfigVariable, token.Config())
	config := filepath.Join(filepath.Dir(place.Data), "strongroom.yaml")
	text := fmt.Sprintf("custody:\n  module: token\n  modules:\n    - name: token\n      pkcs11:\n        library: %s\n        token: scan\n        pin_file: %s\n",
		token.Library, token.PINFile)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	place.Args = []string{"--config", config}
	server := place.Start(t)
	s := &scan{t: t, caller: newCaller(t, server, server.Token(t)), secrets: map[string][]byte{}}
	s.use()

	material := ground.RandomSecret(32)
	hidden := map[string][]byte{"securely imported root key": material.Reveal()}
	key := s.importSecurely(material)
	for range 3 {
		s.wrapAndUnwrap(key, "data key under a securely imported key")
		found, seen := searchMemory(t, hidden, server.PID())
		for _, f := range found {
			t.Error(f)
		}
		if seen < 1<<20 {
			t.Fatalf("saw only %d bytes of the server's memory", seen)
		}
	}
	// What the server must know for a moment shows that the search sees it.
	wanted, seen := map[string][]byte{"access token": []byte(s.caller.token)}, false
	for range 10 { // it may be forgotten again at any time
		s.must(http.MethodGet, key, nil, nil)
		if found, _ := searchMemory(t, wanted, server.PID()); len(found) > 0 {
			seen = true
			break
		}
	}
	if !seen {
		t.Error("the search does not even find the caller's token")
	}
	s.secrets["securely imported root key"] = material.Reveal()
	s.finish(server)
}

// searchMemory searches what a process can write to, and returns how many bytes that were.
func searchMemory(t *testing.T, secrets map[string][]byte, pid int) (found []string, seen int) {
	t.Helper()
	areas, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer areas.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
		t.Skip("only root can read the memory of a process that is not dumpable")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	const chunk, overlap = 1 << 20, 4 << 10
	buf := make([]byte, chunk+overlap)
	lines := bufio.NewScanner(areas)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), " rw") {
			continue // a key is written before it is read
		}
		var from, to int64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); err != nil {
			t.Fatal(err)
		}
		for at := from; at < to; at += chunk {
			n, _ := memory.ReadAt(buf[:min(int64(len(buf)), to-at)], at) // some areas cannot be read
			seen += n
			found = append(found, search(secrets, fmt.Sprintf("memory at %x", at), buf[:n])...)
		}
	}
	return found, seen
}
