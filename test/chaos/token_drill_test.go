//go:build cgo && pkcs11

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"strongroom/custody/pkcs11/softhsm"
	"strongroom/test/process"
)

// useToken makes a token, and a configuration that names it beside the embedded module.
func useToken(t *testing.T, place *process.Place, module string) {
	t.Helper()
	token, err := softhsm.New(t.TempDir(), "drill")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(softhsm.ConfigVariable, token.Config())
	config := filepath.Join(filepath.Dir(place.Data), "strongroom.yaml")
	text := fmt.Sprintf("custody:\n  module: %s\n  modules:\n    - name: token\n      pkcs11: {library: %s, token: drill, pin_file: %s}\n",
		module, token.Library, token.PINFile)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	place.Args = []string{"--config", config}
}

// TestKeysMoveToATokenAndOutliveIt brings the keys of a working server into a token while the server
// is used and killed, divides a recovery key, loses the token, and brings every key into a new one.
func TestKeysMoveToATokenAndOutliveIt(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	place := process.NewPlace(t, process.Build(t, "pkcs11"))
	useToken(t, &place, "software")
	shares := filepath.Join(t.TempDir(), "shares")
	strongroom := func(args ...string) {
		t.Helper()
		args = append(args, append([]string{"--data", place.Data}, place.Args...)...)
		if out, err := exec.Command(place.Binary, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}

	book := newLedger()
	server := place.Start(t)
	token := server.Token(t)
	c := newCaller(t, server, token)
	fill(t, c, book, r, 50)
	work(t, c, book, r, 4, func() {
		a, err := c.do(t.Context(), http.MethodPost, "/strongroom/v1/custody/migrations", map[string]any{"module": "token"})
		if err != nil || a.status != http.StatusCreated {
			t.Errorf("migration: %d %s (%v)", a.status, a.body, err)
		}
		time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
		server.Kill()
	})
	server = place.Start(t)
	c = newCaller(t, server, token)
	retireAll(t, c)
	compare(t, c, book, r, -1)
	server.Stop(t)

	strongroom("custody", "rotate", "--shares", "3", "--threshold", "2", "--out", shares)
	server = place.Start(t)
	c = newCaller(t, server, token)
	retireAll(t, c)
	fill(t, c, book, r, 10)
	server.Stop(t)

	useToken(t, &place, "token") // the old one is lost
	strongroom("custody", "recover", "--share", shares, "--recovery=none")
	server = place.Start(t)
	c = newCaller(t, server, token)
	compare(t, c, book, r, -1)
	fill(t, c, book, r, 5)
	compare(t, c, book, r, -1)
	for _, g := range c.custody(t).Generations {
		if (g.State == "current") != (g.Number == 4) || (g.State == "lost") != (g.Number == 3) {
			t.Errorf("generation %d is %s", g.Number, g.State)
		}
	}
	server.Stop(t)
}
