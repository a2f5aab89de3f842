package software_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestModuleNeedsNoOtherAlgorithms runs the suite, and what a passphrase does, in a child where
// algorithms that FIPS 140-3 does not approve panic or return an error.
func TestModuleNeedsNoOtherAlgorithms(t *testing.T) {
	if strings.Contains(os.Getenv("GODEBUG"), "fips140=only") {
		t.Skip("this is the child")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^(TestModule|TestPassphraseOpensTheModule)$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestModule ") || !strings.Contains(string(out), "--- PASS: TestPassphraseOpensTheModule ") {
		t.Fatalf("%v\n%s", err, out)
	}
}
