package software_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strongroom/custody/software"
)

// TestHardenProcess hardens a child, as it cannot be undone.
func TestHardenProcess(t *testing.T) {
	const child = "STRONGROOM_TEST_HARDEN"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHardenProcess$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestHardenProcess") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := software.HardenProcess(); err != nil {
		t.Fatal(err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		t.Errorf("dumpable = %d, %v", dumpable, err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core != (unix.Rlimit{}) {
		t.Errorf("limit of core dumps = %+v, %v", core, err)
	}
}

func TestMastersAreLockedAndNotDumped(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < uint64(os.Getpagesize()) {
		t.Skip("the limit on locked memory allows none")
	}
	before := hiddenMappings(t)
	m := create(t, keyFileOptions(t))
	if got := hiddenMappings(t); got != before+1 {
		t.Errorf("%d mappings are locked and left out of dumps, want %d", got, before+1)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := hiddenMappings(t); got != before {
		t.Errorf("%d such mappings after Close, want %d", got, before)
	}
}

// hiddenMappings counts the mappings of this process that are locked and left out of core dumps.
func hiddenMappings(t *testing.T) int {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(smaps)) {
		if strings.HasPrefix(line, "VmFlags:") && strings.Contains(line, " lo ") && strings.Contains(line, " dd ") {
			n++
		}
	}
	return n
}
