//go:build cgo && pkcs11

package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"strongroom/custody/pkcs11/softhsm"
)

// TestCustodyScripts runs testdata/pkcs11: what people type who keep keys in a token. "token LABEL"
// makes one, and sets LIBRARY and PIN_FILE.
func TestCustodyScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/pkcs11",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"token": makeToken,
			"code":  wantCode,
		},
	})
}

func makeToken(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: token LABEL")
	}
	dir := ts.MkAbs("token-" + args[0])
	ts.Check(os.Mkdir(dir, 0o700))
	token, err := softhsm.New(dir, args[0])
	ts.Check(err)
	ts.Setenv("LIBRARY", token.Library)
	ts.Setenv("PIN_FILE", token.PINFile)
	ts.Setenv(softhsm.ConfigVariable, token.Config())
}
