package start_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"strongroom/test/process"
)

// TestKeyServiceNeedsNoOtherAlgorithms runs server and command line with GODEBUG=fips140=only, where
// whatever Go knows not to be approved by FIPS 140-3 panics or returns an error. docs/operating.md
// lists what is outside of that.
func TestKeyServiceNeedsNoOtherAlgorithms(t *testing.T) {
	place := process.NewPlace(t, process.Build(t))
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	passphrase := file("passphrase", []byte("correct horse battery staple\n"))
	place.Args = []string{"--config", file("config.yaml", []byte("custody:\n  passphrase_file: "+passphrase+"\n"))}
	t.Setenv("GODEBUG", "fips140=only")
	server := place.Start(t)

	var version struct {
		Client struct{ FIPS140 struct{ Mode, Module string } }
		Server struct {
			FIPS140 struct{ Mode, Module string }
			Custody struct{ Kind, Module, Protection string }
		}
	}
	if err := json.Unmarshal([]byte(run(t, server, 0, "version", "--output", "json")), &version); err != nil {
		t.Fatal(err)
	}
	if c, s := version.Client.FIPS140, version.Server.FIPS140; c.Mode != "only" || s.Mode != "only" || c.Module == "" || s.Module == "" {
		t.Errorf("FIPS 140-3 module of the client %+v, of the server %+v", c, s)
	}
	if c := version.Server.Custody; c.Kind != "software" || c.Module != "software" || c.Protection != "passphrase" {
		t.Errorf("keys are in %+v", c)
	}

	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	plaintext := file("data.key", secret)
	wrapped, again, opened := filepath.Join(dir, "wrapped"), filepath.Join(dir, "wrapped-again"), filepath.Join(dir, "opened")
	opens := func(server *process.Server, wrapped string) {
		t.Helper()
		run(t, server, 0, "key", "unwrap", "payments", "--ciphertext-file", wrapped, "--aad", "tenant-7", "--out", opened)
		if got, err := os.ReadFile(opened); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("unwrapped to another data key, %v", err)
		}
		if err := os.Remove(opened); err != nil {
			t.Fatal(err)
		}
	}
	run(t, server, 0, "key", "create", "payments")
	run(t, server, 0, "key", "wrap", "payments", "--plaintext-file", plaintext, "--aad", "tenant-7", "--out", wrapped)
	run(t, server, 0, "key", "rotate", "payments")
	run(t, server, 0, "key", "rewrap", "payments", "--ciphertext-file", wrapped, "--aad", "tenant-7", "--out", again)
	run(t, server, 0, "key", "import", "plain", "--material-file", plaintext)
	run(t, server, 0, "key", "import", "secure", "--secure", "--material-file", plaintext)
	run(t, server, 0, "audit", "verify")
	opens(server, wrapped)
	server.Stop(t)

	server = place.Start(t) // the passphrase opens the masters again
	opens(server, again)
	server.Stop(t)
}
