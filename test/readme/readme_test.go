package readme_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"strongroom/test/process"
)

// TestWalk runs the shell blocks of the README's five minutes, in order, in one
// shell that stops at the first failure. It stands where a reader stands: in a
// folder with bin/strongroom, and with a server on data.
func TestWalk(t *testing.T) {
	blocks := shellBlocks(t, filepath.Join("..", "..", "README.md"), "## Five minutes")
	if len(blocks) < 5 {
		t.Fatalf("found %d shell blocks in the README", len(blocks))
	}
	home := t.TempDir()
	binary := filepath.Join(home, "bin", "strongroom")
	if err := os.Mkdir(filepath.Dir(binary), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(process.Build(t), binary); err != nil {
		t.Fatal(err)
	}
	place := process.Place{Binary: binary, Data: filepath.Join(home, "data"), Log: filepath.Join(home, "server.log")}
	server := place.Start(t)

	// "! command" is exempt from set -e, so that a walk that shows a refusal
	// would also pass without one: it is turned into a condition.
	expected := regexp.MustCompile(`(?m)^! (.*)$`)
	script := "set -euo pipefail\nset -x\n" +
		expected.ReplaceAllString(strings.Join(blocks, "\n"), "if $1; then echo 'it was allowed'; exit 1; fi")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the walk does not work: %v\n%s", err, out)
	}
	if !strings.HasSuffix(string(out), "secret data key") {
		t.Errorf("the walk does not end with the data key that was unwrapped:\n%s", out)
	}
	server.Stop(t)
}

// shellBlocks returns the blocks marked sh of one section of a Markdown file.
func shellBlocks(t *testing.T, file, section string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", file, section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)\n```sh\n(.*?)\n```").FindAllStringSubmatch(rest, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}
