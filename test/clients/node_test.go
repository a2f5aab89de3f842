package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// oldestNode is the oldest Node that the clients of today run on.
const oldestNode = 18

// TestNodeClients runs programs that call every operation of IBM's Node clients.
func TestNodeClients(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("node", "--version").Output()
	if err != nil {
		t.Fatalf("Node is needed; \"make setup\" says how: %v", err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		t.Fatalf("Node %s is too old, want %d or later", out, oldestNode)
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules")); err != nil {
		t.Fatalf("the clients are not installed; \"make setup\" installs them: %v", err)
	}
	for _, program := range []string{"keyprotect.js", "cos.js"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			run := exec.CommandContext(t.Context(), "node", program)
			run.Dir = "node"
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			} else {
				t.Logf("%s", out)
			}
		})
	}
}
