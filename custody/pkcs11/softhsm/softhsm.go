// Package softhsm makes tokens of SoftHSM 2 for tests and benchmarks, each in a folder of its own.
// Nobody should keep keys in them: whoever reads the folder and guesses the PIN has them.
package softhsm

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Token is a token of SoftHSM.
type Token struct {
	Library string // path of SoftHSM's PKCS#11 library
	Label   string
	PINFile string
	Folder  string // that holds the token: moving it away is pulling the token

	config string
}

// ConfigVariable is the environment variable that SoftHSM finds its configuration by. Who starts a
// process that uses a token sets it to the value that Config returns.
const ConfigVariable = "SOFTHSM2_CONF"

// Config returns the path of SoftHSM's configuration for this token alone.
func (t *Token) Config() string { return t.config }

// libraries are where distributions put SoftHSM.
var libraries = [...]string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib64/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",
}

// Library returns the path of SoftHSM's library, or an error that tells how to get it.
func Library() (string, error) {
	for _, path := range libraries {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("SoftHSM is not installed (package softhsm2); looked for it at %q", libraries)
}

// New makes a token with that label in dir, which exists and is empty, with a PIN that it draws.
func New(dir, label string) (*Token, error) {
	library, err := Library()
	if err != nil {
		return nil, err
	}
	t := &Token{
		Library: library, Label: label, PINFile: filepath.Join(dir, "pin"),
		Folder: filepath.Join(dir, "tokens"), config: filepath.Join(dir, "softhsm2.conf"),
	}
	pin := rand.Text()
	if err := os.Mkdir(t.Folder, 0o700); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", t.Folder)
	if err := os.WriteFile(t.config, []byte(config), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(t.PINFile, []byte(pin+"\n"), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("softhsm2-util", "--init-token", "--free", "--label", t.Label, "--pin", pin, "--so-pin", rand.Text())
	cmd.Env = append(os.Environ(), ConfigVariable+"="+t.config)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a token: %w: %s", err, bytes.TrimSpace(out))
	}
	return t, nil
}
